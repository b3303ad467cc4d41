"""Property: a rule that is reported as shadowed never decides about any pod, network and request.

The evaluator itself checks it in a small cluster in which every field of a rule makes a difference.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cniplugin.access.compile import Policies, compile_rules
from cniplugin.access.judging.definitionrules import Author, Writing, judge_definition
from cniplugin.access.judging.judge import judge
from cniplugin.access.lints.lints import lint
from cniplugin.access.model.decision import Config, Item, Subject
from cniplugin.access.model.policyrules import Policy
from cniplugin.access.reading.policies import read_policy
from cniplugin.netspec import netattachdef
from cniplugin.netspec.selection import NetworkSelectionElement

NAMESPACES = {"blue": {"tenant": "a", "env": "x"}, "blues": {"tenant": "b"}, "green": {}}
CONFIGS = {
    (
        "blue",
        "lan",
    ): '{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1", "vlan": 5, "mac": "02:00:00:00:00:01"}',
    ("infra", "storage"): '{"cniVersion": "1.0.0", "plugins": [{"type": "bridge", "vlan": 15, '
    '"ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}}, {"type": "tuning", "mac": "02:11:00:00:00:01"}]}',
    ("infra", "disk"): None,
}
LABELS = {("blue", "lan"): {"shared": "yes"}}
NETWORKS = {
    (namespace, name): netattachdef.build(
        namespace=namespace, name=name, config=config, labels=LABELS.get((namespace, name), {})
    )
    for (namespace, name), config in CONFIGS.items()
}
SUBJECTS = [
    Subject(namespace=name, namespace_labels=labels, labels=pod, service_account=account)
    for (name, labels), pod, account in itertools.product(
        NAMESPACES.items(), ({}, {"app": "web"}), ("default", "robot")
    )
]
ITEMS = [
    Item(element=NetworkSelectionElement(namespace=namespace, name=name, interface=asked), network=NETWORKS.get((namespace, name)), network_labels={})
    for (namespace, name), asked in itertools.product([*CONFIGS, ("infra", "gone")], (None, "net5"))
]  # fmt: skip


def some(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


def labels(key: str, *values: str) -> st.SearchStrategy[Any]:
    expression = st.fixed_dictionaries({"key": st.just(key), "operator": st.sampled_from(["Exists", "DoesNotExist"])})
    return st.just({}) | st.sampled_from(values).map(lambda value: {"matchLabels": {key: value}}) | expression.map(lambda one: {"matchExpressions": [one]})  # fmt: skip


def fields(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=optional).filter(bool)


NAMES = some("blue", "blue*", "green", "*", "b*")
POD = fields(
    namespaces=NAMES,
    namespaceSelector=labels("tenant", "a", "b"),
    podSelector=labels("app", "web"),
    serviceAccounts=some("robot", "default"),
)
NETWORK = fields(
    namespaces=some("blue", "infra", "*"),
    names=some("lan", "storage", "s*", "*"),
    scope=st.sampled_from(["Any", "OtherNamespace"]),
    selector=labels("shared", "yes"),
    pluginTypes=some("macvlan", "bridge", "*", "b*"),
    masters=some("bond1", "cni0", "*"),
    vlans=some("5", "1-10", "15", "1-20"),
    addresses=some("10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16"),
    macs=some("02", "02:00", "02:11"),
    onDisk=st.booleans(),
)
PODS = st.fixed_dictionaries(
    {}, optional={"pods": st.lists(POD, min_size=1, max_size=2), "exceptPods": st.lists(POD, min_size=1, max_size=2)}
)
RULE = st.fixed_dictionaries({}, optional={"networks": st.lists(NETWORK, min_size=1, max_size=2)})


def policy(name: str, **spec: Any) -> Policy:
    found = read_policy({"metadata": {"name": name}, "spec": spec})
    assert found.problems == ()
    return found


def is_shadowed(mine: Policy, guard: Policy) -> bool:
    return any(found.name == "shadowed" for found in lint(mine, [guard]))


@settings(max_examples=300)
@given(PODS, RULE, PODS, RULE)
def test_a_shadowed_allow_never_allows(
    pods: dict[str, Any], rule: dict[str, Any], others: dict[str, Any], deny: dict[str, Any]
) -> None:
    mine = policy("mine", **pods, attachments=[{"name": "a", "action": "Allow", **rule}])
    guard = policy("guard", **others, attachments=[{"name": "d", "action": "Deny", **deny}])
    if is_shadowed(mine, guard):
        rules = compile_rules(Policies(policies=(guard, mine)), Config())
        codes = {judge(subject, item, rules).code for subject in SUBJECTS for item in ITEMS}
        assert "AllowRule" not in codes


@given(PODS, RULE, NETWORK)
def test_a_deny_of_the_same_pods_and_more_networks_is_found(
    pods: dict[str, Any], rule: dict[str, Any], more: dict[str, Any]
) -> None:
    """Without that, the properties of this module would hold because no rule is ever reported."""
    allow = {"name": "a", "action": "Allow", **rule}
    for networks in ({}, rule, {"networks": [*rule["networks"], more]} if rule else {}):
        deny = {"name": "d", "action": "Deny", **networks}
        assert any(found.name == "shadowed" for found in lint(policy("p", **pods, attachments=[allow, deny]), []))


LIMITS = [
    ("pluginTypes", ["b*"], ["bridge"], ["macvlan"]),
    ("masters", ["bond*"], ["bond1"], ["eth0"]),
    ("vlans", ["1-20"], ["5"], ["15-21"]),
    ("addresses", ["10.0.0.0/8"], ["10.1.0.0/16"], ["10.0.0.0/7"]),
    ("macs", ["02"], ["02:11"], ["06"]),
]
"""A field of a rule; a limit; a narrower one; one that the limit does not include."""


@pytest.mark.parametrize(("field", "limit", "narrower", "other"), LIMITS)
def test_a_limit_covers_a_narrower_one_and_nothing_else(
    field: str, limit: list[str], narrower: list[str], other: list[str]
) -> None:
    """The values that properties draw do not matter: each field is compared with a value and without one."""

    def finds(denied: dict[str, Any], allowed: dict[str, Any]) -> bool:
        guard = policy("guard", attachments=[{"name": "d", "action": "Deny", "networks": [{"names": ["*"], **denied}]}])
        mine = policy(
            "mine", attachments=[{"name": "a", "action": "Allow", "networks": [{"names": ["lan"], **allowed}]}]
        )
        return is_shadowed(mine, guard)

    assert finds({}, {field: narrower})
    assert finds({field: limit}, {field: narrower})
    assert not finds({field: limit}, {field: other})
    assert not finds({field: limit}, {})


AUTHORS = fields(users=some("u", "v"), groups=some("g", "h"), serviceAccounts=some("n/*", "n/s"))
CONFIG = fields(
    pluginTypes=some("macvlan", "bridge", "*", "b*"),
    masters=some("bond1", "cni0", "*"),
    vlans=some("5", "1-10", "15", "1-20"),
    addresses=some("10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16"),
    macs=some("02", "02:00", "02:11"),
    onDisk=st.booleans(),
)
DEFINITION = st.fixed_dictionaries(
    {},
    optional={
        "authors": AUTHORS,
        "exceptAuthors": AUTHORS,
        "namespaces": NAMES,
        "namespaceSelector": labels("tenant", "a", "b"),
        "config": CONFIG,
    },
)
WRITINGS = [
    Writing(author=author, network=network.replace(namespace=namespace), namespace_labels=labels)
    for author, network, (namespace, labels) in itertools.product(
        (
            Author(name="u"),
            Author(name="w", groups=frozenset({"g"})),
            Author(name="x", groups=frozenset({"g", "h"})),
            Author(name="system:serviceaccount:n:s"),
            Author(name="system:serviceaccount:n:t"),
        ),
        NETWORKS.values(),
        NAMESPACES.items(),
    )
]


@given(DEFINITION, DEFINITION)
def test_a_shadowed_allow_for_definitions_never_allows(rule: dict[str, Any], deny: dict[str, Any]) -> None:
    mine = policy("mine", definitions=[{"name": "a", "action": "Allow", **rule}])
    guard = policy("guard", definitions=[{"name": "d", "action": "Deny", **deny}])
    if is_shadowed(mine, guard):
        rules = compile_rules(Policies(policies=(guard, mine)), Config())
        assert "DefinitionAllowRule" not in {judge_definition(writing, rules).code for writing in WRITINGS}


@given(DEFINITION, DEFINITION)
def test_a_shadowed_deny_for_definitions_adds_nothing(rule: dict[str, Any], deny: dict[str, Any]) -> None:
    mine = policy("z", definitions=[{"name": "z", "action": "Deny", **rule}])
    guard = policy("guard", definitions=[{"name": "d", "action": "Deny", **deny}])
    if is_shadowed(mine, guard):
        alone = compile_rules(Policies(policies=(guard,)), Config())
        both = compile_rules(Policies(policies=(guard, mine)), Config())
        for writing in WRITINGS:
            found = [judge_definition(writing, rules).is_allowed for rules in (alone, both)]
            assert found[0] == found[1]
