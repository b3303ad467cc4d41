"""A whole rotation of the authority under a stream of pods loses no pod, with the program as the manifests install it.

The two replicas see each step, confirm it and follow at their own pace. The test shortens only the waits of months: it
changes the Secret as a replica with shorter times would (the start, the grace time, the life of the last old leaf).
"""

from __future__ import annotations

import http.client
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
from tests.cluster.rig.certificates import connect_with, phase_of, round_says, serial_at, serial_in
from tests.cluster.rig.deployments import SOME, Deployment, deployed, streaming
from tests.cluster.rig.installation import NAMESPACE
from tests.cluster.rig.replicas import Replica
from tests.cluster.rig.streamworlds import CONFIGURATION, INJECTION, RealWorld
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from webhook.kube.singleobjects import KubeConfigurations, KubeSecret
from webhook.registration.registered import path_of
from webhook.registration.tables import KINDS

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]

MOMENT = timedelta(seconds=2)


def authorities(api: RealApiServer) -> set[tuple[x509.Certificate, ...]]:
    """Return the authorities of our caBundles; one element if all webhooks have the same."""
    found = [api.must("GET", path) for path in (INJECTION, CONFIGURATION)]
    return {certificates_in(bundle) for value in found for bundle in own_bundles(value).values()}


def publish(store: KubeSecret) -> None:
    """Create the next authority, although the current one is young."""
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
    wait_until(lambda: round_says(rotator, "") and phase_of(store) == phase)


def wait_served(deployment: Deployment, store: KubeSecret) -> None:
    """Wait until each replica serves the leaf of the Secret."""
    for backend in deployment.service.backends:
        wait_until(lambda address=backend.webhook: serial_at(address) == serial_in(store))  # type: ignore[misc]


def knows(replica: Replica, phase: Phase) -> bool:
    """Return the phase that a replica has read."""
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
            wait_until(lambda: phase_of(store) == Phase.SHOWN)
            (shown,) = authorities(api)
            (second,) = set(shown) - {first}
            assert first in shown
            stream.wait_for(SOME)
            hurry(api, Policy(grace=MOMENT), Phase.SWITCHED)
            wait_served(deployment, store)
            stream.wait_for(SOME)
            hurry(api, Policy(grace=MOMENT, leaf_lifetime=MOMENT), Phase.STABLE)
            for replica in deployment.replicas:
                wait_until(partial(knows, replica, Phase.STABLE))
        assert authorities(api) == {(second,)}
        assert serial_in(store) != leaf
        for replica in deployment.replicas:
            assert "internal error" not in replica.text()
    assert stream.lost == 0, str(stream)
