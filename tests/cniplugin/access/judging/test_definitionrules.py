"""Who may write which network: Deny, Allow, the default, and the text of a refusal."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.judging.definitionrules import (
    Author,
    Writing,
    are_ruled,
    judge_definition,
    judge_definition_trial,
)
from cniplugin.access.model.decision import Config, Rules, Verdict
from cniplugin.access.model.levels import ClusterLevels
from cniplugin.access.model.policyrules import AuthorMatch
from cniplugin.access.reading.consent import ALLOWED_NAMESPACES
from cniplugin.netspec import netattachdef
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from tests.cniplugin.access.strategies import broken

MACVLAN = '{"cniVersion":"1.0.0","type":"macvlan","master":"eth0","ipam":{"type":"static"}}'
CHAIN = '{"cniVersion":"1.0.0","plugins":[{"type":"bridge","vlan":100},{"type":"tuning","vlan":"x"}]}'
ALLOW: dict[str, Any] = {"name": "a", "action": "Allow"}
DENY: dict[str, Any] = {"name": "d", "action": "Deny"}


def policy(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "kind": "NetworkAttachmentPolicy",
        "metadata": {"name": "p"},
        "spec": {**spec, "definitions": list(rules)},
    }


def rules_of(*objects: dict[str, Any], **config: Any) -> Rules:
    found = read_policies(objects)
    assert [one.problems for one in found.policies if one.problems] == []
    return compile_rules(found, Config(contact="#net-team", **config))


def writing(config: str | None = MACVLAN, *, author: Author | None = None, **annotations: str) -> Writing:
    keys = {"resource": RESOURCE_NAME, "shared": ALLOWED_NAMESPACES}
    network = netattachdef.build(
        namespace="blue", name="lan", config=config, annotations={keys[key]: text for key, text in annotations.items()}
    )
    return Writing(
        author=author or Author(name="bob", groups=frozenset({"devs"})),
        network=network,
        namespace_labels={"tenant": "blue"},
    )


def judge(*rules: dict[str, Any], of: Writing | None = None, **config: Any) -> Verdict:
    return judge_definition(of or writing(), rules_of(policy(*rules), **config) if rules else rules_of(**config))


def test_without_rules_the_default_decides() -> None:
    assert judge().code == "DefinitionDefault"
    refused = judge(definitions_default="Deny")
    assert refused.code == "DefinitionDefaultDeny"
    assert refused.reason == 'no rule lets this user write networks in namespace "blue"'
    assert refused.fix == "ask #net-team to create this network, or for a definitions rule for blue"


@pytest.mark.parametrize(
    ("author", "code"),
    [
        (Author(name="root"), "Exempt"),
        (Author(name="x", groups=frozenset({"system:masters"})), "Exempt"),
        (Author(name="x"), "DefinitionDefaultDeny"),
    ],
)
def test_who_is_exempt(author: Author, code: str) -> None:
    asked = writing(author=author)
    assert judge(of=asked, definitions_default="Deny", exempt_users=("root",)).code == code


@pytest.mark.parametrize(
    ("rule", "is_selected"),
    [
        ({}, True),
        ({"authors": {"users": ["bob"]}}, True),
        ({"authors": {"users": ["eve"]}}, False),
        ({"authors": {"groups": ["devs"]}}, True),
        ({"authors": {"users": ["eve"], "groups": ["devs"]}}, True),
        ({"authors": {"serviceAccounts": ["ns/*"]}}, False),
        ({"exceptAuthors": {"users": ["bob"]}}, False),
        ({"exceptAuthors": {"users": ["eve"]}}, True),
        ({"namespaces": ["bl*"]}, True),
        ({"namespaces": ["red"]}, False),
        ({"namespaceSelector": {"matchLabels": {"tenant": "blue"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"tenant": "red"}}}, False),
    ],
    ids=repr,
)
def test_whom_and_where_a_rule_is_about(rule: dict[str, Any], *, is_selected: bool) -> None:
    assert judge({**DENY, **rule}).code == ("DefinitionDenyRule" if is_selected else "DefinitionDefault")
    assert judge({**ALLOW, **rule}).code == ("DefinitionAllowRule" if is_selected else "DefinitionDefault")


@pytest.mark.parametrize(
    ("user", "account", "expected"),
    [
        ("system:serviceaccount:ns:sa", "ns/sa", True),
        ("system:serviceaccount:ns:sa", "ns/*", True),
        ("system:serviceaccount:ns:sa", "ns/other", False),
        ("system:serviceaccount:other:sa", "ns/*", False),
        ("ns:sa", "ns/sa", False),  # a user may have this name
    ],
)
def test_service_accounts(user: str, account: str, *, expected: bool) -> None:
    rule = {**DENY, "authors": {"serviceAccounts": [account]}}
    assert (judge(rule, of=writing(author=Author(name=user))).code == "DefinitionDenyRule") is expected


@pytest.mark.parametrize(
    ("config", "of", "reason"),
    [
        (None, writing(), "a rule keeps this user from writing it"),
        ({}, writing(), "a rule keeps this user from writing it"),
        ({"pluginTypes": ["mac*"]}, writing(), "it uses CNI plugin type macvlan"),
        ({"pluginTypes": ["bridge"]}, writing(), None),
        ({"masters": ["eth0"]}, writing(), "it uses master eth0"),
        ({"masters": ["*"]}, writing('{"cniVersion":"1.0.0","type":"macvlan"}'), "it uses master of the default route"),
        ({"ipamTypes": ["static"]}, writing(), "it uses IPAM type static"),
        ({"resourceNames": ["x/*"]}, writing(resource="x/vf"), "it uses resource x/vf"),
        ({"resourceNames": ["x/*"]}, writing(), None),
        ({"vlans": ["1-200"]}, writing(CHAIN), "it uses VLAN 100"),
        ({"vlans": ["7"]}, writing(CHAIN), "it uses a VLAN that cannot be read"),
        (
            {"vlans": ["12"]},
            writing('{"cniVersion":"1.0.0","type":"bridge","vlanTrunk":[{"minID":10,"maxID":20}]}'),
            "it uses VLANs 10-20",
        ),
        ({"vlans": ["7"]}, writing(), None),
        ({"onDisk": True}, writing(None), "it uses a file of the node"),
        ({"onDisk": True}, writing(), None),
        ({"onDisk": False}, writing(), "a rule keeps this user from writing it"),
        ({"onDisk": False}, writing(None), None),
        ({"pluginTypes": ["macvlan"], "masters": ["eth1"]}, writing(), None),  # in every given field
        ({"pluginTypes": ["macvlan"], "masters": ["eth0"]}, writing(), "it uses CNI plugin type macvlan, master eth0"),
        ({"pluginTypes": ["macvlan"]}, writing(None), None),
        ({"vlans": ["7"]}, writing("{"), None),  # refused as unreadable in any case
        ({"masters": ["eth0"]}, writing("{"), None),
    ],
    ids=lambda value: None if isinstance(value, Writing) else repr(value),
)
def test_deny(config: dict[str, Any] | None, of: Writing, reason: str | None) -> None:
    """One listed value in every given field is enough."""
    verdict = judge({**DENY, **({} if config is None else {"config": config})}, of=of)
    assert (verdict.reason or None) == reason
    assert verdict.code == ("DefinitionDefault" if reason is None else "DefinitionDenyRule")


def test_deny_wins_over_allow() -> None:
    verdict = judge(ALLOW, {**DENY, "message": "ask first"})
    assert (verdict.code, verdict.policy, verdict.rule) == ("DefinitionDenyRule", "p", "d")
    assert verdict.reason == "a rule keeps this user from writing it; ask first"
    assert verdict.fix == "change spec.config, or ask #net-team to create this network"


@pytest.mark.parametrize(
    ("config", "of", "reason"),
    [
        (None, writing(), ""),
        (None, writing(None), "spec.config is empty, so each node would read a file of its own"),
        ({"onDisk": True}, writing(None), ""),
        ({"onDisk": True}, writing(), ""),
        ({"pluginTypes": ["macvlan"], "masters": ["eth0"], "ipamTypes": ["static"]}, writing(), ""),
        ({"masters": ["bond1", "bond1.*"]}, writing(), "master eth0 is not one of bond1, bond1.*"),
        (
            {"masters": ["eth*"]},
            writing('{"cniVersion":"1.0.0","type":"macvlan"}'),
            "master of the default route (none is named) is not one of eth*",
        ),
        ({"masters": ["*"]}, writing('{"cniVersion":"1.0.0","type":"macvlan"}'), ""),
        (
            {"pluginTypes": ["bridge"]},
            writing(CHAIN),
            "CNI plugin type tuning is not one of bridge",
        ),
        (
            {"vlans": ["1-99"]},
            writing(CHAIN),
            "VLAN 100 is outside 1-99; a VLAN that cannot be read is outside 1-99",
        ),
        ({"vlans": ["100"]}, writing(CHAIN), "a VLAN that cannot be read is outside 100"),
        ({"vlans": ["100"]}, writing(), ""),
        ({"vlans": ["100"]}, writing("{"), ""),  # refused as unreadable before
        ({"resourceNames": ["x/vf"]}, writing(), ""),
        ({"resourceNames": ["x/vf"]}, writing(resource="y/vf"), "resource y/vf is not one of x/vf"),
        ({"sharing": "Any"}, writing(shared="*"), ""),
        ({"sharing": "None"}, writing(), ""),
        (
            {"sharing": "None"},
            writing(shared="*"),
            f"annotation {ALLOWED_NAMESPACES} shares the network, which the rule does not permit",
        ),
    ],
    ids=lambda value: None if isinstance(value, Writing) else repr(value),
)
def test_allow(config: dict[str, Any] | None, of: Writing, reason: str) -> None:
    """Everything that the definition uses must be listed in each given field."""
    verdict = judge({**ALLOW, **({} if config is None else {"config": config})}, of=of)
    assert verdict.reason == reason
    assert verdict.code == ("NotWithinDefinitionRule" if reason else "DefinitionAllowRule")


def test_one_of_several_allows_is_enough_and_the_nearest_is_reported() -> None:
    far = {**ALLOW, "name": "far", "config": {"pluginTypes": ["x"], "masters": ["x"]}}
    near = {**ALLOW, "name": "near", "config": {"masters": ["x"]}, "message": "ask first"}
    verdict = judge(far, near)
    assert (verdict.code, verdict.rule) == ("NotWithinDefinitionRule", "near")
    assert verdict.reason == "master eth0 is not one of x; ask first"
    assert judge(far, near, {**ALLOW, "name": "fits"}).rule == "fits"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "any spec.config that is not empty"),
        ({}, "any spec.config that is not empty"),
        ({"onDisk": False}, "any spec.config that is not empty"),
        (
            {
                "pluginTypes": ["a", "b*"],
                "masters": ["c"],
                "vlans": ["1-2"],
                "ipamTypes": ["d"],
                "resourceNames": ["e"],
                "onDisk": True,
                "sharing": "None",
            },
            "pluginTypes a, b*; masters c; vlans 1-2; ipamTypes d; resourceNames e; an empty spec.config; no consent annotations",
        ),
    ],
    ids=repr,
)
def test_the_allowed_values_in_words(config: dict[str, Any] | None, words: str) -> None:
    narrow = {**ALLOW, "config": {"masters": ["x"]}} if config is None else {**ALLOW, "config": config}
    of = writing('{"cniVersion":"1.0.0","type":"z","master":"z"}', resource="z", shared="*")
    verdict = judge({**ALLOW}, of=writing(None)) if config is None else judge(narrow, of=writing(None))
    refused = verdict if not verdict.is_allowed else judge(narrow, of=of)
    assert refused.allowed == words


@pytest.mark.parametrize(("mode", "is_trial"), [("Enforce", False), ("Warn", True), ("Audit", True)])
def test_policies_on_trial(mode: str, *, is_trial: bool) -> None:
    rules = rules_of(policy(DENY, mode=mode))
    assert judge_definition(writing(), rules).is_allowed is is_trial
    found = judge_definition_trial(writing(), rules)
    assert (found[0] if found else None) == (mode if is_trial else None)


def test_a_trial_that_would_allow_says_nothing() -> None:
    assert judge_definition_trial(writing(), rules_of(policy(ALLOW, mode="Warn"))) is None


_names = st.lists(st.sampled_from(["macvlan", "eth0", "static", "b*", "*"]), min_size=1, max_size=2, unique=True)
_who = st.sampled_from([{"users": ["bob"]}, {"groups": ["devs"]}, {"users": ["eve"]}])
_rule = st.fixed_dictionaries(
    {"action": st.sampled_from(["Allow", "Deny"])},
    optional={
        "authors": _who,
        "exceptAuthors": _who,
        "namespaces": st.sampled_from([["blue"], ["red"]]),
        "namespaceSelector": st.sampled_from([{}, {"matchLabels": {"tenant": "blue"}}]),
        "config": st.fixed_dictionaries(
            {}, optional={"pluginTypes": _names, "masters": _names, "ipamTypes": _names, "onDisk": st.booleans()}
        ),
    },
)
_rules = st.lists(_rule, min_size=1, max_size=3).map(
    lambda rules: [{"name": f"r{number}", **rule} for number, rule in enumerate(rules)]
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(_rules, st.sampled_from([MACVLAN, CHAIN, None]), st.sampled_from(["Allow", "Deny"]), st.data())
def test_a_rule_that_cannot_be_read_never_admits_more(
    rules: list[dict[str, Any]], config: str | None, default: str, data: st.DataObject
) -> None:
    before = judge(*rules, of=writing(config), definitions_default=default)
    worse = copy.deepcopy(rules)
    number = data.draw(st.integers(0, len(rules) - 1))
    worse[number] = data.draw(broken(worse[number]))
    found = read_policies([policy(*worse)])
    assume(found.policies[0].problems)
    after = judge_definition(writing(config), compile_rules(found, Config(definitions_default=default)))
    assert before.is_allowed or not after.is_allowed


@pytest.mark.parametrize(
    ("spec", "config", "expected"),
    [
        (None, {}, False),
        (None, {"definitions_default": "Deny"}, True),
        ({"attachments": [{"name": "a", "action": "Deny"}]}, {}, False),
        ({"definitions": [{"name": "a", "action": "Deny"}]}, {}, True),
        ({"mode": "Audit", "definitions": [{"name": "a", "action": "Deny"}]}, {}, True),
        (None, {"levels": ClusterLevels(audit="Baseline")}, True),
    ],
)
def test_whether_anything_could_be_refused(
    spec: dict[str, Any] | None, config: dict[str, Any], *, expected: bool
) -> None:
    made = {"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": spec}
    rules = compile_rules(read_policies([made] if spec else []), Config(**config))
    assert are_ruled(rules, {}) is expected
    assert are_ruled(rules, {"nadmit.io/definitions-warn": "baseline"})


def test_service_accounts_as_users() -> None:
    match = AuthorMatch(accounts=frozenset({("gitops", "*"), ("net", "agent"), ("net", "a")}))
    assert match.account_users == ("system:serviceaccount:net:a", "system:serviceaccount:net:agent")
    assert match.account_prefixes == ("system:serviceaccount:gitops:",)
    for user in (*match.account_users, f"{match.account_prefixes[0]}x"):
        assert match.has(user, frozenset())
