"""Pods in the node's network namespace: nothing is attached, so nothing that concerns the node can refuse them."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.netspec.selection import NETWORKS
from tests.webhook.admission.mutation.injecting import VF, Json, ask_mutate, cluster_of, create, network, pod_of
from tests.webhook.admission.world import RULES, cluster, decide, pod, request
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import Injection
from webhook.admission.model.kinds import POD, GroupKind
from webhook.admission.model.limitsettings import ReviewLimits
from webhook.admission.model.requests import Decision, Object
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

DAEMON_SET = GroupKind("apps", "DaemonSet")


def host_pod(networks: str | None, **more: Any) -> Object:
    return pod(networks)._replace(is_host_network=True, **more)


def rules_of(decision: Decision) -> list[str]:
    return [warning.rule for warning in decision.warnings]


@pytest.mark.parametrize("kind", [POD, DAEMON_SET])
@pytest.mark.parametrize(
    "networks", ["lan", "nosuch", "lan,,", "[{", '[{"name":"lan","ips":["10.0.0.1/24"]}]', "lan@eth0"]
)
def test_what_cannot_be_attached_is_one_warning(networks: str, kind: GroupKind) -> None:
    decision = decide(request(host_pod(networks), kind=kind))
    assert decision.is_allowed
    assert rules_of(decision) == ["host-network"]
    assert "none of these networks is attached" in str(decision.warnings[0])


@pytest.mark.parametrize("kind", [POD, DAEMON_SET])
@pytest.mark.parametrize("networks", ["infra/storage", "infra/storage,nosuch", "infra/storage,,"])
def test_the_access_rules_still_judge(networks: str, kind: GroupKind) -> None:
    decision = decide(request(host_pod(networks), kind=kind))
    assert not decision.is_allowed
    assert "PostureIsolated" in decision.rules


def test_a_limit_holds() -> None:
    context = DecisionContext(cluster(), RULES, Configuration(injection=None, limits=ReviewLimits(networks_per_pod=1)))
    decision = evaluate(request(host_pod("lan,lan")), context)
    assert decision.rules == ("limit-networks",)


@pytest.mark.parametrize("networks", [None, "", " \n"])
def test_a_pod_without_networks(networks: str | None) -> None:
    assert decide(request(host_pod(networks))).warnings == ()


def test_an_update_warns_of_a_change_only() -> None:
    same = decide(request(host_pod("lan"), old=host_pod("lan")))
    changed = decide(request(host_pod("lan,lan"), old=host_pod("lan")))
    switched = decide(request(host_pod("lan"), old=pod("lan"), kind=DAEMON_SET))
    assert [rules_of(one) for one in (same, changed, switched)] == [[], ["host-network"], ["host-network"]]


def test_the_same_pod_without_hostnetwork_is_judged_anew() -> None:
    """NB: decisions about pods with the same annotations are remembered."""
    kept: dict[Any, Any] = {}

    class Memory:
        def get(self, key: Any) -> Any:
            return kept.get(key)

        def put(self, key: Any, result: object) -> None:
            kept[key] = result

    context = DecisionContext(cluster(), RULES, Configuration(injection=None), memory=Memory())
    found = [evaluate(request(one), context) for one in (pod("lan"), host_pod("lan"), pod("lan"), host_pod("lan"))]
    assert kept
    assert [rules_of(one) for one in found] == [[], ["host-network"], [], ["host-network"]]


# Injection

NEEDING = cluster_of(network("a", resource=VF, selector="rack=1"), network("bad", resource="memory"))


def host(networks: str) -> Json:
    return pod_of(networks, hostNetwork=True, nodeSelector={"rack": "2"})


@pytest.mark.parametrize("networks", ["a", "bad", "nosuch", "a,,"])
def test_nothing_is_injected(networks: str) -> None:
    answer = ask_mutate(host(networks), NEEDING)
    assert answer.is_allowed
    assert answer.operations == ()


def test_annotations_by_label_are_still_written() -> None:
    given = Injection(annotations_by_label={"lan": {NETWORKS: "a"}})
    answer = ask_mutate(pod_of(None, hostNetwork=True, labels={"lan": "true"}), NEEDING, given)
    assert [operation["path"] for operation in answer.operations] == ["/metadata/annotations"]


def test_no_device_is_demanded() -> None:
    context = DecisionContext(NEEDING, RULES, Configuration(injection=Injection()))
    asked = create(host("a"))
    decisions = [
        evaluate(asked._replace(object=asked.object._replace(is_host_network=is_host)), context)  # type: ignore[union-attr]
        for is_host in (False, True)
    ]
    assert [one.is_allowed for one in decisions] == [False, True]
