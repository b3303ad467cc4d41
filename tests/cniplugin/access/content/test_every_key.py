"""No rule can be evaded by any key that touches something, in any spelling that a plugin reads.

The keys are those of `webhook/plugindata`; a definition gets a value outside the limits of an Allow and inside those of a
Deny. The tests do not use the parser, because it refuses many spellings and the facts must not depend on that.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.content import facts, plugintable
from cniplugin.access.content.facts import KINDS, facts_of, fold
from cniplugin.access.judging.definitionrules import Author, Writing, judge_definition
from cniplugin.access.judging.judge import judge
from cniplugin.access.model.decision import Config, Item, Rules, Subject
from cniplugin.netspec import netattachdef
from cniplugin.netspec.cniconfig import NetworkConfigList, PluginConfig
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.selection import NetworkSelectionElement
from tests.cniplugin.access.keys import KEYS, Key, nest, spellings
from webhook.plugindata import touches

Value = Any


class Limit(NamedTuple):
    """The limit of a kind: the field, a value inside and one outside, and the lists of an Allow and of a Deny."""

    field: str
    inside: Value
    outside: Value
    allowed: str
    denied: str


LIMITS = {
    "interface": Limit("masters", "bond1", "bond0", "bond1", "bond0"),
    "device": Limit("masters", "0000:03:00.1", "0000:04:00.2", "0000:03:*", "0000:04:*"),
    "network": Limit("masters", "physnet1", "infra", "physnet1", "infra"),
    "vlan": Limit("vlans", 150, 7, "100-199", "1-99"),
    "pkey": Limit("pkeys", "0x7001", "0x7FFF", "0x7001", "0x7fff"),
    "host-path": Limit("hostPaths", "/run/mine/a", "/etc/cron.d", "/run/mine/*", "/etc/*"),
    "sysctl": Limit(
        "sysctls",
        {"net.ipv4.conf.IFNAME.arp_filter": "1"},
        {"net/ipv4/conf/all/forwarding": "1"},
        "net.ipv4.conf.IFNAME.*",
        "net.ipv4.conf.all.*",
    ),
    "address": Limit("addresses", "10.1.0.7/24", "10.9.0.7/24", "10.1.0.0/16", "10.9.0.0/16"),
    "address-net": Limit("addresses", "10.1.0.0/24", "10.9.0.0/24", "10.1.0.0/16", "10.9.0.0/16"),
    "address-first": Limit("addresses", "10.1.0.7", "10.9.0.7", "10.1.0.0/16", "10.9.0.0/16"),
    "address-last": Limit("addresses", "10.1.0.7", "10.9.0.7", "10.1.0.0/16", "10.9.0.0/16"),
    "mac": Limit("macs", "02:00:00:00:00:01", "06-00-00-00-00-01", "02", "06"),
    "pool": Limit("pools", "mine", "storage", "mine", "storage"),
}
UNLIMITED = {"endpoint", "netfilter", "gateway"}
"""Kinds without a field: the levels of definitions judge them, and `gateway` widens addresses."""


def test_spellings_fold_to_one_key() -> None:
    for name in ("master", "pkey", "mirrors", "link"):
        assert {fold(spelling) for spelling in spellings(name)} == {name}
        assert len(spellings(name)) > 3
    assert fold("addre\u00df") != "address"  # Go distinguishes them


def test_there_are_keys_of_every_kind() -> None:
    assert len(KEYS) > 70
    assert {key.kind for key in KEYS} == LIMITS.keys() | UNLIMITED
    assert {key.plugin for key in KEYS} <= plugintable.PLUGINS.keys()


def build(key: Key, value: Value, spell: int) -> NetworkAttachmentDefinition:
    """Return a definition with a value at a key, in the given spelling at every depth.

    NB: where no pool is named, the network's name may be one (nv-ipam). So a network has the name of the pool under test.
    """
    name = value if key.kind == "pool" else "lan"
    value = nest(key, value, spell)
    if key.steps == (("name", 0),):
        (name,) = value.values()
        value = {}
    conf: dict[str, Any] = {"type": "mine" if key.kind_of_plugin == "ipam" else key.plugin}
    if key.kind != "interface":
        conf |= {"master": "bond1", "bridge": "bond1"}
    if key.kind_of_plugin != "ipam":
        conf |= value
    elif key.is_beside:
        conf |= {**value, "ipam": {"type": key.plugin}}
    else:
        conf["ipam"] = {**value, "type": key.plugin}
    return definition(conf, name=name)


def definition(conf: dict[str, Any], *, name: str = "lan") -> NetworkAttachmentDefinition:
    """Return a definition of one plugin, made without the parser."""
    plugin = PluginConfig(type=conf["type"], capabilities=frozenset(), conf=conf, ipam_type=None, types=(conf["type"],))
    config = NetworkConfigList(
        name=name,
        written_name=None,
        cni_version="1.0.0",
        plugins=(plugin,),
        disable_check=False,
        disable_gc=False,
        load_only_inlined=False,
        is_list=True,
        conf={"plugins": [conf]},
        capabilities=frozenset(),
        types=frozenset(plugin.types),
    )
    return NetworkAttachmentDefinition(namespace="blue", name="lan", config=config)


def rules(*, posture: str, **spec: Any) -> Rules:
    read = read_policies([{"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": spec}])
    assert not read.policies[0].problems
    return compile_rules(read, Config(posture=posture, definitions_default="Allow"))


def write(network: NetworkAttachmentDefinition, by: Rules) -> str:
    return judge_definition(Writing(author=Author(name="bob"), network=network), by).code


def attach(network: NetworkAttachmentDefinition, by: Rules) -> set[str]:
    """Return the codes of both ends: the same judgement with and without the gate of Multus."""
    item = Item(element=NetworkSelectionElement(namespace="blue", name="lan"), network=network, network_labels={})
    return {judge(Subject(namespace="blue"), item, by, is_on_node=is_on_node).code for is_on_node in (False, True)}


LIMITED = [key for key in KEYS if key.kind in LIMITS]


@pytest.mark.parametrize("key", LIMITED, ids=lambda key: key.name)
def test_no_spelling_leaves_the_limits(key: Key) -> None:
    limit = LIMITS[key.kind]
    allowed, denied = {limit.field: [limit.allowed]}, {limit.field: [limit.denied]}
    may_have = {**allowed, "masters": ["bond1", *allowed.get("masters", ())]}
    may_have["masters"] = list(dict.fromkeys(may_have["masters"]))
    allow = rules(
        posture="Strict",
        definitions=[{"name": "a", "action": "Allow", "config": may_have}],
        attachments=[{"name": "a", "action": "Allow", "networks": [allowed]}],
    )
    deny = rules(
        posture="Open",
        definitions=[{"name": "d", "action": "Deny", "config": denied}],
        attachments=[{"name": "d", "action": "Deny", "networks": [denied]}],
    )
    for spell in range(len(spellings(key.steps[-1][0]))):
        outside, inside = build(key, limit.outside, spell), build(key, limit.inside, spell)
        assert write(outside, allow) == "NotWithinDefinitionRule", outside
        assert write(outside, deny) == "DefinitionDenyRule", outside
        assert attach(outside, deny) == {"DenyRule"}, outside
        assert write(inside, allow) == "DefinitionAllowRule", inside
        assert write(inside, deny) == "DefinitionDefault", inside
        assert attach(inside, deny) == {"Posture"}, inside
        assert attach(inside, allow) == {"AllowRule"}, inside
        assert attach(outside, allow) == {"PostureStrict"}, outside


@pytest.mark.parametrize("key", [key for key in KEYS if key.kind in UNLIMITED - {"gateway"}], ids=lambda key: key.name)
def test_keys_without_a_field_are_facts(key: Key) -> None:
    for spell in range(len(spellings(key.steps[-1][0]))):
        found = facts_of(build(key, "far", spell))
        assert found is not None
        assert [(touch.kind, touch.value) for touch in found.touches if touch.kind in UNLIMITED] == [(key.kind, "far")]


def test_every_touch_has_a_kind_and_the_place_as_it_is_written() -> None:
    for key in LIMITED:
        found = facts_of(build(key, LIMITS[key.kind].outside, 2))
        assert found is not None
        for touch in found.touches:
            assert touch.kind in KINDS
            assert touch.path == "name" or touch.path.startswith("plugins[0].")
    (touch,) = (
        touch
        for touch in touched({"type": "bridge", "bridge": "br1", "vlanTrunk": [{"minid": 5}]})
        if touch.kind == facts.VLAN
    )
    assert touch == facts.Touch(
        kind="vlan", value="5", path="plugins[0].vlanTrunk[0].minid", place="plugins[0]", key="minid", plugin="bridge"
    )


def touched(conf: dict[str, Any]) -> tuple[facts.Touch, ...]:
    found = facts_of(definition(conf))
    assert found is not None
    return found.touches


def test_the_module_for_the_node_is_what_the_files_say() -> None:
    """`make golden` writes it again."""
    files = touches.load_files()
    assert touches.compile_plugins(files) == plugintable.PLUGINS
    assert touches.find_opaque(files) == plugintable.OPAQUE
    assert touches.compile_spellings(files) == plugintable.SPELLINGS


def test_unread_keys_touch_nothing() -> None:
    plain = {"type": "macvlan", "master": "bond1"}
    for more in (
        {"bridge": "br-infra", "deviceID": "0000:03:00.1", "links": [{"name": "bond0"}]},
        {"dataDir": "/etc", "sysctl": {"net.a": "1"}, "physicalNetworkName": "infra", "addre\u00df": 1},
    ):
        assert touched({**plain, **more}) == touched(plain)
    text = json.dumps(
        {"cniVersion": "1.0.0", "master": "bond0", "vlan": 7, "runtimeConfig": {"mac": "x"}, "plugins": [plain]}
    )
    found = facts_of(netattachdef.build(namespace="blue", name="lan", config=text))
    assert found is not None
    assert (found.masters, found.vlans) == (("bond1",), ())
    assert all(touch.kind != facts.RUNTIME for touch in found.touches)
