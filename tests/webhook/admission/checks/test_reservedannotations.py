"""Who may write the network status of a pod, and the modes for all others (side door 20)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.access.model.decision import NETWORK_STATUS_MODES
from cniplugin.netspec.selection import NETWORK_STATUS, NETWORK_STATUS_KEYS, NETWORKS
from tests.webhook.admission.mutation.injecting import Sent, network, pod_of
from tests.webhook.admission.world import RULES, cluster, decide, pod, request, rules
from webhook.admission.model.injection import INJECT, MIRROR, Injection
from webhook.admission.model.requests import Decision, Object, Request, User
from webhook.admission.mutate import answer_mutation
from webhook.admission.mutation import jsonpatch
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.admission.view.statuswriters import MULTUS_GROUP, NODES_GROUP, PLUGIN_ACCOUNTS
from webhook.review import wire

Json = dict[str, Any]
RULE = ("NetworkStatusProtected",)
TENANT = User("system:serviceaccount:blue:default", ("system:serviceaccounts",), node="n1")
NODE = User("system:node:n1", (NODES_GROUP,))
ON_N1 = pod("lan", status="[]")._replace(node_name="n1")


def update(user: User, *, subresource: str = "status", **config: object) -> Decision:
    asked = request(ON_N1, old=pod("lan"), user=user, subresource=subresource)
    return decide(asked, rules=rules(**{"network_status_mode": "Deny", **config}))


@pytest.mark.parametrize("subresource", ["", "status", "ephemeralcontainers"])
@pytest.mark.parametrize(
    ("user", "config"),
    [
        (NODE, {}),
        (User("writer"), {"status_writers": ("writer",)}),
        (User("x", ("a", "writers")), {"status_writer_groups": ("writers",)}),
    ],
    ids=["node", "user", "group"],
)
def test_writers_by_any_subresource(user: User, config: Json, subresource: str) -> None:
    assert update(user, subresource=subresource, **config).verdict == "allow"


@pytest.mark.parametrize(
    "user",
    [
        *(User(account) for account in PLUGIN_ACCOUNTS),
        User("system:multus:n1", (MULTUS_GROUP,)),
        User("system:serviceaccount:openshift-multus:multus", node="n1"),
    ],
    ids=lambda user: user.name,
)
def test_plugins_write_it_through_the_status_subresource(user: User) -> None:
    """No role of tenants has the right to `pods/status`; `edit` lets them patch pods."""
    assert update(user).verdict == "allow"
    assert update(user, subresource="").rules == RULE
    assert update(user, subresource="resize").rules == RULE


@pytest.mark.parametrize(
    "user",
    [
        User("alice", ("system:masters",)),
        User("system:node:n1", ()),
        User("system:serviceaccount:blue:multus"),
        User("system:serviceaccount:openshift-multus:multus"),
        TENANT._replace(node="n2"),
        User("x", ("writers",)),
    ],
    ids=lambda user: f"{user.name} {user.node}",
)
def test_others_may_not_write_it(user: User) -> None:
    refused = update(user)
    assert (refused.code, refused.rules) == (403, RULE)


def test_a_pod_without_a_node_has_no_agent() -> None:
    asked = request(pod("lan", status="[]"), old=pod("lan"), user=User("x", node=""), subresource="status")
    assert decide(asked, rules=rules(network_status_mode="Deny")).rules == RULE


@pytest.mark.parametrize("key", NETWORK_STATUS_KEYS)
@pytest.mark.parametrize(
    ("new", "old"), [("[]", None), (None, "[]"), ("[]", "[{}]")], ids=["brought", "taken away", "changed"]
)
@pytest.mark.parametrize("mode", NETWORK_STATUS_MODES)
def test_the_mode_chooses_the_outcome(key: str, new: str | None, old: str | None, mode: str) -> None:
    def obj(text: str | None) -> Object:
        return Object(name="web-0", annotations={} if text is None else {key: text})

    decision = decide(request(obj(new), old=obj(old)), rules=rules(network_status_mode=mode))
    verdicts = {"Off": "allow", "Audit": "allow", "Warn": "warn", "Deny": "deny"}
    assert (decision.verdict, decision.rules) == (verdicts[mode], () if mode == "Off" else RULE)
    assert len(decision.trials) == (mode in {"Audit", "Warn"})
    assert all(trial.startswith(f"{mode}: ") and key in trial for trial in decision.trials)


def test_other_changes_are_allowed() -> None:
    """The UPDATE changes a label and a finalizer, and removes a network."""
    asked = request(pod(status="[]"), old=pod("lan", status="[]"))
    assert decide(asked, rules=rules(network_status_mode="Deny")).verdict == "allow"


def test_a_warning_comes_with_the_rest_of_the_decision() -> None:
    refused = decide(request(pod("green/shared,lan", status="[]")))
    assert (refused.code, refused.rules) == (403, ("PostureIsolated",))
    assert ["network-status" in warning for warning in map(str, refused.warnings)] == [True]
    assert len(refused.trials) == 1


# A new pod


def create(obj: Json, *, user: User = TENANT) -> Request:
    metadata = obj["metadata"]
    known = Object(name="web-0", annotations=metadata.get("annotations") or {}, sent=Sent(obj))
    return request(known, user=user)


def new_pod(networks: str | None = "a", *, key: str = NETWORK_STATUS, **annotations: str) -> Json:
    made = pod_of(networks)
    made["metadata"].setdefault("annotations", {}).update({key: "[]", **annotations})
    return made


def mutate(obj: Json, *, user: User = TENANT, **config: object) -> tuple[Json, Decision]:
    world = cluster()
    world.networks["blue", "a"] = network("a", resource="example.com/vf")
    answer = answer_mutation(
        create(obj, user=user), DecisionContext(world, rules(**config), Configuration(injection=Injection()))
    )
    return jsonpatch.apply(list(answer.operations), obj), answer


@pytest.mark.parametrize("mode", ["Warn", "Deny"])
@pytest.mark.parametrize(
    "obj",
    [
        new_pod(),
        new_pod(None),
        new_pod("lan", key=NETWORK_STATUS_KEYS[1]),
        new_pod(**{INJECT: "false"}),
        new_pod(**{MIRROR: "x"}),
        {**new_pod(None), "spec": {"hostNetwork": True, "containers": [{"name": "app"}]}},
    ],
    ids=["networks", "no networks", "the old key", "opted out", "claims to be static", "host network"],
)
def test_it_is_dropped_from_a_new_pod(obj: Json, mode: str) -> None:
    """The status is also dropped from a pod that opts out; nothing else in that pod changes."""
    made, answer = mutate(obj, network_status_mode=mode)
    assert not set(NETWORK_STATUS_KEYS) & made["metadata"]["annotations"].keys()
    assert (answer.verdict, len(answer.warnings)) == ("warn", 1)
    without = json.loads(json.dumps(obj))
    for key in NETWORK_STATUS_KEYS:
        without["metadata"]["annotations"].pop(key, None)
    assert made == mutate(without, network_status_mode=mode)[0]
    assert mutate(made, network_status_mode=mode)[1].operations == ()


@pytest.mark.parametrize("mode", ["Off", "Audit"])
def test_it_stays_in_modes_off_and_audit(mode: str) -> None:
    made, answer = mutate(new_pod(None), network_status_mode=mode)
    assert (made, answer.verdict) == (new_pod(None), "allow")


def test_the_kubelet_writes_it_for_the_mirror_of_a_static_pod() -> None:
    obj = new_pod(None, **{MIRROR: "x"})
    made, answer = mutate(obj, user=NODE, network_status_mode="Deny")
    assert (made, answer.verdict) == (obj, "allow")
    assert decide(create(obj, user=NODE), rules=rules(network_status_mode="Deny")).verdict == "allow"


def test_plugins_may_not_create_a_pod_with_it() -> None:
    """Plugins have the right to `pods/status`, and a new pod has no node yet."""
    made, _ = mutate(new_pod(None), user=User(PLUGIN_ACCOUNTS[0], node="n1"))
    assert NETWORK_STATUS not in made["metadata"]["annotations"]


def test_a_pod_with_it_and_one_without_get_their_own_answers() -> None:
    """NB: the cache of /mutate's answers uses sketches, which have no network status."""
    world = cluster()
    plain, carrying = pod_of("lan"), new_pod("lan")
    for obj, count in ((plain, 0), (carrying, 1), (plain, 0), (carrying, 1)):
        assert (
            len(
                answer_mutation(
                    create(obj), DecisionContext(world, RULES, Configuration(injection=Injection()))
                ).warnings
            )
            == count
        )


