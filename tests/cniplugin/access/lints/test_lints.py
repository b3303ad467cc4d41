"""Each lint appears where it should, and not in the nearest case where it should not."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.lints.lints import Lint, lint
from cniplugin.access.model.policyrules import RULES_MAX, Policy
from cniplugin.access.reading.policies import read_policy

ALLOW: dict[str, Any] = {"name": "a", "action": "Allow"}
DENY: dict[str, Any] = {"name": "d", "action": "Deny"}
SAN: dict[str, Any] = {**ALLOW, "networks": [{"namespaces": ["infra"]}]}
NO_SAN: dict[str, Any] = {**DENY, "networks": [{"namespaces": ["infra"]}]}
BLUE = {"namespaces": ["blue"]}
LABELLED = {"namespaceSelector": {"matchLabels": {"tenant": "blue"}}}
BY_NAME = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "blue"}}}
PODS = {"podSelector": {"matchLabels": {"app": "web"}}}
ACCOUNT = {"serviceAccounts": ["robot"]}
NADS = {"selector": {"matchLabels": {"shared": "yes"}}}


def policy(name: str = "mine", **spec: Any) -> Policy:
    found = read_policy({"metadata": {"name": name, "generation": 3}, "spec": spec})
    assert found.problems == ()
    return found


def remarks(*others: Policy, **spec: Any) -> list[tuple[str, str]]:
    return [(found.name, found.path) for found in lint(policy(**spec), others)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        # labels of networks
        ({"attachments": [{**ALLOW, "networks": [NADS]}]}, [("nad-labels", "spec.attachments[0].networks[0].selector")]),
        (
            {"attachments": [SAN, {**ALLOW, "name": "b", "networks": [BLUE, {**NADS, "scope": "OtherNamespace"}]}]},
            [("nad-labels", "spec.attachments[1].networks[1].selector")],
        ),
        ({"attachments": [{**ALLOW, "networks": [{**NADS, **BLUE}]}]}, []),
        ({"attachments": [{**ALLOW, "networks": [{**NADS, "scope": "OwnNamespace"}]}]}, []),
        ({"attachments": [{**DENY, "networks": [NADS]}]}, []),
        # choices of the pod's author
        ({"pods": [PODS], "attachments": [DENY]}, [("pod-can-step-aside", "spec.pods[0].podSelector")]),
        (
            {"pods": [BLUE, {**BLUE, **ACCOUNT}], "attachments": [SAN, NO_SAN]},
            [("pod-can-step-aside", "spec.pods[1].serviceAccounts"), ("shadowed", "spec.attachments[0]")],
        ),
        ({"pods": [PODS], "attachments": [SAN]}, []),
        ({"pods": [{**BLUE, "podSelector": {}}], "attachments": [DENY]}, []),
        ({"exceptPods": [PODS], "attachments": [DENY]}, [("pod-can-step-aside", "spec.exceptPods[0].podSelector")]),
        ({"exceptPods": [{**BLUE, **ACCOUNT}], "attachments": [DENY]}, []),
        # labels of namespaces
        ({"pods": [LABELLED], "attachments": [SAN]}, [("namespace-labels", "spec.pods[0].namespaceSelector")]),
        ({"exceptPods": [LABELLED], "attachments": [SAN]}, [("namespace-labels", "spec.exceptPods[0].namespaceSelector")]),
        ({"pods": [BY_NAME], "attachments": [SAN]}, []),
        (
            {"definitions": [{**DENY, **LABELLED}]},
            [("namespace-labels", "spec.definitions[0].namespaceSelector")],
        ),
        # everything
        ({"pods": [{"namespaces": ["a", "*"]}], "attachments": [SAN]}, [("everything", "spec.pods[0].namespaces[1]")]),
        ({"pods": [{"namespaces": ["a*"]}], "attachments": [SAN]}, []),
        (
            {"attachments": [{**ALLOW, "networks": [{"names": ["*"], "namespaces": ["*"], **NADS}]}]},
            [
                ("everything", "spec.attachments[0].networks[0].namespaces[0]"),
                ("everything", "spec.attachments[0].networks[0].names[0]"),
                ("nad-labels", "spec.attachments[0].networks[0].selector"),
            ],
        ),
        ({"definitions": [{**DENY, "namespaces": ["a", "*"], "authors": {"groups": ["g"]}}]}, [("everything", "spec.definitions[0].namespaces[1]")]),
        # on trial
        ({"mode": "Warn", "attachments": [SAN, NO_SAN]}, [("grants-nothing", "spec.mode"), ("shadowed", "spec.attachments[0]")]),
        ({"mode": "Audit", "attachments": [SAN]}, [("grants-nothing", "spec.mode")]),
        ({"mode": "Warn", "attachments": [NO_SAN]}, []),
        # interfaces of the node
        ({"definitions": [ALLOW]}, [("any-master", "spec.definitions[0]")]),
        ({"definitions": [{**ALLOW, "config": {"pluginTypes": ["mac*", "tuning"]}}]}, [("any-master", "spec.definitions[0].config")]),
        ({"definitions": [{**ALLOW, "config": {"pluginTypes": ["macvlan"], "masters": ["bond1"]}}]}, []),
        ({"definitions": [{**ALLOW, "config": {"sysctls": ["net.ipv4.ip_forward"]}}]}, [("any-master", "spec.definitions[0].config")]),
        ({"definitions": [{**ALLOW, "config": {"pluginTypes": ["tuning", "sbr"]}}]}, []),
        ({"definitions": [{**DENY, "config": {"pluginTypes": ["macvlan"]}}]}, []),
    ],
)  # fmt: skip
def test_lints(spec: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert remarks(**spec) == expected


def net(**fields: Any) -> dict[str, Any]:
    return {"networks": [fields]}


PAIRS = [
    # fields of a Deny, fields of the other rule, whether the other one is shadowed for certain
    ({}, {}, True),
    ({}, {"pods": [BLUE]}, True),
    ({"pods": [BLUE]}, {}, False),
    ({"pods": [BLUE]}, {"pods": [BLUE]}, True),
    ({"pods": [{"namespaces": ["blue", "green"]}]}, {"pods": [BLUE, {"namespaces": ["green"], **ACCOUNT}]}, True),
    ({"pods": [{"namespaces": ["blue", "green"]}]}, {"pods": [BLUE, {"namespaces": ["red"]}]}, False),
    ({"pods": [{"namespaces": ["b*"]}]}, {"pods": [BLUE]}, True),
    ({"pods": [{"namespaces": ["b*"]}]}, {"pods": [{"namespaces": ["bl*"]}]}, True),
    ({"pods": [{"namespaces": ["bl*"]}]}, {"pods": [{"namespaces": ["b*"]}]}, False),
    ({"pods": [{"namespaces": ["*"]}]}, {}, True),
    (net(scope="Any"), {}, True),
    ({"pods": [{"namespaces": ["*"]}]}, {"pods": [LABELLED]}, True),
    ({"pods": [LABELLED]}, {"pods": [{**LABELLED, **PODS}]}, True),
    ({"pods": [LABELLED]}, {"pods": [BLUE]}, False),
    ({"pods": [{**BLUE, **PODS}]}, {"pods": [BLUE]}, False),
    ({"pods": [{**BLUE, **ACCOUNT}]}, {"pods": [{**BLUE, "serviceAccounts": ["robot", "two"]}]}, False),
    ({"exceptPods": [BLUE]}, {"pods": [BLUE]}, False),
    ({"exceptPods": [BLUE]}, {"pods": [{"namespaces": ["green"]}]}, True),
    ({"exceptPods": [BLUE]}, {"pods": [{"namespaces": ["g*"]}]}, False),
    ({"exceptPods": [{**BLUE, **ACCOUNT}]}, {"exceptPods": [BLUE]}, True),
    ({"exceptPods": [BLUE]}, {"exceptPods": [{**BLUE, **ACCOUNT}]}, False),
    (net(names=["lan"]), net(names=["lan"]), True),
    (net(names=["lan"]), net(names=["lan", "wan"]), False),
    (net(namespaces=["infra"]), net(namespaces=["infra"], names=["storage"]), True),
    (net(names=["*"]), net(namespaces=["infra"]), True),
    (net(scope="OtherNamespace"), net(namespaces=["infra"]), False),
    (net(scope="OtherNamespace"), net(scope="OtherNamespace", names=["x"]), True),
    (net(pluginTypes=["host-device"]), {}, False),
    (net(pluginTypes=["host-*"]), net(pluginTypes=["host-device"]), True),
    (net(pluginTypes=["*"]), net(names=["lan"]), False),
    (net(vlans=["100-199"]), net(vlans=["100-150", "199"]), True),
    (net(vlans=["100-150", "151-199"]), net(vlans=["140-160"]), False),
    (net(onDisk=True), net(onDisk=False), False),
    (net(masters=["bond1"]), net(masters=["bond1"], onDisk=False), True),
    (net(selector={}), net(names=["lan"]), False),
    (net(selector={}), net(**NADS), True),
    ({"networks": [{"names": ["a"]}, {"names": ["b"]}]}, net(names=["b"]), True),
]  # fmt: skip


def spec_of(parts: dict[str, Any], rule: dict[str, Any]) -> dict[str, Any]:
    shared: dict[str, Any] = {key: parts[key] for key in ("pods", "exceptPods") if key in parts}
    return {**shared, "attachments": [{**rule, **{key: parts[key] for key in parts.keys() - shared.keys()}}]}


@pytest.mark.parametrize(("deny", "other", "is_shadowed"), PAIRS)
def test_shadowed(deny: dict[str, Any], other: dict[str, Any], is_shadowed: bool) -> None:  # noqa: FBT001
    """The remark names a rule of another policy."""
    guard = policy("guard", **spec_of(deny, DENY))
    found = [one for one in lint(policy(**spec_of(other, ALLOW)), [guard]) if one.name == "shadowed"]
    assert len(found) == is_shadowed
    assert all('Deny rule "d" of "guard"' in one.detail for one in found)


@pytest.mark.parametrize(
    ("deny", "other", "is_shadowed"),
    [
        (["ips"], None, False),
        (["ips"], ["ips"], True),
        (["ips", "mac"], ["mac"], True),
        (["mac"], ["ips", "mac"], False),
        (None, ["ips"], True),
    ],
)
def test_a_deny_on_requests_shadows_denies_on_fewer(deny: Any, other: Any, is_shadowed: bool) -> None:  # noqa: FBT001
    guard = policy("guard", attachments=[{**DENY, **({"onRequests": deny} if deny else {})}])
    mine = {**DENY, "name": "z", **({"onRequests": other} if other else {})}
    assert (("shadowed", "spec.attachments[0]") in remarks(guard, attachments=[mine])) is is_shadowed


def test_a_deny_on_requests_shadows_no_allow() -> None:
    assert remarks(policy("guard", attachments=[{**DENY, "onRequests": ["ips"]}]), attachments=[SAN]) == []


def test_of_two_equal_denies_the_second_is_reported() -> None:
    first, second = policy("a", attachments=[NO_SAN]), policy("b", attachments=[NO_SAN])
    assert lint(first, [second]) == ()
    assert [found.name for found in lint(second, [first])] == ["shadowed"]


@pytest.mark.parametrize(
    ("mode", "others_mode", "is_shadowed"),
    [("Enforce", "Warn", False), ("Warn", "Enforce", True), ("Warn", "Audit", False), ("Audit", "Warn", True)],
)
def test_a_deny_on_trial_shadows_nothing_that_is_in_force(mode: str, others_mode: str, is_shadowed: bool) -> None:  # noqa: FBT001
    guard = policy("z", mode=others_mode, attachments=[DENY])
    found = remarks(guard, mode=mode, attachments=[{**DENY, "name": "mine"}])
    assert (("shadowed", "spec.attachments[0]") in found) is is_shadowed


@pytest.mark.parametrize(
    ("deny", "other", "is_shadowed"),
    [
        ({}, {**ALLOW, "config": {"masters": ["b"]}}, True),
        ({"namespaces": ["b*"]}, {**ALLOW, "namespaces": ["blue"]}, True),
        ({"config": {"pluginTypes": ["macvlan"]}}, {**ALLOW, "config": {"pluginTypes": ["macvlan"]}}, False),
        ({"config": {"pluginTypes": ["mac*"]}}, {**DENY, "name": "z", "config": {"pluginTypes": ["macvlan"]}}, True),
        ({"authors": {"groups": ["g"]}}, {**ALLOW, "authors": {"users": ["u"]}}, False),
        ({"authors": {"groups": ["g", "h"]}}, {**ALLOW, "authors": {"groups": ["h"]}}, True),
        ({"authors": {"serviceAccounts": ["a/*"]}}, {**ALLOW, "authors": {"serviceAccounts": ["a/b"]}}, True),
        ({"exceptAuthors": {"users": ["u"]}}, ALLOW, False),
        ({"exceptAuthors": {"users": ["u"]}}, {**ALLOW, "exceptAuthors": {"users": ["u", "v"]}}, True),
    ],
)
def test_shadowed_definitions(deny: dict[str, Any], other: dict[str, Any], is_shadowed: bool) -> None:  # noqa: FBT001
    guard = policy("guard", definitions=[{**DENY, **deny}])
    assert (("shadowed", "spec.definitions[0]") in remarks(guard, definitions=[other])) is is_shadowed


def test_a_comparison_that_would_take_long_is_left_out() -> None:
    """Equal rules of 16 patterns are reported; those of 8,192 are not compared, and not reported."""
    patterns = [f"n{number}-*" for number in range(64)]
    large = {"names": patterns, "masters": patterns, "namespaces": patterns, "pluginTypes": patterns}
    for networks, is_told in (([{"names": patterns[:16]}], True), ([large] * 32, False)):
        twins = [{**DENY, "name": name, "networks": networks} for name in ("a", "b")]
        assert bool(remarks(attachments=twins)) is is_told


def test_a_rule_that_cannot_be_read_has_no_lints() -> None:
    spec = {"attachments": [{**ALLOW, "networks": [NADS], "message": 5}, {**ALLOW, "name": "b", "networks": [NADS]}]}
    found = lint(read_policy({"metadata": {"name": "x"}, "spec": spec}), [])
    assert [one.path for one in found] == ["spec.attachments[1].networks[0].selector"]


def test_a_rule_without_masters_permits_them_at_level_privileged_only() -> None:
    """A level refuses everything that no field of the rule is about."""
    given = policy(definitions=[{**ALLOW, "config": {"pluginTypes": ["macvlan"]}}])
    (found,) = lint(given, [])
    assert found.text == (
        "without masters, the rule permits every interface of the node where the level is Privileged, by macvlan; "
        "list masters"
    )


def test_every_remark_fits_and_says_what_to_do() -> None:
    """256 characters with the place and the longest names, where the API server cuts."""
    long = "n" * 63
    guard = policy("p" * 253, attachments=[{**DENY, "name": long}])
    spec: dict[str, Any] = {
        "mode": "Warn",
        "pods": [{"namespaceSelector": {"matchLabels": {f"{'a' * 60}.example/{long}": "b"}}, **PODS, "namespaces": ["*"]}],
        "attachments": [{**rule, "name": f"{rule['name']}{long[1:]}", **net(selector={}, names=["*"])} for rule in (ALLOW, DENY)],
        "definitions": [{**ALLOW, "name": long}],
    }  # fmt: skip
    found = lint(policy(**spec), [guard])
    assert {one.name for one in found} == {
        "nad-labels", "pod-can-step-aside", "namespace-labels", "shadowed", "everything", "grants-nothing", "any-master",
    }  # fmt: skip
    for one in found:
        assert isinstance(one, Lint)
        assert len(f"{one.path}: {one.text}") <= 256
        assert one.text.isascii()
        assert one.fix
        assert one.rules


def test_a_rule_beyond_the_number_that_there_may_be_is_not_compared() -> None:
    rules = [{**DENY, "name": f"d{number}"} for number in range(RULES_MAX + 10)]
    found = lint(read_policy({"metadata": {"name": "mine"}, "spec": {"attachments": rules}}), ())
    assert max(int(remark.path.partition("[")[2].partition("]")[0]) for remark in found) < RULES_MAX


# An Allow that opens more than it says


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"attachments": [ALLOW]}, ["spec.attachments[0]"]),
        ({"pods": [BLUE], "attachments": [SAN, {**ALLOW, "name": "b"}]}, ["spec.attachments[1]"]),
        ({"attachments": [{**ALLOW, "networks": [BLUE, {}]}]}, ["spec.attachments[0].networks[1]"]),
        ({"attachments": [{**ALLOW, "networks": [{"scope": "OtherNamespace"}]}]}, ["spec.attachments[0].networks[0]"]),
        ({"attachments": [{**ALLOW, "networks": [{"names": ["*"]}]}]}, ["spec.attachments[0].networks[0]"]),
        ({"attachments": [{**ALLOW, "networks": [{"namespaces": ["*"]}]}]}, ["spec.attachments[0].networks[0]"]),
        ({"attachments": [{**ALLOW, "networks": [{"scope": "OwnNamespace"}]}]}, []),
        ({"attachments": [{**ALLOW, "networks": [{"names": ["lan"]}]}]}, []),
        ({"attachments": [{**ALLOW, "networks": [{"namespaces": ["team-*"]}]}]}, []),
        ({"attachments": [{**ALLOW, "networks": [{"pluginTypes": ["bridge"]}]}]}, []),
        ({"attachments": [{**ALLOW, "requireConsent": True}]}, []),
        ({"attachments": [DENY]}, []),
        ({"attachments": [ALLOW, DENY]}, []),
    ],
)
def test_an_allow_without_networks_opens_those_of_every_tenant(spec: dict[str, Any], expected: list[str]) -> None:
    assert [path for name, path in remarks(**spec) if name == "every-network"] == expected


LIMITED = {"mac": {"prefixes": ["02:00"]}, "ips": {"cidrs": ["10.1.0.0/16"], "max": 2}}


@pytest.mark.parametrize(
    ("limits", "others", "requests"),
    [
        (LIMITED, {"default": "Allow"}, "ips, mac, infiniband-guid and 5 more"),
        (LIMITED, {**LIMITED, "mac": {}}, "mac"),
        (LIMITED, {**LIMITED, "ips": {"cidrs": ["10.0.0.0/8"], "max": 2}}, "ips"),
        (LIMITED, {**LIMITED, "ips": {"cidrs": ["10.1.0.0/16"]}}, "ips"),
        (LIMITED, {**LIMITED, "defaultRoute": {}}, "default-route"),
        ({"default": "Deny"}, {}, "bandwidth, interface, ipam-claim-reference"),
        ({"bandwidth": {"maxIngressBitsPerSecond": 5}}, {"bandwidth": {"maxIngressBitsPerSecond": 6}}, "bandwidth"),
        ({"bandwidth": {"required": True}}, {}, "bandwidth"),
        ({"portMappings": {"protocols": ["TCP"]}}, {"portMappings": {"protocols": ["TCP", "UDP"]}}, "portMappings"),
        ({"portMappings": {"hostPorts": ["80"]}}, {"portMappings": {}}, "portMappings"),
        ({"interface": {"names": ["net*"]}}, {}, "interface"),
        ({"cniArgs": {"keys": ["a"]}}, {"cniArgs": {"keys": ["a", "b"]}}, "cni-args"),
        ({"extraKeys": {"keys": ["a.b"]}}, {"extraKeys": {}}, "extra keys"),
        # the other one accepts no more
        ({}, {"default": "Allow"}, ""),
        (LIMITED, LIMITED, ""),
        (LIMITED, {}, ""),
        (LIMITED, {"ips": {"cidrs": ["10.1.4.0/24"], "max": 1}}, ""),
        ({"bandwidth": {}}, {"bandwidth": {"required": True}}, ""),
        # alternatives: a pod that asks for one thing is within the one rule, and for another within the other
        ({"ips": {"cidrs": ["10.1.0.0/16"]}}, {"default": "Deny", "mac": {}}, ""),
        ({"default": "Deny", "mac": {}, "bandwidth": {"required": True}}, {"ips": {}}, ""),
        ({"mac": {"prefixes": ["02:00"]}, "ips": {}}, {"mac": {}}, "mac"),
        ({"bandwidth": {"maxEgressBitsPerSecond": 5}}, {"bandwidth": {"maxEgressBitsPerSecond": 5}}, ""),
    ],
)
def test_a_broad_allow_voids_the_limits_of_another(limits: Any, others: Any, requests: str) -> None:
    """Limits are not added: one rule must accept everything, so the broader rule of two decides."""
    guard = policy("guard", attachments=[{**SAN, "name": "b", **({"limits": others} if others else {})}])
    found = [one for one in lint(policy(attachments=[{**SAN, "limits": limits}]), [guard]) if one.name == "limits-void"]
    assert [one.path for one in found] == (["spec.attachments[0].limits"] if requests else [])
    for one in found:
        assert one.detail == f'they do not hold: Allow rule "b" of "guard" accepts more: {requests}'


@pytest.mark.parametrize(
    ("broad", "narrow", "is_void"),
    [
        ({}, {"pods": [BLUE]}, True),
        ({"pods": [BLUE]}, {}, False),
        ({"pods": [{**BLUE, **ACCOUNT}]}, {"pods": [BLUE]}, False),
        ({"exceptPods": [BLUE]}, {"pods": [BLUE]}, False),
        (net(names=["lan"]), {}, False),
        ({"requireConsent": True}, {}, False),
        ({"requireConsent": True}, {"requireConsent": True}, True),
    ],
)
def test_an_allow_voids_only_what_it_covers(broad: dict[str, Any], narrow: dict[str, Any], is_void: bool) -> None:  # noqa: FBT001
    """A rule for one account that accepts more than the rule of its namespace is the usual way to grant more."""
    guard = policy("guard", **spec_of(broad, {**ALLOW, "limits": {"default": "Allow"}}))
    found = lint(policy(**spec_of(narrow, {**ALLOW, "limits": LIMITED})), [guard])
    assert any(one.name == "limits-void" for one in found) is is_void


def test_an_allow_on_trial_voids_nothing_and_neither_does_one_that_cannot_be_read() -> None:
    for spec in ({"mode": "Warn", "attachments": [{**SAN, "limits": {"default": "Allow"}}]},
                 {"attachments": [{**SAN, "limits": {"default": "Allow"}, "message": 5}]}):  # fmt: skip
        other = read_policy({"metadata": {"name": "other"}, "spec": spec})
        assert [one.name for one in lint(policy(attachments=[{**SAN, "limits": LIMITED}]), [other])] == []


# A Deny of everything for everybody


@pytest.mark.parametrize(
    ("spec", "is_everything"),
    [
        ({"attachments": [DENY]}, True),
        ({"pods": [{"namespaces": ["*"]}], "attachments": [DENY]}, True),
        ({"attachments": [{**DENY, "networks": [{"scope": "Any"}]}]}, True),
        ({"definitions": [DENY]}, True),
        ({"definitions": [{**DENY, "namespaces": ["*"]}]}, True),
        ({"pods": [BLUE], "attachments": [DENY]}, False),
        ({"exceptPods": [BLUE], "attachments": [DENY]}, False),
        ({"attachments": [{**DENY, "onRequests": ["ips"]}]}, False),
        ({"attachments": [{**DENY, "networks": [{"scope": "OtherNamespace"}]}]}, False),
        ({"attachments": [{**DENY, "networks": [NADS]}]}, False),
        ({"definitions": [{**DENY, "authors": {"groups": ["g"]}}]}, False),
        ({"definitions": [{**DENY, "exceptAuthors": {"groups": ["g"]}}]}, False),
        ({"definitions": [{**DENY, "config": {"pluginTypes": ["macvlan"]}}]}, False),
        ({"attachments": [ALLOW]}, False),
    ],
)
def test_a_deny_of_everything_for_everybody(spec: dict[str, Any], is_everything: bool) -> None:  # noqa: FBT001
    assert any(name == "denies-everything" for name, _ in remarks(**spec)) is is_everything
