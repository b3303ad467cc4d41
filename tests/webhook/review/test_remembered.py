"""What the memory answers is what would be decided: pods that all differ share the decision about their networks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.model.decision import Rules, UnreadError
from cniplugin.netspec.attachers import MULTUS, NADMIT
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from tests.webhook.admission.world import CAPABLE, MACVLAN, RULES, FakeCluster, cluster, pod, request
from webhook.admission.checks import podnetworks, podrequests
from webhook.admission.evaluate import evaluate
from webhook.admission.model.requests import Object
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.plugindata.pluginfiles import load_schemas
from webhook.review.decisioncache import DecisionCache


def network(*plugins: dict[str, Any]) -> str:
    return json.dumps({"cniVersion": "1.0.0", "plugins": list(plugins)})


IPAM = {"type": "host-local", "subnet": "10.1.0.0/24"}
WORLD = cluster(
    blue__capable=CAPABLE,
    blue__pool=network({"type": "bridge", "capabilities": {"ips": True, "mac": True}, "ipam": IPAM}),
    blue__static=network({"type": "macvlan", "master": "bond1", "ipam": {"type": "static"}}),
    blue__unsafe=network({"type": "multus"}),
    blue__reserved=network(
        {
            "type": "bridge",
            "capabilities": {"ips": True, "mac": True},
            "ipam": {"type": "whereabouts", "range": "10.1.0.0/24", "exclude": ["10.1.0.0/28"]},
        }
    ),
    blue__broken="{",
    default__internet=MACVLAN,
)
NAMES = [
    "lan",
    "capable",
    "pool",
    "reserved",
    "static",
    "unsafe",
    "broken",
    "absent",
    "default/internet",
    "infra/storage",
]
INTERFACES = [None, "x1", "x2", "net1", "net2", "network", "eth0", "lo", "a-name-that-is-too-long"]
IPS = [None, [], ["10.1.0.5"], ["10.1.0.5/24"], ["10.2.0.5/24"], ["fd00::5/64"], ["10.1.0.5/24", "fd00::5/64"]]
MACS = [None, "02:00:00:00:00:01", "02-00-00-00-00-02", "01:00:00:00:00:01"]
MORE: list[dict[str, Any]] = [
    {},
    {"bandwidth": {"ingressRate": 1000}},
    {"default-route": ["10.1.0.1"]},
    {"cni-args": {"a": "b"}},
    {"portMappings": [{"hostPort": 80, "containerPort": 80}]},
    {"unknown": 1},
]
ELEMENTS = st.builds(
    lambda name, interface, ips, mac, more: {
        "name": name.rpartition("/")[2],
        **({"namespace": name.partition("/")[0]} if "/" in name else {}),
        **({} if interface is None else {"interface": interface}),
        **({} if ips is None else {"ips": ips}),
        **({} if mac is None else {"mac": mac}),
        **more,
    },
    st.sampled_from([*NAMES[:3], *NAMES]),
    st.sampled_from([None, "x1", "x2", *INTERFACES]),
    st.sampled_from([None, *IPS]),
    st.sampled_from([None, *MACS]),
    st.sampled_from([{}, {}, {}, *MORE]),
)
LIMITED = [
    {"name": "named", "action": "Allow", "networks": [{"names": ["*"]}], "limits": {"interface": {"names": ["x1"]}}}
]


def rules_of(attachments: list[dict[str, Any]], mode: str = "Enforce") -> Rules:
    spec = {"pods": [{"namespaces": ["blue"]}], "mode": mode, "attachments": attachments}
    made = read_policies([{"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": spec}])
    assert not made.policies[0].problems
    return compile_rules(made, RULES.config)


ALL_RULES = [RULES, rules_of(LIMITED), rules_of(LIMITED, "Warn"), rules_of(LIMITED, "Audit")]
SCHEMAS = load_schemas()
CONFIGURATIONS = [
    Configuration(injection=None, plugins=plugins, attached_by=attacher)
    for attacher in (MULTUS, NADMIT)
    for plugins in (None, PluginChecks(schemas=SCHEMAS, attached_by=attacher))
]


def named(name: str, elements: list[dict[str, Any]]) -> Object:
    """A pod of a name. An element may have a network as `namespace/name`."""
    split = [
        {**one, "namespace": one["name"].partition("/")[0], "name": one["name"].partition("/")[2]}
        if "/" in str(one["name"])
        else one
        for one in elements
    ]
    return pod(json.dumps(split))._replace(name=name)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(
    st.lists(st.lists(ELEMENTS, min_size=1, max_size=3), min_size=2, max_size=6),
    st.sampled_from(ALL_RULES),
    st.sampled_from(CONFIGURATIONS),
)
def test_a_remembered_decision_is_the_one_that_would_be_made(
    pods: list[list[dict[str, Any]]], rules: Rules, configuration: Configuration
) -> None:
    remembering = DecisionContext(WORLD, rules, configuration, memory=DecisionCache(configuration))
    for number, elements in enumerate((*pods, *pods)):
        asked = request(named(f"web-{number * 'x'}", elements))
        assert evaluate(asked, remembering) == evaluate(asked, DecisionContext(WORLD, rules, configuration))


NEAR = st.builds(
    lambda interface, ips, mac: {
        **({} if interface is None else {"interface": interface}),
        **({} if ips is None else {"ips": ips}),
        **({} if mac is None else {"mac": mac}),
    },
    st.sampled_from([None, None, None, "x1", "x2", "net1", "net2"]),
    st.sampled_from([*[None] * 8, ["10.1.0.5/24"], ["10.1.0.50/24"], ["10.2.0.5/24"]]),
    st.sampled_from([*[None] * 8, *MACS]),
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(["lan", "pool", "reserved", "capable", "infra/storage"]), min_size=1, max_size=2),
    st.lists(st.tuples(NEAR, NEAR), min_size=4, max_size=8),
    st.sampled_from([RULES, RULES, *ALL_RULES]),
    st.sampled_from(CONFIGURATIONS),
)
def test_so_it_is_for_pods_of_the_same_networks(
    names: list[str], requests: list[tuple[dict[str, Any], ...]], rules: Rules, configuration: Configuration
) -> None:
    remembering = DecisionContext(WORLD, rules, configuration, memory=DecisionCache(configuration))
    for number, wanted in enumerate(requests):
        elements = [{"name": name, **one} for name, one in zip(names, wanted, strict=False)]
        asked = request(named(f"web-{number}", elements))
        assert evaluate(asked, remembering) == evaluate(asked, DecisionContext(WORLD, rules, configuration))


class Counted:
    """Counts the decisions that are made anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, rules: Rules = RULES, world: FakeCluster = WORLD) -> None:
        configuration = CONFIGURATIONS[1]
        self.context = DecisionContext(world, rules, configuration, memory=DecisionCache(configuration))
        self.made = 0
        decide = podnetworks._decide

        def counting(*given: Any) -> Any:
            self.made += 1
            return decide(*given)

        monkeypatch.setattr(podnetworks, "_decide", counting)

    def ask(self, *elements: dict[str, Any]) -> bool:
        return evaluate(request(pod(json.dumps(elements))), self.context).is_allowed


