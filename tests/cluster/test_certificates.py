"""Certificates in a Secret: two rotators through the official client, and a server whose certificate changes under load."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from cryptography import x509
from kubernetes.client import ApiClient, Configuration

from certs import rotation
from certs.kubestore import Api, KubeConfigurations, KubeSecret
from certs.rotation import Policy, Step
from certs.rotator import Rotator
from certs.state import Phase, parse_state, render_state
from certs.store import StoreError
from tests.certs.memorycluster import FOREIGN
from tests.certs.objectserver import ObjectServer
from tests.certs.world import NAME, verifies
from tests.realapi.server import RealApiServer
from webhook.cluster.kube import load_configuration

pytestmark = pytest.mark.slow

Object = dict[str, Any]
PATIENCE_S = 30.0
NAMESPACE = "certificates"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/tls"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATION = f"{REGISTRATION}/validatingwebhookconfigurations/rotating"
CONFIGURATIONS = ("ValidatingWebhookConfiguration/rotating", "MutatingWebhookConfiguration/absent")
DAY = timedelta(days=1)


class Cluster(Protocol):
    """What these tests ask of an API server."""

    def put(self, value: Object) -> object: ...
    def get(self, path: str) -> Object: ...
    def connect(self) -> ApiClient: ...


class Genuine:
    def __init__(self, api: RealApiServer) -> None:
        self.api = api

    def put(self, value: Object) -> object:
        return self.api.put(value)

    def get(self, path: str) -> Object:
        return self.api.must("GET", path)

    def connect(self) -> ApiClient:
        return connect_with(self.api.admin_kubeconfig)


class InProcess:
    def __init__(self, server: ObjectServer) -> None:
        self.server = server

    def put(self, value: Object) -> object:
        path = {"Secret": SECRET, "Namespace": "/namespace"}.get(value["kind"], CONFIGURATION)
        return self.server.store(path, value)

    def get(self, path: str) -> Object:
        return self.server.objects[path]

    def connect(self) -> ApiClient:
        return ApiClient(Configuration(host=self.server.url))


def connect_with(kubeconfig: Path) -> ApiClient:
    return ApiClient(load_configuration(kubeconfig, environ={}))


@pytest.fixture(params=["in-process", pytest.param("kube-apiserver", marks=pytest.mark.kube_apiserver)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    if request.param == "in-process":
        with ObjectServer() as server:
            yield InProcess(server)
        return
    api: RealApiServer = request.getfixturevalue("real_api")
    api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    try:
        yield Genuine(api)
    finally:
        clean(api)


def clean(api: RealApiServer) -> None:
    for path in (SECRET, CONFIGURATION):
        assert api.ask("DELETE", path).status in {200, 404}


def secret(**data: str) -> Object:
    metadata = {"name": "tls", "namespace": NAMESPACE, "labels": {"app.kubernetes.io/name": "nadmit"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def configuration(*bundles: str, url: str = "https://127.0.0.1:1/validate") -> Object:
    """Return one with own webhooks with these caBundles, and one that is not ours."""
    rule = {
        "apiGroups": ["k8s.cni.cncf.io"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["network-attachment-definitions"],
    }
    hooks = [
        {
            "name": name,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {"url": url, "caBundle": base64.b64encode(bundle.encode()).decode()},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": selected}},
            "objectSelector": {},
            "timeoutSeconds": 5,
            "failurePolicy": "Fail",
        }
        for name, selected, bundle in (
            ("webhook.example.org", "no-such-namespace", FOREIGN),
            *((f"n{number}.nadmit.io", NAMESPACE, bundle) for number, bundle in enumerate(bundles)),
        )
    ]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "rotating"},
        "webhooks": hooks,
    }


class Two:
    """Two replicas with a clock of the test's."""

    def __init__(self, cluster: Cluster) -> None:
        self.now = datetime.now(UTC)
        self.leaves: list[x509.Certificate | None] = [None, None]
        self.rotators = [self._make(cluster, number) for number in range(2)]
        self._cluster = cluster

    def _make(self, cluster: Cluster, number: int) -> Rotator:
        def take(certificate: bytes, key: bytes) -> None:
            self.leaves[number] = x509.load_pem_x509_certificate(certificate)

        api = Api(cluster.connect)
        return Rotator(
            KubeSecret(api, NAMESPACE, "tls"),
            KubeConfigurations(api, CONFIGURATIONS),
            names=[NAME],
            on_leaf=take,
            now=lambda: self.now,
        )

    def rounds(self) -> list[str]:
        """Let both do a round at the same time, request by request; return the conflicts."""
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
    assert conflicts == [f"Secret {NAMESPACE}/tls: another replica was faster"]
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
    assert two.rounds() == [f"Secret {NAMESPACE}/tls: another replica was faster"]
    assert two.rounds() == []
    assert two.leaves[0] == two.leaves[1] is not None


