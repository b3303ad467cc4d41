"""The index finds the same rules as comparing all of them, and its memory is bounded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.content.facts import facts_of
from cniplugin.access.judging import ruleindex as index
from cniplugin.access.judging.ruleindex import Index
from cniplugin.access.model.decision import NAME_LABEL, Config, Item, Subject
from cniplugin.access.model.limits import usage_of
from cniplugin.access.model.policyrules import AttachmentRule, PodMatch
from cniplugin.netspec import netattachdef
from cniplugin.netspec.selection import NetworkSelectionElement
from tests.cniplugin.access import strategies as make

LAN = Item(element=NetworkSelectionElement(namespace="blue", name="lan"), network_labels={})


def build(*rules: dict[str, Any], **spec: Any) -> Index:
    made = {"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": {**spec, "attachments": list(rules)}}
    return Index(read_policies([made]).policies)


def selects(rule: AttachmentRule, subject: Subject, item: Item) -> bool:
    """Compare one rule with one pod and one network, without an index."""
    network, element = item.network, item.element
    facts = facts_of(network) if network else None

    def fits(entry: PodMatch) -> bool:
        return entry.has_namespace(subject.namespace, subject.namespace_labels) and entry.has_pod(
            subject.labels, subject.service_account
        )

    return (
        (not rule.pods or any(map(fits, rule.pods)))
        and not any(map(fits, rule.except_pods))
        and (
            not rule.networks
            or any(
                entry.has_name(subject.namespace, element.namespace, element.name) and entry.has_network(network, facts)
                for entry in rule.networks
            )
        )
    )


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(make.policy_sets, st.lists(st.tuples(make.subjects, make.items()), min_size=1, max_size=6))
def test_labels_of_a_namespace_make_a_difference_only_where_it_says_so(
    objects: list[dict[str, Any]], asked: list[tuple[Subject, Item]]
) -> None:
    """If no rule reads labels, an unknown namespace can be judged without them."""
    made = Index(make.read(objects).policies)
    for subject, item in asked:
        blank = subject.replace(namespace_labels={NAME_LABEL: subject.namespace})
        named = subject.replace(namespace_labels={**subject.namespace_labels, NAME_LABEL: subject.namespace})
        if not made.reads_labels_of(subject.namespace):
            assert made.find(blank, item, every_request=True) == made.find(named, item, every_request=True)


BY_LABEL = {"namespaceSelector": {"matchLabels": {"tenant": "blue"}}}
BY_NAME = {"namespaceSelector": {"matchLabels": {NAME_LABEL: "blue"}}}
DENY = {"name": "d", "action": "Deny"}


@pytest.mark.parametrize(
    ("spec", "is_read"),
    [
        ({}, False),
        ({"pods": [BY_LABEL]}, True),
        ({"exceptPods": [BY_LABEL]}, True),
        ({"pods": [BY_NAME]}, False),
        ({"pods": [{**BY_LABEL, "namespaces": ["blue", "red"]}]}, True),
        ({"pods": [{**BY_LABEL, "namespaces": ["red"]}]}, False),
    ],
)
def test_whose_labels_rules_read(spec: dict[str, Any], *, is_read: bool) -> None:
    assert build(DENY, **spec).reads_labels_of("blue") is is_read


def test_whether_a_rule_asks_the_owner() -> None:
    assert not build(DENY).requires_consent
    assert build(DENY, {"name": "a", "action": "Allow", "requireConsent": True}).requires_consent


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(make.policy_sets, st.lists(st.tuples(make.subjects, make.items()), min_size=1, max_size=6))
def test_the_index_finds_what_comparing_all_rules_finds(
    objects: list[dict[str, Any]], asked: list[tuple[Subject, Item]]
) -> None:
    """All queries use one index, so that its memory is used."""
    policies = make.read(objects).policies
    found = Index(policies)
    everything = sorted(
        (rule for policy in policies for rule in policy.attachments), key=lambda rule: (rule.policy, rule.name)
    )
    for subject, item in asked:
        is_plain = not usage_of(item.element, replaces_default=item.replaces_default).kinds
        expected = [
            rule
            for rule in everything
            if selects(rule, subject, item) and not (is_plain and rule.on_requests)  # it has no labels to match
        ]
        denies, allows = found.find(subject, item)
        assert denies == [rule for rule in expected if rule.action == "Deny"]
        assert allows == [rule for rule in expected if rule.action == "Allow"]


def test_entries_are_alternatives() -> None:
    """If an entry does not fit by name or content, the next one is tried; content is read once."""
    network = netattachdef.build(namespace="blue", name="lan", config='{"cniVersion":"1.0.0","type":"macvlan"}')
    entries = [{"names": ["x"]}, {"vlans": ["1"]}, {"pluginTypes": ["macvlan"]}]
    made = build({"name": "a", "action": "Deny", "networks": entries})
    assert len(made.find(Subject(namespace="blue"), LAN.replace(network=network))[0]) == 1
    assert made.find(Subject(namespace="blue"), LAN) == ([], [])


def test_namespaces_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "NAMESPACES_MAX", 3)
    made = build({"name": "a", "action": "Deny"})
    for number in range(10):
        assert made.find(Subject(namespace=f"n{number}"), LAN)[0]
        assert len(made._namespaces) <= 3
    assert made._namespace(Subject(namespace="n9")) is made._namespace(Subject(namespace="n9"))


def test_networks_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "NETWORKS_MAX", 3)
    made = build({"name": "a", "action": "Deny", "networks": [{"names": ["n1"]}]})
    subject = Subject(namespace="blue")
    for number in range(10):
        item = Item(element=NetworkSelectionElement(namespace="blue", name=f"n{number}"), network_labels={})
        assert bool(made.find(subject, item)[0]) == (number == 1)
        assert len(made._networks) <= 3
    assert made.find(subject, LAN) == ([], [])
    assert made.find(subject, LAN) == ([], [])


def test_a_namespace_whose_labels_change_is_compared_again() -> None:
    selector = {"namespaceSelector": {"matchLabels": {"tenant": "blue"}}}
    made = build({"name": "a", "action": "Deny"}, pods=[selector])
    before, after = (
        Subject(namespace="x", namespace_labels={}),
        Subject(namespace="x", namespace_labels={"tenant": "blue"}),
    )
    assert made.find(before, LAN) == ([], [])
    assert len(made.find(after, LAN)[0]) == 1
    known = made._namespace(after)
    assert made._namespace(Subject(namespace="x", namespace_labels={"tenant": "blue"})) is known
    assert made.find(before, LAN) == ([], [])


def test_one_pod_after_another_is_compared_by_itself() -> None:
    """The result for a pod is not used for the next one, even if they differ in one field only."""
    made = build({"name": "a", "action": "Deny"}, pods=[{"podSelector": {"matchLabels": {"app": "web"}}}])
    web, other = Subject(namespace="blue", labels={"app": "web"}), Subject(namespace="blue", labels={"app": "db"})
    for subject, count in ((web, 1), (other, 0), (web, 1), (web, 1), (other, 0)):
        assert len(made.find(subject, LAN)[0]) == count


def test_a_policy_is_not_compared_with_namespaces_that_it_does_not_name() -> None:
    """The cost for many tenants is one look-up."""
    made = build({"name": "a", "action": "Deny"}, pods=[{"namespaces": ["blue"]}, {"namespaces": ["red", "blue"]}])
    assert made._others == []
    assert {name: len(set(numbers)) for name, numbers in made._named.items()} == {"blue": 1, "red": 1}
    assert build({"name": "a", "action": "Deny"}, pods=[{"namespaces": ["b*"]}])._others == [0]
    assert build({"name": "a", "action": "Deny"}, pods=[{"serviceAccounts": ["x"]}])._others == [0]
    assert build({"name": "a", "action": "Deny"})._others == [0]


def test_rules_of_a_pod_and_of_its_namespace() -> None:
    made = build({"name": "a", "action": "Deny"}, pods=[{"namespaces": ["blue"], "serviceAccounts": ["router"]}])
    router, other = (Subject(namespace="blue", service_account=account) for account in ("router", "default"))
    assert [len(made.rules_for(subject)) for subject in (router, other)] == [1, 0]
    assert [len(made.rules_in(subject)) for subject in (router, other, Subject(namespace="red"))] == [1, 1, 0]


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        ([], (False, False, False)),
        (["Enforce"], (True, False, False)),
        (["Warn"], (False, True, False)),
        (["Audit"], (False, False, True)),
        (["Enforce", "Warn", "Audit"], (True, True, True)),
    ],
)
def test_an_index_is_only_made_where_it_differs(modes: list[str], expected: tuple[bool, ...]) -> None:
    objects = [
        {
            "kind": "NetworkAttachmentPolicy",
            "metadata": {"name": mode.lower()},
            "spec": {
                "mode": mode,
                "attachments": [{"name": "a", "action": "Deny"}],
                "definitions": [{"name": "a", "action": "Deny"}],
            },
        }
        for mode in modes
    ]
    rules = compile_rules(read_policies(objects), Config())
    assert tuple(made is not None for made in (rules.enforced, rules.warned, rules.audited)) == expected
    if all(expected):
        sizes = [len(made.definitions) for made in (rules.enforced, rules.warned, rules.audited) if made]
        assert sizes == [1, 2, 3]


def test_the_rules_of_a_namespace_and_those_of_a_pod() -> None:
    robot = {"namespaces": ["blue"], "serviceAccounts": ["robot"]}
    made = build({"name": "a", "action": "Deny", "onRequests": ["mac"]}, pods=[robot])
    web = Subject(namespace="blue")
    assert [rule.name for rule in made.rules_in(web)] == ["a"]
    assert made.rules_for(web) == []
    assert [rule.name for rule in made.rules_for(web.replace(service_account="robot"))] == ["a"]
    assert made.rules_in(Subject(namespace="red")) == []


def test_a_deny_about_requests_is_found_for_an_item_without_requests_only_if_asked() -> None:
    made = build({"name": "a", "action": "Deny", "onRequests": ["mac"]})
    assert made.find(Subject(namespace="blue"), LAN) == ([], [])
    assert len(made.find(Subject(namespace="blue"), LAN, every_request=True)[0]) == 1


@pytest.mark.parametrize(
    ("entry", "is_read"),
    [
        ({"names": ["lan"]}, False),
        ({"selector": {}}, False),
        ({"onDisk": False}, False),
        ({"names": ["other"], "masters": ["bond0"]}, False),  # the name does not fit
        ({"masters": ["bond0"]}, True),
        ({"hostPaths": ["/etc/*"]}, True),
    ],
    ids=str,
)
def test_facts_are_worked_out_only_for_rules_that_ask_for_content(entry: dict[str, Any], *, is_read: bool) -> None:
    network = netattachdef.build(namespace="blue", name="lan", config='{"cniVersion":"1.0.0","type":"macvlan"}')
    index = build({"name": "r", "action": "Deny", "networks": [entry]})
    for namespace in ("blue", "green"):
        index.find(Subject(namespace=namespace), LAN.replace(network=network))
    assert ("facts" in getattr(network.config, "_memo", {})) == is_read
