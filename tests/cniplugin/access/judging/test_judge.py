"""The judgement of one attachment, and the text that says who decided and why."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.judging import reasons
from cniplugin.access.judging.judge import judge, judge_trial, usable_namespaces
from cniplugin.access.judging.reasons import Refusal
from cniplugin.access.model.decision import Config, Item, MultusGate, Rules, Subject, Verdict
from cniplugin.access.model.limits import Limits
from cniplugin.access.model.policyrules import AttachmentRule
from cniplugin.netspec import netattachdef
from cniplugin.netspec.selection import NetworkSelectionElement

BLUE = Subject(namespace="blue")
MACVLAN = '{"cniVersion":"1.0.0","type":"macvlan","master":"bond1"}'


def rules_of(*attachments: dict[str, Any], mode: str = "Enforce", contact: str = "", **config: Any) -> Rules:
    spec = {"mode": mode, "contact": contact, "attachments": list(attachments)}
    made = {"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": spec}
    found = read_policies([made] if attachments else [])
    assert [policy.problems for policy in found.policies if policy.problems] == []
    return compile_rules(found, Config(contact="#net-team", **config))


def item(namespace: str = "blue", *, config: str | None = MACVLAN, exists: bool = True, **asked: Any) -> Item:
    replaces_default = bool(asked.pop("replaces_default", False))
    return Item(
        element=NetworkSelectionElement(namespace=namespace, name="lan", **asked),
        network=netattachdef.build(namespace=namespace, name="lan", config=config) if exists else None,
        network_labels={},
        replaces_default=replaces_default,
    )


def deny(**more: Any) -> dict[str, Any]:
    return {"name": "d", "action": "Deny", **more}


def allow(**more: Any) -> dict[str, Any]:
    return {"name": "a", "action": "Allow", **more}


@pytest.mark.parametrize(
    ("entry", "of", "reason"),
    [
        ({"pluginTypes": ["mac*"]}, item(), "the network uses CNI plugin type macvlan"),
        (
            {"masters": ["*"]},
            item(config='{"cniVersion":"1.0.0","type":"macvlan"}'),
            "the network uses master of the default route",
        ),
        ({"masters": ["bond1"]}, item(), "the network uses master bond1"),
        ({"vlans": ["1-9"]}, item(config='{"cniVersion":"1.0.0","type":"vlan","vlanId":5}'), "the network uses VLAN 5"),
        (
            {"vlans": ["1-9"]},
            item(config='{"cniVersion":"1.0.0","type":"bridge","vlanTrunk":[{"minID":5,"maxID":20}]}'),
            "the network uses VLANs 5-20",
        ),
        (
            {"vlans": ["1-9"]},
            item(config='{"cniVersion":"1.0.0","type":"vlan","vlanId":"x"}'),
            "the network uses a VLAN that cannot be read",
        ),
        ({"onDisk": True}, item(config=None), "the network uses a file of the node"),
        ({"onDisk": False}, item(), "a rule keeps this pod from the network"),
        ({"selector": {}}, item(config="{"), "a rule keeps this pod from the network"),
        ({"names": ["lan"]}, item(), "a rule keeps this pod from the network"),
        ({"names": ["lan"]}, item(exists=False), "a rule keeps this pod from the network"),
        # the content of another namespace's network is not shown
        ({"pluginTypes": ["mac*"]}, item("green"), "a rule keeps this pod from the network"),
    ],
    ids=repr,
)
def test_the_reason_of_a_deny_about_the_network(entry: dict[str, Any], of: Item, reason: str) -> None:
    verdict = judge(BLUE, of, rules_of(deny(networks=[{"namespaces": ["nowhere"]}, entry]), posture="Open"))
    assert (verdict.code, verdict.reason) == ("DenyRule", reason)
    assert verdict.fix == "remove this item, or ask #net-team for an exception"


@pytest.mark.parametrize(
    ("entry", "of"),
    [
        ({"pluginTypes": ["macvlan"]}, item(exists=False)),
        ({"pluginTypes": ["macvlan"]}, item(config="{")),
        ({"pluginTypes": ["bridge"]}, item()),
        ({"masters": ["bond2"]}, item()),
        ({"vlans": ["5"]}, item()),
        ({"selector": {"matchLabels": {"a": "b"}}}, item()),
        ({"onDisk": True}, item()),
        ({"scope": "OtherNamespace"}, item()),
        ({"scope": "OwnNamespace"}, item("default")),
    ],
    ids=repr,
)
def test_networks_that_a_rule_does_not_select(entry: dict[str, Any], of: Item) -> None:
    assert judge(BLUE, of, rules_of(deny(networks=[entry]))).code in {"Posture", "BuiltinUnsafeConfig"}


def test_the_reason_of_a_deny_about_requests() -> None:
    rule = deny(onRequests=["defaultRoute", "mac", "replaceDefaultNetwork"], message="keep it")
    verdict = judge(BLUE, item(default_route=("10.0.0.1",), mac="x"), rules_of(rule, contact="c"))
    assert verdict.reason == "the request uses default-route, mac; keep it"
    assert verdict.fix == 'remove "default-route" and "mac" from this item, or ask c for an exception'
    replacing = judge(BLUE, item(replaces_default=True), rules_of(rule))
    assert replacing.fix == "remove the annotation v1.multus-cni.io/default-network, or ask #net-team for an exception"
    of_machine = judge(BLUE, item(replaces_default=True).replace(source="the first network"), rules_of(rule))
    assert of_machine.fix == "remove the first network, or ask #net-team for an exception"
    assert judge(BLUE, item(), rules_of(rule)).is_allowed


def test_without_requests_and_without_an_entry_a_deny_is_about_everything() -> None:
    assert judge(BLUE, item(), rules_of(deny())).reason == "a rule keeps this pod from the network"


def test_the_nearest_allow_is_reported() -> None:
    far = allow(name="a-far", limits={"default": "Deny"})
    near = allow(name="b-near", limits={"mac": {}}, message="ask first")
    asked = item(mac="x", interface="net1", ips=("10.0.0.1",))
    verdict = judge(BLUE, asked, rules_of(far, near))
    assert (verdict.code, verdict.rule) == ("NotWithinRule", "b-near")
    assert verdict.reason == 'the request uses "ips", which the rule does not permit; ask first'
    assert verdict.fix == "change this item to fit, or ask #net-team"
    replacing = judge(BLUE, item(replaces_default=True), rules_of(far))
    assert replacing.fix == "change the annotation to fit, or ask #net-team"


def test_consent_that_is_missing_is_nearer_than_a_limit() -> None:
    shared = allow(name="z", requireConsent=True)
    verdict = judge(
        BLUE,
        item("green"),
        rules_of(allow(name="a", limits={"default": "Deny", "bandwidth": {"required": True}}), shared),
    )
    assert (verdict.code, verdict.rule) == ("ConsentMissing", "z")
    assert judge(BLUE, item(), rules_of(shared)).code == "AllowRule"  # its own namespace needs no consent


def test_a_device_without_a_resource() -> None:
    assert judge(BLUE, item(device_id="0000:03:02.1"), rules_of()).code == "PostureDevice"
    assert judge(BLUE, item(device_id="0000:03:02.1", exists=False), rules_of()).is_allowed
    assert judge(BLUE, item(device_id="0000:03:02.1"), rules_of(allow(limits={"deviceID": {}}))).code == "AllowRule"


@pytest.mark.parametrize(
    ("gate", "of", "code"),
    [
        (MultusGate(namespace_isolation=True), item("green"), "MultusGate"),
        (MultusGate(namespace_isolation=True), item("default"), "AllowRule"),
        (MultusGate(namespace_isolation=True), item(), "AllowRule"),
        (MultusGate(namespace_isolation=False), item("green"), "AllowRule"),
        (MultusGate(namespace_isolation=True, global_namespaces=("green",)), item("green"), "AllowRule"),
        (MultusGate(namespace_isolation=True), item("green", replaces_default=True), "AllowRule"),
        (None, item("green"), "AllowRule"),
    ],
    ids=repr,
)
def test_the_gate_of_multus(gate: MultusGate | None, of: Item, code: str) -> None:
    rules = rules_of(allow(limits={"default": "Allow", "replaceDefaultNetwork": {}}), multus_gate=gate)
    assert judge(BLUE, of, rules).code == code
    assert judge(BLUE, of, rules, is_on_node=True).code == "AllowRule"


def test_a_network_that_does_not_exist_is_judged_by_its_name() -> None:
    """Side door 19: another check refuses a network that does not exist."""
    assert judge(BLUE, item(exists=False), rules_of()).code == "Posture"
    assert judge(BLUE, item("green", exists=False), rules_of()).code == "PostureIsolated"


def test_a_file_of_the_node_has_no_content_to_judge() -> None:
    assert judge(BLUE, item(config=None), rules_of()).code == "Posture"


def test_an_exempt_namespace_is_not_judged_but_for_content() -> None:
    rules = rules_of(deny(), exempt_namespaces=("blue",), multus_gate=MultusGate(namespace_isolation=True))
    assert judge(BLUE, item("green"), rules).code == "Exempt"
    assert judge(BLUE, item("green", config="{"), rules).code == "BuiltinUnsafeConfig"


@pytest.mark.parametrize(
    ("of", "words"),
    [(item(config="{"), "1 problem"), (item(config='{"type":"a/b","args":7}'), "2 problems")],
    ids=repr,
)
def test_problems_of_a_network_are_counted(of: Item, words: str) -> None:
    assert judge(BLUE, of, rules_of()).reason.endswith(f"({words})")


@pytest.mark.parametrize(("mode", "is_trial"), [("Enforce", False), ("Warn", True), ("Audit", True)])
def test_policies_on_trial(mode: str, *, is_trial: bool) -> None:
    rules = rules_of(deny(), mode=mode)
    assert judge(BLUE, item(), rules).is_allowed is is_trial
    found = judge_trial(BLUE, item(), rules)
    assert (found[0] if found else None) == (mode if is_trial else None)
    if found:
        assert found[1].decided == f'NetworkAttachmentPolicy "p" rule "d" (Deny, mode {mode})'
    assert judge_trial(BLUE, item(), rules_of(allow(), mode=mode)) is None


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"posture": "Strict"}, ()),
        ({}, ("blue", "default")),
        ({"global_namespaces": ("blue", "infra")}, ("blue", "infra")),
    ],
    ids=repr,
)
def test_namespaces_of_the_posture(config: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert usable_namespaces(BLUE, rules_of(**config)) == expected


class TestWithoutContent:
    """Side door 22: a refusal does not reveal the content of another namespace's network."""

    hidden = allow(
        networks=[{"namespaces": ["green"], "pluginTypes": ["macvlan"]}],
        limits={"default": "Deny", "bandwidth": {"required": True}},
    )

    def test_the_text_is_the_same_as_without_the_network(self) -> None:
        rules = rules_of(self.hidden)
        there, not_there = (judge(BLUE, item("green", exists=exists), rules) for exists in (True, False))
        assert there == not_there
        assert there.code == "PostureIsolated"

    def test_a_pod_that_may_attach_in_some_way_gets_the_reason(self) -> None:
        rules = rules_of(allow(networks=[{"namespaces": ["green"], "pluginTypes": ["macvlan"]}]))
        assert judge(BLUE, item("green", mac="x"), rules).code == "NotWithinRule"

    def test_in_the_pods_own_namespace_everything_is_shown(self) -> None:
        rules = rules_of({**self.hidden, "networks": [{"pluginTypes": ["macvlan"]}]})
        assert judge(BLUE, item(), rules).code == "NotWithinRule"

    def test_a_content_rule_is_shown_if_the_namespace_is_usable(self) -> None:
        rules = rules_of(deny(networks=[{"pluginTypes": ["macvlan"]}]))
        assert judge(BLUE, item("default"), rules).code == "DenyRule"