def test_a_secret_of_somebody_else_is_not_touched(cluster: Cluster) -> None:
    encoded = base64.b64encode(b"theirs").decode()
    cluster.put(secret(**{"tls.crt": encoded, "tls.key": encoded}))
    with pytest.raises(ValueError, match=r"authority.crt: missing, but tls.crt, tls.key is there") as caught:
        Two(cluster).rotators[0].round()
    assert "nothing was overwritten" in str(caught.value)
    assert cluster.get(SECRET)["data"] == {"tls.crt": encoded, "tls.key": encoded}


# An account with as little as possible

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
    """What manifests have to grant, and what is said when it is not there."""
    real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    real_api.put(secret())
    real_api.put(configuration(""))
    kubeconfig = real_api.kubeconfig_of_user("rotating")
    api = Api(lambda: connect_with(kubeconfig))
    stores = KubeSecret(api, NAMESPACE, "tls"), KubeConfigurations(api, CONFIGURATIONS[:1])
    rotator = Rotator(*stores, names=[NAME], on_leaf=lambda _certificate, _key: None)
    try:
        grant(real_api, [])
        with pytest.raises(StoreError, match=r"^Secret certificates/tls: get failed with 403: .*; grant get on it"):
            rotator.round()
        grant(real_api, RULES[:1])
        until(lambda: round_says(rotator, "get failed with 403"))
        assert rotator.not_after is not None  # a leaf, whatever became of the configuration
        grant(real_api, [RULES[0], {**RULES[1], "verbs": ["get"]}])
        until(lambda: round_says(rotator, "patch failed with 403"))
        assert rotator.problem() == (
            "the certificate is not accepted yet by the caBundle of "
            "webhook n0.nadmit.io of ValidatingWebhookConfiguration/rotating"
        )
        grant(real_api, RULES)
        until(lambda: round_says(rotator, ""))
        assert rotator.problem() is None
    finally:
        clean(real_api)


def round_says(rotator: Rotator, said: str) -> bool:
    """Do a round; RBAC takes a moment to see a new role."""
    try:
        rotator.round()
    except StoreError as error:
        return bool(said) and said in str(error)
    return not said


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# The server

NETWORKS = f"/apis/k8s.cni.cncf.io/v1/namespaces/{NAMESPACE}/network-attachment-definitions"


@pytest.mark.kube_apiserver
def test_a_rotation_under_a_stream_of_requests_loses_none(real_api: RealApiServer, tmp_path: Path) -> None:
    """The API server calls the webhook for each request, while its authority and its leaf change."""
    real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    real_api.put(old_secret())
    real_api.put(configuration(""))
    command = [sys.executable, "-m", "webhook", "serve", "--cluster", "--kubeconfig", str(real_api.admin_kubeconfig)]
    command += ["--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0", "--drain-seconds", "0"]
    command += ["--namespace", NAMESPACE, "--tls-secret", "tls", "--webhook-configuration", "rotating"]
    command += ["--webhook-url", "https://127.0.0.1"]
    log, lines = tmp_path / "log", tmp_path / "lines"  # NB: a pipe that nobody reads would stop the server
    with (
        log.open("w") as errors,
        lines.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=errors) as server,
    ):
        try:
            until(lambda: b"\n" in lines.read_bytes())
            address = tuple(json.loads(lines.read_text().splitlines()[0])["webhook"])
            put_url(real_api, f"https://127.0.0.1:{address[1]}/validate")
            rotate(real_api, address)
        finally:
            server.terminate()
            server.wait(timeout=30)
            clean(real_api)
    assert server.returncode == 0, log.read_text()
    assert "WARNING: Secret" not in log.read_text()


