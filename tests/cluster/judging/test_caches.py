"""The caches of `nadmit serve --cluster` at a real API server: objects that are not in them yet, and networks in use."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.rig.registered import CONTAINERS, STATUS, Object
from tests.fakes.waiting import wait_until
from tests.realapi.audit import read_annotations
from tests.realapi.server import MERGE_PATCH, RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

NETWORKS = "k8s.v1.cni.cncf.io/networks"
NAMESPACE = "caches"
NAMESPACE_CONTROLLER = "system:serviceaccount:kube-system:namespace-controller"
BRIDGE = '{"cniVersion": "1.0.0", "type": "bridge", "bridge": "br1"}'
OTHER = BRIDGE.replace("br1", "br2")
ATTACHED = {"metadata": {"annotations": {STATUS: "[]"}}}
"""A change of a pod: the node writes its network status when the networks are attached."""
HOOKS = {
    "pods": ("", "v1", ["pods"], ["CREATE", "UPDATE"]),
    "networks": ("k8s.cni.cncf.io", "v1", ["network-attachment-definitions"], ["CREATE", "UPDATE", "DELETE"]),
}
RULES = [
    {"apiGroups": ["resource.k8s.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
    {
        "apiGroups": ["k8s.cni.cncf.io"],
        "resources": ["network-attachment-definitions"],
        "verbs": ["get", "list", "watch"],
    },
    {"apiGroups": [""], "resources": ["namespaces", "pods"], "verbs": ["list", "watch"]},
    {"apiGroups": ["access.nadmit.io"], "resources": ["*"], "verbs": ["list", "watch"]},
]
"""The least rights of `serve --cluster` for its caches."""


@pytest.fixture(scope="module")
def account(real_api: RealApiServer) -> Path:
    """A kubeconfig of a service account with only RULES."""
    rbac = "rbac.authorization.k8s.io"
    metadata = {"name": "caches-webhook"}
    real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for name in ("default", "webhook"):
        own = {"name": name, "namespace": NAMESPACE}
        real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": own})
    real_api.put({"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": RULES})
    real_api.put(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "caches-webhook"},
            "subjects": [{"kind": "ServiceAccount", "name": "webhook", "namespace": NAMESPACE}],
        }
    )
    return real_api.kubeconfig_for(NAMESPACE, "webhook")


@contextmanager
def serving(api: RealApiServer, kubeconfig: Path, folder: Path, *more: str) -> Iterator[Callable[[], str]]:
    """Run the webhook, registered for pods and networks; yield a reader of its metrics."""
    command = [sys.executable, "-m", "webhook", "serve", "--cluster", "--kubeconfig", str(kubeconfig), *more]
    command += ["--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0", "--cert-dir", str(folder / "certs")]
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [*command, "--cert-name", "127.0.0.1", "--drain-seconds", "0"], stdout=log, stderr=log
        )
        try:
            wait_until(lambda: listening(folder / "log"))
            ports = listening(folder / "log")
            wait_until(lambda: ready_at(ports["probes"][1]))
            register(
                api, f"https://127.0.0.1:{ports['webhook'][1]}/validate", (folder / "certs" / "ca.crt").read_bytes()
            )
            yield lambda: metrics_at(ports["probes"][1])
        finally:
            api.ask("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/caches")
            process.terminate()
            assert process.wait(30) == 0


def ready_at(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def listening(log: Path) -> Object:
    for line in log.read_text().splitlines():
        if line.startswith("{") and json.loads(line).get("event") == "listening":
            found: Object = json.loads(line)
            return found
    return {}


def metrics_at(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def register(api: RealApiServer, url: str, ca: bytes) -> None:
    """Register for namespaces whose name begins with NAMESPACE; return when the API server calls."""
    hooks = [
        {
            "name": f"{name}.access.nadmit.io",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "clientConfig": {"url": url, "caBundle": base64.b64encode(ca).decode()},
            "rules": [
                {"apiGroups": [group], "apiVersions": [version], "operations": operations, "resources": resources}
            ],
            "matchConditions": [{"name": "own", "expression": f"request.namespace.startsWith('{NAMESPACE}')"}],
        }
        for name, (group, version, resources, operations) in HOOKS.items()
    ]
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    api.put({**kind, "metadata": {"name": "caches"}, "webhooks": hooks})
    probe = {**pod("probe"), "metadata": {"name": "probe", "namespace": NAMESPACE, "annotations": {NETWORKS: "a b"}}}
    wait_until(lambda: "is invalid" in create(api, probe, "--dry-run=server").stderr)


def pod(name: str, networks: str = "", namespace: str = NAMESPACE) -> Object:
    annotations = {NETWORKS: networks} if networks else {}
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": CONTAINERS}


def create(api: RealApiServer, value: Object, *more: str) -> subprocess.CompletedProcess[str]:
    return api.kubectl("create", "-f", "-", *more, stdin=json.dumps(value))


def network(name: str, config: str = BRIDGE, namespace: str = NAMESPACE) -> Object:
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    return {**kind, "metadata": {"name": name, "namespace": namespace}, "spec": {"config": config}}


@pytest.fixture
def clean(real_api: RealApiServer) -> Iterator[None]:
    """Remove pods and networks."""
    yield
    now = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
    for value in (pod("any"), network("any")):
        real_api.must("DELETE", real_api.path_of(value).rpartition("/")[0], now)


@pytest.mark.usefixtures("clean")
def test_a_pod_right_after_its_network_is_admitted(real_api: RealApiServer, account: Path, tmp_path: Path) -> None:
    """The webhook asks for a network that the watch has not brought yet. It asks for nothing else while judging."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    with serving(real_api, account, tmp_path) as metrics:
        offset = real_api.audit_offset()
        for number in range(50):
            real_api.must("POST", real_api.path_of(network("n")).rpartition("/")[0], network(f"n{number}"))
            answer = real_api.ask("POST", path, pod(f"p{number}", f"n{number}"))
            assert answer.status == 201, answer.value
        answer = real_api.ask("POST", path, pod("none", "nowhere"))
        assert (answer.status, answer.value["reason"]) == (422, "Invalid")
        wait_until(lambda: 'nadmit_objects{kind="pods"} 50.0' in metrics())
        told = metrics()
        asked = real_api.requests(offset=offset, user=f"system:serviceaccount:{NAMESPACE}:webhook")
    gets = [one for one in asked if one.verb == "get"]
    assert {one.verb for one in asked} <= {"get", "watch"}
    assert all(one.uri.startswith(f"/apis/k8s.cni.cncf.io/v1/namespaces/{NAMESPACE}/") for one in gets)
    assert 1 <= len(gets) <= 51
    assert 'nadmit_live_lookups_total{result="absent"} 1.0' in told