def test_rules_that_cannot_be_read_at_all() -> None:
    """H13: a node without rules refuses and does not quote the API server, whose answer is in its log."""
    verdict = reasons.refuse_unavailable(Config(on_unavailable="Deny"), "and may not use what it remembers")
    assert (verdict.is_allowed, verdict.code, verdict.decided) == (
        False,
        "NodePolicyUnavailable",
        "node.onUnavailable Deny",
    )
    assert (
        verdict.reason == "the node cannot read the access rules from the API server, and may not use what it remembers"
    )


def refusal(number: int, words: str = "x") -> Refusal:
    verdict = Verdict(is_allowed=False, code="X", reason=f"{number % 100}{words}", decider="d", fix="f")
    return Refusal(
        reference=f"green/n{number}", item=number, verdict=verdict, allowed=("blue/a",), has_more_allowed=True
    )


def test_the_text_of_a_refusal() -> None:
    assert reasons.render([refusal(1)], who="pod blue/web-0", judged=3) == (
        "network access denied: pod blue/web-0 may not attach to green/n1\n"
        "- green/n1 (item 2)\n"
        "  reason:  1x\n"
        "  decided: d\n"
        "  allowed: blue/a and more\n"
        "  fix:     f"
    )


def test_networks_with_the_same_facts_are_one_entry_and_named_once() -> None:
    refused = [refusal(number) for number in (1, 101, 2, 201)]
    again = refused[1].replace(item=300)
    text = reasons.render([*refused, again], who="pod blue/web-0", judged=9)
    assert text == (
        "network access denied: pod blue/web-0 may not attach to 5 of 9 networks\n"
        "- green/n1 (item 2), green/n101 (item 102, item 301), green/n201 (item 202)\n"
        "  reason:  1x\n"
        "  decided: d\n"
        "  allowed: blue/a and more\n"
        "  fix:     f\n"
        "- green/n2 (item 3)\n"
        "  reason:  2x\n"
        "  decided: d\n"
        "  allowed: blue/a and more\n"
        "  fix:     f"
    )


