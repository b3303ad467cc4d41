"""Nothing is refused that some pod of the namespace would get; without rules about pods, the answer is exact."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from cniplugin.access.judging.allowednetworks import list_allowed
from cniplugin.access.judging.definitionrules import Author, Writing, judge_definition
from cniplugin.access.judging.judge import judge, judge_any_pod, judge_any_pod_trial
from cniplugin.access.judging.reasons import Refusal, render
from cniplugin.access.model.decision import Config, Item, MultusGate, Rules, Subject
from cniplugin.access.model.levels import ClusterLevels
from cniplugin.netspec import netattachdef
from cniplugin.netspec.selection import NetworkSelectionElement
from tests.cniplugin.access import strategies as make
from tests.webhook.admission.world import cluster

some = settings(max_examples=150, deadline=None)
ROUTER = {"namespaces": ["blue"], "podSelector": {"matchLabels": {"app": "router"}}}
STORAGE = [{"namespaces": ["infra"]}]
ALLOW: dict[str, Any] = {"name": "allow", "action": "Allow", "networks": STORAGE}
DENY: dict[str, Any] = {"name": "deny", "action": "Deny", "networks": STORAGE}


DENY_OTHERS: dict[str, Any] = {**DENY, "networks": [{"names": ["others"]}]}


def rules(*policies: dict[str, Any]) -> Rules:
    named = [
        {"kind": "NetworkAttachmentPolicy", "metadata": {"name": f"p{number}"}, "spec": spec}
        for number, spec in enumerate(policies)
    ]
    return make.rules(named, Config())


def item(namespace: str = "infra") -> Item:
    element = NetworkSelectionElement(namespace=namespace, name="storage")
    return Item(element=element, network=cluster().network(namespace, "storage"), network_labels={})


BLUE = Subject(namespace="blue")


@pytest.mark.parametrize(
    ("policies", "code"),
    [
        ([], "PostureIsolated"),
        ([{"pods": [ROUTER], "attachments": [ALLOW]}], "AllowRule"),
        ([{"exceptPods": [ROUTER], "attachments": [ALLOW]}], "AllowRule"),
        ([{"pods": [{**ROUTER, "namespaces": ["green"]}], "attachments": [ALLOW]}], "PostureIsolated"),
        ([{"pods": [ROUTER], "attachments": [ALLOW]}, {"attachments": [DENY]}], "DenyRule"),
        ([{"attachments": [ALLOW]}, {"pods": [ROUTER], "attachments": [DENY]}], "AllowRule"),
        ([{"attachments": [ALLOW]}, {"exceptPods": [ROUTER], "attachments": [DENY]}], "AllowRule"),
        ([{"pods": [ROUTER], "attachments": [{**ALLOW, "requireConsent": True}]}], "PostureIsolated"),
    ],
)
def test_verdicts_that_depend_on_the_pod(policies: list[dict[str, Any]], code: str) -> None:
    assert judge_any_pod(BLUE, item(), rules(*policies)).code == code


def test_upstream_multus_is_not_asked() -> None:
    gated = make.rules([], Config(posture="Open", multus_gate=MultusGate(namespace_isolation=True)))
    assert judge(BLUE, item(), gated).code == "MultusGate"
    assert judge_any_pod(BLUE, item(), gated).code == "Posture"


@pytest.mark.parametrize("mode", ["Warn", "Audit"])
def test_policies_on_trial(mode: str) -> None:
    denied = {"name": "deny", "action": "Deny"}
    found = judge_any_pod_trial(BLUE, item("blue"), rules({"mode": mode, "attachments": [denied]}))
    assert found is not None
    assert (found[0], found[1].code) == (mode, "DenyRule")
    on_some = rules({"mode": mode, "pods": [ROUTER], "attachments": [denied]})
    assert judge_any_pod_trial(BLUE, item("blue"), on_some) is None
    assert judge_any_pod_trial(BLUE, item("blue"), rules()) is None


@some
@given(make.policy_sets, make.configs, make.subjects, make.items())
def test_no_pod_gets_what_its_namespace_is_refused(
    policies: list[dict[str, Any]], config: Config, subject: Subject, asked: Item
) -> None:
    made = make.rules(policies, config)
    if judge(subject, asked, made, is_on_node=True).is_allowed:
        anybody = subject.replace(labels={}, service_account="default")
        assert judge_any_pod(anybody, asked, made).is_allowed


@some
@given(make.policy_sets, make.configs, make.subjects, make.items())
def test_where_no_rule_looks_at_pods_it_is_exact(
    policies: list[dict[str, Any]], config: Config, subject: Subject, asked: Item
) -> None:
    for policy in policies:
        for key in ("pods", "exceptPods"):
            for entry in policy["spec"].get(key, ()):
                entry.pop("podSelector", None)
                entry.pop("serviceAccounts", None)
                entry.setdefault("namespaces", ["*"])
    made = make.rules(policies, config)
    assert judge_any_pod(subject, asked, made) == judge(subject, asked, made, is_on_node=True)


def test_a_refusal_names_the_claim() -> None:
    verdict = judge_any_pod(BLUE, item(), rules())
    refusal = Refusal(reference="infra/storage", item=None, verdict=verdict, where="ResourceClaim blue/nic")
    assert "- infra/storage (ResourceClaim blue/nic)" in render([refusal], who="pod blue/web", judged=1)


def test_a_claim_is_refused_only_for_its_own_content() -> None:
    asked = item().replace(source="the claim")
    assert judge(BLUE, asked, rules({"attachments": [DENY]})).fix.startswith("remove the claim, ")


def test_a_definition_of_no_namespace() -> None:
    """A DeviceClass may contain one."""
    network = netattachdef.build(namespace="", name="fast", config='{"type": "bridge"}')
    writing = Writing(author=Author(name="bob"), network=network, field="spec.config[0]")
    verdict = judge_definition(writing, make.rules([], Config(definitions_default="Deny")))
    assert "for the whole cluster" in verdict.reason
    assert list_allowed(BLUE, rules(), cluster())[0]


def test_a_level_is_judged_beside_policies() -> None:
    """Rules about definitions do not select pods, so they are the same for any pod."""
    config = Config(posture="Open", levels=ClusterLevels(enforce="Baseline"))
    named = [{"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": {"attachments": [DENY_OTHERS]}}]
    assert judge_any_pod(BLUE, item(), make.rules(named, config)).code == "DefinitionLevel"
