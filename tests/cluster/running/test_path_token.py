"""Paths with a token at a real API server: they are registered, secret, and change without the loss of a pod."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from certs.pathtokens import KEY, parse_tokens, render_tokens, tokens_in
from certs.store import StoreError
from tests.cluster.rig.certificates import connect_with
from tests.cluster.rig.deployments import SOME, Deployment, deployed, streaming
from tests.cluster.rig.installation import NAMESPACE
from tests.cluster.rig.registered import (
    READ,
    REGISTER,
    account,
    cluster,
    create,
    hooks,
    is_in_order,
    network,
    registering,
    run_webhooks,
)
from tests.cluster.rig.replicas import Replica
from tests.cluster.rig.streamworlds import CONFIGURATION, INJECTION, RealWorld, review_of
from tests.e2e.process import Unanswered
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from webhook.kube.singleobjects import KubeSecret
from webhook.registration.pathmigration import PROBES

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]


MOVED_WITHIN_S = 200.0


def registered(api: RealApiServer) -> frozenset[str]:
    """Return the tokens of our webhooks; "" for a plain path."""
    found = [api.must("GET", path) for path in (INJECTION, CONFIGURATION)]
    hooks = [hook for value in found for hook in value.get("webhooks", []) if hook["name"] not in PROBES]
    return tokens_in([{"webhooks": hooks}])


def store_of(api: RealApiServer) -> KubeSecret:
    return KubeSecret(connect_with(api.admin_kubeconfig), NAMESPACE, "nadmit-tls")


def test_only_the_api_server_knows_the_path(real_api: RealApiServer, tmp_path: Path) -> None:
    """Certificates and tokens are in one directory, and no output of the program contains a token."""
    with cluster(real_api) as api, registering(tmp_path / "certs", account(api, READ + REGISTER)) as server:
        wait_until(lambda: is_in_order(server))
        wait_until(lambda: create(api, network("bad", plugin="../x"), "--dry-run=server").returncode != 0)
        (path,) = {urlsplit(hook["clientConfig"]["url"]).path for hook in hooks(api).values()}
        token = path.removeprefix("/validate/")
        assert token == json.loads((tmp_path / "certs" / KEY).read_bytes())["current"]
        body = json.dumps(review_of("lan")).encode()
        assert server.post(body, path)["uid"]
        for wrong in ("/validate", "/mutate", f"{path}x", "/"):
            with pytest.raises(Unanswered, match="404"):
                server.post(body, wrong)
        said = [server.get("/metrics")[1], server.get("/configz")[1]]
        status = run_webhooks(api, "status")
        assert status.exit_code == 0, status.output
        assert "/validate/..." in status.output
        wait_until(lambda: run_webhooks(api, "stage", "Fail").exit_code == 0)
        said += [status.output, run_webhooks(api, "show").output]
    assert token not in "".join([*said, server.errors, json.dumps(server.lines)])
    assert 'nadmit_refusals_total{reason="path"} 4.0' in said[0]


def test_a_rotation_of_the_token_loses_no_pod(api: RealApiServer, world: RealWorld, tmp_path: Path) -> None:
    store = store_of(api)
    with deployed(world, tmp_path) as deployment:
        before = parse_tokens(store.read().data)
        assert before is not None
        assert registered(api) == {before.current}
        with streaming(world) as stream:
            age(store, timedelta(days=10))
            wait_until(lambda: registered(api) == {before.following[0]})
            stream.wait_for(SOME)
            wait_until(lambda: (after := parse_tokens(store.read().data)) is not None and after.moved is not None)
            age(store, timedelta(minutes=10))
            wait_until(lambda: (after := parse_tokens(store.read().data)) is not None and after.former == ())
            stream.wait_for(2 * SOME)
        for replica in deployment.replicas:
            assert "internal error" not in replica.text()
            assert before.current not in replica.log.read_text()
    assert stream.lost == 0, str(stream)


def age(store: KubeSecret, days: timedelta) -> None:
    """Make the stored tokens older; repeat it when a replica has written meanwhile."""

    def is_done() -> bool:
        stored = store.read()
        tokens = parse_tokens(stored.data)
        assert tokens is not None
        moved = None if tokens.moved is None else tokens.moved - days
        aged = render_tokens(replace(tokens, since=tokens.since - days, moved=moved))
        try:
            store.write(aged, stored.version)
        except StoreError as error:
            assert error.is_conflict
            return False
        return True

    wait_until(is_done)


def test_an_upgrade_from_plain_paths_loses_no_pod(api: RealApiServer, world: RealWorld, tmp_path: Path) -> None:
    """While a replica without tokens runs, the paths stay plain; then they get a token."""
    options: Callable[[int], list[str]] = world.options
    world.options = lambda port: [*options(port), "--no-path-token"]  # type: ignore[method-assign]
    with ExitStack() as started, deployed(world, tmp_path) as deployment:
        assert registered(api) == {""}
        new = options(deployment.service.port)
        with streaming(world) as stream:
            added = [Replica(tmp_path, f"new-{number}", new) for number in range(2)]
            for replica in added:
                started.callback(replica.close)  # after the stream
            replace_all(deployment, added, stream_is_past=lambda: stream.wait_for(SOME))
            assert registered(api) == {""}
            wait_for_token(api)
            stream.wait_for(SOME)
            tokens = parse_tokens(store_of(api).read().data)
            assert tokens is not None
            wait_until(lambda: registered(api) == {tokens.current})
            assert tokens.former == ("",)
            wait_until(
                lambda: (after := parse_tokens(store_of(api).read().data)) is not None and after.moved is not None
            )
            age(store_of(api), timedelta(minutes=10))
            wait_until(lambda: (after := parse_tokens(store_of(api).read().data)) is not None and after.former == ())
            stream.wait_for(SOME)
    assert stream.lost == 0, str(stream)


def wait_for_token(api: RealApiServer) -> None:
    """Wait for six periods of 10 s without an objection, and for the pause after the last objection."""
    wait_until(lambda: registered(api) != {""}, within_s=MOVED_WITHIN_S)


def replace_all(deployment: Deployment, added: list[Replica], *, stream_is_past: Callable[[], None]) -> None:
    """Put new replicas beside the old ones, then end the old ones, as a Deployment does."""
    deployment.replicas += added
    deployment.serve_all()
    stream_is_past()
    for _ in range(2):
        deployment.replicas[0].terminate()
        deployment.replicas[0].wait()
        deployment.forget_oldest()
        stream_is_past()