def old_secret() -> Object:
    """Return one whose authority is 300 days old, with a leaf of today."""
    names = [x509.DNSName(NAME)]
    began = datetime.now(UTC) - 300 * DAY
    state = rotation.take_step(Step.FILL, None, names=names, now=began, policy=Policy())
    state = rotation.take_step(Step.RENEW_LEAF, state, names=names, now=datetime.now(UTC), policy=Policy())
    data = render_state(replace(state, phase=Phase.STABLE))
    return secret(**{key: base64.b64encode(content).decode() for key, content in data.items() if content})


def put_url(api: RealApiServer, url: str) -> None:
    value = api.must("GET", CONFIGURATION)
    for hook in value["webhooks"]:
        hook["clientConfig"]["url"] = url
    api.must("PUT", CONFIGURATION, value)


def rotate(api: RealApiServer, address: tuple[str, int]) -> None:
    """Drive the Secret through a rotation without the grace times; the server under test only reads it, and follows."""
    until(lambda: create(api).status == 201)
    calls = Api(lambda: connect_with(api.admin_kubeconfig))
    configurations = KubeConfigurations(calls, CONFIGURATIONS[:1])
    store = KubeSecret(calls, NAMESPACE, "tls")
    driver = Rotator(
        store,
        configurations,
        names=[NAME, "127.0.0.1"],
        on_leaf=lambda *_pair: None,
        policy=Policy(grace=timedelta(seconds=2)),
    )
    first = serial_at(address)
    with kept_alive(address) as connection, stream(api) as answers:
        until(lambda: round_says(driver, "") and phase_of(store) == Phase.SWITCHED)
        until(lambda: serial_at(address) == serial_in(store))
        count = len(answers)
        until(lambda: len(answers) > count + 20)
        assert ask(connection) == 200
    assert first != serial_at(address)
    assert len(answers) > 50
    assert set(answers) == {201}


def phase_of(store: KubeSecret) -> Phase | None:
    state = parse_state(store.read().data)
    return None if state is None else state.phase


def serial_in(store: KubeSecret) -> int:
    return x509.load_pem_x509_certificate(store.read().data["tls.crt"]).serial_number


def create(api: RealApiServer) -> Any:
    value = {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "stream"},
        "spec": {"config": '{"cniVersion": "1.0.0", "name": "stream", "type": "bridge"}'},
    }
    return api.ask("POST", f"{NETWORKS}?dryRun=All", value)


class stream:  # noqa: N801 - used as a function
    """Create all the time; the statuses."""

    def __init__(self, api: RealApiServer) -> None:
        self._answers: list[int] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(api,))

    def _run(self, api: RealApiServer) -> None:
        while not self._done.is_set():
            self._answers.append(create(api).status)

    def __enter__(self) -> list[int]:
        self._thread.start()
        return self._answers

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()


def serial_at(address: tuple[str, int]) -> int:
    """Return the serial number that a new connection sees."""
    pem = ssl.get_server_certificate(address)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


class kept_alive:  # noqa: N801 - used as a function
    """A connection that is open before the certificate changes."""

    def __init__(self, address: tuple[str, int]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._connection = http.client.HTTPSConnection(*address, context=context, timeout=10)

    def __enter__(self) -> http.client.HTTPSConnection:
        assert ask(self._connection) == 200
        return self._connection

    def __exit__(self, *error: object) -> None:
        self._connection.close()


def ask(connection: http.client.HTTPSConnection) -> int:
    """Send a review over an open connection."""
    assert connection.sock is not None or not hasattr(connection, "asked")
    request = {"uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "DELETE"}
    body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    connection.request("POST", "/validate", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status
