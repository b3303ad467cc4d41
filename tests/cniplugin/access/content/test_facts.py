"""The parts of the node that a network uses: every plugin of a chain, nested ones, and default values count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.access.content.facts import (
    NO_ADDRESS,
    NO_NUMBER,
    Facts,
    _Collector,
    _with_nested,
    facts_of,
    show_addresses,
)
from cniplugin.access.content.plugintable import OPAQUE, PLUGINS
from cniplugin.netspec import netattachdef


def facts(*plugins: dict[str, Any]) -> Facts:
    config = json.dumps({"cniVersion": "1.0.0", "plugins": list(plugins)})
    network = netattachdef.build(namespace="blue", name="lan", config=config)
    assert not network.problems
    found = facts_of(network)
    assert found
    return found


def test_of_a_file_of_the_node_and_of_what_cannot_be_read() -> None:
    assert facts_of(netattachdef.build(namespace="blue", name="lan", config=None)) == Facts(is_on_disk=True)
    assert facts_of(netattachdef.build(namespace="blue", name="lan", config="{")) is None


def test_all_plugins_of_a_chain_each_once() -> None:
    """Side door 6."""
    found = facts(
        {"type": "bridge", "ipam": {"type": "static"}}, {"type": "tuning"}, {"type": "bridge", "ipam": {"type": "dhcp"}}
    )
    assert found.plugin_types == ("bridge", "tuning")
    assert found.ipam_types == ("static", "dhcp")


def test_nested_delegates() -> None:
    """Side door 5: `delegate`, `delegates`, and lists inside them."""
    found = facts(
        {"type": "a", "delegate": {"type": "macvlan", "master": "m1"}},
        {"type": "b", "delegates": [{"type": "ipvlan", "master": "m2"}, {"plugins": [{"type": "vlan", "vlanId": 7}]}]},
    )
    assert found.plugin_types == ("a", "macvlan", "b", "ipvlan", "vlan")
    assert found.masters == ("m1", "m2")
    assert found.vlans == ((7, 7),)


@pytest.mark.parametrize(
    ("plugin", "masters"),
    [
        ({"type": "macvlan", "master": "bond1"}, ("bond1",)),
        ({"type": "macvlan"}, ("",)),
        ({"type": "macvlan", "master": ""}, ("",)),
        ({"type": "macvlan", "master": None}, ("",)),
        ({"type": "ipvlan"}, ("",)),
        ({"type": "bridge"}, ("cni0",)),
        ({"type": "bridge", "bridge": "br0"}, ("br0",)),
        ({"type": "bridge", "bridge": "br0", "master": "eth0"}, ("br0", "eth0")),
        ({"type": "host-device", "device": "eth3"}, ("eth3",)),
        ({"type": "host-device", "pciBusID": "0000:03:02.1", "hwaddr": "x"}, ("0000:03:02.1", "x")),
        ({"type": "host-device", "device": "eth3", "master": "eth0"}, ("eth3", "eth0")),
        ({"type": "host-device"}, ()),
        ({"type": "vlan", "master": "eth0"}, ("eth0",)),
        ({"type": "mine", "master": 7}, ("7",)),
        ({"type": "mine"}, ()),
    ],
    ids=repr,
)
def test_masters(plugin: dict[str, Any], masters: tuple[str, ...]) -> None:
    assert facts(plugin).masters == masters


@pytest.mark.parametrize(
    ("plugin", "vlans"),
    [
        ({"vlan": 100}, ((100, 100),)),
        ({"vlanId": 5}, ((5, 5),)),
        ({"vlan": "100"}, ((100, 100),)),
        ({"vlan": 0}, ()),  # untagged
        ({"vlan": None}, ()),
        ({"vlan": "x"}, (NO_NUMBER,)),
        ({"vlan": True}, (NO_NUMBER,)),
        ({"vlan": -1}, (NO_NUMBER,)),
        ({"vlan": 1.5}, (NO_NUMBER,)),
        ({"vlan": "1" * 10}, (NO_NUMBER,)),
        ({"vlan": "\u0665"}, (NO_NUMBER,)),
        ({"vlan": 5, "vlanId": 6}, ((5, 5), (6, 6))),
        ({"vlanTrunk": [{"id": 5}, {"minID": 10, "maxID": 20}]}, ((5, 5), (10, 20))),
        ({"trunk": [{"id": 30, "minID": 10, "maxID": 20}]}, ((10, 30),)),
        ({"trunk": [{"minID": "10", "maxID": "20"}]}, ((10, 20),)),
        ({"trunk": [{"minID": 10, "maxID": "x"}]}, (NO_NUMBER,)),
        ({"trunk": [{}]}, (NO_NUMBER,)),
        ({"trunk": [7]}, (NO_NUMBER,)),
        ({"trunk": 7}, (NO_NUMBER,)),
        ({"trunk": []}, ()),
    ],
    ids=repr,
)
def test_vlans(plugin: dict[str, Any], vlans: tuple[tuple[int, int], ...]) -> None:
    """A VLAN that is not a number is in no range of an Allow, and meets every range of a Deny."""
    assert facts({"type": "bridge", **plugin}).vlans == vlans


def test_facts_are_computed_once() -> None:
    network = netattachdef.build(namespace="blue", name="lan", config='{"cniVersion":"1.0.0","type":"bridge"}')
    assert facts_of(network) is facts_of(network.replace(labels={"a": "b"}))


@pytest.mark.parametrize(
    ("plugin", "masters"),
    [
        ({"type": "tap", "bridge": "br1"}, ("br1",)),
        ({"type": "macvlan", "master": "bond0\0x"}, ("bond0",)),  # the kernel reads up to the NUL
        ({"type": "macvlan", "master": "\0x"}, ("",)),
        ({"type": "ovs", "bridge": "br1", "deviceID": "0000:03:00.1"}, ("br1", "0000:03:00.1")),
        ({"type": "accelerated-bridge", "bridge": "br1, br2"}, ("br1", "br2")),
        ({"type": "accelerated-bridge", "bridge": ""}, ("cni0",)),
        ({"type": "sriov", "deviceID": "x/../0000:03:00.1/"}, ("0000:03:00.1",)),
        ({"type": "sriov", "deviceID": "../0000:03:00.1"}, ("../0000:03:00.1",)),
        ({"type": "host-device", "hwaddr": "AA-BB-CC-00-11-22"}, ("aa:bb:cc:00:11:22",)),
        ({"type": "host-device", "hwaddr": "aabb.cc00.1122"}, ("aa:bb:cc:00:11:22",)),
        ({"type": "host-device", "kernelpath": "/../sys/devices/./a//b"}, ("/sys/devices/a/b",)),
        ({"type": "bond", "links": [{"name": "bond0"}, {"NAME": "eth3"}]}, ("bond0", "eth3")),
        ({"type": "bond", "linksInContainer": False, "links": [{"name": "bond0"}]}, ("bond0",)),
        ({"type": "bond", "linksInContainer": True, "links": [{"name": "net1"}]}, ()),
        # Go lets the last spelling win: the links are the pod's for certain only if all spellings are true
        ({"type": "bond", "linksInContainer": True, "LINKSINCONTAINER": False, "links": [{"name": "a"}]}, ("a",)),
        ({"type": "bond", "linksInContainer": "true", "links": [{"name": "a"}]}, ("a",)),
        ({"type": "bond", "links": "bond0"}, ()),  # the plugin does not start
        ({"type": "bond", "links": [None, {"name": "bond0"}]}, ("bond0",)),
        ({"type": "ovn-k8s-cni-overlay", "topology": "layer2"}, ()),
        ({"type": "ovn-k8s-cni-overlay", "topology": "localnet"}, ("lan",)),
        ({"type": "ovn-k8s-cni-overlay", "topology": "localnet", "physicalNetworkName": "infra"}, ("infra",)),
        ({"type": "macvlan", "master": "bond1", "ipam": {"type": "host-device"}, "device": "eth3"}, ("bond1", "eth3")),
        ({"type": "tuning", "ipam": {"type": "host-device"}, "device": "eth3"}, ()),  # tuning does not run IPAM
        ({"type": "mine", "bridge": "br1", "links": [{"name": "a"}], "deviceID": "b"}, ("br1", "a", "b")),
        ({"type": "host-local", "bridge": "br1", "ipam": {"type": "host-local"}}, ()),
    ],
    ids=repr,
)
def test_masters_of_every_plugin(plugin: dict[str, Any], masters: tuple[str, ...]) -> None:
    assert unparsed(plugin).masters == masters


def unparsed(plugin: dict[str, Any]) -> Facts:
    """Return the facts of a plugin, made without the parser, which refuses some of these."""
    found = _Collector(PLUGINS, OPAQUE, "lan")
    for path, conf in _with_nested(plugin, ""):
        found.add_plugin(conf, path)
    return found.facts()


def shown(*plugins: dict[str, Any]) -> list[str]:
    return [show_addresses(found) if found != NO_ADDRESS else "" for found in facts(*plugins).addresses]


@pytest.mark.parametrize(
    ("ipam", "addresses"),
    [
        ({"type": "host-local", "subnet": "10.1.0.0/24"}, ["10.1.0.0-10.1.0.255"]),
        ({"type": "host-local", "subnet": "10.1.0.7/24"}, ["10.1.0.0-10.1.0.255"]),
        ({"type": "host-local", "subnet": "10.1.0.0/16", "rangeStart": "10.1.4.10"}, ["10.1.4.10-10.1.255.255"]),
        (
            {"type": "host-local", "subnet": "10.1.0.0/16", "rangeStart": "10.1.4.10", "rangeEnd": "10.1.4.20"},
            ["10.1.4.10-10.1.4.20"],
        ),
        # outside the network, in the wrong order, or repeated: the whole network counts
        (
            {"type": "host-local", "subnet": "10.1.0.0/24", "rangeStart": "10.2.0.1"},
            ["10.1.0.0-10.1.0.255", "10.2.0.1"],
        ),
        (
            {"type": "host-local", "subnet": "10.1.0.0/24", "SUBNET": "10.2.0.0/24", "rangeEnd": "10.1.0.9"},
            ["10.1.0.0-10.1.0.255", "10.2.0.0-10.2.0.255", "10.1.0.9"],
        ),
        ({"type": "host-local", "subnet": "x"}, [""]),
        ({"type": "host-local", "subnet": "::ffff:10.1.0.0/120"}, [""]),
        (
            {"type": "host-local", "ranges": [[{"subnet": "fd00::/64"}], [{"subnet": "10.1.0.0/30"}]]},
            ["fd00::-fd00::ffff:ffff:ffff:ffff", "10.1.0.0-10.1.0.3"],
        ),
        ({"type": "static", "addresses": [{"address": "10.1.4.7/16"}]}, ["10.1.4.7"]),
        ({"type": "static", "addresses": [{"Address": {"IP": "10.1.4.7", "Mask": "//8AAA=="}}]}, ["10.1.4.7"]),
        ({"type": "whereabouts", "range": "10.1.0.5-10.1.0.9/24"}, ["10.1.0.5-10.1.0.9"]),
        ({"type": "whereabouts", "range": "10.1.0.9-10.1.0.5/24"}, [""]),
        (
            {"type": "whereabouts", "ipRanges": [{"range": "10.1.0.0/24", "range_end": "10.1.0.9"}]},
            ["10.1.0.0-10.1.0.9"],
        ),
        ({"type": "dhcp"}, []),
        ({"type": "mine", "subnet": "10.1.0.0/24"}, []),
        ("host-local", []),
    ],
    ids=repr,
)
def test_addresses(ipam: Any, addresses: list[str]) -> None:
    found = unparsed({"type": "macvlan", "master": "bond1", "ipam": ipam}).addresses
    assert [show_addresses(one) if one != NO_ADDRESS else "" for one in found] == addresses


def test_addresses_beside_ipam() -> None:
    """IPAM programs get the whole configuration of the plugin."""
    args = {"cni": {"ips": ["10.1.4.7/16", "fd00::7"]}}
    assert shown({"type": "macvlan", "args": args, "ipam": {"type": "static"}}) == ["10.1.4.7", "fd00::7"]
    assert shown({"type": "host-local", "ipam": {"subnet": "10.1.0.0/30"}}) == ["10.1.0.0-10.1.0.3"]
    assert shown({"type": "ovn-k8s-cni-overlay", "subnets": "10.1.0.0/30/31, fd00::/127"}) == [
        "10.1.0.0-10.1.0.3",
        "fd00::-fd00::1",
    ]


@pytest.mark.parametrize("gateway", [{"isGateway": True}, {"ISDEFAULTGATEWAY": True}])
def test_a_node_with_an_address_of_the_network_routes_all_of_it(gateway: dict[str, Any]) -> None:
    ipam = {"type": "host-local", "subnet": "10.96.0.0/12", "rangeStart": "10.97.0.1", "rangeEnd": "10.97.0.9"}
    assert shown({"type": "bridge", "ipam": ipam}) == ["10.97.0.1-10.97.0.9"]
    assert shown({"type": "bridge", **gateway, "ipam": ipam})[0] == "10.96.0.0-10.111.255.255"


@pytest.mark.parametrize(
    ("plugin", "name", "values"),
    [
        (
            {"type": "tuning", "sysctl": {"net/ipv4/conf/all/forwarding": "1"}},
            "sysctls",
            ("net.ipv4.conf.all.forwarding",),
        ),
        ({"type": "tuning", "sysctl": {"net.ipv4//conf..all.x": "1"}}, "sysctls", ("net.ipv4.conf.all.x",)),
        ({"type": "tuning", "args": {"cni": {"SYSCTL": {"net.a": "1"}}}}, "sysctls", ("net.a",)),
        ({"type": "tuning", "dataDir": "/run//a/./b/"}, "host_paths", ("/run/a/b",)),
        ({"type": "tuning", "dataDir": "/run/a/../../etc"}, "host_paths", ("",)),
        ({"type": "tuning", "dataDir": "etc/cron.d"}, "host_paths", ("/etc/cron.d",)),
        ({"type": "ovs", "socket_file": "tcp:10.0.0.1:6640"}, "host_paths", ("tcp:10.0.0.1:6640",)),
        ({"type": "ovs", "socket_file": "unix:/run/ovs/db.sock"}, "host_paths", ("/run/ovs/db.sock",)),
        ({"type": "tuning", "mac": "02:00:00:00:00:01"}, "macs", ("02:00:00:00:00:01",)),
        ({"type": "ib-sriov", "pkey": "0X7FFF"}, "pkeys", ("0x7fff",)),
        ({"type": "ib-sriov", "pkey": "many"}, "pkeys", ("many",)),
        ({"type": "ib-sriov", "pkey": ""}, "pkeys", ()),
        ({"type": "macvlan", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}, "pools", ("lan",)),
        ({"type": "macvlan", "ipam": {"type": "whereabouts", "network_name": "storage"}}, "pools", ("storage",)),
        ({"type": "ovs-mirror-consumer", "mirrors": [{"name": "m1"}]}, "pools", ("m1",)),
        ({"type": "ovn-k8s-cni-overlay", "name": "other"}, "pools", ("lan",)),  # the network's name wins
    ],
    ids=repr,
)
def test_texts_are_compared_in_one_form(plugin: dict[str, Any], name: str, values: tuple[str, ...]) -> None:
    assert getattr(facts(plugin), name) == values


def test_programs() -> None:
    found = facts(
        {"type": "macvlan", "ipam": {"type": "host-device"}},
        {"type": "acme", "ipam": {"type": "acme-ipam"}},
        {"type": "acme-ipam", "ipam": {"type": "static"}},
        {"type": "tuning", "ipam": {"type": "static", "addresses": [{"address": "10.0.0.1/8"}]}},
    )
    assert found.plugin_types == ("macvlan", "host-device", "acme", "acme-ipam", "tuning")
    assert found.ipam_types == ("host-device", "acme-ipam", "static")
    assert found.unknown_types == ("acme", "acme-ipam")
    assert found.unknown_ipam_types == ()  # it is also a plugin of the list
    assert facts({"type": "macvlan", "ipam": {"type": "acme-ipam"}}).unknown_ipam_types == ("acme-ipam",)
    assert [touch.value for touch in found.touches if touch.kind == "program"][:2] == ["macvlan", "host-device"]
    assert found.addresses == ()  # of tuning, which does not run IPAM


def test_delegates_without_a_type_and_that_are_no_objects() -> None:
    found = facts({"type": "a", "delegate": {"master": "m1", "ipam": {"type": "static"}}})
    assert found.plugin_types == ("a",)
    assert found.masters == ("m1",)
    assert found.ipam_types == ("static",)
    assert unparsed({"type": "a", "delegate": 5, "DELEGATES": [7, {"type": "b"}]}).plugin_types == ("a", "b")


def test_keys_of_the_runtime() -> None:
    found = facts(
        {"type": "macvlan", "runtimeConfig": {"mac": "x"}},
        {"type": "tuning", "prevResult": {"ips": [1]}},
        {"type": "tuning", "prevResult": {"cniVersion": "1.0.0", "ips": []}, "runtimeConfig": {}},
    )
    assert [(touch.value, touch.path) for touch in found.touches if touch.kind == "runtime"] == [
        ("runtimeConfig", "plugins[0].runtimeConfig"),
        ("prevResult", "plugins[1].prevResult"),
    ]
    # the parser refuses the spelling, and a value that is not an object
    (touch, _) = unparsed({"type": "tuning", "RuntimeConfig": [1]}).touches
    assert (touch.value, touch.path) == ("runtimeConfig", "RuntimeConfig")


def test_an_empty_list_in_a_text_is_read_once() -> None:
    """Without that, each comma costs as much as an address."""
    found = facts({"type": "ovn-k8s-cni-overlay", "name": "n", "topology": "layer2", "subnets": "," * 60_000})
    assert len([touch for touch in found.touches if touch.kind == "address"]) <= 1
