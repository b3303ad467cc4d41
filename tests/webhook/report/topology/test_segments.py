"""Which definitions share one layer 2."""

from __future__ import annotations

import pytest

from webhook.report.topology.segments import Segment

from .objects import Object, network, topology

POOL = {"k8s.v1.cni.cncf.io/resourceName": "intel.com/pool"}
OVN = {"type": "ovn-k8s-cni-overlay", "name": "tenant", "topology": "layer2", "netAttachDefName": "blue/lan"}


@pytest.mark.parametrize(
    ("config", "annotations", "expected"),
    [
        ({"type": "bridge", "bridge": "br1"}, {}, Segment("bridge", "br1")),
        ({"type": "bridge"}, {}, Segment("bridge", "cni0")),
        ({"type": "bridge", "bridge": "br1", "vlan": 12}, {}, Segment("bridge", "br1", "12")),
        ({"type": "bridge", "bridge": "br1", "vlan": 0}, {}, Segment("bridge", "br1")),
        ({"type": "bridge", "bridge": "br1", "vlanTrunk": [{"id": 7}]}, {}, Segment("bridge", "br1")),
        ({"type": "ovs", "bridge": "br2", "vlan": 3}, {}, Segment("bridge", "br2", "3")),
        ({"plugins": [{"type": "bridge", "bridge": "br1"}, {"type": "tuning"}]}, {}, Segment("bridge", "br1")),
        ({"type": "macvlan", "master": "eth1"}, {}, Segment("interface", "eth1")),
        ({"type": "ipvlan", "master": "eth1"}, {}, Segment("interface", "eth1")),
        ({"type": "macvlan"}, {}, Segment("interface", "")),
        ({"type": "vlan", "master": "eth1", "vlanId": 5}, {}, Segment("interface", "eth1", "5")),
        ({"type": "host-device", "device": "eth2"}, {}, Segment("interface", "eth2")),
        ({"type": "host-device", "pciBusID": "0000:18:02.5"}, {}, Segment("device", "0000:18:02.5")),
        ({"type": "sriov", "vlan": 9}, POOL, Segment("resource", "intel.com/pool", "9")),
        ({"type": "bridge", "bridge": "br1"}, POOL, Segment("bridge", "br1")),
        (OVN, {}, Segment("OVN network", "tenant")),
        ({"type": "ptp"}, {}, Segment("definition", "blue/lan")),
        ("{", {}, Segment("definition", "blue/lan")),
        ("", {}, Segment("definition", "blue/lan")),
    ],
)
def test_a_definition_is_on_a_segment(config: Object | str, annotations: dict[str, str], expected: Segment) -> None:
    known = topology(network("lan", config, **annotations))
    assert known.segment("blue/lan") == expected


def test_a_network_without_a_definition_is_a_segment_of_its_own() -> None:
    assert topology().segment("cbr0") == Segment("definition", "cbr0")


@pytest.mark.parametrize(
    ("segment", "title"),
    [
        (Segment("bridge", "br1", "12"), "bridge br1, VLAN 12"),
        (Segment("interface", ""), "interface of the default route"),
        (Segment("resource", "intel.com/pool"), "resource intel.com/pool"),
    ],
)
def test_titles(segment: Segment, title: str) -> None:
    assert segment.title == title
