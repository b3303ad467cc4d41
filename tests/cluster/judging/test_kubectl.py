"""The whole chain of kubectl, a real API server and the registered webhook prints the expected text, byte for byte.

The worked examples are those of `tests/cniplugin/access/test_worked_examples.py`; here every part is
real but the scheduler and the nodes, which are not needed to create a pod.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.rig.registered import CONTAINERS, NETWORKS, Object, cluster, staged
from tests.cluster.rig.tenants import ACCESS, network
from tests.cniplugin.access.test_worked_examples import ALL, COMMON, GOLDEN, Example, documents
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]


@pytest.fixture(scope="module")
def webhook(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The webhook as a process, registered in stage Fail."""
    with cluster(real_api), staged(real_api, tmp_path_factory.mktemp("webhook") / "certs"):
        yield


@pytest.fixture
def world(real_api: RealApiServer, webhook: None) -> Iterator[RealApiServer]:
    """The cluster of the examples; bob may write networks, and is not an admin."""
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


def whole(written: Object) -> Object:
    """Return an object of an example, with the fields that the example leaves out."""
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
    """NB: objects that are created before the webhook has seen the policies of the example are removed again."""
    expected = (GOLDEN / f"{example.name}.txt").read_text()
    for reference, config in (*COMMON["networks"].items(), *example.networks):
        world.put(network(reference, {"config": config}))
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
        wait_until(is_as_written)
    except AssertionError:
        assert said == expected


def test_hot_plug(world: RealApiServer) -> None:
    """Example 11: the pod runs already."""
    example = next(example for example in ALL if example.file is None)
    expected = (GOLDEN / f"{example.name}.txt").read_text()
    for reference, config in COMMON["networks"].items():
        world.put(network(reference, {"config": config}))
    for policy in documents(example)[0]:
        world.put(policy)
    metadata = {"name": "web-0", "namespace": "blue", "annotations": {NETWORKS: "lan"}}
    wait_until(lambda: world.kubectl("get", "nap", "-o", "name").stdout.strip() != "")
    pod = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": CONTAINERS})
    assert world.kubectl("create", "-f", "-", stdin=pod).returncode == 0
    wanted = f"{NETWORKS}=lan,default/internet,green/shared,infra/other"
    said = ""

    def is_as_written() -> bool:
        nonlocal said
        said = world.kubectl("annotate", "pod", "web-0", "-n", "blue", "--overwrite", wanted).stderr
        return said.strip() == expected.strip()

    try:
        wait_until(is_as_written)
    except AssertionError:
        assert said == expected
