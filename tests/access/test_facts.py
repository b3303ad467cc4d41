"""What a network uses of the node: every plugin of a chain, nested ones, and what a plugin takes that names nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.access.facts import NO_NUMBER, Facts, facts_of
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
    """A VLAN that is no number is in no range of an Allow, and meets every range of a Deny."""
    assert facts({"type": "bridge", **plugin}).vlans == vlans
