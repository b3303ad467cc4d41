"""Certificates in a Secret: two rotators that use the official client, and the least rights that they need."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest
from cryptography import x509

from certs.rotator import Rotator
from certs.store import StoreError
from tests.certs.memorycluster import FOREIGN
from tests.certs.rotationworld import NAME, verifies
from tests.cluster.rig.certificates import (
    CONFIGURATION,
    CONFIGURATIONS,
    DAY,
    NAMESPACE,
    SECRET,
    Object,
    clean,
    configuration,
    connect_with,
    rotating,
    round_says,
    secret,
)
from tests.fakes.apiserver import ApiServer
from tests.fakes.objects import write_kubeconfig
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from webhook.kube.connection import Connection
from webhook.kube.singleobjects import CERTS_WRITER, KubeConfigurations, KubeSecret

pytestmark = pytest.mark.slow


class Cluster(Protocol):
    """The operations of these tests on an API server."""

    def put(self, value: Object) -> object: ...
    def get(self, path: str) -> Object: ...
    def connect(self) -> Connection: ...


class Genuine:
    def __init__(self, api: RealApiServer) -> None:
        self.api = api

    def put(self, value: Object) -> object:
        return self.api.put(value)

    def get(self, path: str) -> Object:
        return self.api.must("GET", path)

    def connect(self) -> Connection:
        return connect_with(self.api.admin_kubeconfig)


class InProcess:
    def __init__(self, server: ApiServer, kubeconfig: Path) -> None:
        self.server = server
        self.kubeconfig = write_kubeconfig(kubeconfig, server.url)

    def put(self, value: Object) -> object:
        return self.server.put(SECRET if value["kind"] == "Secret" else CONFIGURATION, value)

    def get(self, path: str) -> Object:
        return copy.deepcopy(self.server.get(path))

    def connect(self) -> Connection:
        return connect_with(self.kubeconfig)


@pytest.fixture(params=["in-process", pytest.param("kube-apiserver", marks=pytest.mark.kube_apiserver)])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    if request.param == "in-process":
        with ApiServer() as server:
            yield InProcess(server, tmp_path / "kubeconfig")
        return
    api: RealApiServer = request.getfixturevalue("real_api")
    api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    try:
        yield Genuine(api)
    finally:
        clean(api)


class Two:
    """Two replicas, with a clock that the test moves."""

    def __init__(self, cluster: Cluster) -> None:
        self.now = datetime.now(UTC)
        self.leaves: list[x509.Certificate | None] = [None, None]
        self.rotators = [self._make(cluster, number) for number in range(2)]
        self._cluster = cluster

    def _make(self, cluster: Cluster, number: int) -> Rotator:
        def take(certificate: bytes, key: bytes) -> None:
            self.leaves[number] = x509.load_pem_x509_certificate(certificate)

        connection = cluster.connect()
        return Rotator(
            KubeSecret(connection, NAMESPACE, "tls"),
            KubeConfigurations(connection, CONFIGURATIONS),
            names=[NAME],
            on_leaf=take,
            now=lambda: self.now,
        )

    def rounds(self) -> list[str]:
        """Interleave a round of both, request by request; return the conflicts."""
        running = [rotator.steps() for rotator in self.rotators]
        conflicts = []
        while running:
            for steps in tuple(running):
                try:
                    next(steps)
                except StopIteration:
                    running.remove(steps)
                except StoreError as error:
                    running.remove(steps)
                    conflicts.append(str(error))
                self.check()
        return conflicts

    def check(self) -> None:
        for leaf, rotator in zip(self.leaves, self.rotators, strict=True):
            if leaf is not None and rotator.problem() is None:
                for bundle in self.bundles():
                    assert verifies(leaf, bundle, self.now)

    def bundles(self) -> list[bytes]:
        hooks = self._cluster.get(CONFIGURATION)["webhooks"]
        return [base64.b64decode(hook["clientConfig"]["caBundle"]) for hook in hooks if "nadmit" in hook["name"]]

    def phase(self) -> str:
        stored = self._cluster.get(SECRET)["data"]
        return str(json.loads(base64.b64decode(stored["rotation.json"]))["phase"])


def test_a_whole_rotation(cluster: Cluster) -> None:
    cluster.put(secret())
    cluster.put(configuration("", FOREIGN))
    before = cluster.get(CONFIGURATION)
    two = Two(cluster)
    conflicts = two.rounds()
    assert [conflict.partition(": ")[0] for conflict in conflicts] in (
        [f"secrets {NAMESPACE}"],
        [f"secrets {NAMESPACE}/tls"],
    )
    two.rounds()
    assert two.leaves[0] is not None
    assert two.leaves[0] == two.leaves[1]
    assert [rotator.problem() for rotator in two.rotators] == [None, None]
    assert cluster.get(SECRET)["metadata"]["labels"] == {"app.kubernetes.io/name": "nadmit"}
    first = two.leaves[0]
    phases = [two.phase()]
    for _ in range(100):
        conflicts += two.rounds()
        if two.phase() != phases[-1]:
            phases.append(two.phase())
        if len(phases) == 5:
            break
        two.now += 4 * DAY
    assert phases == ["Stable", "Published", "Shown", "Switched", "Stable"]
    assert len(conflicts) > 5
    two.rounds()
    assert two.leaves[0] == two.leaves[1] != first
    for number, bundle in enumerate(two.bundles()):
        assert bundle.count(b"BEGIN CERTIFICATE") == 1 + number
        assert (FOREIGN.encode() in bundle) is bool(number)
        assert bundle.startswith(two.rotators[0].ca_bundle() or b"-")
    after = cluster.get(CONFIGURATION)
    assert after["webhooks"][0] == before["webhooks"][0]
    for hook in (*before["webhooks"], *after["webhooks"]):
        hook["clientConfig"].pop("caBundle", None)
    assert after["webhooks"] == before["webhooks"]


def test_a_secret_that_is_missing_is_made(cluster: Cluster) -> None:
    two = Two(cluster)
    cluster.put(configuration(""))
    assert [conflict.partition(": ")[0] for conflict in two.rounds()] in (
        [f"secrets {NAMESPACE}"],
        [f"secrets {NAMESPACE}/tls"],
    )
    assert two.rounds() == []
    assert two.leaves[0] == two.leaves[1] is not None
    managers = {entry["manager"] for entry in cluster.get(SECRET)["metadata"].get("managedFields", ())}
    assert managers <= {CERTS_WRITER["fieldManager"]}


def test_a_foreign_secret_is_not_touched(cluster: Cluster) -> None:
    encoded = base64.b64encode(b"theirs").decode()
    cluster.put(secret(**{"tls.crt": encoded, "tls.key": encoded}))
    with pytest.raises(ValueError, match=r"authority.crt: missing, but tls.crt, tls.key is there") as caught:
        Two(cluster).rotators[0].round()
    assert "nothing was overwritten" in str(caught.value)
    assert cluster.get(SECRET)["data"] == {"tls.crt": encoded, "tls.key": encoded}


# An account with the least rights

RULES = [
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["tls"], "verbs": ["get", "update"]},
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["validatingwebhookconfigurations"],
        "resourceNames": ["rotating"],
        "verbs": ["get", "patch"],
    },
]


def grant(api: RealApiServer, rules: list[Object]) -> None:
    metadata = {"name": "rotating"}
    rbac = "rbac.authorization.k8s.io"
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": "rotating"}
    subject = {"kind": "User", "name": "rotating", "apiGroup": rbac}
    api.put({"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules})
    binding = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding", "metadata": metadata}
    api.put({**binding, "roleRef": role, "subjects": [subject]})


@pytest.mark.kube_apiserver
def test_the_least_account(real_api: RealApiServer) -> None:
    """With the grants of the manifests the rotation works; without one of them the error names it."""
    real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    real_api.put(secret())
    real_api.put(configuration(""))
    kubeconfig = real_api.kubeconfig_of_user("rotating")
    connection = connect_with(kubeconfig)
    stores = KubeSecret(connection, NAMESPACE, "tls"), rotating(connection)
    rotator = Rotator(*stores, names=[NAME], on_leaf=lambda _certificate, _key: None)
    try:
        grant(real_api, [])
        with pytest.raises(StoreError, match=r"^secrets certificates/tls: get is forbidden: .*; grant get on secrets"):
            rotator.round()
        grant(real_api, RULES[:1])
        wait_until(lambda: round_says(rotator, "get is forbidden"))
        assert rotator.not_after is not None  # there is a leaf even if the configuration cannot be written
        grant(real_api, [RULES[0], {**RULES[1], "verbs": ["get"]}])
        wait_until(lambda: round_says(rotator, "patch is forbidden"))
        assert rotator.problem() == (
            "the certificate is not accepted yet by the caBundle of "
            "webhook n0.nadmit.io of ValidatingWebhookConfiguration/rotating"
        )
        grant(real_api, RULES)
        wait_until(lambda: round_says(rotator, ""))
        assert rotator.problem() is None
    finally:
        clean(real_api)
