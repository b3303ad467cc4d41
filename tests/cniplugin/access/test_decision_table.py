"""Every case of the decision table is decided as expected: as values, as a whole AdmissionReview, and on the node.

The table has precedence over the text of the access policy's design. Its reason codes are those of the rules. If there is
nothing to judge, or the text cannot be read, this project names no rule or a narrower one: see OTHER_CODES.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.access.judging.judge import judge
from cniplugin.access.model.decision import Item, Subject, Verdict
from cniplugin.netspec import annotation
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from tests.cniplugin.access.cases import BY_ID, CASES, review_of, rules_of, world_of
from webhook.admission.evaluate import evaluate
from webhook.admission.model.requests import Decision
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.review import wire

OTHER_CODES: dict[tuple[str, str], tuple[str, ...]] = {
    # nothing is judged
    ("A09", "NoNetworks"): (),
    ("G06", "TemplatesOff"): (),
    ("G08", "TemplateUnchanged"): (),
    ("H03", "NoNetworks"): (),
    ("H04", "AnnotationUnchanged"): (),
    ("H08", "StatusWriter"): (),
    # the grammar's own rule
    ("H11", "BuiltinBadAnnotation"): ("item-not-object",),
    ("I15", "BuiltinUnsafeConfig"): ("cni-meta-plugin",),
    ("I16", "BuiltinUnsafeConfig"): ("json-duplicate-key",),
    ("I18", "BuiltinBadConsent"): ("consent",),
    # a rule on trial does not decide
    ("I17", "DefinitionDenyRule"): ("DefinitionDefault",),
}

NODE_CASES = ("D10", "H17")
"""Cases of the node, judged with the rules in force."""
NODE_WITHOUT_RULES = ("H13", "H14", "H15")
"""Cases of a node that cannot ask for the rules; the tests of its snapshot have them."""

ADMISSION = [case for case in CASES if case.get("stage", "admission") == "admission"]
ATTACHMENTS = [case for case in ADMISSION if case.get("kind", "Pod") == "Pod" and case.get("op", "CREATE") == "CREATE"]


def name_of(case: dict[str, Any]) -> str:
    return str(case["id"])


def test_the_table_is_whole() -> None:
    assert len(CASES) == 78
    assert len(BY_ID) == len(CASES)
    assert {case["id"] for case in CASES} - {case["id"] for case in ADMISSION} == {*NODE_CASES, *NODE_WITHOUT_RULES}
    assert {key for key, _ in OTHER_CODES} <= BY_ID.keys()


BY_POLICIES = {
    "AllowRule", "ConsentMissing", "DefinitionAllowRule", "DefinitionDenyRule", "DenyRule", "NotWithinDefinitionRule",
    "NotWithinRule",
}  # fmt: skip
"""Reason codes of refusals by a policy."""


def decide(case: dict[str, Any]) -> Decision:
    return evaluate(wire.decode(review_of(case)), DecisionContext(world_of(case), rules_of(case)))


@pytest.mark.parametrize("case", ADMISSION, ids=name_of)
def test_decision(case: dict[str, Any]) -> None:
    decision = decide(case)
    codes = OTHER_CODES.get((case["id"], case["reason_code"]), (case["reason_code"],))
    assert decision.verdict == case["expect"], case["summary"]
    assert decision.rules == codes
    assert bool(decision.policies) is not BY_POLICIES.isdisjoint(codes)
    if "decided_by" in case and decision.policies:
        assert decision.policies[0] == case["decided_by"].partition("/")[0]
    if case["expect"] == "deny" and "decided_by" in case:
        policy, _, rule = case["decided_by"].partition("/")
        assert decision.decided.startswith(f'NetworkAttachmentPolicy "{policy}" rule "{rule}" ')


def test_rules_on_trial_are_recorded() -> None:
    decision = decide(BY_ID["I17"])
    assert decision.trials == ('Warn: DefinitionDenyRule by NetworkAttachmentPolicy "g" rule "no-host-device"',)


@pytest.mark.parametrize("case", ADMISSION, ids=name_of)
def test_answer_on_the_wire(case: dict[str, Any]) -> None:
    """The answer has verdict, code, reason, and for each refused item a cause with the reason code."""
    request = wire.decode(review_of(case))
    answer = json.loads(wire.encode(request, evaluate(request, DecisionContext(world_of(case), rules_of(case)))))
    response = answer["response"]
    assert (answer["kind"], response["uid"]) == ("AdmissionReview", request.uid)
    assert response["allowed"] == (case["expect"] != "deny")
    assert bool(response.get("warnings")) == (case["expect"] == "warn")
    assert response["auditAnnotations"]["decision"] == case["expect"]
    if case["expect"] != "deny":
        assert "status" not in response
        return
    status = response["status"]
    if (case["id"], case["reason_code"]) in OTHER_CODES:
        assert (status["code"], status["reason"]) == (422, "Invalid")
    else:
        assert (status["code"], status["reason"]) == (403, "Forbidden")
        assert {cause["reason"] for cause in status["details"]["causes"]} == {case["reason_code"]}


def judge_all(case: dict[str, Any], *, is_on_node: bool) -> list[Verdict]:
    """Judge each network of a pod by itself."""
    pod, world = case["pod"], world_of(case)
    subject = Subject(
        namespace=pod["namespace"],
        namespace_labels=world.namespace_labels(pod["namespace"]),
        labels=pod["labels"],
        service_account=pod["serviceAccount"],
    )
    texts = pod["annotations"]
    asked = annotation.parse(texts[NETWORKS], namespace=pod["namespace"]) if texts.get(NETWORKS) else ()
    items = [
        Item(element=element, network=world.network(element.namespace, element.name), network_labels={})
        for element in asked
    ]
    if text := texts.get(DEFAULT_NETWORK):
        element = annotation.parse_default_network(text, namespace="kube-system")
        assert element
        network = world.network(element.namespace, element.name)
        items.append(Item(element=element, network=network, network_labels={}, replaces_default=True))
    return [judge(subject, item, rules_of(case), is_on_node=is_on_node) for item in items]


@pytest.mark.parametrize("case_id", NODE_CASES)
def test_on_the_node(case_id: str) -> None:
    case = BY_ID[case_id]
    (verdict,) = judge_all(case, is_on_node=True)
    assert (verdict.is_allowed, verdict.code) == (case["expect"] == "allow", case["reason_code"])
    assert f"{verdict.policy}/{verdict.rule}" == case["decided_by"]


@pytest.mark.parametrize("case", [case for case in ATTACHMENTS if case["id"] != "H11"], ids=name_of)
def test_each_network_is_judged_the_same_at_both_ends(case: dict[str, Any]) -> None:
    """Except for the gate of upstream Multus, which does not run where this project's plugin does (H16)."""
    here, there = judge_all(case, is_on_node=False), judge_all(case, is_on_node=True)
    assert all(verdict.is_allowed for verdict in here) == (case["expect"] != "deny")
    if case["reason_code"] == "MultusGate":
        assert [verdict.code for verdict in there] == ["AllowRule"]
        return
    assert here == there
    codes = [verdict.code for verdict in here]
    assert case["reason_code"] in [*codes, *([] if codes else ["NoNetworks"])]
    if "decided_by" in case:
        assert case["decided_by"] in [f"{verdict.policy}/{verdict.rule}" for verdict in here]
