"""A change of the networks of a pod that runs has no effect, and a pod that waits gets the new ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS, NETWORKS
from tests.webhook.admission.world import RULES, cluster
from webhook.admission.evaluate import evaluate
from webhook.admission.model.requests import Decision
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.review import wire

RUNNING = {"phase": "Running", "podIP": "10.0.0.4"}
STARTING = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}


def decide(
    before: dict[str, str], after: dict[str, str], status: Any, *, hotplug: bool = False, **spec: Any
) -> Decision:
    """Judge an UPDATE of a pod's annotations, as the server reads it."""
    whole = {"nodeName": "node-1", "containers": [{"name": "app"}], **spec}
    old, new = (
        {"metadata": {"name": "web-0", "annotations": given}, "spec": whole, "status": status}
        for given in (before, after)
    )
    sent = {"uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "UPDATE"}
    sent |= {"namespace": "blue", "name": "web-0", "userInfo": {"username": "alice"}, "object": new, "oldObject": old}
    body = json.dumps({"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": sent}).encode()
    configuration = Configuration(injection=None, hotplug=hotplug)
    return evaluate(wire.decode(body), DecisionContext(cluster(), RULES, configuration))


def fields(decision: Decision) -> list[str]:
    assert decision.is_allowed, decision.message
    assert all(warning.rule == "no-hotplug" for warning in decision.warnings)
    return [warning.field for warning in decision.warnings]


HERE = f"metadata.annotations[{NETWORKS}]"


@pytest.mark.parametrize(
    ("before", "after", "status", "expected"),
    [
        ({NETWORKS: "lan"}, {NETWORKS: "lan,lan"}, RUNNING, [HERE]),
        ({NETWORKS: "lan"}, {}, RUNNING, [HERE]),
        ({}, {NETWORKS: "lan"}, RUNNING, [HERE]),
        ({NETWORKS: "lan"}, {NETWORKS: " lan"}, RUNNING, []),
        ({NETWORKS: "lan"}, {NETWORKS: "lan", "a": "b"}, RUNNING, []),
        ({NETWORKS: "lan"}, {NETWORKS: "lan,lan"}, STARTING, []),
        ({NETWORKS: "lan"}, {NETWORKS: "lan,lan"}, None, []),
        ({NETWORKS: "lan"}, {NETWORKS: "lan,lan"}, [], []),
        ({NETWORKS: "lan"}, {NETWORKS: "lan,lan"}, {"phase": 7}, []),
        ({NETWORKS: "lan", NETWORK_STATUS: "[]"}, {NETWORKS: "lan,lan", NETWORK_STATUS: "[]"}, STARTING, [HERE]),
    ],
)
def test_who_is_warned(before: dict[str, str], after: dict[str, str], status: Any, expected: list[str]) -> None:
    assert fields(decide(before, after, status)) == expected
    assert fields(decide(before, after, status, hotplug=True)) == []


def test_the_default_network_is_never_changed_either() -> None:
    found = decide({NETWORKS: "lan"}, {NETWORKS: "lan", DEFAULT_NETWORK: ""}, RUNNING)
    assert fields(found) == []
    text = str(decide({}, {NETWORKS: "lan"}, RUNNING).warnings[0])
    assert "nothing happens until the pod is created again" in text
    assert not text.endswith("...")


def test_a_refusal_stays_alone() -> None:
    decision = decide({}, {NETWORKS: "infra/storage"}, RUNNING)
    assert not decision.is_allowed
    assert decision.warnings == ()


def test_a_pod_with_hostnetwork_has_its_own_warning() -> None:
    decision = decide({}, {NETWORKS: "lan"}, RUNNING, hostNetwork=True)
    assert [warning.rule for warning in decision.warnings] == ["host-network"]
