"""Near misses of keys and of plugin types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhook.admission.plugins.checking import SCHEMAS
from webhook.admission.plugins.spelling import edit_distance, near_miss, near_type

KEYS = ("vlan", "mtu", "isGateway", "ipMasq", "ipMasqBackend", "range_start", "id", "bridge")
WORDS = st.text(alphabet="abcdX", max_size=8)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("vlam", "vlan"),
        ("valn", "vlan"),
        ("vlanId", "vlan"),
        ("isgateway", "isGateway"),
        ("isGatewya", "isGateway"),
        ("isGatewxy", "isGateway"),
        ("ipMasquerade", "ipMasq"),
        ("ipMasqBackends", "ipMasqBackend"),
        ("rangeStart", "range_start"),
        ("mtuu", "mtu"),
        ("mut", "mtu"),
        ("ID", "id"),
        ("ie", None),
        ("identity", None),
        ("description", None),
        ("x" * 41, None),
        ("", None),
    ],
)
def test_near_miss(written: str, meant: str | None) -> None:
    assert near_miss(written, KEYS) == meant


TYPES = sorted(SCHEMAS)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("mcvlan", "macvlan"),
        ("macvaln", "macvlan"),
        ("Macvlan", "macvlan"),
        ("mac-vlan", "macvlan"),
        ("ipvlans", "ipvlan"),
        ("hostlocal", "host-local"),
        ("host_device", "host-device"),
        ("coordinater", "coordinator"),
        ("sriov-cni", "sriov"),
        ("ovs-cni", "ovs"),
        ("cni-ovs", "ovs"),
        ("OVS", "ovs"),
        ("whereabout", "whereabouts"),
        ("wherebouts", "whereabouts"),
        ("spider-pool", "spiderpool"),
        ("cilium", "cilium-cni"),
        ("istiocni", "istio-cni"),
        ("multi-nic-cni", "multi-nic"),
        ("nvipam", "nv-ipam"),
        ("Calico", "calico"),
        ("brigde", "bridge"),
        ("taps", None),
        ("ovn", None),
        ("vlan-pool", None),
        ("bridge-vlan", None),
        ("weave-net", None),
        ("my-plugin", None),
        ("multus", None),
        ("nadmit", None),
        ("cni", None),
        ("-", None),
        ("", None),
        ("x" * 41, None),
    ],
)
def test_near_type(written: str, meant: str | None) -> None:
    assert near_type(written, TYPES) == meant


def test_no_known_type_resembles_another() -> None:
    """Otherwise a correct name would be a mistake in a cluster that lacks a schema."""
    alike = {name: near_type(name, [other for other in TYPES if other != name]) for name in TYPES}
    assert {name: meant for name, meant in alike.items() if meant} == {}


@given(WORDS, WORDS)
def test_distance_is_symmetric_and_zero_for_the_same(one: str, other: str) -> None:
    distance = edit_distance(one, other)
    assert distance == edit_distance(other, one)
    assert (distance == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))
