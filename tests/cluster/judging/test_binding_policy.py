"""The ValidatingAdmissionPolicy refuses bindings with network annotations, even without the webhook (side door 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.rig.registered import NAMESPACE, NETWORKS, STATUS, create, pod
from tests.fakes.waiting import wait_until
from tests.paths import MANIFESTS
from tests.realapi.server import RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

MANIFEST = MANIFESTS / "base" / "binding-policy.yaml"
DEFAULT = "v1.multus-cni.io/default-network"
WHY = (
    ": annotations of a Binding replace the pod's own after the pod was checked; set the annotation on the pod; the "
    "scheduler's Binding needs none"
)


def binding(annotations: dict[str, str] | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "web"}
    if annotations is not None:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": {"kind": "Node", "name": "n"}}


@pytest.fixture
def policy(real_api: RealApiServer) -> Iterator[RealApiServer]:
    """The policy and a pod, without the webhook."""
    values = list(yaml.safe_load_all(MANIFEST.read_text()))
    real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    real_api.put(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}}
    )
    for value in values:
        real_api.put(value)
    assert create(real_api, pod("web")).returncode == 0
    try:
        yield real_api
    finally:
        real_api.kubectl("delete", "-f", str(MANIFEST))
        real_api.kubectl("delete", "pod", "web", "-n", NAMESPACE, "--grace-period=0", "--force")


def test_annotations_are_refused_by_both_ways(policy: RealApiServer) -> None:
    ways = [f"/api/v1/namespaces/{NAMESPACE}/{end}" for end in ("pods/web/binding", "bindings")]
    wait_until(lambda: policy.ask("POST", ways[0] + "?dryRun=All", binding({NETWORKS: "lan"})).status == 403)
    for way in ways:
        for keys in ([NETWORKS], [DEFAULT], [STATUS], [NETWORKS, STATUS]):
            status, value = policy.ask("POST", way, binding({**dict.fromkeys(keys, "x"), "other": "y"}))
            assert (status, value["reason"]) == (403, "Forbidden")
            said = f"network access denied: binding {NAMESPACE}/web may not carry {', '.join(keys)}{WHY}"
            assert value["message"].endswith(f"with binding 'bindings.access.nadmit.io' denied request: {said}")
    for harmless in (None, {}, {"other": "y"}):
        assert policy.ask("POST", ways[0] + "?dryRun=All", binding(harmless)).status == 201
    assert policy.ask("POST", ways[0], binding({"other": "y"})).status == 201
