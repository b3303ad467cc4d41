"""Exactly those decisions name an unknown namespace that depend on its labels."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.model.decision import Config, Rules
from cniplugin.access.model.levels import ClusterLevels
from cniplugin.access.reading.consent import ALLOWED_NAMESPACES, ALLOWED_SELECTOR
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from tests.webhook.admission.mutation.injecting import ask_mutate, create, pod_of
from tests.webhook.admission.world import MACVLAN, FakeCluster, cluster, decide, definition, pod, request
from webhook.admission.checks.unknownnamespaces import warn_of_unknown
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import NODE_SELECTOR, Injection
from webhook.admission.model.kinds import GroupKind
from webhook.admission.model.requests import NetworkUsers, User
from webhook.admission.mutate import answer_mutation
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

Json = dict[str, Any]
BY_LABEL: Json = {"namespaceSelector": {"matchLabels": {"env": "dev"}}}
BY_NAME: Json = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "blue"}}}
DENY: Json = {"name": "d", "action": "Deny"}
CONSENTED: Json = {"name": "a", "action": "Allow", "requireConsent": True}
ANYBODY: Json = {"name": "w", "action": "Deny", "config": {"pluginTypes": ["host-device"]}}
DEPLOYMENT = GroupKind("apps", "Deployment")


def new_world() -> FakeCluster:
    made = cluster()
    made.unknown = frozenset({"blue"})
    return made


def rules(*, mode: str = "Enforce", config: Json | None = None, **spec: Any) -> Rules:
    policy = {"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": {"mode": mode, **spec}}
    return compile_rules(read_policies([policy]), Config(**(config or {})))


@pytest.mark.parametrize("mode", ["Enforce", "Warn", "Audit"])
@pytest.mark.parametrize(
    "spec",
    [
        {"pods": [BY_LABEL], "attachments": [DENY]},
        {"pods": [{**BY_LABEL, "namespaces": ["bl*"]}], "attachments": [DENY]},
        {"exceptPods": [BY_LABEL], "attachments": [DENY]},
        {"pods": [BY_NAME, BY_LABEL], "attachments": [DENY]},
    ],
    ids=["pods", "pods of some namespaces", "exceptPods", "the second entry"],
)
def test_a_rule_selects_by_labels(spec: Json, mode: str) -> None:
    """A policy on trial needs the labels as well, because a wrong warning is worse than no warning."""
    for kind in (GroupKind("", "Pod"), DEPLOYMENT):
        asked = request(pod("lan"), kind=kind)
        assert decide(asked, world=new_world(), rules=rules(mode=mode, **spec)).unknown == ("blue",)
        assert decide(asked, rules=rules(mode=mode, **spec)).unknown == ()


@pytest.mark.parametrize(
    "spec",
    [
        {"attachments": [DENY]},
        {"pods": [BY_NAME], "attachments": [DENY]},
        {"pods": [{**BY_LABEL, "namespaces": ["green"]}], "attachments": [DENY]},
        {"pods": [{"podSelector": {"matchLabels": {"a": "b"}}}], "attachments": [DENY]},
        {"pods": [BY_LABEL], "attachments": [DENY], "config": {"exempt_namespaces": ("blue",)}},
        {"attachments": [CONSENTED]},
    ],
    ids=["all", "by name", "of others", "by labels of pods", "exempt", "consent that nobody gives by labels"],
)
def test_no_rule_selects_by_labels_of_this_namespace(spec: Json) -> None:
    assert decide(request(pod("lan")), world=new_world(), rules=rules(**spec)).unknown == ()


@pytest.mark.parametrize(
    ("given", "is_asked"),
    [
        ({"config": {"posture": "Consent"}, "attachments": []}, True),
        ({"attachments": [CONSENTED]}, True),
        ({"attachments": [{**CONSENTED, "requireConsent": False}]}, False),
    ],
    ids=["posture", "rule", "no consent is asked for"],
)
def test_an_owner_shares_by_labels(given: Json, *, is_asked: bool) -> None:
    world = new_world()
    shared = world.networks["green", "shared"]
    world.networks["green", "shared"] = shared.replace(annotations={ALLOWED_SELECTOR: "env=dev"})
    asked = request(pod("green/shared"))
    assert decide(asked, world=world, rules=rules(**given)).unknown == (("blue",) if is_asked else ())
    world.networks["green", "shared"] = shared.replace(annotations={ALLOWED_NAMESPACES: "blue"})
    assert decide(asked, world=world, rules=rules(**given)).unknown == ()


def test_nothing_is_asked_for_a_pod_that_is_not_judged() -> None:
    by_label = rules(pods=[BY_LABEL], attachments=[DENY])
    assert decide(request(pod()), world=new_world(), rules=by_label).unknown == ()
    assert decide(request(pod("lan"), old=pod("lan")), world=new_world(), rules=by_label).unknown == ()


@pytest.mark.parametrize(
    ("rule", "is_asked"),
    [
        ({**ANYBODY, "namespaceSelector": BY_LABEL["namespaceSelector"]}, True),
        ({**ANYBODY, "namespaceSelector": BY_LABEL["namespaceSelector"], "namespaces": ["green"]}, False),
        ({**ANYBODY, "namespaceSelector": BY_NAME["namespaceSelector"]}, False),
        (ANYBODY, False),
    ],
    ids=["by labels", "of others", "by name", "all"],
)
@pytest.mark.parametrize("mode", ["Enforce", "Audit"])
def test_a_rule_about_definitions_selects_by_labels(rule: Json, mode: str, *, is_asked: bool) -> None:
    given = rules(mode=mode, definitions=[rule])
    for config in (MACVLAN, '{"cniVersion": "1.0.0", "type": "host-device", "device": "eth3"}'):
        assert decide(definition(config), world=new_world(), rules=given).unknown == (("blue",) if is_asked else ())
    assert decide(definition("{"), world=new_world(), rules=given).unknown == ()


def test_later_checks_do_not_hide_it() -> None:
    """Later checks, of networks in use and of devices, keep the unknown namespaces."""
    by_label = rules(pods=[BY_LABEL], attachments=[DENY], definitions=[
        {**ANYBODY, "namespaceSelector": BY_LABEL["namespaceSelector"]}
    ])  # fmt: skip
    world = new_world()
    world.users["blue", "lan"] = NetworkUsers(total=1)
    changed = definition(MACVLAN.replace("bond1", "bond2"))
    changed = changed._replace(operation="UPDATE", old_object=definition(MACVLAN).object)
    used = evaluate(changed, DecisionContext(world, by_label, network_in_use="Deny"))
    assert (used.is_allowed, used.unknown) == (False, ("blue",))
    world.networks["blue", "vf"] = world.networks["blue", "lan"].replace(
        name="vf", annotations={RESOURCE_NAME: "example.com/vf"}
    )

    short = evaluate(create(pod_of("vf")), DecisionContext(world, by_label, Configuration(injection=Injection())))
    assert (short.is_allowed, short.unknown) == (False, ("blue",))


def test_mutate_says_nothing_of_a_network_before_the_labels_are_known() -> None:
    by_label = rules(pods=[BY_LABEL], attachments=[DENY])
    world = new_world()
    plain = world.networks["blue", "lan"]
    world.networks["blue", "lan"] = plain.replace(annotations={NODE_SELECTOR: "no label"})

    answer = answer_mutation(
        create(pod_of("lan")), DecisionContext(world, by_label, Configuration(injection=Injection()))
    )
    assert answer.unknown == ("blue",)
    assert ask_mutate(pod_of("lan"), world).unknown == ()


def test_without_an_api_server_an_unknown_namespace_is_a_warning() -> None:
    by_label = rules(pods=[BY_LABEL], attachments=[DENY])
    decision = warn_of_unknown(decide(request(pod("lan")), world=new_world(), rules=by_label))
    assert (decision.verdict, decision.unknown, len(decision.warnings)) == ("warn", (), 1)
    known = decide(request(pod("lan"), user=User("x")), rules=by_label)
    assert warn_of_unknown(known) is known


# Levels of definitions


def level_worlds() -> dict[str, tuple[FakeCluster, Rules]]:
    labelled = cluster()
    labelled.labels["infra"] = {"nadmit.io/definitions-audit": "Baseline"}
    strict = Rules(config=Config(levels=ClusterLevels(enforce="Baseline")))
    return {"labels": (labelled, Rules()), "default": (cluster(), strict)}


@pytest.mark.parametrize("world", ["labels", "default"])
@pytest.mark.parametrize("asked", ["definition", "pod"])
def test_a_namespace_that_may_have_a_level_is_asked_for(world: str, asked: str) -> None:
    """If levels are in use, the namespace of a network matters: its label may set a level or lift the default."""
    made, in_force = level_worlds()[world]
    made.unknown = frozenset({"default" if asked == "pod" else "blue"})
    given = request(pod("default/internet")) if asked == "pod" else definition(MACVLAN)
    assert decide(given, world=made, rules=in_force).unknown == tuple(made.unknown)
    made.unknown = frozenset()
    assert decide(given, world=made, rules=in_force).unknown == ()


@pytest.mark.parametrize("asked", ["definition", "pod"])
def test_without_levels_no_namespace_is_unknown(asked: str) -> None:
    made = cluster()
    made.unknown = frozenset({"default", "blue"})
    given = request(pod("default/internet")) if asked == "pod" else definition(MACVLAN)
    assert decide(given, world=made).unknown == ()
