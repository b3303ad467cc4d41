"""Policies on trial: mode Warn warns the requester, mode Audit writes records, and neither refuses."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.model.decision import Config, Rules
from tests.webhook.admission.world import attach, decide, definition

DENY_LAN = {"attachments": [{"name": "no-lan", "action": "Deny", "networks": [{"names": ["lan"]}]}]}
DENY_MACVLAN = {"definitions": [{"name": "no-macvlan", "action": "Deny", "config": {"pluginTypes": ["macvlan"]}}]}
ALLOW_LAN = {"attachments": [{"name": "plain", "action": "Allow", "networks": [{"names": ["lan"]}]}]}


def rules(*policies: tuple[str, str, dict[str, Any]]) -> Rules:
    objects = [
        {"kind": "NetworkAttachmentPolicy", "metadata": {"name": name}, "spec": {"mode": mode, **spec}}
        for name, mode, spec in policies
    ]
    found = read_policies(objects)
    assert all(not policy.problems for policy in found.policies)
    return compile_rules(found, Config(contact="#net-team"))


def test_warn_warns_the_requester_and_writes_records() -> None:
    decision = attach("lan", rules=rules(("trial", "Warn", DENY_LAN)))
    assert decision.is_allowed
    assert tuple(map(str, decision.warnings)) == (
        (
            "network access: pod blue/web-0 to blue/lan would be denied by "
            'NetworkAttachmentPolicy "trial" rule "no-lan" (mode Warn); ask #net-team'
        ),
    )
    assert decision.trials == ('Warn: blue/lan: DenyRule by NetworkAttachmentPolicy "trial" rule "no-lan"',)


def test_audit_writes_records_only() -> None:
    decision = attach("lan", rules=rules(("trial", "Audit", DENY_LAN)))
    assert (decision.is_allowed, decision.warnings) == (True, ())
    assert decision.trials == ('Audit: blue/lan: DenyRule by NetworkAttachmentPolicy "trial" rule "no-lan"',)


def test_the_contact_of_the_policy_is_asked() -> None:
    decision = attach("lan", rules=rules(("trial", "Warn", {**DENY_LAN, "contact": "lan-team@example.com"})))
    assert str(decision.warnings[0]).endswith("; ask lan-team@example.com")


def test_a_refused_pod_has_no_trials() -> None:
    decision = attach("lan", rules=rules(("trial", "Warn", DENY_LAN), ("real", "Enforce", DENY_LAN)))
    assert (decision.is_allowed, decision.trials) == (False, ())
    assert 'NetworkAttachmentPolicy "real"' in decision.decided


@pytest.mark.parametrize("mode", ["Warn", "Audit"])
def test_an_allow_rule_on_trial_warns_of_what_it_would_not_accept(mode: str) -> None:
    """The rule would govern the pair, so it would refuse a request beyond its limits."""
    plain = attach("lan", rules=rules(("trial", mode, ALLOW_LAN)))
    beyond = attach('[{"name":"lan","default-route":[]}]', rules=rules(("trial", mode, ALLOW_LAN)))
    assert (plain.is_allowed, plain.trials) == (True, ())
    assert beyond.is_allowed
    assert beyond.trials == (f'{mode}: blue/lan: NotWithinRule by NetworkAttachmentPolicy "trial" rule "plain"',)


def test_audit_records_policies_of_mode_warn_as_well() -> None:
    decision = attach("lan", rules=rules(("one", "Audit", ALLOW_LAN), ("two", "Warn", DENY_LAN)))
    assert decision.trials == ('Warn: blue/lan: DenyRule by NetworkAttachmentPolicy "two" rule "no-lan"',)


def test_a_decision_on_trial_is_not_remembered_as_one_without_remarks() -> None:
    asked = rules(("trial", "Audit", DENY_LAN))
    assert [attach("lan", rules=asked).trials for _ in range(2)] == [attach("lan", rules=asked).trials] * 2


def test_definitions() -> None:
    config = '{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1"}'
    warned = decide(definition(config), rules=rules(("trial", "Warn", DENY_MACVLAN)))
    assert warned.is_allowed
    assert tuple(map(str, warned.warnings)) == (
        (
            "network definition: blue/lan by user alice would be denied by "
            'NetworkAttachmentPolicy "trial" rule "no-macvlan" (mode Warn): it uses CNI plugin type macvlan; ask #net-team'
        ),
    )
    audited = decide(definition(config), rules=rules(("trial", "Audit", DENY_MACVLAN)))
    assert (audited.warnings, audited.trials) == (
        (),
        ('Audit: DefinitionDenyRule by NetworkAttachmentPolicy "trial" rule "no-macvlan"',),
    )