@pytest.mark.usefixtures("clean")
def test_a_network_in_use_is_a_warning(real_api: RealApiServer, account: Path, tmp_path: Path) -> None:
    def change(config: str, *words: str) -> subprocess.CompletedProcess[str]:
        return real_api.kubectl("replace", "-f", "-", *words, stdin=json.dumps(network("lan", config)))

    with serving(real_api, account, tmp_path) as metrics:
        real_api.put(network("lan"))
        assert create(real_api, pod("web-0", "lan")).returncode == 0
        wait_until(lambda: 'nadmit_objects{kind="pods"} 1.0' in metrics())
        changed = change(OTHER, "--dry-run=server")
        assert changed.stderr == (
            f"Warning: 1 pod that has not started waits for network {NAMESPACE}/lan, and this changes bridge: "
            "nothing is attached yet, so they get the new one (web-0)\n"
        )
        real_api.must("PATCH", real_api.path_of(pod("web-0")), ATTACHED, kind=MERGE_PATCH)
        wait_until(lambda: "running" in change(OTHER, "--dry-run=server").stderr)
        changed = change(OTHER)
        assert changed.returncode == 0
        assert changed.stderr == (
            f"Warning: 1 running pod uses network {NAMESPACE}/lan, and this changes bridge: the old one stays attached "
            "until the pods are recreated; delete them when convenient (web-0)\n"
        )
        labelled = real_api.kubectl("label", "net-attach-def", "lan", "-n", NAMESPACE, "a=b")
        assert (labelled.returncode, labelled.stderr) == (0, "")
        tried = real_api.kubectl("delete", "net-attach-def", "lan", "-n", NAMESPACE, "--dry-run=server")
        deleted = real_api.kubectl("delete", "net-attach-def", "lan", "-n", NAMESPACE)
    assert (deleted.returncode, tried.returncode) == (0, 0)
    assert (
        deleted.stderr
        == tried.stderr
        == (
            f"Warning: 1 running pod uses network {NAMESPACE}/lan: it stays attached, but recreated pods will not start; "
            "create it again, or remove it from the pods (web-0)\n"
        )
    )


