"""Properties of all policies: one for each sentence of the access policy's semantics."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.judging import reasons
from cniplugin.access.judging.judge import judge, may_attach, usable_namespaces
from cniplugin.access.model.decision import Config, Item, Subject
from cniplugin.access.reading.consent import ANNOTATIONS as CONSENT
from cniplugin.access.reading.policies import read_policy
from cniplugin.access.reading.policyconfig import read_config
from cniplugin.netspec import selection
from cniplugin.netspec.errors import render
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS, NetworkSelectionElement
from tests.cniplugin.access import strategies as make
from tests.webhook.admission.world import FakeCluster
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import POD
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.view.decisioncontext import DecisionContext

World = dict[tuple[str, str], NetworkAttachmentDefinition]
pytestmark = pytest.mark.slow
some = settings(max_examples=60, deadline=None)
"""Hypothesis needs more time to make policies than the code to judge them."""

ACCESS_ALLOWS = ("BuiltinUnsafeConfig", "MultusGate")
"""Codes of refusals by checks that follow the access rules."""


def shuffled(policies: list[dict[str, Any]], chance: random.Random, *, entries: bool) -> list[dict[str, Any]]:
    mixed = copy.deepcopy(policies)
    chance.shuffle(mixed)
    for policy in mixed:
        spec = policy["spec"]
        chance.shuffle(spec["attachments"])
        lists = [spec.get("pods"), spec.get("exceptPods"), *(rule.get("networks") for rule in spec["attachments"])]
        for listed in lists if entries else ():
            chance.shuffle(listed or [])
    return mixed


@some
@given(make.policy_sets, make.configs, make.subjects, make.items(), st.randoms(use_true_random=False))
def test_the_order_of_policies_and_rules_never_matters(
    policies: list[dict[str, Any]], config: Config, subject: Subject, item: Item, chance: random.Random
) -> None:
    expected = judge(subject, item, make.rules(policies, config))
    event(expected.code)
    assert judge(subject, item, make.rules(shuffled(policies, chance, entries=False), config)) == expected
    mixed = judge(subject, item, make.rules(shuffled(policies, chance, entries=True), config))
    for field in ("is_allowed", "code", "policy", "rule"):
        assert getattr(mixed, field) == getattr(expected, field)


@some
@given(
    make.policy_sets,
    make.policies(st.just("new"), make.deny_rules),
    make.configs,
    make.subjects,
    make.items(),
)
def test_a_further_deny_never_admits_more(
    policies: list[dict[str, Any]], new: dict[str, Any], config: Config, subject: Subject, item: Item
) -> None:
    after = judge(subject, item, make.rules([*policies, new], config))
    if after.is_allowed:
        assert judge(subject, item, make.rules(policies, config)).is_allowed


@some
@given(
    make.policy_sets,
    make.policies(st.just("new"), make.allow_rules, most=1),
    make.configs,
    make.subjects,
    make.items(),
)
def test_a_further_allow_only_refuses_what_it_governs(
    policies: list[dict[str, Any]], new: dict[str, Any], config: Config, subject: Subject, item: Item
) -> None:
    """If another Allow governs already, the further one removes nothing."""
    before = judge(subject, item, make.rules(policies, config))
    after = judge(subject, item, make.rules([*policies, new], config))
    if before.is_allowed and not after.is_allowed:
        event("governed by the new rule")
        assert before.code == "Posture"
        assert after.policy == "new"
        index = make.rules([new], config).enforced
        assert index
        assert index.find(subject, item)[1]


@some
@given(make.policy_sets, make.configs, make.subjects, make.worlds, st.data())
def test_an_update_that_only_removes_is_always_admitted(
    policies: list[dict[str, Any]], config: Config, subject: Subject, world: World, data: st.DataObject
) -> None:
    """Semantics, point 9: this holds for any change of the rules."""
    old = data.draw(st.lists(make.elements(), min_size=1, max_size=4))
    assume(sum(element.default_route is not None for element in old) < 2)
    assume(len({element.interface for element in old if element.interface}) == sum(bool(e.interface) for e in old))
    kept = data.draw(st.lists(st.sampled_from(range(len(old))), unique=True).map(sorted))
    default = data.draw(st.sampled_from(["", "infra/lan-qa"]))
    before = {NETWORKS: selection.render(old), DEFAULT_NETWORK: default}
    after = {NETWORKS: selection.render(old[number] for number in kept) if kept else ""}
    assert ask(subject, world, policies, config, after, before=before).is_allowed


def ask(
    subject: Subject,
    world: World,
    policies: list[dict[str, Any]],
    config: Config,
    annotations: dict[str, str],
    *,
    before: dict[str, str] | None = None,
) -> Decision:
    thing = Object(
        name="web-0", labels=subject.labels, annotations=annotations, service_account=subject.service_account
    )
    request = Request(
        uid="u",
        kind=POD,
        operation="CREATE" if before is None else "UPDATE",
        namespace=subject.namespace,
        name="web-0",
        object=thing,
        old_object=None if before is None else thing._replace(annotations=before),
    )
    return evaluate(request, DecisionContext(cluster_of(world), make.rules(policies, config)))


@some
@given(make.policy_sets, make.configs, make.subjects, st.lists(make.items(), max_size=4))
def test_whether_a_pod_may_attach_is_what_judge_says(
    policies: list[dict[str, Any]], config: Config, subject: Subject, items: list[Item]
) -> None:
    rules = make.rules(policies, config)
    for item in items:
        assert may_attach(subject, item, rules) is judge(subject, item, rules).is_allowed


def cluster_of(world: World) -> FakeCluster:
    return FakeCluster(world, labels={name: dict(labels) for name, labels in make.NAMESPACES.items()})


ASKED = st.lists(make.elements(), min_size=1, max_size=8)


def plain(cluster: FakeCluster, namespace: str, name: str) -> Item:
    """A network without requests."""
    element = NetworkSelectionElement(namespace=namespace, name=name)
    return Item(element=element, network=cluster.network(namespace, name), network_labels={})


@some
@given(make.policy_sets, make.configs, make.subjects, make.worlds, ASKED)
def test_a_message_names_only_what_the_pod_asked_for_or_may_use(
    policies: list[dict[str, Any]],
    config: Config,
    subject: Subject,
    world: World,
    asked: list[NetworkSelectionElement],
) -> None:
    decision = ask(subject, world, policies, config, {NETWORKS: selection.render(asked)})
    rules, cluster = make.rules(policies, config), cluster_of(world)
    may_use = usable_namespaces(subject, rules)
    known = {(element.namespace, element.name) for element in asked}
    known |= {key for key in world if key[0] in may_use or may_attach(subject, plain(cluster, *key), rules)}
    said = "\n".join([decision.message, *(cause.message for cause in decision.causes), *map(str, decision.warnings)])
    for namespace in make.NAMESPACES:
        for name in make.NAMES:
            if (namespace, name) not in known:
                assert f"{namespace}/{name}" not in said
    assert not [name for name in make.NAMES if name in said and name not in {called for _, called in known}]


@some
@given(make.policy_sets, make.configs, make.subjects, make.worlds, ASKED, st.text(max_size=256))
def test_a_refusal_fits_into_an_event(
    policies: list[dict[str, Any]],
    config: Config,
    subject: Subject,
    world: World,
    asked: list[NetworkSelectionElement],
    words: str,
) -> None:
    spoken = copy.deepcopy(policies)
    for policy in spoken:
        for rule in policy["spec"]["attachments"]:
            rule["message"] = words
    decision = ask(subject, world, spoken, config, {NETWORKS: selection.render(asked)})
    if decision.code == 403:
        assert len(decision.message.encode()) <= reasons.TEXT_BYTES_MAX
    assert all(len(text) <= 256 for text in map(str, decision.warnings))


@some
@given(make.policy_sets, make.configs, make.subjects, make.items())
def test_a_refusal_never_reveals_whether_another_namespaces_network_exists(
    policies: list[dict[str, Any]], config: Config, subject: Subject, item: Item
) -> None:
    """Side door 22; unless the pod may attach to it in some way, or to any network of that name."""
    assume(item.network is not None and item.element.namespace != subject.namespace)
    rules = make.rules(policies, config)
    there, not_there = judge(subject, item, rules), judge(subject, item.replace(network=None), rules)
    bare = NetworkSelectionElement(name=item.element.name, namespace=item.element.namespace)
    plain = judge(subject, item.replace(element=bare, replaces_default=False), rules)
    if plain.is_allowed or plain.code in ACCESS_ALLOWS or not_there.is_allowed or not_there.code in ACCESS_ALLOWS:
        return
    event(there.code)
    if there.code not in ACCESS_ALLOWS and not there.is_allowed:
        assert there == not_there


@some
@given(make.policy_sets, make.configs, make.subjects, make.items(), st.data())
def test_a_rule_that_cannot_be_read_never_admits_more(
    policies: list[dict[str, Any]], config: Config, subject: Subject, item: Item, data: st.DataObject
) -> None:
    """A Deny gets broader; an Allow accepts no request that it may have governed."""
    assume(policies)
    worse = copy.deepcopy(policies)
    spec = data.draw(st.sampled_from(worse))["spec"]
    number = data.draw(st.integers(0, len(spec["attachments"]) - 1))
    spec["attachments"][number] = data.draw(make.broken(spec["attachments"][number]))
    never_more(policies, worse, config, subject, item)


@some
@given(make.policy_sets, make.configs, make.subjects, make.items(), st.data())
def test_pods_that_cannot_be_read_never_admit_more(
    policies: list[dict[str, Any]], config: Config, subject: Subject, item: Item, data: st.DataObject
) -> None:
    assume(policies)
    worse = copy.deepcopy(policies)
    policy = data.draw(st.sampled_from(worse))
    around = {"mode": "Enforce", **{key: value for key, value in policy["spec"].items() if key != "attachments"}}
    policy["spec"] = {**data.draw(make.broken(around)), "attachments": policy["spec"]["attachments"]}
    never_more(policies, worse, config, subject, item)


def never_more(
    policies: list[dict[str, Any]], worse: list[dict[str, Any]], config: Config, subject: Subject, item: Item
) -> None:
    found = read_policies(worse)
    assume(any(policy.problems for policy in found.policies))
    after = judge(subject, item, compile_rules(found, config))
    if after.is_allowed:
        before = judge(subject, item, make.rules(policies, config))
        event(f"{before.code} to {after.code}")
        assert before.is_allowed


KEYS = st.sampled_from(
    [
        "metadata",
        "name",
        "generation",
        "spec",
        "mode",
        "contact",
        "description",
        "pods",
        "exceptPods",
        "attachments",
        "definitions",
        "action",
        "networks",
        "onRequests",
        "limits",
        "requireConsent",
        "message",
        "namespaces",
        "namespaceSelector",
        "podSelector",
        "serviceAccounts",
        "matchLabels",
        "matchExpressions",
        "key",
        "operator",
        "values",
        "scope",
        "names",
        "selector",
        "pluginTypes",
        "masters",
        "vlans",
        "onDisk",
        "default",
        "ips",
        "cidrs",
        "max",
        "mac",
        "prefixes",
        "bandwidth",
        "portMappings",
        "hostPorts",
        "protocols",
        "interface",
        "authors",
        "exceptAuthors",
        "users",
        "groups",
        "config",
        "sharing",
        "ipamTypes",
        "posture",
        "globalNamespaces",
        "multusGate",
        "namespaceIsolation",
        "node",
        "onUnavailable",
        "messages",
        "maxListed",
    ]
)
WORDS = st.sampled_from(
    ["Allow", "Deny", "Enforce", "cluster", "a", "a*", "10.0.0.0/8", "1-2", "In", "00:58", "ips", "é", "\ud800"]
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), WORDS, st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(KEYS, st.text(max_size=4)), inner, max_size=6),
    ),
    max_leaves=40,
)
OBJECTS = st.dictionaries(st.one_of(KEYS, st.just("\ud800"), st.text(max_size=4)), JSON, max_size=6)


@some
@given(OBJECTS, make.subjects, make.items())
def test_any_json_is_read_as_some_policy(value: dict[str, Any], subject: Subject, item: Item) -> None:
    policy = read_policy(value)
    assert all(problem.rule == "policy-field" for problem in policy.problems)
    named = {"kind": "NetworkAttachmentPolicy", **value}
    verdict = judge(subject, item, compile_rules(read_policies([named]), Config()))
    said = [
        verdict.reason,
        verdict.decided,
        verdict.fix,
        *map(render, policy.problems),
        *(rule.reference for rule in policy.written),
    ]
    assert "\n".join(said).encode() or verdict.code


@some
@given(st.one_of(make.policies(st.just("p"))).flatmap(make.broken))
def test_a_damaged_policy_is_read_and_reported(value: dict[str, Any]) -> None:
    read_policy(value)


@some
@given(OBJECTS)
def test_any_json_is_read_as_some_configuration(value: dict[str, Any]) -> None:
    config, problems = read_config(value)
    assert config.posture in {"Open", "Isolated", "Consent", "Strict"}
    assert all(problem.rule == "policy-field" for problem in problems)


@some
@given(make.worlds)
def test_shared_networks_are_those_with_consent(world: World) -> None:
    expected = sorted(key for key, network in world.items() if set(network.annotations) & set(CONSENT))
    assert sorted(cluster_of(world).shared_networks()) == expected
