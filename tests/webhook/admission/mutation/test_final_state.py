"""/validate judges the result of /mutate; and every message about injection once."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.netspec.netattachdef import RESOURCE_NAME
from cniplugin.netspec.selection import NETWORKS
from tests import golden_files as golden
from tests.webhook.admission.mutation.injecting import (
    HONOR,
    VF,
    Json,
    annotated,
    app,
    ask_mutate,
    ask_validate,
    cluster_of,
    create,
    network,
    pod_of,
    sidecar,
    sriov,
)
from tests.webhook.admission.test_golden_messages import show
from tests.webhook.admission.world import RULES, FakeCluster
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import Injection
from webhook.admission.view import needs
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

# The result of /mutate


@pytest.mark.parametrize(
    ("pod", "is_allowed"),
    [
        (pod_of("a,b", app(asks="2")), True),
        (pod_of("a,b", app(asks="1"), app("b", asks="1")), True),
        (pod_of("a,b", app(asks="1")), False),
        (pod_of("a"), False),
        (pod_of("a", app(asks="many")), False),
        (pod_of("plain"), True),
        (pod_of(None), True),
        (pod_of("a,b", app(), initContainers=[app("bind", asks="2")]), True),
        (pod_of("a,b", app(asks="1"), initContainers=[app("bind", asks="1")]), False),
        (pod_of("a,b", app(), initContainers=[sidecar(asks="1"), app("bind", asks="1")]), True),
        (pod_of("a,b", app(), initContainers=[app("bind", asks="1"), sidecar(asks="1")]), False),
        (pod_of("a,b", app(asks="1"), initContainers=[sidecar(asks="1")]), True),
    ],
)
def test_the_final_state(pod: Json, *, is_allowed: bool) -> None:
    decision = ask_validate(pod, sriov())
    assert decision.is_allowed is is_allowed
    assert is_allowed or decision.rules == ("resource-shortfall",)


def test_under_honor_the_final_state_is_a_warning() -> None:
    decision = ask_validate(pod_of("a"), sriov(), HONOR)
    assert decision.is_allowed
    assert len(decision.warnings) == 1


@pytest.mark.parametrize("resource", ["bridge.network.kubevirt.io/br1", "ovs-cni.network.kubevirt.io/br1"])
def test_a_resource_that_counts_places_is_no_device(resource: str) -> None:
    """/mutate requests one, so that the scheduler finds the node. A pod without it starts on a node that has the bridge."""
    world = cluster_of(network("br", resource=resource), network("a", resource=VF))
    injected = ask_mutate(pod_of("br"), world)
    assert resource in str(injected.operations)
    allowed = ask_validate(pod_of("br"), world)
    assert allowed.is_allowed
    assert [str(one) for one in allowed.warnings] == [
        (
            f"spec.containers: a network needs 1 x {resource}, containers request 0: blue/br; the pod may be placed on a "
            "node without the network"
        )
    ]
    refused = ask_validate(pod_of("br,a"), world)
    assert [cause.rule for cause in refused.causes] == ["resource-shortfall"]
    assert VF in refused.causes[0].message
    assert len(refused.warnings) == 1


class Counting(dict[str, str]):
    """Annotations that count their look-ups."""

    looks = 0

    def get(self, key: str, default: Any = None) -> Any:
        self.looks += 1
        return super().get(key, default)


def test_networks_are_walked_once_however_many_resources_are_short() -> None:
    """NB: a pod may name 100,000 networks, and the event loop answers nothing else in the meantime."""
    given = [Counting({RESOURCE_NAME: f"example.com/r{at}"}) for at in range(200)]
    networks = [network(f"n{at}").replace(annotations=annotations) for at, annotations in enumerate(given)]
    found = needs.find_shortfalls(pod_of("a"), networks, (RESOURCE_NAME,))
    assert [short.references for short in found[:2]] == [("blue/n0",), ("blue/n1",)]
    assert sum(annotations.looks for annotations in given) <= 4 * len(networks)


def test_a_refusal_does_not_change() -> None:
    assert ask_validate(pod_of("nowhere,a"), sriov()).rules == ("network-not-found",)


def test_a_pod_that_exists_keeps_its_resources() -> None:
    pod = create(pod_of("a"))
    update = pod._replace(operation="UPDATE", old_object=create(pod_of(None)).object)
    assert evaluate(update, DecisionContext(sriov(), RULES, Configuration(injection=Injection()))).is_allowed


def test_without_injection_nothing_is_asked() -> None:
    assert evaluate(create(pod_of("a")), DecisionContext(sriov(), RULES)).is_allowed


# Every message once


def misspelt(pod: Json) -> Json:
    pod["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/network": "a"}
    return pod


CONFLICT = cluster_of(network("a", selector="rack=1"), network("b", selector="rack=2"))
BY_LABEL = Injection(annotations_by_label={"up": {NETWORKS: "green/x"}})
MESSAGES = {
    "unknown-container": lambda: ask_mutate(annotated(pod_of("a", app("dpdk")), inject_into="dpkd"), sriov()),
    "resource-unusable": lambda: ask_mutate(pod_of("a"), cluster_of(network("a", resource="memory"))),
    "selector-unreadable": lambda: ask_mutate(pod_of("a"), cluster_of(network("a", selector="a=b,c=d"))),
    "selector-contradicted": lambda: ask_mutate(pod_of("a", nodeSelector={"rack": "2"}), CONFLICT),
    "selectors-contradict": lambda: ask_mutate(pod_of("a,b"), CONFLICT),
    "volume-left-alone": lambda: ask_mutate(pod_of("a", volumes=[{"name": "podnetinfo", "emptyDir": {}}]), sriov()),
    "opt-out-unclear": lambda: ask_mutate(annotated(pod_of("a"), inject="n\u00f6\n"), sriov()),
    "annotation-unread": lambda: ask_mutate(misspelt(pod_of(None)), sriov()),
    "taken-as-claimed": lambda: ask_mutate(pod_of("a", resourceClaims=[{"name": "vf"}]), sriov()),
    "networks-by-default": lambda: ask_validate(pod_of("a,,b"), FakeCluster({}, defaults={"blue": "a,,b"})),
    "networks-by-label": lambda: ask_validate(pod_of("green/x", labels={"up": "true"}), sriov(), BY_LABEL),
    "shortfall": lambda: ask_validate(pod_of("a,b", app(asks="1")), sriov()),
    "shortfall-of-one": lambda: ask_validate(pod_of("a"), sriov()),
    "shortfall-counted": lambda: ask_validate(
        pod_of("a"), cluster_of(network("a", resource="bridge.network.kubevirt.io/br1"))
    ),
    "shortfall-honoured": lambda: ask_mutate(pod_of("a,b", app(asks="1")), sriov(), HONOR),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_golden_message(case: str) -> None:
    decision = MESSAGES[case]()
    golden.compare(f"injection/{case}.txt", show(decision))
    assert all(len(text) <= 256 and text.isprintable() and text.isascii() for text in map(str, decision.warnings))


def test_golden_messages_are_all_in_use() -> None:
    assert golden.stale("injection", {f"{case}.txt" for case in MESSAGES}) == []
