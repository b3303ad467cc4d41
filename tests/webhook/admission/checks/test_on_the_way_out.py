"""Objects that are being deleted and still exist: a finalizer holds them, or a grace period runs.

They are judged like any other object, unless the judged parts do not change: a finalizer must be removable.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from cniplugin.access.reading.consent import ALLOWED_NAMESPACES
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS, NETWORKS
from tests.webhook.admission.world import MACVLAN, cluster, rules
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import BINDING, NETWORK, POD, POLICY, WORKLOADS, GroupKind
from webhook.admission.model.requests import Decision
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.review import wire

Json = dict[str, Any]
STAMP = "2026-11-28T15:00:00Z"


def update(
    kind: GroupKind, new: Json, old: Json | None, *, subresource: str = "", operation: str = "UPDATE", **config: object
) -> Decision:
    """Decide a change by a user with the rights of one namespace, from the bytes of its review."""
    request = {
        "uid": "u",
        "kind": {"group": kind.group, "version": "v1", "kind": kind.kind},
        "operation": operation,
        "namespace": "blue",
        "name": new["metadata"]["name"],
        "subResource": subresource,
        "userInfo": {"username": "bob", "groups": ["system:authenticated"]},
        "object": new,
        "oldObject": old,
    }
    body = {"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": request}
    return evaluate(wire.decode(json.dumps(body).encode()), DecisionContext(cluster(), rules(**config)))


def dying(obj: Json, **metadata: Any) -> Json:
    """Return an object after `kubectl delete`, held by a finalizer."""
    made = copy.deepcopy(obj)
    made["metadata"] |= {"deletionTimestamp": STAMP, "deletionGracePeriodSeconds": 86400, **metadata}
    return made


def definition(config: str = MACVLAN, **annotations: str) -> Json:
    metadata = {"name": "lan", "namespace": "blue", "annotations": annotations, "finalizers": ["example.com/hold"]}
    return {"metadata": metadata, "spec": {"config": config}}


def pod(networks: str = "lan", **annotations: str) -> Json:
    return {"metadata": {"name": "web-0", "annotations": {NETWORKS: networks, **annotations}}, "spec": {}}


def workload(kind: GroupKind, networks: str) -> Json:
    template = {"metadata": {"annotations": {NETWORKS: networks}}}
    metadata = {"name": "web"}
    if kind.kind == "PodTemplate":
        return {"metadata": metadata, "template": template}
    spec = {"jobTemplate": {"spec": {"template": template}}} if kind.kind == "CronJob" else {"template": template}
    return {"metadata": metadata, "spec": spec}


CHANGES = {
    "no JSON": definition("{"),
    "a path as type": definition('{"cniVersion": "1.0.0", "type": "../../x"}'),
    "a delegating plugin": definition('{"cniVersion": "1.0.0", "type": "multus"}'),
    "another master": definition('{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond0"}'),
    "shared with everybody": definition(**{ALLOWED_NAMESPACES: "*"}),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_definition_that_a_finalizer_holds_is_judged(case: str) -> None:
    """Pods attach to a definition until it is gone, so a change is judged like a new definition."""
    new, old = CHANGES[case], definition()
    plain = update(NETWORK, new, old, definitions_default="Deny")
    held = update(NETWORK, dying(new), dying(old), definitions_default="Deny")
    assert held == plain
    assert not held.is_allowed


@pytest.mark.parametrize(
    "metadata",
    [{"finalizers": []}, {"labels": {"a": "b"}}, {"annotations": {"note": "x"}}, {"ownerReferences": []}],
    ids=lambda metadata: next(iter(metadata)),
)
@pytest.mark.parametrize("config", [MACVLAN, "{", '{"cniVersion": "1.0.0", "type": "multus"}'])
def test_the_holder_of_a_definition_can_release_it(config: str, metadata: Json) -> None:
    """This also holds for a definition that was stored before the webhook and would be refused today."""
    old = definition(config)
    assert update(NETWORK, dying(old, **metadata), dying(old), definitions_default="Deny").verdict == "allow"


@pytest.mark.parametrize("subresource", ["", "status", "ephemeralcontainers", "resize"])
def test_a_pod_in_its_grace_period_is_judged(subresource: str) -> None:
    """The pod still runs, and hot-plug controllers act on its annotations."""
    new, old = pod("lan,infra/storage"), pod()
    held = update(POD, dying(new), dying(old), subresource=subresource)
    assert held.rules == ("PostureIsolated",)
    other_default = update(POD, dying(pod(**{DEFAULT_NETWORK: "infra/storage"})), dying(old), subresource=subresource)
    assert other_default.rules == ("PostureReplaceDefault",)


@pytest.mark.parametrize("networks", ["lan", "", "lan,gone", "infra/storage,A B"])
def test_a_pod_in_its_grace_period_may_end(networks: str) -> None:
    """Changes of finalizers, labels and status, and fewer networks, are allowed with any old annotations."""
    old = pod(networks)
    for new in (
        dying(old, finalizers=[]),
        dying(old, labels={"a": "b"}),
        {**dying(old), "status": {"phase": "Failed"}},
    ):
        assert update(POD, new, dying(old)).verdict == "allow"
    assert update(POD, dying(pod("")), dying(old)).is_allowed


@pytest.mark.parametrize("kind", sorted(WORKLOADS), ids=lambda kind: kind.kind)
def test_a_workload_in_foreground_deletion_is_judged(kind: GroupKind) -> None:
    new, old = workload(kind, "infra/storage"), workload(kind, "lan")
    assert update(kind, dying(new), dying(old)).rules == ("PostureIsolated",)
    assert update(kind, dying(new, finalizers=[]), dying(new)).verdict == "allow"


@pytest.mark.parametrize("key", [NETWORKS, DEFAULT_NETWORK, NETWORK_STATUS])
def test_a_binding_with_a_deletion_timestamp_is_judged(key: str) -> None:
    """The API server keeps the metadata of a Binding, while it clears deletionTimestamp in other new objects."""
    binding = dying({"metadata": {"name": "web-0", "annotations": {key: "lan"}}})
    assert update(BINDING, binding, None, subresource="binding", operation="CREATE").rules == (
        "BuiltinBindingAnnotation",
    )


def test_a_new_pod_with_a_deletion_timestamp_is_judged() -> None:
    assert update(POD, dying(pod("infra/storage")), None, operation="CREATE").rules == ("PostureIsolated",)


def test_a_policy_that_a_finalizer_holds_counts_and_is_judged() -> None:
    old: Json = {"metadata": {"name": "mine"}, "spec": {"attachments": [{"name": "d", "action": "Deny"}]}}
    wrong = {**old, "spec": {"attachments": 7}}
    assert update(POLICY, dying(wrong), dying(old)).code == 422
    assert update(POLICY, dying(wrong, finalizers=[]), dying(wrong)).verdict == "allow"
