"""The whole chain: kubectl, a real API server, the webhook registered by URL. What users read, byte for byte.

The worked examples are those of `tests/access/test_worked_examples.py`; here nothing stands in for anything, but for
the scheduler and the nodes, which a Pod that is only created does not need.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.access.test_worked_examples import ALL, COMMON, GOLDEN, NETWORKS, Example, documents

from .server import RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

CRDS = Path(__file__).parents[2] / "manifests" / "crds"
PATIENCE_S = 20.0
CONTAINERS = {"containers": [{"name": "c", "image": "example"}]}
ACCESS, NETWORK = "access.nadmit.io/v1alpha1", "k8s.cni.cncf.io/v1"

KINDS = ("networkattachmentpolicies", "networkattachmentpolicyconfigs")

Object = dict[str, Any]

HOOKS = {
    "pods": ("", "v1", ["pods", "pods/status"]),
    "networks": ("k8s.cni.cncf.io", "v1", ["network-attachment-definitions"]),
    "workloads": ("apps", "v1", ["deployments"]),
    "policies": ("access.nadmit.io", "v1alpha1", ["*"]),
}


def until(condition: Any) -> None:
    """Wait until something is true: the API server and the webhook's caches take a moment."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ready_at(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.fixture(scope="module")
def webhook(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The webhook as a process, registered for all it judges; its URL."""
    folder = tmp_path_factory.mktemp("webhook")
    for path in sorted(CRDS.glob("networkattachmentpolic*.yaml")):
        for value in yaml.safe_load_all(path.read_text()):
            real_api.put(value)
    for plural in KINDS:
        until(lambda plural=plural: real_api.ask("GET", f"/apis/{ACCESS}/{plural}").status == 200)
    command = [sys.executable, "-m", "webhook", "serve", "--cluster", "--kubeconfig", str(real_api.admin_kubeconfig)]
    command += ["--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0", "--cert-dir", str(folder / "certs")]
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [*command, "--cert-name", "127.0.0.1", "--drain-seconds", "0"], stdout=log, stderr=log
        )
        try:
            until(lambda: listening(folder / "log"))
            ports = listening(folder / "log")
            until(lambda: ready_at(ports["probes"][1]))
            url = f"https://127.0.0.1:{ports['webhook'][1]}/validate"
            register(real_api, url, (folder / "certs" / "ca.crt").read_bytes())
            yield url
        finally:
            real_api.ask("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/nadmit")
            process.terminate()
            assert process.wait(30) == 0
            for plural in KINDS:  # others install the kinds themselves
                real_api.ask(
                    "DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.access.nadmit.io"
                )
                until(lambda plural=plural: real_api.ask("GET", f"/apis/{ACCESS}/{plural}").status == 404)


def listening(log: Path) -> Object:
    for line in log.read_text().splitlines():
        if line.startswith("{") and json.loads(line).get("event") == "listening":
            found: Object = json.loads(line)
            return found
    return {}


def register(api: RealApiServer, url: str, ca: bytes) -> None:
    hooks = [
        {
            "name": f"{name}.access.nadmit.io",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "clientConfig": {"url": url, "caBundle": base64.b64encode(ca).decode()},
            "rules": [
                {
                    "apiGroups": [group],
                    "apiVersions": [version],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": resources,
                }
            ],
        }
        for name, (group, version, resources) in HOOKS.items()
    ]
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    api.put({**kind, "metadata": {"name": "nadmit"}, "webhooks": hooks})


@pytest.fixture
def world(real_api: RealApiServer, webhook: str) -> Iterator[RealApiServer]:
    """The cluster of the examples; bob may write networks, and is no admin."""
    assert webhook
    for name, labels in COMMON["namespaces"].items():
        real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        account = {"name": "default", "namespace": name}
        real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    real_api.put(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "blue-admins"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "blue-admins"}],
        }
    )
    config = {"apiVersion": ACCESS, "kind": "NetworkAttachmentPolicyConfig", "metadata": {"name": "cluster"}}
    real_api.put({**config, "spec": COMMON["config"]})
    yield real_api
    for words in (("pods", "-n", "blue"), ("deployments", "-n", "blue"), ("nap",), ("net-attach-def", "-A")):
        done = real_api.kubectl("delete", *words, "--all", "--grace-period=0", "--force")
        assert done.returncode == 0, done.stderr


def put_network(api: RealApiServer, reference: str, config: str) -> None:
    namespace, _, name = reference.partition("/")
    metadata = {"namespace": namespace, "name": name}
    kind = {"apiVersion": NETWORK, "kind": "NetworkAttachmentDefinition"}
    api.put({**kind, "metadata": metadata, "spec": {"config": config}})


def whole(written: Object) -> Object:
    """Return an object of an example with what the example leaves out."""
    if written["kind"] == "Pod":
        return {**written, "spec": CONTAINERS}
    if written["kind"] == "Deployment":
        template = {**written["spec"]["template"], "spec": CONTAINERS}
        selector = {"matchLabels": template["metadata"]["labels"]}
        return {**written, "spec": {"selector": selector, "template": template}}
    return written


def printed(done: subprocess.CompletedProcess[str], path: Path) -> str:
    return (done.stderr + done.stdout).replace(str(path), path.name)


@pytest.mark.parametrize("example", [example for example in ALL if example.file], ids=lambda example: example.name)
def test_a_worked_example(world: RealApiServer, tmp_path: Path, example: Example) -> None:
    """NB: what is created meanwhile, until the webhook has seen the example's policies, is removed again."""
    expected = (GOLDEN / f"{example.name}.txt").read_text()
    for reference, config in (*COMMON["networks"].items(), *example.networks):
        put_network(world, reference, config)
    policies, written = documents(example)
    assert written is not None
    for policy in policies:
        world.put(policy)
    path = tmp_path / (example.file or "")
    path.write_text(json.dumps(whole(written)))
    user = ["--as", example.user["username"], "--as-group", *example.user["groups"]] if example.user else []
    said = ""

    def is_as_written() -> bool:
        nonlocal said
        done = world.kubectl("create", "-f", str(path), *user)
        said = printed(done, path)
        if done.returncode == 0:
            assert world.kubectl("delete", "-f", str(path), "--grace-period=0", "--force").returncode == 0
        return said.strip() == expected.strip()

    try:
        until(is_as_written)
    except AssertionError:
        assert said == expected


def test_hot_plug(world: RealApiServer) -> None:
    """Example 11, whose pod runs."""
    example = next(example for example in ALL if example.file is None)
    expected = (GOLDEN / f"{example.name}.txt").read_text()
    for reference, config in COMMON["networks"].items():
        put_network(world, reference, config)
    for policy in documents(example)[0]:
        world.put(policy)
    metadata = {"name": "web-0", "namespace": "blue", "annotations": {NETWORKS: "lan"}}
    until(lambda: world.kubectl("get", "nap", "-o", "name").stdout.strip() != "")
    pod = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": CONTAINERS})
    assert world.kubectl("create", "-f", "-", stdin=pod).returncode == 0
    wanted = f"{NETWORKS}=lan,default/internet,green/shared,infra/other"
    said = ""

    def is_as_written() -> bool:
        nonlocal said
        said = world.kubectl("annotate", "pod", "web-0", "-n", "blue", "--overwrite", wanted).stderr
        return said.strip() == expected.strip()

    try:
        until(is_as_written)
    except AssertionError:
        assert said == expected