@pytest.mark.plain
def test_pods_that_differ_in_interfaces_and_addresses_share_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Growth: however many such pods come, the networks are judged once for each kind of request."""
    counted = Counted(monkeypatch)
    for number in range(50):
        assert counted.ask({"name": "lan", "interface": f"a{number}"}, {"name": "pool", "interface": f"b{number}"})
    assert counted.made == 1
    for number in range(50):
        assert counted.ask({"name": "lan"}, {"name": "pool", "ips": [f"10.1.0.{number + 10}/24"]})
    assert counted.made == 2


@pytest.mark.plain
@pytest.mark.parametrize(
    ("first", "other"),
    [
        ([{"name": "lan"}], [{"name": "internet", "namespace": "default"}]),
        ([{"name": "lan", "interface": "a"}, {"name": "lan", "interface": "b"}], [{"name": "lan", "interface": "a"}]),
        ([{"name": "lan", "interface": "a"}], [{"name": "lan", "interface": "net1"}]),
        ([{"name": "lan"}], [{"name": "lan", "ips": ["10.1.0.5/24"]}]),
        ([{"name": "pool", "ips": ["10.1.0.5/24"]}], [{"name": "pool", "ips": ["10.9.0.5/24"]}]),
    ],
    ids=["network", "number", "numbered", "kind", "address"],
)
def test_a_pod_that_differs_in_what_decides_is_judged_itself(
    first: list[dict[str, Any]], other: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    counted.ask(*first)
    counted.ask(*other)
    assert counted.made == 2


def test_rules_about_names_of_interfaces_are_asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch, rules=rules_of(LIMITED))
    assert counted.ask({"name": "lan", "interface": "x1"})
    assert not counted.ask({"name": "lan", "interface": "x2"})
    assert counted.ask({"name": "lan", "interface": "x1"})


def test_a_warning_about_one_pod_is_not_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It quotes what that pod asks for."""
    counted = Counted(monkeypatch)

    def warnings(address: str) -> list[str]:
        asked = request(pod(json.dumps([{"name": "reserved", "ips": [f"{address}/24"]}])))
        return [str(warning) for warning in evaluate(asked, counted.context).warnings]

    assert any("10.9.0.5/24" in warning for warning in warnings("10.9.0.5"))
    assert warnings("10.1.0.5") == []
    assert any("10.9.0.6/24" in warning for warning in warnings("10.9.0.6"))


