"""A cluster with a whole, healthy installation in the in-process API server; a test breaks one thing of it."""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from certs.authority import Pair, issue_ca, issue_leaf, make_key, parse_name, render_certificate
from certs.pathtokens import PathTokens, render_tokens
from tests.fakes.apiserver import Answer, ApiServer, Request, failure
from tests.fakes.objects import namespace, policy_config, write_kubeconfig
from tests.fakes.objectstore import CONFIGS, NAMESPACES, NETWORKS, POLICIES, Object
from tests.manifests.rendered import find
from tests.paths import MANIFESTS
from webhook.cli import nadmit
from webhook.commands.doctor import results
from webhook.commands.doctor.asking import Asking
from webhook.commands.doctor.examination import examine
from webhook.kube.connection import Connection
from webhook.registration.conditions import StatusProtection
from webhook.registration.configurations import Service, webhooks
from webhook.registration.tables import KINDS

VERSION = "0.1.0"
TOKEN = "0123456789abcdef" * 2
OWN = "nadmit-system"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPS = "/apis/apps/v1"
DEPLOYMENT = f"{APPS}/namespaces/{OWN}/deployments/nadmit-webhook"
SERVICE = f"/api/v1/namespaces/{OWN}/services/nadmit-webhook"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
SLICE = f"/apis/discovery.k8s.io/v1/namespaces/{OWN}/endpointslices/nadmit-webhook-1"
SECRET = f"/api/v1/namespaces/{OWN}/secrets/nadmit-tls"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
LEASES = "/apis/coordination.k8s.io/v1/leases"
WRITER = f"/apis/coordination.k8s.io/v1/namespaces/{OWN}/leases/nadmit-status"
NODES = "/api/v1/nodes"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1"
SUBJECT, SELF = f"{REVIEWS}/subjectaccessreviews", f"{REVIEWS}/selfsubjectaccessreviews"
PROBED = "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions"
REFUSED = 'admission webhook "networks.access.nadmit.io" denied the request: no'
WARNING = '299 - "spec.mode: Allow rule \\"nadmit-doctor\\" of a policy of mode Audit grants nothing"'
MULTUS = f"{APPS}/namespaces/kube-system/daemonsets/kube-multus-ds"
NODE_PLUGIN = f"{APPS}/namespaces/kube-system/daemonsets/nadmit-node"


@cache
def authority(days: int = 0) -> Pair:
    """An authority that begins some days from now."""
    key = make_key()
    return Pair(issue_ca(key, now=datetime.now(UTC) + timedelta(days=days)), key)


def leaf(pair: Pair, *, days: int = 0, name: str = f"nadmit-webhook.{OWN}.svc") -> bytes:
    """Return a certificate, PEM, that begins some days from now."""
    now = datetime.now(UTC) + timedelta(days=days)
    return render_certificate(issue_leaf(pair, make_key(), [parse_name(name)], now=now))


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def node(name: str, **labels: str) -> Object:
    conditions = [{"type": "Ready", "status": "True"}]
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", **labels}},
        "status": {"conditions": conditions},
    }


def pod(name: str, app: str, *, on: str, image: str = "", waiting: str = "") -> Object:
    """A pod that is ready, or waits for a reason."""
    state = {"waiting": {"reason": waiting, "message": "no such host"}} if waiting else {"running": {}}
    return {
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": app}},
        "spec": {"nodeName": on, "containers": [{"image": image}]},
        "status": {
            "containerStatuses": [{"state": state}],
            "conditions": [{"type": "Ready", "status": "False" if waiting else "True"}],
        },
    }


