"""Levels of definitions: who sets them, their refusals to authors and to pods, and the rules that lift these."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.judging.definitionrules import Author, Writing, judge_definition, judge_definition_trial
from cniplugin.access.judging.judge import judge, judge_trial, may_attach
from cniplugin.access.model.decision import Config, Item, Rules, Subject, Verdict
from cniplugin.access.model.levels import (
    LABELS,
    LEVELS,
    MODES,
    UNCHECKED,
    ClusterLevels,
    level_of,
    may_have_trial,
    parse,
)
from cniplugin.access.model.matchers import names
from cniplugin.netspec import netattachdef
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.selection import NetworkSelectionElement

ENFORCE, WARN, AUDIT = LABELS.values()
MACVLAN = {"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0"}
PATHS = {**MACVLAN, "ipam": {"type": "host-local", "subnet": "10.1.0.0/16", "dataDir": "/etc"}}
OVERLAY = {"cniVersion": "1.0.0", "type": "sriov"}
BASELINE = {ENFORCE: "Baseline"}
RESTRICTED = {ENFORCE: "Restricted"}
BOB = Author(name="bob", groups=frozenset({"devs"}))
ROOT = Author(name="root", groups=frozenset({"system:masters"}))


def network(conf: dict[str, Any] | None = MACVLAN, namespace: str = "blue") -> NetworkAttachmentDefinition:
    return netattachdef.build(namespace=namespace, name="lan", config=None if conf is None else json.dumps(conf))


def rules_of(*rules: dict[str, Any], mode: str = "Enforce", **config: Any) -> Rules:
    spec = {"mode": mode, "definitions": [{"name": f"r{at}", **rule} for at, rule in enumerate(rules)]}
    found = read_policies(
        [{"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": spec}] if rules else []
    )
    assert [policy.problems for policy in found.policies if policy.problems] == []
    return compile_rules(found, Config(contact="#net-team", **config))


def allow(**config: Any) -> dict[str, Any]:
    return {"action": "Allow", "config": config} if config else {"action": "Allow"}


def write(labels: dict[str, str], rules: Rules, conf: dict[str, Any] | None = MACVLAN, author: Author = BOB) -> Verdict:
    return judge_definition(Writing(author=author, network=network(conf), namespace_labels=labels), rules)


def item(labels: dict[str, str], conf: dict[str, Any] | None = MACVLAN, namespace: str = "blue") -> Item:
    element = NetworkSelectionElement(namespace=namespace, name="lan")
    return Item(element=element, network=network(conf, namespace), network_labels=labels)


def attach(
    labels: dict[str, str],
    rules: Rules,
    conf: dict[str, Any] | None = MACVLAN,
    *,
    namespace: str = "blue",
    pod: str = "blue",
) -> Verdict:
    subject = Subject(namespace=pod, namespace_labels=labels if pod == namespace else {})
    verdict = judge(subject, item(labels, conf, namespace), rules)
    assert may_attach(subject, item(labels, conf, namespace), rules) is verdict.is_allowed
    return verdict


# Which level


@pytest.mark.parametrize(
    ("labels", "cluster", "expected"),
    [
        ({}, {}, "Privileged"),
        ({}, {"enforce": "Baseline"}, "Baseline"),
        ({ENFORCE: "Privileged"}, {"enforce": "Restricted"}, "Privileged"),
        ({ENFORCE: "baseline"}, {}, "Baseline"),
        ({ENFORCE: "RESTRICTED"}, {}, "Restricted"),
        ({ENFORCE: ""}, {}, "Restricted"),
        ({ENFORCE: "strict"}, {}, "Restricted"),
        ({WARN: "Baseline", AUDIT: "Baseline"}, {}, "Privileged"),
        ({ENFORCE: "Restricted"}, {"reads_labels": False}, "Privileged"),
    ],
)
def test_a_label_comes_before_the_clusters_default(
    labels: dict[str, str], cluster: dict[str, Any], expected: str
) -> None:
    assert level_of(ClusterLevels(**cluster), "blue", labels, "enforce").name == expected


@pytest.mark.parametrize(
    ("labels", "decided"),
    [
        ({}, 'level Baseline of namespace "blue" (cluster default definitions.levels.enforce)'),
        ({ENFORCE: "baseline"}, 'level Baseline of namespace "blue" (label nadmit.io/definitions-enforce)'),
        (
            {ENFORCE: "strict"},
            f'level Restricted of namespace "blue" (label {ENFORCE}, whose value "strict" is not one of {", ".join(LEVELS)})',
        ),
    ],
)
def test_who_set_a_level(labels: dict[str, str], decided: str) -> None:
    assert level_of(ClusterLevels(enforce="Baseline"), "blue", labels, "enforce").decided == decided


@pytest.mark.parametrize(
    ("cluster", "labels", "expected"),
    [
        (ClusterLevels(), {}, False),
        (ClusterLevels(enforce="Restricted"), {LABELS["enforce"]: "baseline"}, False),
        (ClusterLevels(warn="Baseline"), {}, True),
        (ClusterLevels(audit="Restricted"), {}, True),
        (ClusterLevels(), {LABELS["warn"]: "baseline"}, True),
        (ClusterLevels(), {LABELS["audit"]: "restricted"}, True),
        (UNCHECKED, {LABELS["audit"]: "restricted"}, False),
    ],
)
def test_where_a_trial_may_be(cluster: ClusterLevels, labels: dict[str, str], *, expected: bool) -> None:
    """A namespace without one is not asked about the modes that refuse nothing."""
    assert may_have_trial(cluster, labels) is expected


def test_the_words() -> None:
    assert [parse(level.lower()) for level in LEVELS] == list(LEVELS)
    assert parse("x") is None
    assert list(LABELS) == list(MODES)
    assert all(level_of(UNCHECKED, "x", RESTRICTED, mode).name == "Privileged" for mode in MODES)


# Without levels, nothing changes


@pytest.mark.parametrize("conf", [MACVLAN, PATHS, None, {"type": "my-own", "cniVersion": "1.0.0"}], ids=repr)
def test_privileged_is_as_before(conf: dict[str, Any] | None) -> None:
    assert write({}, rules_of(), conf).code == "DefinitionDefault"
    assert attach({}, rules_of(), conf).is_allowed


# Written


def test_baseline_refuses_what_reaches_beyond_the_pod() -> None:
    refused = write(BASELINE, rules_of(), PATHS)
    assert refused.code == "DefinitionLevel"
    assert refused.reason == (
        'spec.config.master: the node\'s interface "eth0"; spec.config.ipam.dataDir: the node\'s path "/etc"'
    )
    assert refused.decided == 'level Baseline of namespace "blue" (label nadmit.io/definitions-enforce)'
    assert refused.allowed == "no interface of the node; no path of the node"
    assert refused.fix == (
        "change spec.config, or ask #net-team to list it in definitions.baseline.masters, "
        "or for an Allow rule for definitions with masters, hostPaths"
    )
    assert write(BASELINE, rules_of(), OVERLAY).code == "DefinitionDefault"


def test_the_lists_of_the_admin_are_named() -> None:
    config = Config().baseline.replace(masters=names(["bond1", "bond1.*"]))
    assert write(BASELINE, rules_of(baseline=config)).allowed == "masters bond1, bond1.*"
    assert write(BASELINE, rules_of(baseline=config), {**MACVLAN, "master": "bond1.7"}).is_allowed


def test_many_breaches_are_counted() -> None:
    plugins = [{"type": "macvlan", "master": f"eth{number}"} for number in range(9)]
    refused = write(BASELINE, rules_of(), {"cniVersion": "1.0.0", "plugins": plugins})
    assert refused.reason.endswith('spec.config.plugins[2].master: the node\'s interface "eth2"; and 6 more')


def test_a_breach_that_no_setting_and_no_rule_can_lift() -> None:
    conf = {"cniVersion": "1.0.0", "plugins": [OVERLAY, {"type": "firewall", "iptablesAdminChainName": "INPUT"}]}
    assert write(BASELINE, rules_of(), conf).fix == "change spec.config"


@pytest.mark.parametrize(
    ("rules", "conf", "code"),
    [
        ([allow(masters=["eth*"])], MACVLAN, "DefinitionAllowRule"),
        ([allow(masters=["*"])], PATHS, "DefinitionLevel"),
        ([allow(masters=["*"], hostPaths=["/etc"])], PATHS, "DefinitionAllowRule"),
        ([allow(masters=["*"]), allow(hostPaths=["*"])], PATHS, "DefinitionLevel"),
        ([allow()], MACVLAN, "DefinitionLevel"),
        ([allow(pluginTypes=["*"])], MACVLAN, "DefinitionLevel"),
        ([allow(masters=["bond1"])], MACVLAN, "NotWithinDefinitionRule"),
        ([allow(onDisk=True)], None, "DefinitionAllowRule"),
        ([{**allow(masters=["*"]), "authors": {"users": ["eve"]}}], MACVLAN, "DefinitionLevel"),
        ([allow(masters=["*"]), {"action": "Deny", "config": {"masters": ["eth0"]}}], MACVLAN, "DefinitionDenyRule"),
    ],
    ids=repr,
)
def test_an_allow_rule_decides_what_its_fields_name(
    rules: list[dict[str, Any]], conf: dict[str, Any] | None, code: str
) -> None:
    """The fields of several rules are never added together."""
    assert write(BASELINE, rules_of(*rules), conf).code == code


def test_restricted_wants_a_rule_that_selects_the_author() -> None:
    refused = write(RESTRICTED, rules_of(), OVERLAY)
    assert refused.code == "DefinitionLevel"
    assert refused.reason == 'no Allow rule for definitions selects this user in namespace "blue"'
    assert refused.fix == "ask #net-team to create this network, or for such a rule for blue"
    assert write(RESTRICTED, rules_of({**allow(), "authors": {"users": ["eve"]}}), OVERLAY).code == "DefinitionLevel"
    mine = {**allow(), "authors": {"groups": ["devs"]}}
    assert write(RESTRICTED, rules_of(mine), OVERLAY).code == "DefinitionAllowRule"
    assert write(RESTRICTED, rules_of(mine), MACVLAN).code == "DefinitionLevel", "it is Baseline for the rest"


@pytest.mark.parametrize("labels", [BASELINE, RESTRICTED])
def test_exempt_users_may_write_anything(labels: dict[str, str]) -> None:
    assert write(labels, rules_of(), PATHS, ROOT).code == "Exempt"


def test_levels_on_trial_when_written() -> None:
    labels = {WARN: "Baseline", AUDIT: "Restricted"}
    writing = Writing(author=BOB, network=network(MACVLAN), namespace_labels=labels)
    assert judge_definition(writing, rules_of()).is_allowed
    found = judge_definition_trial(writing, rules_of())
    assert found
    assert (found[0], found[1].code) == ("Warn", "DefinitionLevel")
    assert "(label nadmit.io/definitions-warn)" in found[1].decided
    found = judge_definition_trial(writing.replace(network=network(OVERLAY)), rules_of())
    assert found
    assert (found[0], found[1].reason[:13]) == ("Audit", "no Allow rule")
    assert judge_definition_trial(writing.replace(author=ROOT), rules_of()) is None
    assert judge_definition_trial(writing, rules_of(allow(masters=["*"]))) is None


# Attached


@pytest.mark.parametrize("labels", [BASELINE, RESTRICTED, {ENFORCE: "odd"}], ids=repr)
def test_a_pod_does_not_get_what_the_level_refuses(labels: dict[str, str]) -> None:
    """The definition may be older than the level, or the webhook may have been down."""
    refused = attach(labels, rules_of(), PATHS)
    assert refused.code == "DefinitionLevel"
    assert refused.fix.startswith("change spec.config of lan, or ask #net-team to list it in ")
    assert attach(labels, rules_of(), OVERLAY).is_allowed
    assert not attach(labels, rules_of(), None).is_allowed


def test_under_any_posture_and_rules_on_attachments() -> None:
    rules = rules_of(posture="Open")
    assert attach(BASELINE, rules).code == "DefinitionLevel"
    assert attach(BASELINE, rules_of(exempt_namespaces=("blue",))).is_allowed


@pytest.mark.parametrize(
    ("rule", "is_allowed"),
    [
        (allow(masters=["eth0"]), True),
        ({**allow(masters=["eth0"]), "authors": {"users": ["eve"]}}, True),
        ({**allow(masters=["eth0"]), "namespaces": ["red"]}, False),
        ({**allow(masters=["eth0"]), "namespaceSelector": {"matchLabels": {"tenant": "blue"}}}, False),
        (allow(masters=["bond1"]), False),
        (allow(), False),
    ],
    ids=repr,
)
def test_an_allow_rule_lifts_it_for_pods_with_any_author(rule: dict[str, Any], *, is_allowed: bool) -> None:
    assert attach(RESTRICTED, rules_of(rule)).is_allowed is is_allowed
    assert not attach(RESTRICTED, rules_of(rule, mode="Warn")).is_allowed, "a rule on trial grants nothing"


@pytest.mark.parametrize("conf", [MACVLAN, PATHS, OVERLAY, None], ids=repr)
@pytest.mark.parametrize("labels", [{}, BASELINE, RESTRICTED], ids=repr)
@pytest.mark.parametrize(
    "rules",
    [[], [allow()], [allow(masters=["*"])], [allow(masters=["*"], hostPaths=["*"])], [allow(onDisk=True)]],
    ids=repr,
)
def test_admitted_definitions_can_be_attached(
    rules: list[dict[str, Any]], labels: dict[str, str], conf: dict[str, Any] | None
) -> None:
    if write(labels, rules_of(*rules), conf).is_allowed:
        assert attach(labels, rules_of(*rules), conf).is_allowed


def test_a_file_of_the_node_is_the_admins() -> None:
    """Once a rule permits the definition, the file of the node is the admin's and not the tenant's."""
    read = network(None).replace(config=network(MACVLAN).config)
    asked = item(BASELINE, None).replace(network=read)
    assert judge(Subject(namespace="blue"), asked, rules_of(allow(onDisk=True))).is_allowed
    assert not judge(Subject(namespace="blue"), asked, rules_of()).is_allowed


def test_the_content_is_not_shown_to_pods_of_other_namespaces() -> None:
    """Side door 22. The pods may know that the network exists, because they would get it at another level."""
    first = attach(BASELINE, rules_of(), MACVLAN, namespace="default")
    second = attach(BASELINE, rules_of(), PATHS, namespace="default")
    assert first == second
    assert first.reason == "the level of its namespace does not permit what the configuration of the network uses"
    assert first.allowed == ""
    assert "can-attach -n default lan" in first.fix
    assert attach(BASELINE, rules_of(), MACVLAN, namespace="infra").code == "PostureIsolated"


def test_levels_on_trial_when_attached() -> None:
    subject = Subject(namespace="blue")
    asked = item({WARN: "Baseline", AUDIT: "Baseline"})
    found = judge_trial(subject, asked, rules_of())
    assert found
    assert (found[0], found[1].code) == ("Warn", "DefinitionLevel")
    found = judge_trial(subject, item({AUDIT: "Baseline"}), rules_of())
    assert found
    assert (found[0], found[1].basis) == ("Audit", "label nadmit.io/definitions-audit")
    assert judge_trial(subject, item({WARN: "Baseline"}, OVERLAY), rules_of()) is None
    assert judge_trial(subject, asked, rules_of(exempt_namespaces=("blue",))) is None


def test_the_level_is_that_of_the_networks_namespace() -> None:
    strict = rules_of(levels=ClusterLevels(enforce="Baseline"))
    assert attach({}, strict).code == "DefinitionLevel"
    assert attach({ENFORCE: "Privileged"}, strict).is_allowed
    subject = Subject(namespace="blue", namespace_labels=RESTRICTED)
    assert judge(subject, item({}, namespace="default"), rules_of()).is_allowed
