"""A misspelt annotation key: the pod would start without its networks."""

from __future__ import annotations

import pytest

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS, NETWORKS
from tests.webhook.admission.mutation.injecting import ask_mutate, pod_of, sketch, sriov
from tests.webhook.admission.world import RULES, FakeCluster, request
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import COMPARED_MAX, find_misspelt
from webhook.admission.model.kinds import GroupKind
from webhook.admission.model.requests import ALLOWED, Object
from webhook.admission.view.decisioncontext import DecisionContext

DEPLOYMENT = GroupKind("apps", "Deployment")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("k8s.v1.cni.cncf.io/network", NETWORKS),
        ("k8s.v1.cni.cncf.io/Networks", NETWORKS),
        ("k8s.v1.cni.cncf.io/netwroks", NETWORKS),
        ("k8s.cni.cncf.io/networks", NETWORKS),
        ("k8s.v1.cncf.io/networks", NETWORKS),
        ("v1.multus-cni.io/default-networks", DEFAULT_NETWORK),
        ("v1.multus.cni.io/default-network", DEFAULT_NETWORK),
    ],
)
def test_near(key: str, meant: str) -> None:
    assert list(find_misspelt([key])) == [(key, meant)]


@pytest.mark.parametrize(
    "key",
    [
        NETWORKS,
        DEFAULT_NETWORK,
        NETWORK_STATUS,
        "k8s.v1.cni.cncf.io/networks-status",
        "k8s.v1.cni.cncf.io/resourceName",
        "k8s.ovn.org/pod-networks",
        "example.com/networks",
        "multus" * 20,
    ],
)
def test_not_near(key: str) -> None:
    assert list(find_misspelt([key])) == []


def test_many_keys_cost_no_more_than_a_few() -> None:
    assert len(list(find_misspelt([f"k8s.v1.cni.cncf.io/networks{at:x}" for at in range(16)]))) == COMPARED_MAX


def test_a_new_pod_gets_a_warning() -> None:
    pod = pod_of(None)
    pod["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/network": "a"}
    answer = ask_mutate(pod, sriov())
    assert answer.is_allowed
    assert NETWORKS in str(answer.warnings[0])


def test_a_new_template_gets_a_warning() -> None:
    near = Object(name="web", annotations={"k8s.v1.cni.cncf.io/network": "a"})
    created = evaluate(request(near, kind=DEPLOYMENT), DecisionContext(FakeCluster({}), RULES))
    assert created.is_allowed
    assert NETWORKS in str(created.warnings[0])
    assert evaluate(request(near, old=near, kind=DEPLOYMENT), DecisionContext(FakeCluster({}), RULES)) == ALLOWED
    assert evaluate(request(Object(name="web"), kind=DEPLOYMENT), DecisionContext(FakeCluster({}), RULES)) == ALLOWED


def test_the_sketch_has_misspelt_annotations() -> None:
    plain, near, other = (pod_of(None) for _ in range(3))
    plain["metadata"]["annotations"] = {"example.com/network": "a"}
    near["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/network": "a"}
    other["metadata"]["annotations"] = {"example.com/another": "a"}
    assert sketch(plain) == sketch(other) != sketch(near)
