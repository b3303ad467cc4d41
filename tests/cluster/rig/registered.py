"""`nadmit serve --cluster` registers itself at a real API server, with an account of the least rights."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import yaml
from click.testing import CliRunner, Result

from tests.e2e.process import Served, serving
from tests.fakes.waiting import wait_until
from tests.paths import MANIFESTS
from tests.realapi.server import RealApiServer
from webhook.cli import nadmit
from webhook.registration.configurations import STAGE_ANNOTATION
from webhook.registration.tables import KINDS, Kind

CRDS = MANIFESTS / "crds"
GROUP = "access.nadmit.io"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATION = f"{REGISTRATION}/validatingwebhookconfigurations/nadmit"
INJECTION = f"{REGISTRATION}/mutatingwebhookconfigurations/nadmit"
NAMESPACE = "registered"
ACCOUNT = "nadmit-registrar"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
CONTAINERS = {"containers": [{"name": "c", "image": "example"}]}
READ = [
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    {"apiGroups": ["resource.k8s.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
    {
        "apiGroups": ["k8s.cni.cncf.io"],
        "resources": ["network-attachment-definitions"],
        "verbs": ["get", "list", "watch"],
    },
    {
        "apiGroups": [GROUP],
        "resources": ["networkattachmentpolicies", "networkattachmentpolicyconfigs"],
        "verbs": ["list", "watch"],
    },
]
REGISTER = [
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
        "resourceNames": ["nadmit"],
        "verbs": ["get", "patch"],
    }
]

Object = dict[str, Any]


@contextmanager
def cluster(api: RealApiServer, stage: str = "Ignore") -> Iterator[RealApiServer]:
    """Install the kinds, a namespace, and the configurations without webhooks; remove all of them in the end.

    `stage`: "" for that of a new installation.
    """
    for path in sorted(CRDS.glob("networkattachmentpolic*.yaml")):
        for value in yaml.safe_load_all(path.read_text()):
            api.put(value)
    plurals = ("networkattachmentpolicies", "networkattachmentpolicyconfigs")
    for plural in plurals:
        _wait_for_status(api, plural, 200)
    api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}})
    for kind in KINDS:
        api.put(empty_configuration(kind, stage))
    try:
        yield api
    finally:
        unregister(api)
        for words in (("pods", "deployments", "cronjobs", "podtemplates"), ("net-attach-def",)):
            api.kubectl("delete", ",".join(words), "-n", NAMESPACE, "--all", "--grace-period=0", "--force")
        for plural in plurals:
            api.ask("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}")
            _wait_for_status(api, plural, 404)


def _wait_for_status(api: RealApiServer, plural: str, status: int) -> None:
    wait_until(lambda: api.ask("GET", f"/apis/{GROUP}/v1alpha1/{plural}").status == status)


def unregister(api: RealApiServer) -> None:
    """Delete the configurations, so that the API server calls no webhook."""
    for path in (INJECTION, CONFIGURATION):
        api.ask("DELETE", path)


def empty_configuration(kind: Kind, stage: str = "") -> Object:
    """NB: without a label the API server records no field ownership, and kubectl apply removes the webhooks."""
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind.name}
    metadata = {"name": "nadmit", "labels": {"app.kubernetes.io/name": "nadmit"}}
    return {**head, "metadata": {**metadata, **({"annotations": {STAGE_ANNOTATION: stage}} if stage else {})}}


def account(api: RealApiServer, rules: list[Object]) -> Path:
    """Return a kubeconfig of an account that has only these rules."""
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
    """Run the server, which registers the port that it listens on."""
    port = free_port()
    given = ["--kubeconfig", str(kubeconfig), "--webhook-configuration", "nadmit", "--cert-name", "127.0.0.1"]
    given += ["--webhook-url", f"https://127.0.0.1:{port}", "--listen", f"127.0.0.1:{port}"]
    with serving(certs, *given, *more, manifests=None) as served:
        yield served


@contextmanager
def judging(api: RealApiServer, certs: Path) -> Iterator[Served]:
    """Run the server inside of `cluster` until the API server asks it about pods, with one network, lan."""
    with registering(certs, account(api, READ + REGISTER)) as served:
        wait_until(lambda: is_in_order(served))
        # The API server learns of its new webhooks by a watch, and the server of the network.
        wait_until(lambda: create(api, network("bad", plugin="../x"), "--dry-run=server").returncode != 0)
        assert create(api, network("lan")).returncode == 0
        wait_until(lambda: create(api, pod("probe", "lan"), "--dry-run=server").returncode == 0)
        yield served


@contextmanager
def staged(api: RealApiServer, certs: Path) -> Iterator[Served]:
    """Run the server inside of `cluster`, registered in stage Fail; remove the registration in the end."""
    with registering(certs, account(api, READ + REGISTER)) as server:
        wait_until(lambda: is_in_order(server))
        # The API server learns of its new webhooks by a watch; until then staging is refused.
        wait_until(lambda: run_webhooks(api, "stage", "Fail").exit_code == 0)
        try:
            yield server
        finally:
            unregister(api)


def run_webhooks(api: RealApiServer, *words: str) -> Result:
    """Run `nadmit webhooks` as the administrator."""
    return CliRunner().invoke(nadmit, ["webhooks", *words, "--kubeconfig", str(api.admin_kubeconfig)])


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def hooks(api: RealApiServer, path: str = CONFIGURATION) -> dict[str, Object]:
    """Return the registered webhooks by name."""
    return {hook["name"]: hook for hook in api.must("GET", path).get("webhooks", [])}


def policies(api: RealApiServer, path: str = CONFIGURATION) -> dict[str, str]:
    return {name.partition(".")[0]: hook["failurePolicy"] for name, hook in hooks(api, path).items()}


def reviews(server: Served, path: str = "/validate") -> int:
    """Return how often the API server has called at a path."""
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in server.get("/metrics")[1].splitlines()
        if line.startswith("nadmit_reviews_total{") and f'path="{path}"' in line
    )


def is_in_order(server: Served) -> bool:
    """Say whether both configurations are registered as desired."""
    text = server.get("/metrics")[1]
    return all(f'nadmit_webhooks_registered{{kind="{kind.name}"}} 1.0' in text for kind in KINDS)


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
