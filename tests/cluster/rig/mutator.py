"""A mutating webhook of the tests' own: an HTTPS server on loopback that changes annotations and labels of new pods."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.realapi.server import RealApiServer

from .registered import Object

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
JSON_PATCH = "JSONPatch"

Change = Callable[[Object], None]
"""Changes a pod in place."""


class Mutator:
    """`changes` has the change of each webhook by name, in the order of the calls; `calls` counts the calls."""

    def __init__(self, changes: dict[str, Change]) -> None:
        self.changes = changes
        self.calls = dict.fromkeys(changes, 0)

    def answer(self, name: str, review: Object) -> Object:
        """Return the AdmissionReview with the change as a patch, which replaces all metadata."""
        request = review["request"]
        self.calls[name] += 1
        pod = request["object"]
        self.changes[name](pod)
        steps = [{"op": "add", "path": "/metadata", "value": pod["metadata"]}]
        patch = base64.b64encode(json.dumps(steps).encode()).decode()
        response = {"uid": request["uid"], "allowed": True, "patchType": JSON_PATCH, "patch": patch}
        return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


@contextmanager
def mutating(
    api: RealApiServer, folder: Path, namespace: str, changes: dict[str, Change], *, name: str = "mutator"
) -> Iterator[Mutator]:
    """Run it, registered for new pods of a namespace with reinvocationPolicy IfNeeded.

    The API server calls configurations in the order of their names; ours is `nadmit`.
    """
    mutator = Mutator(changes)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer a review."""
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = json.dumps(mutator.answer(self.path.partition("?")[0].strip("/"), review)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_args: object) -> None:
            """Log nothing."""

    signed = api.sign_server("127.0.0.1")
    pem = folder / "mutator.pem"
    pem.write_text(signed.certificate + signed.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, name="mutator")
        thread.start()
        try:
            api.put(_configuration(api, namespace, server.server_port, changes, name))
            yield mutator
        finally:
            api.ask("DELETE", f"{CONFIGURATIONS}/{name}")
            server.shutdown()
            thread.join()


def _configuration(api: RealApiServer, namespace: str, port: int, names: dict[str, Change], own_name: str) -> Object:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    hooks = [
        {
            "name": f"{name}.mutator.example",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "reinvocationPolicy": "IfNeeded",
            "clientConfig": {"url": f"https://127.0.0.1:{port}/{name}", "caBundle": api.ca_bundle},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "rules": [rule],
        }
        for name in names
    ]
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": own_name}, "webhooks": hooks}
