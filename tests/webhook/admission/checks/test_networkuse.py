"""Networks that running pods use: warnings, refusals and exemptions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.netspec import netattachdef
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from tests.webhook.admission.world import MACVLAN, RULES, FakeCluster, cluster
from webhook.admission.checks import networkuse
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import Injection
from webhook.admission.model.kinds import NETWORK
from webhook.admission.model.requests import ALLOWED, Decision, NetworkUsers, Object, Request, User
from webhook.admission.view.decisioncontext import DENY, IN_USE_MODES, WARN, Configuration, DecisionContext

USERS = NetworkUsers(total=3, own=2, names=("web-0", "web-1"))
OTHER = '{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond2"}'
ALICE = User("alice", ("system:authenticated",))


def world(users: NetworkUsers = USERS, *, terminating: frozenset[str] = frozenset()) -> FakeCluster:
    made = cluster()
    made.users["blue", "lan"] = users
    made.terminating = terminating
    return made


def deletion(*, name: str = "lan", user: User = ALICE, old: Object | None = None, **more: object) -> Request:
    old = old or Object(name="lan", config=MACVLAN)
    plain = Request("u", NETWORK, "DELETE", namespace="blue", name=name, user=user, old_object=old)
    return plain._replace(**more)  # type: ignore[arg-type]


def change(new: object = OTHER, old: object = MACVLAN, *, user: User = ALICE, **resource: str) -> Request:
    """An UPDATE of blue/lan; `before` and `after` are its resource."""
    before, after = (({RESOURCE_NAME: resource[key]} if key in resource else {}) for key in ("before", "after"))
    return Request(
        "u",
        NETWORK,
        "UPDATE",
        namespace="blue",
        name="lan",
        user=user,
        object=Object(name="lan", config=new, annotations=after),
        old_object=Object(name="lan", config=old, annotations=before),
    )


def decide(request: Request, mode: str = WARN, *, cluster: FakeCluster | None = None) -> Decision:
    return evaluate(request, DecisionContext(cluster or world(), RULES, network_in_use=mode))


WAITING = NetworkUsers(total=2, own=2, names=("web-0", "web-1"), waiting=2)
MIXED = NetworkUsers(total=3, own=2, names=("web-0", "web-1"), waiting=1)


@pytest.mark.parametrize(
    ("request_", "users", "text"),
    [
        (
            deletion(),
            WAITING,
            (
                "2 pods that have not started wait for network blue/lan and will not start without it; "
                "create it again, or remove it from the pods (web-0, web-1)"
            ),
        ),
        (
            change(),
            WAITING,
            (
                "2 pods that have not started wait for network blue/lan, and this changes master: "
                "nothing is attached yet, so they get the new one (web-0, web-1)"
            ),
        ),
        (
            deletion(),
            MIXED,
            (
                "2 running pods use network blue/lan: it stays attached, but recreated pods will not start; 1 pod that has "
                "not started waits for it; create it again, or remove it from the pods (web-0, web-1, 1 of other namespaces)"
            ),
        ),
        (
            change(),
            MIXED,
            (
                "2 running pods use network blue/lan, and this changes master: the old one stays attached until the pods "
                "are recreated; delete them when convenient; 1 pod that has not started waits and will get the new one "
                "(web-0, web-1, 1 of other namespaces)"
            ),
        ),
    ],
)
def test_pods_that_have_not_started(request_: Request, users: NetworkUsers, text: str) -> None:
    """Nothing is attached to such a pod yet: it starts with the new network, and without a network never."""
    (warning,) = decide(request_, cluster=world(users)).warnings
    assert warning.message == text
    refused = decide(request_, DENY, cluster=world(users))
    assert refused.is_allowed is (request_.operation == "UPDATE" and users is WAITING)
    if not refused.is_allowed:
        assert "that has not started wait" in refused.message or "that have not started wait" in refused.message


@pytest.mark.parametrize("request_", [deletion(), change(), deletion(is_dry_run=True), deletion(name="")])
def test_the_setting_chooses_the_outcome(request_: Request) -> None:
    """NB: the API server deletes a collection object by object, without a name in the request."""
    warned, refused, off = (decide(request_, mode) for mode in IN_USE_MODES)
    assert (warned.verdict, warned.rules[-1], len(warned.warnings)) == ("warn", "NetworkInUse", 1)
    assert "3 running pods use network blue/lan" in str(warned.warnings[0])
    assert (refused.verdict, refused.code, refused.reason, refused.rules) == (
        "deny",
        403,
        "Forbidden",
        ("NetworkInUse",),
    )
    assert (off.verdict, off.warnings) == ("allow", ())


@pytest.mark.parametrize(("request_", "verdict"), [(deletion(), "allow"), (change(), "deny")])
def test_a_definition_that_must_end_can_end_but_not_change(request_: Request, verdict: str) -> None:
    """A definition that a finalizer holds is still in use: deleting it again is harmless, changing it is not."""
    cleaners = [request_._replace(user=User(name)) for name in networkuse.CLEANERS]
    assert len(cleaners) == 2
    ending = request_._replace(old_object=Object(name="lan", config=MACVLAN, is_being_deleted=True))
    assert [decide(asked, DENY).verdict for asked in (*cleaners, ending)] == [verdict] * 3
    terminating = world(terminating=frozenset({"blue"}))
    assert decide(request_, DENY, cluster=terminating).verdict == verdict
    elsewhere = world(terminating=frozenset({"green"}))
    assert decide(request_, DENY, cluster=elsewhere).verdict == "deny"


def test_an_account_of_the_same_name_in_another_namespace_is_not_exempt() -> None:
    forged = User("system:serviceaccount:blue:namespace-controller")
    assert decide(deletion(user=forged), DENY).verdict == "deny"


@pytest.mark.parametrize("request_", [deletion(), change()])
def test_an_unused_network_can_be_deleted(request_: Request) -> None:
    assert decide(request_, DENY, cluster=cluster()).verdict == "allow"


def test_deletions_of_other_kinds_are_not_judged() -> None:
    assert decide(deletion(kind=NETWORK._replace(kind="Pod")), DENY) is ALLOWED
    assert decide(deletion(subresource="status"), DENY) is ALLOWED


def test_another_problem_is_the_reason_of_the_refusal() -> None:
    decision = decide(change("{"), DENY)
    assert (decision.code, decision.rules) == (422, ("json-syntax",))


def test_other_warnings_stay() -> None:
    named = json.dumps({"name": "lan", "type": "macvlan", "master": "bond1"})
    for mode in (WARN, DENY):
        decision = decide(change('{"name": "x", "type": "macvlan"}', named), mode)
        assert any("differs from the object's name" in text for text in map(str, decision.warnings))


def test_a_config_of_another_type_was_never_readable() -> None:
    assert decide(change(MACVLAN, {"type": "macvlan"}), DENY).verdict == "allow"


def test_pods_of_other_namespaces_are_not_named() -> None:
    users = NetworkUsers(total=9, own=7, names=("a", "b", "c", "d", "e"))
    for mode in (WARN, DENY):
        decision = decide(deletion(), mode, cluster=world(users))
        text = decision.message or str(decision.warnings[0])
        assert "a, b, c, d, e, 2 more, 2 of other namespaces" in text


@pytest.mark.parametrize("request_", [deletion(), change()])
def test_long_names_leave_room_for_the_rest(request_: Request) -> None:
    users = NetworkUsers(total=9, own=7, names=tuple(f"{letter * 253}" for letter in "abcde"))
    long = request_._replace(name="n" * 253, namespace="m" * 63)
    made = cluster()
    made.users["m" * 63, "n" * 253] = users
    warned, refused = decide(long, WARN, cluster=made), decide(long, DENY, cluster=made)
    assert len(str(warned.warnings[-1])) <= 256
    assert "stays attached" in str(warned.warnings[-1])
    assert len(refused.message.encode()) <= 1024
    assert "  fix:" in refused.message


# Breaking changes

CHAIN: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "n",
    "plugins": [{"type": "bridge", "vlan": 5}, {"type": "tuning"}],
}


def chain(**bridge: object) -> str:
    first, *rest = CHAIN["plugins"]
    return json.dumps({**CHAIN, "plugins": [{**first, **bridge}, *rest]})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (MACVLAN, MACVLAN.replace(" ", "\n ")),
        ('{"type":"macvlan","master":"a"}', '{"master":"a","type":"macvlan"}'),
        ('{"type":"macvlan","ipam":{"type":"x","a":1}}', '{"type":"macvlan","ipam":{"a":1,"type":"x"}}'),
        (MACVLAN, MACVLAN.replace("1.0.0", "1.1.0")),
        (chain(), chain(mtu=9000)),
        (chain(), chain(capabilities={"ips": True})),
        (chain(vlan=0), chain(vlan=None)),
        ('{"type":"bridge"}', '{"type":"bridge","ipam":{}}'),
        ('{"type":"bridge"}', '{"plugins":[{"type":"bridge"}]}'),
        ("{", MACVLAN),
        ("", " "),
    ],
)
def test_changes_that_do_not_break(before: str, after: str) -> None:
    assert find(before, after) == ()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (MACVLAN, OTHER, ("master",)),
        (chain(), chain(vlan=6), ("vlan",)),
        (chain(), chain(bridge="br1", ipam={"type": "dhcp"}), ("bridge", "ipam")),
        (chain(), chain().replace("tuning", "portmap"), ("plugins",)),
        (chain(), json.dumps({**CHAIN, "plugins": CHAIN["plugins"][::-1]}), ("plugins",)),
        (chain(), json.dumps({**CHAIN, "name": "m"}), ("the network's name",)),
        (chain(capabilities={"ips": True, "mac": True}), chain(capabilities={"ips": True}), ("capabilities",)),
        (MACVLAN, "", ("who defines it (spec.config or the node's file)",)),
        (None, MACVLAN, ("who defines it (spec.config or the node's file)",)),
        (MACVLAN, "{", ("spec.config, which can no longer be read",)),
    ],
)
def test_changes_that_break(before: str | None, after: str, words: tuple[str, ...]) -> None:
    assert find(before, after) == words


def test_another_resource_breaks() -> None:
    warned = decide(change(MACVLAN, before="a.example/x", after="a.example/y"))
    assert "this changes resourceName:" in str(warned.warnings[0])
    assert decide(change(MACVLAN, before="a.example/x", after="a.example/x")).verdict == "allow"


def test_another_resource_under_a_key_of_the_settings_breaks() -> None:
    """network-resources-injector counts every key of --network-resource-name-keys, and so does /mutate."""
    key = "example.com/bridgeName"
    asked = change(MACVLAN)
    new, old = (Object(name="lan", config=MACVLAN, annotations={key: f"a.example/{name}"}) for name in "xy")
    asked = asked._replace(object=new, old_object=old)
    for keys, expected in (((RESOURCE_NAME,), "allow"), ((RESOURCE_NAME, key), "warn"), ((key,), "warn")):
        configuration = Configuration(injection=Injection(resource_name_keys=keys))
        decision = evaluate(asked, DecisionContext(world(), RULES, configuration))
        assert decision.verdict == expected, keys
        assert expected == "allow" or f"this changes {key}:" in str(decision.warnings[0])


def find(before: str | None, after: str | None) -> tuple[str, ...]:
    one, other = (netattachdef.build(namespace="blue", name="lan", config=config) for config in (before, after))
    return networkuse.find_breaking(one, other, (RESOURCE_NAME,))


def test_every_key_that_attaches_breaks() -> None:
    for key in networkuse.ATTACHES_BY:
        assert find(chain(**{key: "a"}), chain(**{key: "b"})) == (key,)
