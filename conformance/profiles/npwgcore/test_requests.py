"""What a pod asks for (NPWG 4.1.2.1.3 to 10): capability arguments, and what happens without the capability."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.node import ADD, DEFAULT, DEL, Case

NPWG = "npwg-1.3"
IPS, MAC, PORTS, BANDWIDTH, GUID = (f"4.1.2.1.{number}" for number in (3, 4, 7, 8, 10))
PORT = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
RATE = {"ingressRate": 2048, "ingressBurst": 1600, "egressRate": 8000, "egressBurst": 1600}
GUID_TEXT = "24:8a:07:03:00:8d:ae:2f"


def asks(case: Case, *capabilities: str, **element: Any) -> None:
    """Select network `one`, whose plugin has some capabilities, with keys of its element."""
    case.define("one", case.config("one", capabilities=capabilities))
    case.pod([{"name": "one", **{key.replace("_", "-"): value for key, value in element.items()}}])


def got(case: Case) -> dict[str, Any]:
    """Return the capability arguments of the plugin."""
    case.add().succeeds()
    return case.the_call(ADD, "one").runtime_config


def is_not_attached(case: Case) -> None:
    """Check that the network is not attached; ADD may fail, or start the pod without it."""
    case.add()
    assert case.calls(ADD, "one") == []


@clause(NPWG, IPS, MUST)
def test_ips(case: Case) -> None:
    """`ips` goes to a plugin with the capability, as it was written."""
    ips = ["10.2.2.42/24", "2001:db8::5/64"]
    asks(case, "ips", ips=ips)
    assert got(case)["ips"] == ips


@clause(NPWG, MAC, MUST)
def test_mac(case: Case) -> None:
    """`mac` goes to a plugin with the capability."""
    asks(case, "mac", mac="02:23:45:67:89:01")
    assert got(case)["mac"] == "02:23:45:67:89:01"


@clause(NPWG, PORTS, MUST)
def test_port_mappings(case: Case) -> None:
    """`portMappings` goes to a plugin with the capability."""
    asks(case, "portMappings", portMappings=[PORT])
    (found,) = got(case)["portMappings"]
    assert (found["hostPort"], found["containerPort"], found["protocol"].lower()) == (8080, 80, "tcp")


@clause(NPWG, PORTS, MUST)
def test_port_mappings_default_to_tcp(case: Case) -> None:
    """A port mapping without a protocol is TCP, given or by default."""
    asks(case, "portMappings", portMappings=[{"hostPort": 8080, "containerPort": 80}])
    (found,) = got(case)["portMappings"]
    assert found.get("protocol", "tcp").lower() in {"tcp", ""}


@clause(NPWG, PORTS, MUST)
@pytest.mark.parametrize("protocol", ["UDP", "udp", "SCTP", "Tcp"])
def test_protocols_in_any_case(case: Case, protocol: str) -> None:
    """The protocol of a port mapping is case-insensitive."""
    asks(case, "portMappings", portMappings=[{**PORT, "protocol": protocol}])
    (found,) = got(case)["portMappings"]
    assert found["protocol"].lower() == protocol.lower()


@clause(NPWG, BANDWIDTH, MUST)
def test_bandwidth(case: Case) -> None:
    """`bandwidth` goes to a plugin with the capability."""
    asks(case, "bandwidth", bandwidth=RATE)
    found = got(case)["bandwidth"]
    assert {key: found[key] for key in RATE} == RATE


@clause(NPWG, BANDWIDTH, MUST)
def test_bandwidth_of_one_direction(case: Case) -> None:
    """A limit of one direction sets no limit of the other one."""
    asks(case, "bandwidth", bandwidth={"ingressRate": 2048, "ingressBurst": 1600})
    found = got(case)["bandwidth"]
    assert found["ingressRate"] == 2048
    assert not found.get("egressRate")


@clause(NPWG, BANDWIDTH, MUST)
def test_each_direction_has_its_own_burst(case: Case) -> None:
    """A limit of egress alone has its own burst, and that of the other direction does not count."""
    asks(case, "bandwidth", bandwidth={"egressRate": 8000, "egressBurst": 1700})
    found = got(case)["bandwidth"]
    assert (found["egressRate"], found["egressBurst"]) == (8000, 1700)
    assert not found.get("ingressRate")


@clause(NPWG, PORTS, PRACTICE)
def test_an_address_of_the_host(case: Case) -> None:
    """`hostIP` of a port mapping, which CNI's conventions and the plugin portmap know, is not lost."""
    asks(case, "portMappings", portMappings=[{**PORT, "hostIP": "127.0.0.1"}])
    (found,) = got(case)["portMappings"]
    assert found.get("hostIP") == "127.0.0.1"


