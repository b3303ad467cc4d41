"""A whole rotation of the authority under a stream of pods, with the program as the manifests install it.

The two replicas see each step, confirm it and follow at their own pace. Only what takes months is hurried, through the
Secret, as another replica would with shorter times: the begin, the grace time, and the life of the last old leaf.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from certs.authority import names_in
from certs.cabundle import certificates_in, own_bundles
from certs.rotation import Policy, Step, take_step
from certs.rotator import Rotator
from certs.secretdata import Phase, parse_state, render_state
from tests.realapi.server import RealApiServer
from webhook.kube.singleobjects import KubeConfigurations, KubeSecret
from webhook.registration.registered import path_of
from webhook.registration.tables import KINDS

from .certificates import connect_with, phase_of, round_says, serial_at, serial_in
from .deployments import SOME, Deployment, deployed, streaming
from .installation import NAMESPACE, installed_server
from .replicas import Replica
from .worlds import CONFIGURATION, INJECTION, RealWorld, until

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]

MOMENT = timedelta(seconds=2)


@pytest.fixture(scope="module")
def api() -> Iterator[RealApiServer]:
    with installed_server() as server:
        yield server


@pytest.fixture
def world(api: RealApiServer, tmp_path: Path) -> Iterator[RealWorld]:
    made = RealWorld(api, tmp_path)
    yield made
    made.close()


def authorities(api: RealApiServer) -> set[tuple[x509.Certificate, ...]]:
    """Return what the caBundles of own webhooks of both kinds have; one element when all have the same."""
    found = [api.must("GET", path) for path in (INJECTION, CONFIGURATION)]
    return {certificates_in(bundle) for value in found for bundle in own_bundles(value).values()}


def publish(store: KubeSecret) -> None:
    """Make the next authority, though the one in force is young."""
    stored = store.read()
    after = take_step(Step.PUBLISH, parse_state(stored.data), names=(), now=datetime.now(UTC), policy=Policy())
    store.write(render_state(after), stored.version)


def hurry(api: RealApiServer, policy: Policy, phase: Phase) -> None:
    """Be one more replica, with other times, until the rotation is in a phase."""
    connection = connect_with(api.admin_kubeconfig)
    store = KubeSecret(connection, NAMESPACE, "nadmit-tls")
    configurations = KubeConfigurations(connection, {f"{kind.name}/nadmit": path_of(kind, "nadmit") for kind in KINDS})
    leaf = x509.load_pem_x509_certificate(store.read().data["tls.crt"])
    names = [str(name.value) for name in names_in(leaf)]
    rotator = Rotator(store, configurations, names=names, on_leaf=lambda *_pair: None, policy=policy)
    until(lambda: round_says(rotator, "") and phase_of(store) == phase)


def wait_served(deployment: Deployment, store: KubeSecret) -> None:
    """Wait until a new connection to any replica sees the leaf of the Secret."""
    for backend in deployment.service.backends:
        until(lambda address=backend.webhook: serial_at(address) == serial_in(store))  # type: ignore[misc]


def knows(replica: Replica, phase: Phase) -> bool:
    """Ask a replica what phase it has read."""
    connection = http.client.HTTPConnection(*replica.backend.probes, timeout=10)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return f'nadmit_certificate_rotation_phase{{phase="{phase}"}} 1.0' in text


def test_a_rotation_of_the_authority_loses_no_pod(api: RealApiServer, world: RealWorld, tmp_path: Path) -> None:
    store = KubeSecret(connect_with(api.admin_kubeconfig), NAMESPACE, "nadmit-tls")
    with deployed(world, tmp_path) as deployment:
        ((first,),) = authorities(api)
        leaf = serial_in(store)
        with streaming(world) as stream:
            publish(store)
            until(lambda: phase_of(store) == Phase.SHOWN)
            (shown,) = authorities(api)
            (second,) = set(shown) - {first}
            assert first in shown
            stream.wait_for(SOME)
            hurry(api, Policy(grace=MOMENT), Phase.SWITCHED)
            wait_served(deployment, store)
            stream.wait_for(SOME)
            hurry(api, Policy(grace=MOMENT, leaf_lifetime=MOMENT), Phase.STABLE)
            for replica in deployment.replicas:
                until(partial(knows, replica, Phase.STABLE))
        assert authorities(api) == {(second,)}
        assert serial_in(store) != leaf
        for replica in deployment.replicas:
            assert "internal error" not in replica.text()
    assert stream.lost == 0, str(stream)