def test_the_fix_of_several_networks_names_them_together() -> None:
    config = Config(contact="#net-team")
    refused = [
        Refusal(reference=f"green/{name}", item=at, verdict=reasons.refuse_isolated(BLUE, item("green"), config))
        for at, name in enumerate(("lan", "wan"))
    ]
    alone, together = (reasons.render(some, who="w", judged=2) for some in (refused[:1], refused))
    assert alone.endswith("Allow rule from blue to green/lan")
    assert together.endswith("Allow rule from blue to these")
    assert together.count("fix:") == 1


def test_a_long_entry_is_shortened() -> None:
    text = reasons.render([refusal(100 * number) for number in range(64)], who="w", judged=64)
    assert len(text.encode()) <= 1024
    assert text.count("green/n") == 16
    assert text.endswith("and 48 more")


def test_five_entries_and_the_rest_as_a_number() -> None:
    text = reasons.render([refusal(number) for number in range(8)], who="w", judged=9)
    assert "may not attach to 8 of 9 networks" in text
    assert text.endswith("and 3 more")
    assert text.count("\n- ") == 5


@pytest.mark.parametrize(
    ("words", "shown"), [("x" * 300, 2), ("x" * 700, 1), ("é" * 2_000, 1)], ids=lambda value: str(value)[:5]
)
def test_a_refusal_always_fits(words: str, shown: int) -> None:
    text = reasons.render([refusal(number, words) for number in range(3)], who="w", judged=3)
    assert len(text.encode()) <= 1024
    assert text.count("\n- ") == shown


def test_a_node_without_rules_says_so() -> None:
    verdict = reasons.refuse_unavailable(Config(on_unavailable="Deny", contact="#net-team"), "and none are kept here")
    assert (verdict.is_allowed, verdict.code) == (False, "NodePolicyUnavailable")
    assert verdict.reason == "the node cannot read the access rules from the API server, and none are kept here"
    assert verdict.decided == "node.onUnavailable Deny"
    assert "#net-team" in verdict.fix


def test_deciders_are_named_as_in_verdicts() -> None:
    """Reports name them without a refusal."""
    config = Config(posture="Strict")
    assert reasons.decided_by_posture(config) == reasons.refuse_strict(BLUE, item(), config).decided
    rule = AttachmentRule(policy="p", name="d", action="Deny", mode="Warn", limits=Limits())
    refused = reasons.refuse_by_deny(item(), rule, config, requests=(), facts=())
    assert reasons.decided_by_rule(rule, "Deny") == refused.decided == f"{refused.decider} (Deny, mode Warn)"