@clause(NPWG, GUID, MUST)
def test_infiniband_guid(case: Case) -> None:
    """`infiniband-guid` goes to a plugin with the capability `infinibandGUID`."""
    asks(case, "infinibandGUID", infiniband_guid=GUID_TEXT)
    assert got(case)["infinibandGUID"] == GUID_TEXT


REQUESTS = {
    "ips": (IPS, "ips", {"ips": ["10.2.2.42/24"]}),
    "mac": (MAC, "mac", {"mac": "02:23:45:67:89:01"}),
    "portMappings": (PORTS, "portMappings", {"portMappings": [PORT]}),
    "bandwidth": (BANDWIDTH, "bandwidth", {"bandwidth": RATE}),
    "infiniband-guid": (GUID, "infinibandGUID", {"infiniband_guid": GUID_TEXT}),
}
EACH = [pytest.param(*row[1:], id=key, marks=clause(NPWG, row[0], MUST)) for key, row in REQUESTS.items()]


@pytest.mark.parametrize("element", [pytest.param(one.values[1], id=one.id, marks=one.marks) for one in EACH])
def test_without_the_capability_the_pod_fails(case: Case, element: dict[str, Any]) -> None:
    """A request that no plugin of the network can do fails the pod."""
    asks(case, **element)
    case.add().fails()


@pytest.mark.parametrize(("capability", "element"), EACH)
def test_a_capability_that_is_false(case: Case, capability: str, element: dict[str, Any]) -> None:
    """A capability that is declared as false is not there."""
    case.define("one", {**case.config("one"), "capabilities": {capability: False}})
    case.pod([{"name": "one", **{key.replace("_", "-"): value for key, value in element.items()}}])
    case.add().fails()


@pytest.mark.parametrize(("capability", "element"), EACH)
def test_one_plugin_of_a_list_is_enough(case: Case, capability: str, element: dict[str, Any]) -> None:
    """One plugin of a list with the capability is enough, and it alone gets the value."""
    case.define("lan", case.chain(case.config("one"), case.config("two", capabilities=[capability])))
    case.pod([{"name": "lan", **{key.replace("_", "-"): value for key, value in element.items()}}])
    case.add().succeeds()
    assert capability in case.the_call(ADD, "two").runtime_config
    assert capability not in case.the_call(ADD, "one").runtime_config


@pytest.mark.parametrize(("capability", "element"), EACH)
def test_the_value_goes_to_its_own_network_alone(case: Case, capability: str, element: dict[str, Any]) -> None:
    """A request goes to no other network, and not to the default network."""
    case.default_network = case.config(DEFAULT, name=DEFAULT, capabilities=[capability])
    case.define("one", case.config("one", capabilities=[capability]))
    case.define("two", case.config("two", capabilities=[capability]))
    case.pod([{"name": "one", **{key.replace("_", "-"): value for key, value in element.items()}}, {"name": "two"}])
    case.add().succeeds()
    assert capability in case.the_call(ADD, "one").runtime_config
    assert not case.the_call(ADD, "two").runtime_config.get(capability)
    assert not case.the_call(ADD, DEFAULT).runtime_config.get(capability)


@clause("cni-1.1", "3.deleting", SHOULD)
@pytest.mark.parametrize(("capability", "element"), [pytest.param(*one.values, id=one.id) for one in EACH])
def test_detaching_has_the_same_value(case: Case, capability: str, element: dict[str, Any]) -> None:
    """DEL gives a plugin the capability arguments that ADD gave it."""
    asks(case, capability, **element)
    added = got(case)
    case.delete().succeeds()
    assert case.the_call(DEL, "one").runtime_config.get(capability) == added[capability]


