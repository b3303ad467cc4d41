"""Definitions of one network of OVN-Kubernetes agree, or their authors get a warning (NAD507)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from cniplugin.access.model.decision import Rules
from cniplugin.netspec import netattachdef
from tests.webhook.admission.world import RULES, FakeCluster, decide, request, rules
from webhook.admission.checks.agreements import ITEMS_MAX, OTHERS_MAX
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import NETWORK
from webhook.admission.model.requests import Object, Request
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.admission.view.parsecache import PARSED, OutOfTurnError
from webhook.kube.responses import Item
from webhook.plugindata.pluginfiles import load_schemas
from webhook.snapshot import snapshot as snapshots
from webhook.snapshot.caches import Networks
from webhook.snapshot.snapshot import Definition, Snapshot, find_network
from webhook.trees import builder, documents

KIND = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
PLUGINS = PluginChecks(schemas=load_schemas())
OPEN = rules(posture="Open")


def ovn(key: str, **more: Any) -> str:
    conf = {"cniVersion": "1.0.0", "name": "shared", "type": "ovn-k8s-cni-overlay", "topology": "layer2"}
    return json.dumps({**conf, "netAttachDefName": key, **more})


def writes(text: str) -> Request:
    return request(Object(name="net", namespace="blue", config=text), kind=NETWORK)


def warnings(
    text: str, *, code: str = "NAD507", by: Rules = OPEN, others: Mapping[str, str] | None = None, **more: str
) -> list[str]:
    """Return the warnings of a code about blue/net; `red__net=config` adds a definition."""
    networks = {}
    for key, config in {**(others or {}), **more}.items():
        namespace, _, name = key.partition("__")
        networks[namespace, name] = netattachdef.build(namespace=namespace, name=name, config=config)
    decision = decide(writes(text), world=FakeCluster(networks), rules=by, plugins=PLUGINS)
    assert decision.is_allowed
    return [f"{one.field}: {one.message}" for one in decision.warnings if one.rule == code]


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("topology", {"topology": "localnet"}, {}),
        ("role", {"role": "primary", "subnets": "10.1.0.0/16"}, {"subnets": "10.1.0.0/16"}),
        ("subnets", {"subnets": "10.1.0.0/16"}, {"subnets": "10.2.0.0/16"}),
        ("subnets", {"subnets": "10.1.0.0/16"}, {}),
        ("mtu", {"mtu": 1300}, {"mtu": 1400}),
        ("vlanID", {"topology": "localnet", "vlanID": 7}, {"topology": "localnet"}),
        ("physicalNetworkName", {"topology": "localnet", "physicalNetworkName": "p"}, {"topology": "localnet"}),
        ("allowPersistentIPs", {"allowPersistentIPs": True}, {"allowPersistentIPs": False}),
        (
            "excludeSubnets",
            {"subnets": "10.1.0.0/16", "excludeSubnets": "10.1.0.0/30"},
            {"subnets": "10.1.0.0/16", "excludeSubnets": "10.1.0.0/29"},
        ),
        ("transport", {"transport": "evpn"}, {}),
    ],
)
def test_a_difference_is_a_warning_for_either_author(key: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    for first, second in ((one, other), (other, one)):
        (text,) = warnings(ovn("blue/net", **first), red__net=ovn("red/net", **second))
        assert text.startswith(
            f'spec.config.{key}: NAD507: the definition red/net of network "shared" has another {key}'
        )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"role": "secondary", "mtu": None, "allowPersistentIPs": False, "subnets": ""}),
        ({"subnets": "10.1.0.0/16,fd01::/64"}, {"subnets": " fd01:0::/64 , 10.1.0.0/16"}),
        ({"subnets": "10.1.0.5/16"}, {"subnets": "10.1.0.0/16"}),
        ({"topology": "layer2"}, {"Topology": "layer2", "topology": None}),
        ({"mtu": 1300, "logLevel": "5"}, {"mtu": 1300}),
        ({}, {"name": "other", "mtu": 1300}),
        ({}, {"type": "macvlan", "mtu": 1300}),
    ],
)
def test_definitions_that_agree(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert warnings(ovn("blue/net", **one), red__net=ovn("red/net", **other)) == []


def test_a_definition_is_not_compared_with_itself() -> None:
    assert warnings(ovn("blue/net", mtu=1300), blue__net=ovn("blue/net", mtu=1400)) == []


def test_the_first_definition_that_differs_and_the_own_namespace_first() -> None:
    same = {f"red__net{at}": ovn(f"red/net{at}") for at in range(3)}
    (text,) = warnings(ovn("blue/net"), others=same, a__z=ovn("a/z", mtu=1), blue__own=ovn("blue/own", mtu=2))
    assert "the definition blue/own of" in text


def test_a_list_of_plugins_has_the_place_of_the_key() -> None:
    conf = json.loads(ovn("blue/net", topology="localnet"))
    name = conf.pop("name")
    (text,) = warnings(json.dumps({"name": name, "plugins": [conf]}), red__net=ovn("red/net"))
    assert text.startswith("spec.config.plugins[0].topology: NAD507")


def test_a_stranger_learns_that_there_is_another_definition_and_no_more() -> None:
    """docs/security.md: with the key or the namespace in the message, values could be found out by trying."""
    for posture in ("Isolated", "Strict"):
        found = {
            text
            for other in ({"mtu": 1400}, {"topology": "localnet"}, {"subnets": "10.1.0.0/16"})
            for text in warnings(
                ovn("blue/net", mtu=1300), by=rules(posture=posture), secret__vault=ovn("x/y", **other)
            )
        }
        (text,) = found
        assert text.startswith("spec.config.name: NAD507: a definition of another namespace says something else")
        assert not any(word in text for word in ("secret", "vault", "mtu", "1400", "localnet"))


def test_a_definition_of_the_own_namespace_is_named() -> None:
    (text,) = warnings(ovn("blue/net", mtu=1300), by=rules(posture="Isolated"), blue__other=ovn("blue/other"))
    assert "the definition blue/other of" in text


def test_without_the_checks_of_plugins_there_is_no_comparison() -> None:
    other = netattachdef.build(namespace="blue", name="other", config=ovn("blue/other", mtu=1))
    decision = decide(writes(ovn("blue/net")), world=FakeCluster({("blue", "other"): other}), rules=OPEN)
    assert [one.rule for one in decision.warnings if one.rule == "NAD507"] == []


def test_long_lists_are_compared_as_texts() -> None:
    items = [f"10.{at}.0.0/16" for at in range(ITEMS_MAX + 1)]
    one, other = ",".join(items), ",".join(reversed(items))
    assert warnings(ovn("blue/net", subnets=one), red__net=ovn("red/net", subnets=one)) == []
    assert len(warnings(ovn("blue/net", subnets=one), red__net=ovn("red/net", subnets=other))) == 1


@pytest.mark.parametrize(
    ("own", "other", "is_second"),
    [
        ("primary", "primary", True),
        ("primary", "secondary", False),
        ("primary", None, False),
        ("secondary", "primary", False),
    ],
)
def test_a_namespace_has_one_primary_network(own: str, other: str | None, *, is_second: bool) -> None:
    text = ovn("blue/net", name="a", role=own, subnets="10.1.0.0/16")
    theirs = ovn("blue/other", name="b", role=other, subnets="10.2.0.0/16")
    found = warnings(text, code="NAD509", blue__other=theirs)
    assert [one.split(" is the primary")[0] for one in found] == (
        ["spec.config.role: NAD509: blue/other"] if is_second else []
    )
    assert warnings(text, code="NAD509", red__other=theirs, blue__net=text, blue__lan='{"type":"macvlan"}') == []


# Growth


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    PARSED.clear()
    yield
    PARSED.left = None


def define(namespace: str, name: str, text: str | None) -> Definition:
    kind, network = find_network(text, name)
    return Definition(namespace, name, text, (), (), kind, network)


def snapshot(named: int, others: int) -> Snapshot:
    """Return a cluster with definitions of the network, of other networks, and of another plugin."""
    texts = [ovn(f"red/net{at}", name="shared" if at < named else f"n{at}") for at in range(named + others)]
    red = {f"net{at}": define("red", f"net{at}", text) for at, text in enumerate(texts)}
    plain = {f"lan{at}": define("plain", f"lan{at}", '{"type":"macvlan"}') for at in range(others)}
    return Snapshot({"red": red, "plain": plain}, {})


def decide_in(cluster: Snapshot, text: str = "") -> None:
    context = DecisionContext(cluster, RULES, Configuration(injection=None, plugins=PLUGINS))
    assert evaluate(writes(text or ovn("blue/net")), context).is_allowed


@pytest.mark.parametrize("others", [10, 1_000])
def test_a_review_parses_few_definitions_of_the_network_and_none_of_others(others: int) -> None:
    decide_in(snapshot(OTHERS_MAX + 20, others))
    assert sum(isinstance(key, Definition) for key in PARSED._entries) == OTHERS_MAX


def test_the_index_is_made_once_and_looks_at_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    find = Snapshot._find_named

    def note(cluster: Snapshot, kind: str) -> Any:
        made.append(kind)
        return find(cluster, kind)

    monkeypatch.setattr(Snapshot, "_find_named", note)
    cluster = snapshot(3, 5)
    monkeypatch.setattr(snapshots, "_decode_config", None)
    decide_in(cluster, '{"cniVersion":"1.0.0","type":"macvlan","master":"eth1","name":"shared"}')
    assert made == []
    for _ in range(3):
        decide_in(cluster)
    assert made == ["ovn-k8s-cni-overlay"]


def test_a_turn_parses_no_more_than_its_allowance() -> None:
    cluster = snapshot(3, 0)
    PARSED.left = 100
    with pytest.raises(OutOfTurnError):
        decide_in(cluster)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ovn("x/a"), ("ovn-k8s-cni-overlay", "shared")),
        (ovn("x/a", name="a"), ("ovn-k8s-cni-overlay", "")),
        (ovn("x/a", name=""), ("ovn-k8s-cni-overlay", "")),
        ('{"name": "n", "plugins": [{"type": "bridge"}, {"type": "tuning"}]}', ("bridge", "n")),
        ('{"plugins": []}', ("", "")),
        (ovn("x/a", name=7), ("", "")),
        ('{"type": "bridge"', ("", "")),
        ("\ud800", ("", "")),
        ("[" * 100_000, ("", "")),
        (None, ("", "")),
    ],
)
def test_the_network_of_a_text(text: str | None, expected: tuple[str, str]) -> None:
    assert find_network(text, "a") == expected


def test_both_sources_of_a_snapshot_know_the_networks() -> None:
    """The caches of the server, and the files of a command."""
    text = ovn("red/net")
    item = {"metadata": {"namespace": "red", "name": "net"}, "spec": {"config": text}}
    networks = Networks()
    made = networks.make(msgspec.json.decode(json.dumps(item), type=Item))
    read = builder.build(documents.parse(json.dumps({**KIND, **item}), file="x.yaml", problems=[]), [])
    for cluster in (Snapshot({"red": {"net": made}}, {}), read):
        assert cluster.networks_named("shared", "ovn-k8s-cni-overlay") == [("red", "net")]
        assert cluster.networks_named("shared", "macvlan") == ()
