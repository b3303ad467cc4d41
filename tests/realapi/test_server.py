"""Features of the real API server that tests rely on: users, impersonation, webhooks, schemas, and an end."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.waiting import wait_until

from .assets import Assets
from .server import Answer, RealApiServer, RealApiServerError

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

NETWORK = {
    "apiVersion": "k8s.cni.cncf.io/v1",
    "kind": "NetworkAttachmentDefinition",
    "metadata": {"namespace": "default", "name": "lan"},
}


def test_a_service_account(real_api: RealApiServer) -> None:
    real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "default"}})
    done = real_api.kubectl("get", "secrets", kubeconfig=real_api.kubeconfig_for("default", "robot"))
    assert done.returncode == 1
    assert 'User "system:serviceaccount:default:robot" cannot list resource "secrets"' in done.stderr


def test_a_user(real_api: RealApiServer) -> None:
    kubeconfig = real_api.kubeconfig_of_user("alice", "devs", "ops")
    done = real_api.kubectl("auth", "whoami", "-o", "json", kubeconfig=kubeconfig)
    found = json.loads(done.stdout)["status"]["userInfo"]
    assert (found["username"], found["groups"]) == ("alice", ["devs", "ops", "system:authenticated"])


def test_impersonation(real_api: RealApiServer) -> None:
    done = real_api.kubectl("auth", "whoami", "-o", "json", "--as", "bob", "--as-group", "devs")
    assert json.loads(done.stdout)["status"]["userInfo"]["username"] == "bob"


def test_requests_are_in_the_audit_log(real_api: RealApiServer) -> None:
    offset = real_api.audit_offset()
    real_api.ask("GET", "/api/v1/namespaces/nowhere")
    (asked,) = real_api.requests(offset=offset)
    assert asked == ("nadmit-tests-admin", "get", "/api/v1/namespaces/nowhere", "", "namespaces")
    assert asked.line == "GET /api/v1/namespaces/nowhere"
    assert real_api.requests(offset=offset, user="alice") == []


@pytest.mark.parametrize(("spec", "status"), [({"config": "{"}, 201), ({}, 201), ({"config": {}}, 422)])
def test_the_schema_of_a_definition(real_api: RealApiServer, spec: dict[str, Any], status: int) -> None:
    path = "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions"
    assert real_api.ask("POST", path, {**NETWORK, "spec": spec}).status == status
    if status == 201:
        assert real_api.kubectl("get", "net-attach-def", "lan", "-o", "name").returncode == 0
        real_api.must("DELETE", f"{path}/lan")


def test_a_request_that_must_succeed_raises(real_api: RealApiServer) -> None:
    with pytest.raises(RealApiServerError, match=r'^GET /api/v1/namespaces/nowhere: 404: namespaces "nowhere" not'):
        real_api.must("GET", "/api/v1/namespaces/nowhere")


class _Refusing(BaseHTTPRequestHandler):
    """A webhook that refuses every request and names the user."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        said = {"message": f"not for {review['userInfo']['username']}"}
        answer = {"uid": review["uid"], "allowed": False, "status": said}
        text = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def webhook(real_api: RealApiServer, tmp_path: Path) -> Iterator[str]:
    """The URL of an HTTPS server with a certificate that the API server trusts."""
    signed = real_api.sign_server("127.0.0.1")
    file = tmp_path / "webhook.pem"
    file.write_text(signed.certificate + signed.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with HTTPServer(("127.0.0.1", 0), _Refusing) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/validate"
        server.shutdown()
        thread.join()


@pytest.fixture
def registered(real_api: RealApiServer, webhook: str) -> Iterator[None]:
    group = "admissionregistration.k8s.io"
    name = "refusing.tests.example"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}
    hook = {
        "name": name,
        "clientConfig": {"url": webhook, "caBundle": real_api.ca_bundle},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
    }
    value = {"kind": "ValidatingWebhookConfiguration", "metadata": {"name": name}, "webhooks": [hook]}
    real_api.put({"apiVersion": f"{group}/v1", **value})
    yield
    real_api.must("DELETE", f"/apis/{group}/v1/validatingwebhookconfigurations/{name}")


def test_a_webhook_at_a_url(real_api: RealApiServer, registered: None) -> None:
    """NB: the API server learns of a new webhook by a watch."""
    wait_until(lambda: _create_config_map(real_api).status != 201)
    answer = _create_config_map(real_api)
    assert answer.status == 400
    said = 'admission webhook "refusing.tests.example" denied the request: not for nadmit-tests-admin'
    assert answer.value["message"] == said


def _create_config_map(real_api: RealApiServer) -> Answer:
    path = "/api/v1/namespaces/default/configmaps"
    return real_api.ask("POST", f"{path}?dryRun=All", {"metadata": {"name": "any"}})


def test_a_server_that_does_not_start(real_api: RealApiServer, tmp_path: Path) -> None:
    """The error names the reason at once, and no file or process is left."""
    broken = tmp_path / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho there is no space; exit 3\n")
    broken.chmod(0o755)
    server = RealApiServer(Assets(broken, real_api.assets.etcd, None))
    with pytest.raises(RealApiServerError, match=r"(?s)kube-apiserver ended with 3\n.*log: there is no space"), server:
        pass
    assert not server.directory.exists()
    with pytest.raises(RealApiServerError, match="there is no kubectl"):
        server.kubectl("get", "pods")
