"""A real API server accepts the patched pods, and a second pass over its defaults changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.realapi.server import RealApiServer
from tests.webhook.admission.mutation.injecting import (
    VF,
    Json,
    ask_mutate,
    ask_validate,
    cluster_of,
    network,
    patched,
    pod_of,
)
from webhook.admission.model.injection import Injection

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

NAMESPACE = "injection"
WORLD = cluster_of(
    network("a", namespace=NAMESPACE, resource=VF, selector="example.com/rack=1"),
    network("b", namespace=NAMESPACE, resource=VF, selector="example.com/sriov"),
    defaults={NAMESPACE: "a"},
)
INJECTION = Injection(exposes_hugepages=True, annotations_by_label={"mark": {"example.com/marked": "yes"}})
HUGE = {"hugepages-2Mi": "4Mi", "memory": "1Gi", "cpu": "1"}


def container(name: str, **more: Any) -> Json:
    return {"name": name, "image": "example.com/app", **more}


def asking(amount: str) -> Json:
    return {"requests": {VF: amount}, "limits": {VF: amount}}


OWN_MOUNT = {"volumeMounts": [{"name": "own", "mountPath": "/etc/podnetinfo"}]}
PODS = {
    "plain": pod_of("a,b", container("app")),
    "defaults": pod_of(None, container("app"), labels={"mark": "true"}),
    "hugepages": pod_of("a", container("app", resources={"limits": HUGE, "requests": HUGE}), container("other")),
    "raised": pod_of("a,b", container("app", resources=asking("1"))),
    "limits-only": pod_of("a,b", container("app", resources={"limits": {VF: "1"}})),
    "mount-at-the-place": pod_of("a", container("app", **OWN_MOUNT), volumes=[{"name": "own", "emptyDir": {}}]),
    "sidecar": pod_of(
        "a", container("app"), initContainers=[container("proxy", restartPolicy="Always", resources=asking("1"))]
    ),
    "init-container": pod_of("a", container("app"), initContainers=[container("bind", resources=asking("1"))]),
    "own-volume": pod_of("a", container("app"), volumes=[{"name": "podnetinfo", "emptyDir": {}}]),
    "node-selector": pod_of("a", container("app"), nodeSelector={"example.com/rack": "1", "disk": "ssd"}),
}


@pytest.fixture(scope="module")
def namespace(real_api: RealApiServer) -> str:
    real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    account = {"name": "default", "namespace": NAMESPACE}
    real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    return f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All"


@pytest.mark.parametrize("case", PODS)
def test_patched_pods_are_accepted_and_a_second_pass_changes_nothing(
    real_api: RealApiServer, namespace: str, case: str
) -> None:
    after = patched(PODS[case], WORLD, INJECTION, namespace=NAMESPACE)
    assert after != PODS[case]
    stored = real_api.must("POST", namespace, {"apiVersion": "v1", "kind": "Pod", **after})
    assert ask_mutate(stored, WORLD, INJECTION, namespace=NAMESPACE).operations == ()
    assert ask_validate(stored, WORLD, INJECTION, namespace=NAMESPACE).is_allowed