BAD = {
    "ips-text": (IPS, "ips", {"ips": "10.2.2.42/24"}),
    "ips-octet": (IPS, "ips", {"ips": ["10.2.2.420/24"]}),
    "ips-prefix": (IPS, "ips", {"ips": ["10.2.2.42/33"]}),
    "ips-number": (IPS, "ips", {"ips": [10]}),
    "mac-text": (MAC, "mac", {"mac": "none"}),
    "mac-short": (MAC, "mac", {"mac": "02:23:45:67:89"}),
    "mac-long": (MAC, "mac", {"mac": "02:23:45:67:89:01:02:03"}),
    "ports-zero": (PORTS, "portMappings", {"portMappings": [{"hostPort": 0, "containerPort": 80}]}),
    "ports-large": (PORTS, "portMappings", {"portMappings": [{"hostPort": 8080, "containerPort": 65536}]}),
    "ports-one": (PORTS, "portMappings", {"portMappings": [{"hostPort": 8080}]}),
    "ports-protocol": (PORTS, "portMappings", {"portMappings": [{**PORT, "protocol": "ICMP"}]}),
    "bandwidth-burst-alone": (BANDWIDTH, "bandwidth", {"bandwidth": {"ingressBurst": 1600}}),
    "bandwidth-negative": (BANDWIDTH, "bandwidth", {"bandwidth": {"ingressRate": -1, "ingressBurst": 1600}}),
    "guid-short": (GUID, "infinibandGUID", {"infiniband_guid": "24:8a:07:03:00:8d"}),
    "guid-text": (GUID, "infinibandGUID", {"infiniband_guid": "none"}),
}


@pytest.mark.parametrize(
    ("capability", "element"),
    [pytest.param(*row[1:], id=key, marks=clause(NPWG, row[0], MUST)) for key, row in BAD.items()],
)
def test_a_value_that_is_not_valid(case: Case, capability: str, element: dict[str, Any]) -> None:
    """An annotation with a value that is not valid attaches nothing that it selects."""
    asks(case, capability, **element)
    is_not_attached(case)


EMPTY = {
    "ips": (IPS, "ips", {"ips": []}),
    "portMappings": (PORTS, "portMappings", {"portMappings": []}),
    "bandwidth": (BANDWIDTH, "bandwidth", {"bandwidth": {}}),
}


@pytest.mark.parametrize(
    ("capability", "element"),
    [pytest.param(*row[1:], id=key, marks=clause(NPWG, row[0], MUST)) for key, row in EMPTY.items()],
)
def test_an_empty_value(case: Case, capability: str, element: dict[str, Any]) -> None:
    """A request needs at least one element; an annotation with an empty one attaches nothing that it selects."""
    asks(case, capability, **element)
    is_not_attached(case)


@clause(NPWG, BANDWIDTH, SHOULD)
def test_a_rate_without_a_burst(case: Case) -> None:
    """A rate without a burst is a valid request; the plugin gets the rate."""
    asks(case, "bandwidth", bandwidth={"ingressRate": 2048})
    assert got(case)["bandwidth"]["ingressRate"] == 2048


@clause(NPWG, IPS, MUST)
def test_an_address_without_a_prefix_length(case: Case) -> None:
    """The prefix length of an address is optional."""
    asks(case, "ips", ips=["10.2.2.42"])
    assert got(case)["ips"] == ["10.2.2.42"]


@clause("npwg-1.3", MAC, PRACTICE)
def test_a_mac_reaches_the_kernel(case: Case) -> None:
    """`mac` with a real plugin is the address of the link in the pod."""
    plugins = ({"type": "bridge", "bridge": "br-conf"}, {"type": "tuning", "capabilities": {"mac": True}})
    case.define("lan", case.chain(*plugins))
    case.pod([{"name": "lan", "mac": "02:23:45:67:89:01", "interface": "lan0"}])
    case.add().succeeds()
    assert case.container.mac("lan0") == "02:23:45:67:89:01"


@clause("npwg-1.3", IPS, PRACTICE)
def test_an_address_reaches_the_kernel(case: Case) -> None:
    """`ips` with a real plugin is the address of the link in the pod."""
    bridge = {"type": "bridge", "bridge": "br-conf", "capabilities": {"ips": True}, "ipam": {"type": "static"}}
    case.define("lan", {"cniVersion": "1.0.0", **bridge})
    case.pod([{"name": "lan", "ips": ["10.77.1.5/24"], "interface": "lan0"}])
    case.add().succeeds()
    assert case.container.addresses("lan0") == ["10.77.1.5/24"]
