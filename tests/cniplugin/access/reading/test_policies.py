"""Policies from JSON: their values and problems, and the effect of a rule with a mistake."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.compile import Policies, compile_rules, read_policies
from cniplugin.access.judging.definitionrules import Author, Writing, judge_definition
from cniplugin.access.judging.judge import judge
from cniplugin.access.model.decision import Config, Item, Subject
from cniplugin.access.model.limits import Limits
from cniplugin.access.model.policyrules import NetworkMatch, PodMatch, Policy
from cniplugin.access.reading.policies import read_policy
from cniplugin.access.reading.reader import PROBLEMS_MAX, Reader
from cniplugin.netspec.errors import render
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.selection import NetworkSelectionElement

ALLOW: dict[str, Any] = {"name": "a", "action": "Allow"}
DENY: dict[str, Any] = {"name": "d", "action": "Deny"}


def references(read: Policy) -> tuple[str, ...]:
    return tuple(rule.reference for rule in read.written)


def policy(*attachments: object, **spec: object) -> Policy:
    written = {**spec, "attachments": list(attachments)} if attachments else spec
    return read_policy({"metadata": {"name": "p", "generation": 3}, "spec": written})


def problems(read: Policy) -> list[str]:
    return [render(problem) for problem in read.problems]


def paths(read: Policy) -> list[str]:
    return [problem.path for problem in read.problems]


def test_a_whole_policy() -> None:
    read = policy(
        {
            "name": "san",
            "action": "Allow",
            "networks": [{"scope": "OtherNamespace", "namespaces": ["infra"], "names": ["st*"], "onDisk": False}],
            "limits": {"default": "Deny", "ips": {"cidrs": ["10.1.0.0/16"], "max": 2}, "mac": {}},
            "requireConsent": True,
            "message": "ask first",
        },
        {"name": "no", "action": "Deny", "onRequests": ["ips"], "networks": [{"vlans": [5, "10-20"]}]},
        mode="Warn",
        description="words",
        contact="c",
        pods=[{"namespaces": ["blue"], "podSelector": {"matchLabels": {"app": "web"}}}],
        exceptPods=[{"serviceAccounts": ["router"]}],
    )
    assert read.problems == ()
    assert (read.name, read.mode, read.contact, read.generation) == ("p", "Warn", "c", 3)
    assert references(read) == ("attachments/san", "attachments/no")
    allow, deny = read.attachments
    assert (allow.policy, allow.name, allow.action, allow.mode, allow.contact) == ("p", "san", "Allow", "Warn", "c")
    assert (allow.require_consent, allow.message, allow.is_broken) == (True, "ask first", False)
    (network,) = allow.networks
    assert network.scope == "OtherNamespace"
    assert network.is_on_disk is False
    assert network.names
    assert network.names.prefixes == ("st",)
    assert allow.limits.default == "Deny"
    assert (allow.limits.listed, allow.limits.ips_max, allow.limits.macs) == (("ips", "mac"), 2, None)
    assert [bool(entry.pod_selector) for entry in allow.pods] == [True]
    assert allow.except_pods == deny.except_pods == (PodMatch(service_accounts=frozenset({"router"})),)
    assert deny.on_requests == {"ips"}
    assert deny.networks[0].vlans
    assert deny.networks[0].vlans.ranges == ((5, 5), (10, 20))


@pytest.mark.parametrize("name", ["*", "a", "a*", "a-*", "0", "a-b"])
def test_patterns_of_names(name: str) -> None:
    assert policy({**DENY, "networks": [{"names": [name]}]}).problems == ()


def test_null_is_an_absent_key() -> None:
    """As in Kubernetes, where the API server drops it."""
    read = policy({**DENY, "networks": None, "onRequests": None, "limits": None}, pods=None, exceptPods=None)
    assert read.problems == ()
    assert (read.attachments[0].networks, read.attachments[0].pods) == ((), ())


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (7, "spec.attachments[0]"),
        ({"action": "Deny"}, "spec.attachments[0]"),
        ({"name": "a"}, "spec.attachments[0]"),
        ({**DENY, "name": "Upper"}, "spec.attachments[0].name"),
        ({**DENY, "action": "Refuse"}, "spec.attachments[0].action"),
        ({**DENY, "action": ["Deny"]}, "spec.attachments[0].action"),
        ({**DENY, "nets": []}, "spec.attachments[0].nets"),
        ({**DENY, "networks": []}, "spec.attachments[0].networks"),
        ({**DENY, "networks": {}}, "spec.attachments[0].networks"),
        ({**DENY, "networks": [{}] * 33}, "spec.attachments[0].networks"),
        ({**DENY, "networks": [7]}, "spec.attachments[0].networks[0]"),
        ({**DENY, "networks": [{"scope": "Mine"}]}, "spec.attachments[0].networks[0].scope"),
        ({**DENY, "networks": [{"names": ["A"]}]}, "spec.attachments[0].networks[0].names[0]"),
        ({**DENY, "networks": [{"names": ["a*b"]}]}, "spec.attachments[0].networks[0].names[0]"),
        ({**DENY, "networks": [{"names": ["-*"]}]}, "spec.attachments[0].networks[0].names[0]"),
        ({**DENY, "networks": [{"names": ["x" * 65]}]}, "spec.attachments[0].networks[0].names[0]"),
        ({**DENY, "networks": [{"names": "a"}]}, "spec.attachments[0].networks[0].names"),
        ({**DENY, "networks": [{"masters": ["a*b"]}]}, "spec.attachments[0].networks[0].masters[0]"),
        ({**DENY, "networks": [{"masters": [""]}]}, "spec.attachments[0].networks[0].masters[0]"),
        ({**DENY, "networks": [{"vlans": ["9-1"]}]}, "spec.attachments[0].networks[0].vlans[0]"),
        ({**DENY, "networks": [{"vlans": [True]}]}, "spec.attachments[0].networks[0].vlans[0]"),
        ({**DENY, "networks": [{"vlans": [5, "5"]}]}, "spec.attachments[0].networks[0].vlans[1]"),
        ({**DENY, "networks": [{"onDisk": "no"}]}, "spec.attachments[0].networks[0].onDisk"),
        (
            {**DENY, "networks": [{"scope": "OwnNamespace", "namespaces": ["blue"]}]},
            "spec.attachments[0].networks[0]",
        ),
        ({**DENY, "onRequests": []}, "spec.attachments[0].onRequests"),
        ({**DENY, "onRequests": ["ip"]}, "spec.attachments[0].onRequests[0]"),
        ({**DENY, "limits": {"mac": {}}}, "spec.attachments[0].limits"),
        ({**DENY, "requireConsent": True}, "spec.attachments[0].requireConsent"),
        ({**DENY, "message": "x" * 257}, "spec.attachments[0].message"),
        ({**ALLOW, "onRequests": ["ips"]}, "spec.attachments[0].onRequests"),
        ({**ALLOW, "requireConsent": "yes"}, "spec.attachments[0].requireConsent"),
        ({**ALLOW, "limits": []}, "spec.attachments[0].limits"),
        ({**ALLOW, "limits": {"default": "All"}}, "spec.attachments[0].limits.default"),
        ({**ALLOW, "limits": {"mtu": {}}}, "spec.attachments[0].limits.mtu"),
        ({**ALLOW, "limits": {"deviceID": {"a": 1}}}, "spec.attachments[0].limits.deviceID.a"),
        ({**ALLOW, "limits": {"ips": {"max": 0}}}, "spec.attachments[0].limits.ips.max"),
        ({**ALLOW, "limits": {"ips": {"max": True}}}, "spec.attachments[0].limits.ips.max"),
        ({**ALLOW, "limits": {"ips": {"cidrs": ["10.0.0.1"]}}}, "spec.attachments[0].limits.ips.cidrs[0]"),
        ({**ALLOW, "limits": {"mac": {"prefixes": ["0:1"]}}}, "spec.attachments[0].limits.mac.prefixes[0]"),
        ({**ALLOW, "limits": {"mac": {"prefixes": [7]}}}, "spec.attachments[0].limits.mac.prefixes[0]"),
        ({**ALLOW, "limits": {"cniArgs": {"keys": [""]}}}, "spec.attachments[0].limits.cniArgs.keys[0]"),
    ],
    ids=repr,
)
def test_a_rule_with_one_fault(rule: object, path: str) -> None:
    """The problem has its place. A Deny refuses at least as much as before; an Allow accepts nothing."""
    read = policy(rule)
    assert paths(read) == [path]
    (found,) = read.attachments
    assert found.is_broken == (found.action == "Allow")


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"mode": "Off"}, "spec.mode"),
        ({"description": "x" * 513}, "spec.description"),
        ({"contact": 7}, "spec.contact"),
        ({"pod": []}, "spec.pod"),
        ({"pods": []}, "spec.pods"),
        ({"pods": [{}]}, "spec.pods[0]"),
        ({"pods": [{"namespaces": ["B"]}]}, "spec.pods[0].namespaces[0]"),
        ({"pods": [{"serviceAccounts": [""]}]}, "spec.pods[0].serviceAccounts[0]"),
        ({"pods": [{"podSelector": 7}]}, "spec.pods[0].podSelector"),
        ({"pods": [{"podSelector": {"matchLabels": []}}]}, "spec.pods[0].podSelector.matchLabels"),
        (
            {"pods": [{"podSelector": {"matchLabels": {str(n): "" for n in range(17)}}}]},
            "spec.pods[0].podSelector.matchLabels",
        ),
        ({"pods": [{"podSelector": {"matchLabels": {"a b": ""}}}]}, "spec.pods[0].podSelector.matchLabels[a b]"),
        ({"pods": [{"podSelector": {"matchLabels": {"a": 1}}}]}, "spec.pods[0].podSelector.matchLabels[a]"),
        ({"pods": [{"podSelector": {"matchLabels": {"a": "-"}}}]}, "spec.pods[0].podSelector.matchLabels[a]"),
        ({"pods": [{"podSelector": {"matchExpressions": [7]}}]}, "spec.pods[0].podSelector.matchExpressions[0]"),
        (
            {"pods": [{"podSelector": {"matchExpressions": [{"key": "a"}]}}]},
            "spec.pods[0].podSelector.matchExpressions[0]",
        ),
        (
            {"pods": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "in"}]}}]},
            "spec.pods[0].podSelector.matchExpressions[0].operator",
        ),
        (
            {"pods": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]},
            "spec.pods[0].podSelector.matchExpressions[0].values",
        ),
        (
            {"pods": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}]},
            "spec.pods[0].podSelector.matchExpressions[0].values",
        ),
    ],
    ids=repr,
)
def test_a_policy_with_one_fault_around_its_rules(spec: dict[str, Any], path: str) -> None:
    """The Deny rules refuse at least as much as before; the Allow rules accept nothing."""
    read = policy(ALLOW, DENY, **spec)
    assert paths(read) == [path]
    allow, deny = read.attachments
    assert allow.is_broken
    assert not deny.is_broken
    if path.startswith("spec.pods"):
        assert not deny.pods or deny.pods == (PodMatch(),)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "spec: it is missing; allowed: an object"),
        ({"spec": []}, "spec: wrong JSON type: a list; allowed: an object"),
        ({"spec": {}}, "spec: a policy needs at least one rule under attachments or definitions"),
        ({"spec": {"attachments": []}}, "spec: a policy needs at least one rule under attachments or definitions"),
        ({"spec": {"attachments": 7}}, "spec.attachments: wrong JSON type: 7; allowed: a list"),
        (
            {"spec": {"pods": [{"namespaces": ["a"]}], "definitions": [DENY]}},
            "spec: pods and exceptPods only apply to rules under attachments",
        ),
        (
            {"spec": {"attachments": [DENY, DENY]}},
            'spec.attachments[1].name: another rule of this policy has that name: "d"',
        ),
    ],
    ids=repr,
)
def test_a_policy_with_one_fault(value: dict[str, Any], problem: str) -> None:
    read = read_policy(value)
    assert problems(read) == [problem]
    assert (read.name, read.generation) == ("", 0)


def test_metadata_of_another_type() -> None:
    read = read_policy({"metadata": 7, "spec": {"attachments": [DENY]}})
    assert (read.name, read.generation, read.problems) == ("", 0, ())
    assert read_policy({"metadata": {"generation": "3", "name": 5}}).generation == 0


def test_half_a_character_is_reported_and_never_printed() -> None:
    """JSON can escape it, and an answer cannot contain it: it made every refusal fail."""
    half = "a\ud800b"
    read = read_policy(
        {"metadata": {"name": half}, "spec": {"contact": half, "attachments": [{**DENY, "message": half}]}}
    )
    assert paths(read) == ["spec.contact", "spec.attachments[0].message"]
    verdict = judge(
        Subject(namespace="blue"),
        Item(element=NetworkSelectionElement(namespace="blue", name="lan"), network_labels={}),
        compile_rules(Policies(policies=(read,)), Config()),
    )
    assert verdict.decided == 'NetworkAttachmentPolicy "a?b" rule "d" (Deny)'
    assert "".join([*problems(read), verdict.reason, verdict.fix]).encode()
    named = policy({**DENY, "name": half}, **{half: 1})
    assert references(named) == ("attachments/a?b",)
    assert problems(named)[0].startswith(r'spec["a\ud800b"]: unknown key')
    assert policy(DENY, contact="caf\u00e9 \U0001f600").problems == ()


def test_a_near_miss_is_named() -> None:
    read = policy({**DENY, "network": []}, mode="enforce")
    assert problems(read) == [
        'spec.mode: this value is not allowed: "enforce"; did you mean "Enforce"? allowed: Enforce, Warn, Audit',
        (
            'spec.attachments[0].network: unknown key; did you mean "networks"? allowed: name, action, networks, '
            "onRequests, limits, requireConsent, message"
        ),
    ]


def test_rules_beyond_the_limit_are_reported_and_read() -> None:
    """A Deny at the end of a list with too many rules must not be lost."""
    read = policy(*({**ALLOW, "name": f"a{number}"} for number in range(64)), DENY)
    assert problems(read) == ["spec.attachments: 65 items; allowed: 0 to 64 items"]
    assert len(read.attachments) == len(read.written) == 65


def test_rules_without_a_name_are_distinguished_by_their_place() -> None:
    read = policy(7, {"action": "Deny"}, {**DENY, "name": None})
    assert references(read) == (
        "attachments/attachments[0]",
        "attachments/attachments[1]",
        "attachments/attachments[2]",
    )
    assert [rule.name for rule in read.attachments] == ["attachments[0]", "attachments[1]", "attachments[2]"]
    assert problems(read) == [
        "spec.attachments[0]: wrong JSON type: 7; allowed: an object",
        "spec.attachments[1]: name is missing",
        "spec.attachments[2]: name is missing",
    ]
    assert problems(policy({})) == ["spec.attachments[0]: name and action are missing"]


@pytest.mark.parametrize(
    ("action", "read"), [("ALLOW", "Allow"), ("allow", "Allow"), ("deny", "Deny"), ("", "Deny"), (7, "Deny")]
)
def test_an_action_that_cannot_be_read_is_deny_unless_it_says_allow(action: object, read: str) -> None:
    """NB: such a Deny refuses everything it selects, and so does an Allow that cannot be read."""
    (rule,) = policy({"name": "a", "action": action}).attachments
    assert (rule.action, rule.is_broken) == (read, read == "Allow")


class TestBroadening:
    """An unreadable field does not narrow a rule; the other fields still do."""

    def test_the_other_fields_of_an_entry_hold(self) -> None:
        (rule,) = policy({**DENY, "networks": [{"names": ["lan"], "vlans": ["x"]}]}).attachments
        (entry,) = rule.networks
        assert entry.names
        assert entry.vlans is None

    def test_an_unreadable_exception_exempts_no_pod(self) -> None:
        (rule,) = policy(DENY, exceptPods=[{"namespaces": ["a"], "podSelector": 7}, {"namespaces": ["b"]}]).attachments
        assert len(rule.except_pods) == 1
        assert rule.except_pods[0].has_namespace("b", {})

    def test_own_namespace_wins_over_namespaces(self) -> None:
        (rule,) = policy({**DENY, "networks": [{"scope": "OwnNamespace", "namespaces": ["x"]}]}).attachments
        assert rule.networks == (NetworkMatch(scope="OwnNamespace"),)

    def test_an_unreadable_condition_is_left_out(self) -> None:
        (rule,) = policy({**DENY, "onRequests": ["ips", 7]}).attachments
        assert rule.on_requests == frozenset()
        (rule,) = policy({**DENY, "limits": {"mac": {}}}).attachments
        assert rule.limits == Limits(listed=("mac",))


def attach(spec: dict[str, Any], *, namespace: str = "blue", name: str = "lan", posture: str = "Open") -> str:
    """Return the code of the verdict on a pod of namespace blue."""
    rules = compile_rules(
        read_policies([{"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": spec}]),
        Config(posture=posture),
    )
    element = NetworkSelectionElement(namespace=namespace, name=name)
    return judge(Subject(namespace="blue"), Item(element=element, network_labels={}), rules).code


class TestAllowThatCannotBeRead:
    """Without the rule, the posture would decide what the rule was meant to limit."""

    def test_its_readable_part_governs(self) -> None:
        spec = {"attachments": [{**ALLOW, "networks": [{"names": ["lan"], "vlans": ["x"]}]}]}
        assert attach(spec) == "NotWithinRule"
        assert attach(spec, name="san") == "Posture"

    def test_a_network_of_the_pods_own_namespace_is_not_opened(self) -> None:
        narrow = {**ALLOW, "networks": [{"names": ["san"]}], "limits": {"default": "Deny"}}
        assert attach({"attachments": [{**narrow, "networks": [{"names": 7}]}]}, posture="Isolated") == "NotWithinRule"

    def test_pods_that_cannot_be_read(self) -> None:
        spec = {"pods": [{"namespaces": ["blue"]}, {"namespaces": 7}], "attachments": [ALLOW]}
        assert attach(spec) == "NotWithinRule"
        assert attach({**spec, "pods": [{"namespaces": ["red"]}]}) == "Posture"

    def test_another_rule_may_still_allow(self) -> None:
        assert attach({"attachments": [{**ALLOW, "limits": 7}, {**ALLOW, "name": "b"}]}) == "AllowRule"

    def test_the_refusal_says_so(self) -> None:
        rules = compile_rules(
            read_policies(
                [
                    {
                        "kind": "NetworkAttachmentPolicy",
                        "metadata": {"name": "p"},
                        "spec": {"attachments": [{**ALLOW, "x": 1}]},
                    }
                ]
            ),
            Config(),
        )
        verdict = judge(
            Subject(namespace="blue"),
            Item(element=NetworkSelectionElement(namespace="a", name="b"), network_labels={}),
            rules,
        )
        assert verdict.reason == "the rule cannot be read, so it accepts nothing"
        assert verdict.decided == 'NetworkAttachmentPolicy "p" rule "a" (Allow, unreadable)'
        assert verdict.allowed == ""


# Definitions


def write(spec: dict[str, Any], *, default: str = "Allow") -> str:
    rules = compile_rules(
        read_policies([{"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": spec}]),
        Config(definitions_default=default),
    )
    network = NetworkAttachmentDefinition(namespace="blue", name="lan", is_on_disk=True)
    return judge_definition(Writing(author=Author(name="bob"), network=network), rules).code


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"authors": {}}, "authors"),
        ({"authors": {"users": []}}, "authors"),
        ({"authors": {"users": [""]}}, "authors.users[0]"),
        ({"authors": {"serviceAccounts": ["a"]}}, "authors.serviceAccounts[0]"),
        ({"authors": {"serviceAccounts": ["a/b c"]}}, "authors.serviceAccounts[0]"),
        ({"exceptAuthors": 7}, "exceptAuthors"),
        ({"namespaces": []}, "namespaces"),
        ({"namespaceSelector": 7}, "namespaceSelector"),
        ({"config": 7}, "config"),
        ({"config": {"pluginTypes": []}}, "config.pluginTypes"),
        ({"config": {"sharing": "Some"}}, "config.sharing"),
        ({"message": 7}, "message"),
        ({"unknown": 7}, "unknown"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("action", ["Allow", "Deny"])
def test_a_definition_rule_with_one_fault(rule: dict[str, Any], path: str, action: str) -> None:
    read = policy(definitions=[{"name": "a", "action": action, **rule}])
    expected = [f"spec.definitions[0].{path}"]
    if (path, action) == ("config.sharing", "Deny"):
        expected *= 2
    assert paths(read) == expected
    (found,) = read.definitions
    assert found.is_broken == (action == "Allow")
    assert write({"definitions": [{"name": "a", "action": action, **rule}]}) in {
        "DefinitionDenyRule",
        "NotWithinDefinitionRule",
    }


def test_a_whole_definition_rule() -> None:
    read = policy(
        definitions=[
            {
                "name": "own",
                "action": "Allow",
                "authors": {"users": ["u"], "groups": ["g"], "serviceAccounts": ["ns/sa", "ns/*", "ns/a.b"]},
                "exceptAuthors": {"users": ["x"]},
                "namespaces": ["blue"],
                "namespaceSelector": {},
                "config": {"pluginTypes": ["macvlan"], "onDisk": True, "sharing": "None"},
            }
        ]
    )
    assert read.problems == ()
    (rule,) = read.definitions
    assert rule.authors
    assert rule.authors.accounts == {("ns", "sa"), ("ns", "*"), ("ns", "a.b")}
    assert rule.config
    assert rule.config.forbids_sharing
    assert references(read) == ("definitions/own",)


def test_sharing_of_a_deny_is_reported() -> None:
    read = policy(definitions=[{**DENY, "config": {"sharing": "None"}}])
    assert problems(read) == ["spec.definitions[0].config.sharing: this may only be set when action is Allow"]


def test_a_definition_rule_of_a_policy_that_cannot_be_read_grants_nothing() -> None:
    """A mode that cannot be read is Enforce: an Allow that was on trial must not grant."""
    grants = {"mode": "Enforce", "definitions": [ALLOW | {"config": {"onDisk": True}}]}
    assert write(grants, default="Deny") == "DefinitionAllowRule"
    assert write({**grants, "mode": "warn"}, default="Deny") == "NotWithinDefinitionRule"


def test_only_policies_and_the_one_configuration_are_read() -> None:
    config = {"kind": "NetworkAttachmentPolicyConfig", "metadata": {"name": "cluster"}, "spec": {"posture": "Open"}}
    other = {**config, "metadata": {"name": "other"}}
    found = read_policies([{"kind": "Pod"}, other, {**config, "metadata": 7}, {"kind": "NetworkAttachmentPolicy"}])
    assert (found.config, len(found.policies)) == (None, 1)
    read = read_policies([config]).config
    assert read
    assert read.posture == "Open"


def test_a_message_of_several_lines_is_one_line_in_a_refusal() -> None:
    spec = {"contact": "#net\nteam", "attachments": [{"name": "a", "action": "Deny", "message": "one\n  two\t"}]}
    found = read_policy({"metadata": {"name": "p"}, "spec": spec})
    assert (found.attachments[0].message, found.attachments[0].contact) == ("one two", "#net team")


def test_problems_are_kept_up_to_a_number() -> None:
    reader = Reader()
    for number in range(PROBLEMS_MAX + 10):
        reader.add(f"spec.k{number}", "unknown")
    assert (len(reader.problems), reader.count) == (PROBLEMS_MAX, PROBLEMS_MAX + 10)
