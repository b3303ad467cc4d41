from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.fakes.threads import nothing_left
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

from .cluster import ACCESS, ACCOUNT, IN_PROCESS, REAL, Api, Cluster, RealCluster
from .podnode import REPO, Node, problem

ACCESS_CRDS = sorted((REPO / "manifests" / "crds").glob("networkattachmentpolic*.yaml"))


@pytest.fixture(scope="session")
def bearer(real_api: RealApiServer) -> str:
    """The token of the account in our manifest, with the kinds of the access rules installed."""
    for value in (each for path in ACCESS_CRDS for each in yaml.safe_load_all(path.read_text())):
        real_api.put(value)
    for path in ("networkattachmentpolicies", "networkattachmentpolicyconfigs"):
        wait_until_served(real_api, f"/apis/{ACCESS}/{path}")
    for value in yaml.safe_load_all((REPO / "manifests" / "node" / "rbac.yaml").read_text()):
        real_api.put(value)
    return real_api.token_for(*ACCOUNT)


def wait_until_served(server: RealApiServer, path: str) -> None:
    """NB: for a moment after its installation, a kind is not found."""
    wait_until(lambda: server.ask("GET", path).status == 200, lambda: path)


@pytest.fixture(params=[IN_PROCESS, REAL])
def api(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """An API server with pod blue/web-0: each test runs with both, unless it is marked `misbehaving` or `genuine`."""
    if request.param == IN_PROCESS:
        with nothing_left(), Api() as server:
            yield server
    else:
        bearer = request.getfixturevalue("bearer")
        with nothing_left(), RealCluster(request.getfixturevalue("real_api"), bearer=bearer) as cluster:
            yield cluster


@pytest.fixture
def node(api: Cluster, tmp_path: Path) -> Iterator[Node]:
    """A node. After each test, DEL must remove every trace of the pod without the API server."""
    lacking = problem()
    if lacking:
        pytest.skip(lacking)
    made = Node(tmp_path, api)
    made.start()
    try:
        yield made
        (made.seen / "fail-DEL").unlink(missing_ok=True)
        made.delete(kubeconfig=None).expect()
        assert made.left() == []
    finally:
        made.stop()