def test_it_is_judged_if_mutate_did_not_run() -> None:
    """/mutate was down or disabled, or another webhook added the annotation after it."""
    verdicts = {"Off": "allow", "Audit": "allow", "Warn": "warn", "Deny": "deny"}
    for mode, verdict in verdicts.items():
        decision = decide(create(new_pod(None)), rules=rules(network_status_mode=mode))
        assert (decision.verdict, decision.rules) == (verdict, () if mode == "Off" else RULE)


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_status_counts_as_absent(value: str | None) -> None:
    asked = request(Object(name="web-0", annotations={NETWORKS: "lan"} | ({NETWORK_STATUS: ""} if value == "" else {})))
    assert decide(asked, rules=rules(network_status_mode="Deny")).verdict == "allow"


# On the wire


@pytest.mark.parametrize(
    ("extra", "node"),
    [
        (None, ""),
        ({}, ""),
        ({"authentication.kubernetes.io/node-name": ["n1"], "authentication.kubernetes.io/pod-name": ["x"]}, "n1"),
        ({"authentication.kubernetes.io/node-name": []}, ""),
        ({"authentication.kubernetes.io/node-name": ["n1", "n2"]}, ""),
        ({"example.com/other": ["n1"]}, ""),
    ],
)
def test_the_node_of_a_bound_token_is_read(extra: Json | None, node: str) -> None:
    found = wire.decode(review(extra, {"nodeName": "n1"}))
    assert found.user.node == node
    assert found.object is not None
    assert found.object.node_name == "n1"


@pytest.mark.parametrize("spec", [None, {}, {"nodeName": None}, {"nodeName": 7}])
def test_a_pod_without_a_node(spec: Json | None) -> None:
    found = wire.decode(review({"authentication.kubernetes.io/node-name": [""]}, spec))
    assert found.object is not None
    assert found.object.node_name == ""


def review(extra: Json | None, spec: Json | None) -> bytes:
    asked = {
        "uid": "u",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "UPDATE",
        "subResource": "status",
        "userInfo": {"username": "x", "extra": extra},
        "object": {"metadata": {"name": "web-0"}, "spec": spec},
    }
    return json.dumps({"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": asked}).encode()