class World:
    """The API server, and the change of a test."""

    def __init__(self, api: ApiServer, directory: Path) -> None:
        self.api = api
        self.kubeconfig = write_kubeconfig(directory / "kubeconfig", api.url)
        self.denied: set[tuple[str, str]] = set()
        """Resource and verb of the rights that the account of the webhook lacks."""
        self.forbidden: list[str] = []
        """Beginnings of the paths that the caller may not use."""
        self.pods: dict[str, list[Object]] = {OWN: [], "kube-system": []}
        self.warnings: dict[str, str] = {"Warning": WARNING}
        self.version = "v1.36.1"
        api.instead = self._answer
        api.answer_always[PROBED] = failure(403, REFUSED)
        self._install()

    def _install(self) -> None:
        api, now = self.api, time.time()
        api.serve(
            CRDS, SLICES, LEASES, NODES, "/api/v1/secrets", "/api/v1/services", f"{APPS}/deployments", f"{APPS}/daemonsets",
            *(f"{HOOKS}/{kind.resource}" for kind in KINDS),
            *(f"{RBAC}/{plural}" for plural in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")),
        )  # fmt: skip
        for file in sorted((MANIFESTS / "crds").glob("net*.yaml")):
            definition = yaml.safe_load(file.read_text())
            definition["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
            api.put(f"{CRDS}/{definition['metadata']['name']}", definition)
        deployment = copy.deepcopy(find("base", "Deployment", "nadmit-webhook"))
        deployment["status"] = {"availableReplicas": 2, "updatedReplicas": 2}
        api.put(DEPLOYMENT, deployment)
        api.put(SERVICE, {"spec": {"ports": [{"port": 443}]}})
        labels = {"kubernetes.io/service-name": "nadmit-webhook"}
        api.put(
            SLICE, {"metadata": {"labels": labels}, "endpoints": [{"conditions": {"ready": True}}, {"conditions": {}}]}
        )
        self.serve(leaf(authority()))
        self.register("Ignore")
        api.put(NAMESPACES, namespace(OWN))
        accepted = {"conditions": [{"type": "Accepted", "status": "True"}], "attachedBy": "multus"}
        api.put(CONFIGS, {**policy_config(posture="Isolated"), "status": accepted})
        api.put(NODES, node("n1"), node("n2"))
        for name in ("n1", "n2"):
            self.renew(name, now)
        api.put(WRITER, {"spec": {"renewTime": timestamp(now), "holderIdentity": "replica-1"}})
        multus = {"spec": {"template": {"spec": {"containers": [{"image": "registry.example/multus-cni:v4.2"}]}}}}
        api.put(MULTUS, multus)

    def renew(self, name: str, seconds: float) -> None:
        """Renew the Lease of a node by a clock."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        self.api.put(path, {"spec": {"renewTime": timestamp(seconds)}})

    def serve(self, certificate: bytes) -> None:
        """Put a certificate into the Secret, beside a key and the tokens."""
        made = datetime(2026, 11, 1, tzinfo=UTC)
        tokens = PathTokens(current=TOKEN, following=("b" * 32, "c" * 32, "d" * 32), former=(), made=made, since=made)
        texts = {"tls.crt": certificate, "tls.key": b"secret", **render_tokens(tokens)}
        self.api.put(SECRET, {"data": {key: base64.b64encode(text).decode() for key, text in texts.items()}})

    def register(
        self, stage: str, *, ca: bytes | None = None, target: Service | None = None, token: str = TOKEN
    ) -> None:
        """Register all webhooks."""
        bundle = render_certificate(authority().certificate) if ca is None else ca
        for kind in KINDS:
            hooks = webhooks(
                kind,
                target or Service(OWN, "nadmit-webhook"),
                ca_bundle=bundle,
                stage=stage,
                protection=StatusProtection(),
                token=token,
            )
            metadata = {
                "annotations": {"nadmit.io/failure-policy": stage},
                "managedFields": [
                    {
                        "time": "2026-11-01T10:00:00Z",
                        "fieldsV1": {"f:metadata": {"f:annotations": {"f:nadmit.io/failure-policy": {}}}},
                    }
                ],
            }
            self.api.put(self.hooks(kind.name), {"kind": kind.name, "metadata": metadata, "webhooks": hooks})

    def hooks(self, name: str) -> str:
        """Return the path of a configuration of ours."""
        (resource,) = (kind.resource for kind in KINDS if kind.name.startswith(name))
        return f"{HOOKS}/{resource}/nadmit"

    def install_node_plugin(self, *, attached_by: str = "nadmit", image: str = f"nadmit-node:{VERSION}") -> None:
        """Put the node plugin on both nodes in place of Multus."""
        self.api.delete(MULTUS)
        value = copy.deepcopy(find("node", "DaemonSet", "nadmit-node"))
        value["spec"]["template"]["spec"]["containers"][0]["image"] = image
        self.api.put(NODE_PLUGIN, value)
        self.pods["kube-system"] = [pod(f"nadmit-node-{on}", "nadmit-node", on=on, image=image) for on in ("n1", "n2")]
        self.change(f"{CONFIGS}/cluster", lambda value: value["status"].update(attachedBy=attached_by))

    def change(self, path: str, change: Callable[[Object], object]) -> None:
        self.api.modify(path, change)

    def examine(self, *, ahead_s: float = 0.0) -> list[results.Result]:
        """Return the results; the clock here is ahead of the API server's."""
        connection = Connection(self.kubeconfig, environ={})
        try:
            now = lambda: time.time() + ahead_s  # noqa: E731 - an argument
            return list(examine(Asking(connection), namespace=OWN, version=VERSION, now=now))
        finally:
            connection.close()

    def run(self, *words: str) -> Result:
        """Run the command."""
        given = ["doctor", "--kubeconfig", str(self.kubeconfig), *words]
        return CliRunner().invoke(nadmit, given, catch_exceptions=False)

    def _answer(self, request: Request) -> Answer | None:
        if any(request.path.startswith(path) for path in self.forbidden):
            return failure(403, f'User "alice" cannot {request.method.lower()} {request.path.rpartition("/")[2]}')
        if request.path == "/version":
            return Answer(200, json.dumps({"gitVersion": self.version}).encode())
        if request.path in {SUBJECT, SELF}:
            return _json(201, {"status": {"allowed": self._may(request.body["spec"]["resourceAttributes"])}})
        if request.method == "POST" and request.path == POLICIES:
            assert request.query["dryRun"] == "All"
            return _json(201, request.body)._replace(headers=self.warnings)
        if request.path.endswith("/pods") and request.method == "GET":
            return _json(200, {"items": self._selected(self.pods[request.path.split("/")[-2]], request)})
        if "labelSelector" in request.query and request.place is not None:
            place = request.place
            items = [
                value
                for (where, _), value in self.api.objects[place.collection].items()
                if place.namespace in {"", where}
            ]
            return _json(200, {"items": self._selected(items, request)})
        return None

    def _may(self, asked: Object) -> bool:
        resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
        return (resource, asked["verb"]) not in self.denied

    @staticmethod
    def _selected(items: list[Object], request: Request) -> list[Object]:
        key, _, wanted = request.query.get("labelSelector", "").partition("=")
        return [one for one in items if not key or (one["metadata"].get("labels") or {}).get(key) == wanted]


def _json(code: int, value: Any) -> Answer:
    return Answer(code, json.dumps(value).encode())


@contextmanager
def healthy(directory: Path) -> Iterator[World]:
    """Run the API server with a whole installation."""
    with ApiServer() as api:
        assert NETWORKS in api.objects
        yield World(api, directory)
