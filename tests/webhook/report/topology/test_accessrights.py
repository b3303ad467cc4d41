"""Who may attach to a network: a verdict for each namespace, and equal ones together."""

from __future__ import annotations

import json
from typing import Any

from tests.browser import worlds
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.commands.options import rules_in_force
from webhook.report.diagnosis.world import Right
from webhook.report.topology import accessrights
from webhook.report.topology.accessrights import RightGroup
from webhook.trees import builder, documents


def context(*more: dict[str, Any]) -> DecisionContext:
    items = {"apiVersion": "v1", "kind": "List", "items": [*worlds.demo(), *more]}
    cluster = builder.build(documents.parse(json.dumps(items), file="demo", problems=[]), [])
    return DecisionContext(cluster, rules_in_force({}, cluster))


def groups(namespace: str, name: str, *names: str, more: tuple[dict[str, Any], ...] = ()) -> list[tuple[str, ...]]:
    rights = list(accessrights.rights_of(namespace, name, names, context(*more)))
    return [(one.state, *one.namespaces) for one in accessrights.group(rights)]


def test_namespaces_with_one_verdict_and_one_decider_are_together() -> None:
    assert groups("infra", "storage", "infra", "shop", "payments", "media") == [
        ("yes", "infra"),
        ("yes", "payments"),
        ("no", "shop", "media"),
    ]
    assert groups("default", "public", "infra", "shop", "payments") == [("yes", "infra", "shop", "payments")]


def test_a_network_that_does_not_exist_is_judged_by_its_namespace() -> None:
    assert groups("media", "none", "media", "shop") == [("yes", "media"), ("no", "shop")]


def test_a_rule_that_wants_a_request_is_within_limits() -> None:
    rule = {
        "name": "slow",
        "action": "Allow",
        "networks": [{"namespaces": ["infra"], "names": ["storage"]}],
        "limits": {"bandwidth": {"maxIngressBitsPerSecond": 1000, "required": True}},
    }
    policy = {
        "apiVersion": "access.nadmit.io/v1alpha1",
        "kind": "NetworkAttachmentPolicy",
        "metadata": {"name": "slow"},
        "spec": {"pods": [{"namespaces": ["media"]}], "attachments": [rule]},
    }
    assert groups("infra", "storage", "media", "shop", more=(policy,)) == [("within limits", "media"), ("no", "shop")]


def test_groups_are_sorted_by_what_they_may_and_keep_the_first_reason() -> None:
    rights = [
        Right("a", is_allowed=False, decided="x", reason="because of a"),
        Right("b", is_allowed=True, decided="y", reason="", needs_limits=True),
        Right("c", is_allowed=False, decided="x", reason="because of c"),
        Right("d", is_allowed=True, decided="x"),
    ]
    assert accessrights.group(rights) == (
        RightGroup("yes", "x", "", ("d",)),
        RightGroup("within limits", "y", "", ("b",)),
        RightGroup("no", "x", "because of a", ("a", "c")),
    )
    assert accessrights.to_json(accessrights.group(rights))[2]["namespaces"] == ["a", "c"]