@pytest.mark.usefixtures("clean")
def test_a_network_in_use_is_refused_by_setting(real_api: RealApiServer, account: Path, tmp_path: Path) -> None:
    """The refusal ends with the pod, and does not stop the deletion of the namespace."""
    with serving(real_api, account, tmp_path, "--network-in-use", "Deny") as metrics:
        for name in ("lan", "wan"):
            real_api.put(network(name))
            assert create(real_api, pod(f"on-{name}", name)).returncode == 0
        wait_until(lambda: 'nadmit_objects{kind="pods"} 2.0' in metrics())
        change = ("replace", "-f", "-", "--dry-run=server")
        assert real_api.kubectl(*change, stdin=json.dumps(network("lan", OTHER))).returncode == 0  # nothing is attached
        for name in ("lan", "wan"):
            real_api.must("PATCH", real_api.path_of(pod(f"on-{name}")), ATTACHED, kind=MERGE_PATCH)
            written = json.dumps(network(name, OTHER))
            wait_until(lambda written=written: real_api.kubectl(*change, stdin=written).returncode == 1)  # type: ignore[misc]
        delete = ("delete", "net-attach-def", "-n", NAMESPACE)
        one = real_api.kubectl(*delete, "lan")
        everything = real_api.kubectl(*delete, "--all", "--as", "system:admin", "--as-group", "system:masters")
        changed = real_api.kubectl("replace", "-f", "-", stdin=json.dumps(network("lan", OTHER)))
        assert (one.returncode, everything.returncode, changed.returncode) == (1, 1, 1)
        assert one.stderr == (
            'Error from server (Forbidden): admission webhook "networks.access.nadmit.io" denied the request: '
            f"network in use: networkattachmentdefinition {NAMESPACE}/lan may not be deleted\n"
            "  reason:  1 running pod uses it: on-lan\n"
            "  effect:  pods keep what they have, but a recreated pod or sandbox does not start without it\n"
            "  decided: built-in check of networks in use (--network-in-use Deny)\n"
            "  fix:     delete these pods, or remove the network from the workloads that create them; then try again\n"
        )
        assert everything.stderr.count("may not be deleted") == 2
        path = real_api.path_of(network("lan")).rpartition("/")[0]
        collection = real_api.ask("DELETE", path)
        assert (collection.status, collection.value["reason"]) == (403, "Forbidden")
        assert "on-" in collection.value["message"]

        gone = real_api.kubectl("delete", "pod", "on-wan", "-n", NAMESPACE, "--grace-period=0", "--force")
        assert gone.returncode == 0
        wait_until(lambda: real_api.kubectl(*delete, "wan").returncode == 0)
        with granted_to_the_cleaner(real_api):
            cleaned = real_api.kubectl(*delete, "--all", "--as", NAMESPACE_CONTROLLER)
        assert (cleaned.returncode, cleaned.stderr) == (0, "")


