"""`nadmit serve --cluster` that registers itself at a real API server, under the least account that can."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import yaml

from tests.e2e.process import Served, serving
from tests.realapi.server import RealApiServer

CRDS = Path(__file__).parents[2] / "manifests" / "crds"
GROUP = "access.nadmit.io"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/nadmit"
NAMESPACE = "registered"
ACCOUNT = "nadmit-registrar"
PATIENCE_S = 30.0
NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
CONTAINERS = {"containers": [{"name": "c", "image": "example"}]}
READ = [
    {"apiGroups": [""], "resources": ["namespaces", "pods"], "verbs": ["list", "watch"]},
    {"apiGroups": ["k8s.cni.cncf.io"], "resources": ["network-attachment-definitions"], "verbs": ["list", "watch"]},
    {
        "apiGroups": [GROUP],
        "resources": ["networkattachmentpolicies", "networkattachmentpolicyconfigs"],
        "verbs": ["list", "watch"],
    },
]
REGISTER = [
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["validatingwebhookconfigurations"],
        "resourceNames": ["nadmit"],
        "verbs": ["get", "patch"],
    }
]

Object = dict[str, Any]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def cluster(api: RealApiServer) -> Iterator[RealApiServer]:
    """Install the kinds, a namespace, and the configuration without webhooks; take all of it away in the end."""
    for path in sorted(CRDS.glob("networkattachmentpolic*.yaml")):
        for value in yaml.safe_load_all(path.read_text()):
            api.put(value)
    plurals = ("networkattachmentpolicies", "networkattachmentpolicyconfigs")
    for plural in plurals:
        _wait_for_status(api, plural, 200)
    api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}})
    api.put(empty_configuration())
    try:
        yield api
    finally:
        api.ask("DELETE", CONFIGURATION)
        for words in (("pods", "deployments", "cronjobs", "podtemplates"), ("net-attach-def",)):
            api.kubectl("delete", ",".join(words), "-n", NAMESPACE, "--all", "--grace-period=0", "--force")
        for plural in plurals:
            api.ask("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}")
            _wait_for_status(api, plural, 404)


def _wait_for_status(api: RealApiServer, plural: str, status: int) -> None:
    until(lambda: api.ask("GET", f"/apis/{GROUP}/v1alpha1/{plural}").status == status)


def empty_configuration() -> Object:
    """NB: without any label the API server does not track who owns which field, and kubectl apply takes webhooks away."""
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": "nadmit", "labels": {"app.kubernetes.io/name": "nadmit"}}}


def account(api: RealApiServer, rules: list[Object]) -> Path:
    """Return a kubeconfig of an account that may do this and nothing else."""
    rbac = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": ACCOUNT}}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": ACCOUNT}
    api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}})
    api.put({**head, "kind": "ClusterRole", "rules": rules})
    api.put({**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]})
    return api.kubeconfig_for(NAMESPACE, ACCOUNT)


@contextmanager
def registering(certs: Path, kubeconfig: Path, *more: str) -> Iterator[Served]:
    """Run the server, which registers the port it listens on."""
    port = free_port()
    given = ["--kubeconfig", str(kubeconfig), "--webhook-configuration", "nadmit", "--cert-name", "127.0.0.1"]
    given += ["--webhook-url", f"https://127.0.0.1:{port}", "--listen", f"127.0.0.1:{port}"]
    with serving(certs, *given, *more, manifests=None) as served:
        yield served


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def hooks(api: RealApiServer) -> dict[str, Object]:
    """Return what is registered, by name."""
    return {hook["name"]: hook for hook in api.must("GET", CONFIGURATION).get("webhooks", [])}


def policies(api: RealApiServer) -> dict[str, str]:
    return {name.partition(".")[0]: hook["failurePolicy"] for name, hook in hooks(api).items()}


def reviews(server: Served) -> int:
    """Return how often the API server has called."""
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in server.get("/metrics")[1].splitlines()
        if line.startswith("nadmit_reviews_total{")
    )


def is_in_order(server: Served) -> bool:
    return "nadmit_webhooks_registered 1.0" in server.get("/metrics")[1]


def create(api: RealApiServer, value: Object, *words: str) -> CompletedProcess[str]:
    return api.kubectl("create", "-f", "-", *words, stdin=json.dumps(value))


def pod(name: str, networks: str | None = None) -> Object:
    annotations = {} if networks is None else {NETWORKS: networks}
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": CONTAINERS}


def network(name: str, *, plugin: str = "macvlan") -> Object:
    config = {"cniVersion": "1.0.0", "name": name, "type": plugin, "master": "eth1"}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"config": json.dumps(config)},
    }
