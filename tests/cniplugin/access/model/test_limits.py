"""The requests that an Allow rule accepts, and the text about all others."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.model.limits import SPELLINGS, Limits, describe, exceeded, permits, usage_of
from cniplugin.access.reading.policies import read_policy
from cniplugin.netspec.selection import Bandwidth, NetworkSelectionElement, PortMapping


def limits(**written: Any) -> Limits:
    rule = {"name": "a", "action": "Allow", "limits": written}
    policy = read_policy({"spec": {"attachments": [rule]}})
    assert policy.problems == ()
    return policy.attachments[0].limits


def beyond(found: Limits, *, replaces_default: bool = False, **asked: Any) -> tuple[str, ...]:
    element = NetworkSelectionElement(namespace="blue", name="lan", **asked)
    return exceeded(found, usage_of(element, replaces_default=replaces_default))


def port(number: int, protocol: str | None = None) -> PortMapping:
    return PortMapping(host_port=number, container_port=80, protocol=protocol)


@pytest.mark.parametrize("kind", SPELLINGS)
def test_requests_that_a_default_permits(kind: str) -> None:
    """Semantics, point 7; another default network must always be listed."""
    assert permits(limits(default="Basic"), kind) == (kind in {"interface", "bandwidth", "ipamClaim"})
    assert permits(limits(), kind) == permits(limits(default="Basic"), kind)
    assert permits(limits(default="Allow"), kind) == (kind != "replaceDefaultNetwork")
    assert not permits(limits(default="Deny"), kind)
    assert permits(limits(default="Deny", **{kind: {}}), kind)


@pytest.mark.parametrize(
    ("written", "asked", "problems"),
    [
        ({}, {}, ()),
        ({}, {"mac": "00:58:00:00:00:01"}, ('the request uses "mac", which the rule does not permit',)),
        ({"mac": {}}, {"mac": "00:58:00:00:00:01"}, ()),
        (
            {"mac": {"prefixes": ["00:59", "aa"]}},
            {"mac": "00:58:00:00:00:01"},
            ("MAC address 00:58:00:00:00:01 does not begin with 00:59 or aa",),
        ),
        ({"mac": {"prefixes": ["00:58"]}}, {"mac": "00:58:00:00:00:01"}, ()),
        ({"infinibandGuid": {"prefixes": ["24"]}}, {"infiniband_guid": "24:8a"}, ()),
        (
            {"infinibandGuid": {"prefixes": ["25"]}},
            {"infiniband_guid": "24:8a"},
            ("GUID 24:8a does not begin with 25",),
        ),
        ({"infinibandGuid": {"prefixes": ["25"]}}, {}, ()),
        ({"ips": {"cidrs": ["10.1.0.0/16"]}}, {"ips": ("10.1.0.1",)}, ()),
        (
            {"ips": {"cidrs": ["10.1.0.0/16", "10.2.0.0/16"]}},
            {"ips": ("10.1.0.1", "10.3.0.1")},
            ("address 10.3.0.1 is outside 10.1.0.0/16, 10.2.0.0/16",),
        ),
        ({"ips": {"max": 2}}, {"ips": ("10.1.0.1", "10.3.0.1")}, ()),
        (
            {"ips": {"max": 1}},
            {"ips": ("10.1.0.1", "10.3.0.1")},
            ("the request has 2 addresses, and the rule permits 1",),
        ),
        (
            {"ips": {"cidrs": ["10.1.0.0/16"]}, "cniArgs": {}},
            {"cni_args": {"ips": [7]}},
            ("address 7 is outside 10.1.0.0/16",),
        ),
        ({"bandwidth": {"maxIngressBitsPerSecond": 10}}, {"bandwidth": Bandwidth(ingress_rate=10)}, ()),
        ({"bandwidth": {"maxIngressBitsPerSecond": 10}}, {"bandwidth": Bandwidth(egress_rate=11)}, ()),
        ({"bandwidth": {"maxIngressBitsPerSecond": 10}}, {}, ()),
        (
            {"bandwidth": {"maxIngressBitsPerSecond": 10, "maxEgressBitsPerSecond": 5}},
            {"bandwidth": Bandwidth(ingress_rate=11, egress_rate=6)},
            ("ingressRate 11 is above 10 bits per second", "egressRate 6 is above 5 bits per second"),
        ),
        ({"bandwidth": {"required": True}}, {"bandwidth": Bandwidth(ingress_rate=1)}, ()),
        ({"bandwidth": {"required": True}}, {}, ("the request sets no bandwidth, which the rule requires",)),
        (
            {"bandwidth": {"required": True, "maxEgressBitsPerSecond": 5}},
            {},
            ("the request sets no egressRate, which the rule requires",),
        ),
        (
            {"bandwidth": {"required": True, "maxEgressBitsPerSecond": 5}},
            {"bandwidth": Bandwidth(ingress_rate=1, egress_rate=0)},
            ("the request sets no egressRate, which the rule requires",),
        ),
        ({"portMappings": {"hostPorts": ["80", "8000-8999"]}}, {"port_mappings": (port(80), port(8080))}, ()),
        (
            {"portMappings": {"hostPorts": ["8000-8999"], "protocols": ["UDP", "SCTP"]}},
            {"port_mappings": (port(80, "udp"), port(8080))},
            ("host port 80 is outside 8000-8999", "protocol TCP is not one of SCTP, UDP"),
        ),
        ({"portMappings": {}}, {"port_mappings": (port(80, "sctp"),)}, ()),
        (
            {"portMappings": {"protocols": []}},
            {"port_mappings": (port(80),)},
            ("protocol TCP is not one of none",),
        ),
        ({"defaultRoute": {"gateways": ["10.1.0.1/32"]}}, {"default_route": ("10.1.0.1",)}, ()),
        ({"defaultRoute": {"gateways": ["10.1.0.1/32"]}}, {"default_route": ()}, ()),
        (
            {"defaultRoute": {"gateways": ["10.1.0.1/32"]}},
            {"default_route": ("10.9.0.1",)},
            ("gateway 10.9.0.1 is outside 10.1.0.1/32",),
        ),
        ({"interface": {"names": ["net*"]}}, {"interface": "net1"}, ()),
        ({"interface": {"names": ["net*"]}}, {}, ()),
        ({"interface": {"names": ["net*", "x"]}}, {"interface": "wan"}, ("interface wan is not one of net*, x",)),
        ({"cniArgs": {"keys": ["a", "b"]}}, {"cni_args": {"a": 1}}, ()),
        ({"cniArgs": {"keys": ["b", "a"]}}, {"cni_args": {"A": 1}}, ("cni-args key A is not one of a, b",)),
        ({"extraKeys": {"keys": ["x.y/a"]}}, {"foreign": {"x.y/b": 1}}, ("key x.y/b is not one of x.y/a",)),
        (
            {},
            {"foreign": {"x.y/b": 1}},
            ('the request uses "x.y/b", which the rule does not permit',),
        ),
    ],
    ids=repr,
)
def test_requests_beyond_the_limits(written: dict[str, Any], asked: dict[str, Any], problems: tuple[str, ...]) -> None:
    assert beyond(limits(**written), **asked) == problems


def test_another_default_network_must_be_listed() -> None:
    problem = 'the request uses "default-network", which the rule does not permit'
    assert beyond(limits(default="Allow"), replaces_default=True) == (problem,)
    assert beyond(limits(replaceDefaultNetwork={}), replaces_default=True) == ()


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({}, "interface, bandwidth, ipam-claim-reference"),
        ({"default": "Deny"}, "nothing but the network itself"),
        ({"default": "Allow"}, "everything"),
        ({"default": "Allow", "mac": {}}, "everything"),
        ({"default": "Allow", "extraKeys": {}}, "everything"),  # its spelling has a space
        ({"default": "Allow", "ips": {"max": 2}}, "everything, but ips (at most 2)"),
        ({"default": "Deny", "mac": {}, "ips": {}}, "ips, mac"),
        ({"default": "Deny", "ips": {"cidrs": ["10.1.0.0/16"], "max": 2}}, "ips in 10.1.0.0/16 (at most 2)"),
        ({"default": "Deny", "mac": {"prefixes": ["00", "01"]}}, "mac beginning with 00 or 01"),
        ({"default": "Deny", "infinibandGuid": {"prefixes": ["00"]}}, "infiniband-guid beginning with 00"),
        ({"default": "Deny", "bandwidth": {}}, "bandwidth"),
        (
            {
                "default": "Deny",
                "bandwidth": {"required": True, "maxIngressBitsPerSecond": 1, "maxEgressBitsPerSecond": 2},
            },
            "bandwidth (required, ingressRate up to 1, egressRate up to 2)",
        ),
        ({"default": "Deny", "portMappings": {}}, "portMappings"),
        (
            {"default": "Deny", "portMappings": {"hostPorts": ["80", "90-99"], "protocols": ["UDP", "TCP"]}},
            "portMappings 80 or 90-99 (TCP or UDP)",
        ),
        ({"default": "Deny", "portMappings": {"protocols": []}}, "portMappings (no protocol)"),
        ({"default": "Deny", "defaultRoute": {}}, "default-route"),
        ({"default": "Deny", "defaultRoute": {"gateways": ["10.0.0.1/32"]}}, "default-route to 10.0.0.1/32"),
        ({"default": "Deny", "interface": {"names": ["net*"]}}, "interface net*"),
        ({"default": "Deny", "cniArgs": {"keys": ["b", "a"]}}, "cni-args a or b"),
        ({"default": "Deny", "extraKeys": {}}, "extra keys"),
        ({"default": "Deny", "extraKeys": {"keys": ["x.y/a"]}}, "extra keys x.y/a"),
        ({"default": "Deny", "ipamClaim": {}, "deviceID": {}}, "ipam-claim-reference, deviceID"),
        ({"default": "Deny", "replaceDefaultNetwork": {}}, "default-network"),
    ],
    ids=repr,
)
def test_the_allowed_values_in_words(written: dict[str, Any], words: str) -> None:
    assert describe(limits(**written)) == words
