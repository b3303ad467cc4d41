"""A server of the webhook over TLS, with policies, networks and namespaces from files, and its answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from certs.certfiles import bootstrap
from cniplugin.access.model.decision import Config
from tests.webhook.serving.harness import Answer, Client, Running, client_context, running
from webhook.admission.model.requests import Cause, Decision, Request
from webhook.admission.view.decisioncontext import CompiledRules, Configuration
from webhook.review import wire
from webhook.review.reviews import Reviews
from webhook.trees.manifests import load_snapshot


class Unobserved:
    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Log nothing: other tests are about the log."""


class Server:
    """One running server and a connection to it."""

    def __init__(self, running_server: Running, client: Client) -> None:
        self.running = running_server
        self._client = client

    def post(self, body: bytes) -> Answer:
        """Send a review; return the plain answer."""
        return self._client.post(body)

    def ask(self, body: bytes) -> tuple[Request, Decision]:
        """Send a review; return the request, and the answer as a client of the API server sees it."""
        answer = self.post(body)
        assert answer.status == 200, answer.body
        response = json.loads(answer.body)["response"]
        status = response.get("status", {})
        causes = status.get("details", {}).get("causes", ())
        return wire.decode(body), Decision(
            is_allowed=response["allowed"],
            code=status.get("code", 200),
            reason=status.get("reason", ""),
            message=status.get("message", ""),
            causes=tuple(Cause(field=one["field"], message=one["message"], reason=one["reason"]) for one in causes),
            warnings=tuple(response.get("warnings", ())),
            rules=tuple(filter(None, response["auditAnnotations"].get("rule", "").split(","))),
            decided=response["auditAnnotations"].get("decided-by", ""),
        )


class Servers:
    """Starts servers and ends all of them together."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pki = directory / "pki"
        self._count = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        bootstrap(self._pki, ("localhost", "127.0.0.1"), datetime.now(UTC))
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def start(
        self,
        *,
        namespaces: Mapping[str, Mapping[str, str]],
        networks: Mapping[str, str | Mapping[str, Any] | None],
        config: Mapping[str, Any] | None = None,
        policies: Iterable[Mapping[str, Any]] = (),
        problem: str | None = None,
    ) -> Server:
        """Write a cluster to files and start its server.

        `networks`: `namespace/name` to `spec.config`, or to metadata that has `config`. `problem`: why it is not ready.
        """
        self._count += 1
        tree = self._directory / f"tree-{self._count}"
        tree.mkdir()
        objects = [
            *(_namespace(name, labels) for name, labels in namespaces.items()),
            *(_network(name, text) for name, text in networks.items()),
            *policies,
            *([_config(config)] if config is not None else []),
        ]
        (tree / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        snapshot = load_snapshot(tree)
        asked = Reviews(
            snapshot=lambda: snapshot,
            problem=lambda: problem,
            rules=CompiledRules(Config()),
            configuration=Configuration,
            network_namespace="kube-system",
            observer=Unobserved(),
        )
        server = self._stack.enter_context(running(self._pki, review=asked))
        client = self._stack.enter_context(Client(server.addresses.webhook, client_context(self._pki)))
        return Server(server, client)


def _namespace(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _network(reference: str, given: str | Mapping[str, Any] | None) -> dict[str, Any]:
    namespace, _, name = reference.partition("/")
    metadata = dict(given) if isinstance(given, Mapping) else {"config": given}
    config = metadata.pop("config")
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {} if config is None else {"config": config},
    }


def _config(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "access.nadmit.io/v1alpha1",
        "kind": "NetworkAttachmentPolicyConfig",
        "metadata": {"name": "cluster"},
        "spec": spec,
    }


def policy(name: str, **spec: Any) -> dict[str, Any]:
    """Return a NetworkAttachmentPolicy."""
    return {
        "apiVersion": "access.nadmit.io/v1alpha1",
        "kind": "NetworkAttachmentPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }
