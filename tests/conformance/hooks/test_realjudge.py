"""The suite judges answers as a real API server does: the same answers go to both.

`hooks.admissionresponse` and `hooks.jsonpatches` say what an API server makes of an answer. Here a webhook gives scripted
answers to a real one, and its verdict must be that of the suite. The suite may be stricter in two points, see STRICTER.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from conformance.hooks import jsonpatches
from conformance.hooks.admissionresponse import read_verdict
from conformance.hooks.calls import Answer
from conformance.hooks.hook import Webhook
from conformance.hooks.hookserver import running
from conformance.hooks.samples import NAMESPACE
from conformance.hooks.testcluster import ASKING_PODS
from conformance.rig.certificates import make_keys
from conformance.subject import load_subject
from tests.conformance.running import SUBJECTS
from tests.realapi.server import RealApiServer

from .test_admissionresponse import GOOD, PATCH, WRONG, WRONG_PATCHES, answer

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]

STRICTER = {"another status", "replace what is missing"}
"""An API server takes any success for 200, and replaces a member that is not there (RFC 6902 §4.3 forbids it)."""


class Scripted(ThreadingHTTPServer):
    """A webhook that gives one answer to all reviews; the uid of the review replaces "1" in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer(GOOD)
        self.keys = make_keys()
        pair = folder / "pair.pem"
        pair.write_text(self.keys.certificate + self.keys.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *args: object) -> None:
        """Ignore clients that go away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, _, body = self.server.answer
        made = body.replace(b'"uid": "1"', f'"uid": "{review["request"]["uid"]}"'.encode())
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(made)))
        self.end_headers()
        self.wfile.write(made)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def scripted(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    """The webhook, registered for ConfigMaps to change and Secrets to judge, of one namespace."""
    with Scripted(tmp_path_factory.mktemp("scripted")) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        made = [_registration(server, kind, resource) for kind, resource in REGISTERED.items()]
        for value in made:
            real_api.put(value)
        yield server
        for value in made:
            real_api.must("DELETE", real_api.path_of(value))
        server.shutdown()
        thread.join()


REGISTERED = {"Mutating": "configmaps", "Validating": "secrets"}


def _registration(server: Scripted, kind: str, resource: str) -> dict[str, Any]:
    bundle = base64.b64encode(server.keys.ca.encode()).decode()
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    webhook = {
        "name": "scripted.conformance.example.com",
        "clientConfig": {"url": f"https://127.0.0.1:{server.server_address[1]}/", "caBundle": bundle},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": "conformance-scripted"},
        "webhooks": [webhook],
    }


def asks(api: RealApiServer, kind: str) -> tuple[int, str]:
    """Create an object of the kind that is changed or judged, without storing it; return status and message."""
    resource, name = REGISTERED[kind], {"Mutating": "ConfigMap", "Validating": "Secret"}[kind]
    value: dict[str, Any] = {"apiVersion": "v1", "kind": name, "metadata": {"name": "x", "namespace": NAMESPACE}}
    value["data"] = {"k": "dg=="}
    status, got = api.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/{resource}?dryRun=All", value)
    return status, str(got.get("message", ""))


@pytest.fixture
def registered(real_api: RealApiServer, scripted: Scripted) -> Scripted:
    """The webhook, once the API server calls it."""
    scripted.answer = answer(GOOD | {"allowed": False, "status": {"code": 499, "message": "it is called"}})
    for kind in REGISTERED:
        while asks(real_api, kind)[0] != 499:
            pass
    return scripted


@pytest.mark.parametrize("kind", REGISTERED)
@pytest.mark.parametrize("name", ["admission", "refusal", *WRONG, *WRONG_PATCHES])
def test_an_answer(real_api: RealApiServer, registered: Scripted, kind: str, name: str) -> None:
    refusal = answer({"uid": "1", "allowed": False, "status": {"code": 403, "message": "no"}})
    given: dict[str, Answer] = {"admission": answer(GOOD), "refusal": refusal, **WRONG, **WRONG_PATCHES}
    registered.answer = given[name]
    try:
        verdict = read_verdict(given[name], "1", may_patch=kind == "Mutating")
    except AssertionError:
        verdict = None
    status, message = asks(real_api, kind)
    if verdict is not None:
        assert status == (201 if verdict.is_allowed else verdict.code), message
        assert verdict.message in message
    else:
        assert (status == 201) if name in STRICTER else (status == 500), message


PATCHES: dict[str, list[dict[str, Any]]] = {
    "a key": [{"op": "add", "path": "/data/a", "value": "1"}],
    "an escaped key": [{"op": "add", "path": "/metadata/labels", "value": {"a.b/c": "d"}}],
    "a member of what is missing": [{"op": "add", "path": "/binaryData/a", "value": "MQ=="}],
    "a slash that is not escaped": [{"op": "add", "path": "/metadata/labels/a.b/c", "value": "d"}],
    "replace what is missing": [{"op": "replace", "path": "/data/a", "value": "1"}],
    "remove what is missing": [{"op": "remove", "path": "/data/a"}],
    "a test that fails": [{"op": "test", "path": "/metadata/name", "value": "y"}],
    "an unknown op": [{"op": "merge", "path": "/data/a", "value": "1"}],
    "behind the end": [
        {"op": "add", "path": "/metadata/finalizers", "value": ["a.b/c"]},
        {"op": "add", "path": "/metadata/finalizers/3", "value": "a.b/d"},
    ],
    "at the end": [
        {"op": "add", "path": "/metadata/finalizers", "value": ["a.b/c"]},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "a.b/d"},
    ],
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch(real_api: RealApiServer, registered: Scripted, name: str) -> None:
    text = base64.b64encode(json.dumps(PATCHES[name]).encode()).decode()
    registered.answer = answer(GOOD | {"patch": text, "patchType": "JSONPatch"})
    status, message = asks(real_api, "Mutating")
    document = {"metadata": {"name": "x", "namespace": NAMESPACE}, "data": {"k": "dg=="}}
    try:
        jsonpatches.apply(PATCHES[name], document)
    except jsonpatches.PatchError:
        assert (status == 201) if name in STRICTER else (status == 500), f"{status}: {message}"
    else:
        assert status == 201, f"{status}: {message}"


def test_the_patch_of_these_tests_is_a_patch() -> None:
    assert json.loads(base64.b64decode(PATCH)) == [{"op": "add", "path": "/a", "value": 1}]


@pytest.mark.parametrize("name", ASKING_PODS)
def test_a_pod_of_the_suite_is_one(real_api: RealApiServer, registered: Scripted, name: str) -> None:
    account = {"name": "default", "namespace": NAMESPACE}
    real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All&fieldValidation=Strict"
    status, got = real_api.ask("POST", path, ASKING_PODS[name])
    assert status == 201, got.get("message")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """Our webhook, as the suite runs it."""
    with running(load_subject(SUBJECTS / "nadmit-webhook.yaml"), tmp_path_factory.mktemp("ours")) as webhook:
        yield webhook


@pytest.mark.parametrize("name", ASKING_PODS)
def test_a_pod_after_our_webhook_is_one(real_api: RealApiServer, scripted: Scripted, ours: Webhook, name: str) -> None:
    account = {"name": "default", "namespace": NAMESPACE}
    real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All&fieldValidation=Strict"
    status, got = real_api.ask("POST", path, ours.inject(ASKING_PODS[name]).pod)
    assert status == 201, got.get("message")