@contextmanager
def granted_to_the_cleaner(api: RealApiServer) -> Iterator[None]:
    """The rights of the namespace controller in every cluster; here no controller runs, and its role is missing."""
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "caches-cleaner"},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": NAMESPACE_CONTROLLER}],
    }
    api.put(binding)
    yield
    api.must("DELETE", api.path_of(binding))


def test_a_namespace_that_is_terminating_can_end(real_api: RealApiServer, account: Path, tmp_path: Path) -> None:
    """No controller runs here, so the namespace stays terminating. Its admin may remove the network."""
    name = f"{NAMESPACE}-ending-{time.monotonic_ns()}"
    real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}})
    with serving(real_api, account, tmp_path, "--network-in-use", "Deny") as metrics:
        real_api.put(network("lan", namespace=name))
        assert create(real_api, pod("web-0", "lan", name)).returncode == 0
        wait_until(lambda: 'nadmit_objects{kind="pods"} 1.0' in metrics())
        assert real_api.kubectl("delete", "net-attach-def", "lan", "-n", name).returncode == 1
        assert real_api.kubectl("delete", "namespace", name, "--wait=false").returncode == 0
        wait_until(lambda: real_api.kubectl("delete", "net-attach-def", "lan", "-n", name).returncode == 0)
        real_api.kubectl("delete", "pods", "-n", name, "--all", "--grace-period=0", "--force")


def test_pods_that_may_not_be_read_keep_it_from_being_ready(real_api: RealApiServer, tmp_path: Path) -> None:
    real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    own = {"name": "podless", "namespace": NAMESPACE}
    real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": own})
    command = [sys.executable, "-m", "webhook", "serve", "--cluster", "--cert-dir", str(tmp_path / "certs")]
    command += ["--kubeconfig", str(real_api.kubeconfig_for(NAMESPACE, "podless")), "--listen", "127.0.0.1:0"]
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            [*command, "--probe-listen", "127.0.0.1:0", "--drain-seconds", "0"], stdout=log, stderr=log
        )
        try:
            wait_until(lambda: listening(tmp_path / "log"))
            wait_until(lambda: "start with --no-watch-pods" in (tmp_path / "log").read_text())
            assert not ready_at(listening(tmp_path / "log")["probes"][1])
        finally:
            process.terminate()
            assert process.wait(30) == 0


@pytest.mark.usefixtures("clean")
def test_every_answer_is_in_the_audit_log(real_api: RealApiServer, account: Path, tmp_path: Path) -> None:
    with serving(real_api, account, tmp_path, "--network-in-use", "Deny") as metrics:
        offset = real_api.audit_offset()
        real_api.put(network("lan"))
        assert create(real_api, pod("web-0", "lan")).returncode == 0
        assert create(real_api, pod("plain")).returncode == 0
        assert create(real_api, pod("bad", "elsewhere/lan")).returncode == 1
        wait_until(lambda: 'nadmit_objects{kind="pods"} 1.0' in metrics())
        assert real_api.kubectl("delete", "net-attach-def", "lan", "-n", NAMESPACE).returncode == 1

    def told() -> set[tuple[str, str, str]]:
        found = set()
        for asked, said in read_annotations(real_api.audit_log, offset=offset):
            webhook = next((key.partition("/")[0] for key in said if "access.nadmit.io/" in key), "")
            if webhook:
                found.add((asked.verb, said[f"{webhook}/decision"], said.get(f"{webhook}/rule", "")))
        return found

    wait_until(lambda: any(verb == "delete" for verb, _, _ in told()))
    assert told() >= {
        ("patch", "allow", "DefinitionDefault"),
        ("create", "allow", "Posture"),
        ("create", "allow", ""),
        ("create", "deny", "PostureIsolated"),
        ("delete", "deny", "NetworkInUse"),
    }