def test_another_pods_addresses_are_asked_for_each_time() -> None:
    """The decision is shared, and the warning is not: other pods come and go."""
    world = FakeCluster(WORLD.networks)
    configuration = CONFIGURATIONS[1]
    context = DecisionContext(world, RULES, configuration, memory=DecisionCache(configuration))

    def warnings(address: str) -> int:
        element = {"name": "pool", "ips": [f"{address}/24"]}
        asked = request(Object(name="new", annotations=pod(json.dumps([element])).annotations))
        return len(evaluate(asked, context).warnings)

    assert (warnings("10.1.0.7"), warnings("10.1.0.8")) == (0, 0)
    world.addresses["blue", "pool", "10.1.0.8"] = (("blue", "web-9"),)
    assert (warnings("10.1.0.7"), warnings("10.1.0.8"), warnings("10.1.0.9")) == (0, 1, 0)


@pytest.mark.plain
@pytest.mark.parametrize("length", [1, 253])
@pytest.mark.parametrize("count", [1, 3, 4, 5])
def test_a_refusal_is_told_to_each_pod_in_its_own_name(
    length: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a long name, there is no room for every fact."""
    counted = Counted(monkeypatch)
    elements = [{"name": f"infra/{'storage' * 5}-{number}"} for number in range(count)]
    for number in range(1, 4):
        asked = request(named("x" * length + str(number), elements))
        anew = evaluate(asked, DecisionContext(WORLD, RULES, CONFIGURATIONS[1]))
        assert evaluate(asked, counted.context) == anew
        assert f"blue/{'x' * length}{number}" in anew.message
    assert counted.made == (3 + 1 if count <= podnetworks.REMEMBERED_REFUSALS_MAX else 6)


@pytest.mark.parametrize("first", ["lan", "capable", "infra/storage"])
def test_a_pod_with_too_many_addresses_decides_nothing_for_others(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NB: after so many addresses, the elements that follow are not compared with their networks."""
    counted = Counted(monkeypatch)
    for count in (podrequests.ADDRESSES_MAX + 1, 1, 2):
        asked = request(named("web", [{"name": first, "ips": ["10.1.0.5/8"] * count}, {"name": "static"}]))
        anew = DecisionContext(WORLD, RULES, CONFIGURATIONS[1])
        assert evaluate(asked, counted.context) == evaluate(asked, anew)


@pytest.mark.plain
def test_what_is_kept_of_networks_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges = [[{"subnet": f"10.{number}.0.0/24"}] for number in range(20)]
    wide = network({"type": "bridge", "capabilities": {"ips": True}, "ipam": {"type": "host-local", "ranges": ranges}})
    counted = Counted(monkeypatch, world=cluster(blue__wide=wide))
    memory = counted.context.memory
    assert isinstance(memory, DecisionCache)
    for number in range(2):
        assert counted.ask({"name": "wide", "ips": [f"10.1.0.{number + 5}/24"]})
    assert counted.made == 1
    assert not any(getattr(kept, "offers", None) for kept in memory.values())


class Reading(FakeCluster):
    """A cluster in which some networks are not parsed yet."""

    unread: frozenset[str] = frozenset()

    def network(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        if name in self.unread:
            raise UnreadError(name)
        return super().network(namespace, name)


@pytest.mark.plain
def test_a_list_that_is_cut_short_by_unread_networks_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Reading(cluster(blue__one=MACVLAN).networks)
    counted = Counted(monkeypatch, world=world)
    asked = request(named("web", [{"name": "infra/storage"}]))
    world.unread = frozenset({"one"})
    assert "allowed: blue/lan and more" in evaluate(asked, counted.context).message
    world.unread = frozenset()
    for _ in range(2):
        assert "allowed: blue/lan, blue/one, default/internet" in evaluate(asked, counted.context).message
    assert counted.made == 2
