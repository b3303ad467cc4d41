"""Requests of pods and the networks that support them or not; each case is one network and one element."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.webhook.admission.plugins.checking import CHECKS, SCHEMAS
from tests.webhook.admission.plugins.pods import ask, codes, judge, world
from tests.webhook.admission.world import cluster, decide, pod, request, rules
from webhook.admission.model.kinds import POD, GroupKind
from webhook.admission.model.requests import Object
from webhook.admission.plugins.networksupport import RANGES_MAX
from webhook.admission.plugins.schema import PluginChecks

DEPLOYMENT = GroupKind("apps", "Deployment")


def network(kind: str, plugin: str = "macvlan", version: str = "1.0.0", **ipam: Any) -> dict[str, Any]:
    conf = {"type": plugin, "master": "eth1", "capabilities": {"ips": True}, "ipam": {"type": kind, **ipam}}
    return {"cniVersion": version, "plugins": [conf]}


ONE = network("host-local", subnet="10.1.0.0/24")
PARTS = network(
    "host-local",
    ranges=[
        [
            {"subnet": "10.3.0.0/24", "rangeStart": "10.3.0.10", "rangeEnd": "10.3.0.20", "gateway": "10.3.0.15"},
            {"subnet": "10.3.1.0/24"},
        ],
        [{"subnet": "fd00::/64"}],
    ],
)
STATIC = network("static")
WHEREABOUTS = network(
    "whereabouts", range="10.1.0.0/24", range_start="10.1.0.10", range_end="10.1.0.99", exclude=["10.1.0.16/28"]
)

IPS: list[tuple[dict[str, Any], list[str], list[str]]] = [
    # host-local: the bounds of a range, in each form of an address
    (ONE, ["10.1.0.2"], []),
    (ONE, ["10.1.0.254/24"], []),
    (ONE, ["10.1.0.7/32"], []),
    (ONE, ["::ffff:10.1.0.20"], []),
    (ONE, ["::ffff:10.1.0.20/120"], []),
    (ONE, ["10.1.0.0"], ["NAD601"]),
    (ONE, ["10.1.0.255"], ["NAD601"]),
    (ONE, ["10.0.255.255"], ["NAD601"]),
    (ONE, ["fd00::5"], ["NAD601"]),
    (ONE, ["::10.1.0.5"], ["NAD601"]),
    (ONE, ["10.1.0.1"], ["NAD602"]),
    (ONE, ["10.1.0.5", "10.1.0.6"], ["NAD603"]),
    (ONE, ["10.1.0.5", "10.1.0.5/24"], []),
    (ONE, ["10.1.0.5", "10.2.0.5"], ["NAD601"]),
    # several sets and ranges
    (PARTS, ["10.3.0.10"], []),
    (PARTS, ["10.3.0.20", "fd00::ffff:ffff:ffff:ffff"], []),
    (PARTS, ["10.3.0.9"], ["NAD601"]),
    (PARTS, ["10.3.0.21"], ["NAD601"]),
    (PARTS, ["10.3.0.15"], ["NAD602"]),
    (PARTS, ["10.3.1.1"], ["NAD602"]),
    (PARTS, ["10.3.0.12", "10.3.1.7"], ["NAD603"]),
    (PARTS, ["fd00::"], ["NAD601"]),
    (PARTS, ["fd00::1", "10.3.0.1"], ["NAD602", "NAD601"]),
    # host-local whose ranges are not known completely: no finding
    ({**ONE, "plugins": [{**ONE["plugins"][0], "capabilities": {"ips": True, "ipRanges": True}}]}, ["10.9.0.1"], []),
    (network("host-local", subnet="10.1.0.1/24"), ["10.9.0.1"], []),
    (network("host-local", subnet="10.1.0.0/31"), ["10.9.0.1"], []),
    (network("host-local", subnet="10.1.0.0/24", rangeEnd="10.2.0.9"), ["10.9.0.1"], []),
    (network("host-local", subnet="x"), ["10.9.0.1"], []),
    (network("host-local", subnet=5), ["10.9.0.1"], []),
    (network("host-local", ranges=[[{"rangeStart": "10.1.0.5"}]]), ["10.9.0.1"], []),
    (network("host-local", ranges=[[]]), ["10.9.0.1"], []),
    (network("host-local", ranges=[[None]]), ["10.9.0.1"], []),
    (network("host-local", ranges=[None]), ["10.9.0.1"], []),
    (network("host-local", plugin="my-plugin", subnet="10.1.0.0/24"), ["10.9.0.1"], []),
    (network("my-ipam", subnet="10.1.0.0/24"), ["10.9.0.1"], []),
    (network("my-ipam", subnet="10.1.0.0/24"), ["10.9.0.1"], []),
    # static
    (STATIC, ["10.9.0.1/24", "fd00::1/64", "10.9.0.2/24"], []),
    (STATIC, ["10.9.0.1"], ["NAD604"]),
    (STATIC, ["10.9.0.1/24", "fd00::1"], ["NAD604"]),
    (network("static", version="0.2.0"), ["10.9.0.1/24", "fd00::1/64"], []),
    (network("static", version="0.2.0"), ["10.9.0.1/24", "10.9.0.2/24"], ["NAD605"]),
    # whereabouts
    (WHEREABOUTS, ["10.1.0.5/24", "10.1.0.100/24"], []),
    (WHEREABOUTS, ["10.1.0.17/24"], []),
    (WHEREABOUTS, ["10.1.0.10/24"], ["NAD609"]),
    (WHEREABOUTS, ["10.1.0.99/24"], ["NAD609"]),
    (WHEREABOUTS, ["10.2.0.5/24"], ["NAD610"]),
    (WHEREABOUTS, ["10.1.0.5"], ["NAD604"]),
    (network("whereabouts", range="10.1.0.5-10.1.0.9/24"), ["10.1.0.9/24"], ["NAD609"]),
    (network("whereabouts", range="10.1.0.5-10.1.0.9/24"), ["10.1.0.10/24"], []),
    (network("whereabouts", range="10.2.0.5-10.1.0.9/24"), ["10.9.0.10/24"], []),
    (network("whereabouts", ipRanges=[{"range": "10.1.0.0/24"}, {"range": "fd00::/64"}]), ["fd00::5/64"], ["NAD609"]),
    (network("whereabouts", range="10.1.0.0/24", addresses=[{"address": "10.7.0.1/24"}]), ["10.7.0.9/24"], []),
    (network("whereabouts", range="10.1.0.0/24", exclude=["10.1.0.5", "x"]), ["10.1.0.5/24"], []),
    (network("whereabouts", range="10.1.0.0/24", exclude=["10.1.0.5", "x"]), ["10.1.0.6/24"], ["NAD609"]),
    (network("whereabouts", range="10.001.0.0/24"), ["10.1.0.5/24"], ["NAD609"]),
    (network("whereabouts", range="010.1.0.5-10.1.0.09/24"), ["10.1.0.9/24"], ["NAD609"]),
    (network("whereabouts"), ["10.9.0.10/24"], []),
    (network("whereabouts", range="x"), ["10.9.0.10/24"], []),
    # no plugin reads the request
    (network("dhcp"), ["10.9.0.1/24"], ["NAD608"]),
    (network("host-local", plugin="tuning", subnet="10.1.0.0/24"), ["10.9.0.1/24"], ["NAD608"]),
    ({"cniVersion": "1.0.0", "type": "bridge", "capabilities": {"ips": True}}, ["10.9.0.1/24"], ["NAD608"]),
    ({"plugins": [{"type": "bridge", "capabilities": {"ips": True}}, {"type": "my-plugin"}]}, ["::1/64"], []),
    ({"plugins": [{"type": "bridge"}, {"type": "my-plugin", "capabilities": {"ips": True}}]}, ["::1/64"], []),
]


@pytest.mark.parametrize(("config", "ips", "expected"), IPS)
def test_ips(config: dict[str, Any], ips: list[str], expected: list[str]) -> None:
    decision = ask(config, ips=ips)
    assert codes(decision) == expected
    assert decision.is_allowed == all(code in {"NAD609", "NAD610"} for code in expected)


def without_link(routes: list[dict[str, str]]) -> dict[str, Any]:
    return network("host-local", subnet="10.1.0.0/24", routes=routes)


def chained(*types: str, first: dict[str, Any] | None = None) -> dict[str, Any]:
    return {**ONE, "plugins": [first or ONE["plugins"][0], *({"type": name} for name in types)]}


GATEWAYS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    (ONE, {"default_route": ["10.1.0.1"]}, []),
    (ONE, {"default_route": []}, []),
    (ONE, {"default_route": ["10.2.0.1"]}, ["NAD606"]),
    (ONE, {"default_route": ["169.254.1.1"]}, ["NAD606"]),
    (ONE, {"default_route": ["fe80::1"]}, []),
    (ONE, {"default_route": ["fd00::1"]}, ["NAD607"]),
    (PARTS, {"default_route": ["10.3.1.9", "fd00::9", "fd01::9"]}, ["NAD607"]),
    (ONE, {"default_route": ["10.2.0.1"], "ips": ["10.1.0.5/16"]}, ["NAD606"]),
    (without_link([{"dst": "10.2.0.0/24"}]), {"default_route": ["10.2.0.1"]}, []),
    (without_link([{"dst": "0.0.0.0/0"}]), {"default_route": ["10.2.0.1"]}, ["NAD606"]),
    (without_link([{}]), {"default_route": ["10.2.0.1"]}, []),
    (STATIC, {"default_route": ["10.2.0.1"], "ips": ["10.1.0.5/24"]}, ["NAD606"]),
    (STATIC, {"default_route": ["10.1.0.1"], "ips": ["10.1.0.5/24"]}, []),
    (STATIC, {"default_route": ["10.1.0.1"], "ips": ["::ffff:10.1.0.5/120"]}, []),
    (STATIC, {"default_route": ["10.2.0.1"], "ips": ["::ffff:10.1.0.5/64"]}, []),
    (STATIC, {"default_route": ["10.1.0.1"]}, ["NAD617"]),
    (STATIC, {"default_route": ["10.2.0.1"], "ips": ["10.1.0.5"]}, ["NAD604"]),
    (network("static", addresses=[{"address": "10.1.0.5/24"}]), {"default_route": ["10.2.0.1"]}, ["NAD606"]),
    (
        network("static", addresses=[{"address": "10.1.0.5/24"}]),
        {"default_route": ["10.1.0.1"], "ips": ["10.2.0.5/24"]},
        ["NAD606"],
    ),
    (WHEREABOUTS, {"default_route": ["10.2.0.1"]}, ["NAD607"]),
    (WHEREABOUTS, {"default_route": ["10.2.0.1"], "ips": ["10.2.0.5/24"]}, ["NAD610"]),
    (network("dhcp"), {"default_route": ["10.2.0.1"]}, []),
    (network("host-local", plugin="ptp", subnet="10.1.0.0/24"), {"default_route": ["10.2.0.1"]}, ["NAD607"]),
    (chained("tuning", "portmap"), {"default_route": ["10.2.0.1"]}, ["NAD606"]),
    (chained("route-override"), {"default_route": ["10.2.0.1"]}, ["NAD607"]),
    (chained("my-plugin"), {"default_route": ["10.2.0.1"]}, ["NAD607"]),
    (ONE, {"default_route": ["10.2.0.1"], "ipam_claim_reference": "claim"}, []),
    (ONE, {"default_route": ["10.2.0.1"], "cni_args": {"ips": ["10.2.0.5/24"]}}, []),
]


@pytest.mark.parametrize(("config", "asked", "expected"), GATEWAYS)
def test_gateways(config: dict[str, Any], asked: dict[str, Any], expected: list[str]) -> None:
    decision = ask(config, **asked)
    assert codes(decision) == expected


def test_a_gateway_without_ipam_says_what_to_do() -> None:
    decision = ask({"cniVersion": "1.0.0", "type": "bridge"}, default_route=["10.1.0.1"])
    assert codes(decision) == ["NAD606"]
    assert 'remove "default-route"' in decision.causes[0].message


IDLE: list[tuple[dict[str, Any], str, Any, bool]] = [
    ({"type": "ipvlan", "capabilities": {"mac": True}}, "mac", "02:00:00:00:00:01", True),
    ({"type": "macvlan", "capabilities": {"mac": True}}, "mac", "02:00:00:00:00:01", False),
    ({"type": "bridge", "capabilities": {"portMappings": True}}, "portMappings", [{"hostPort": 1, "containerPort": 2}], True),
    ({"type": "bridge", "capabilities": {"bandwidth": True}}, "bandwidth", {"ingressRate": 1000}, True),
    ({"type": "ib-sriov", "capabilities": {"infinibandGUID": True}}, "infiniband-guid", "00:01:02:03:04:05:06:07", False),
]  # fmt: skip


@pytest.mark.parametrize(("config", "key", "value", "is_idle"), IDLE)
def test_requests_that_no_plugin_reads(config: dict[str, Any], key: str, value: Any, *, is_idle: bool) -> None:
    decision = judge(config, json.dumps([{"name": "net", key: value}]))
    assert decision.is_allowed is not is_idle
    assert codes(decision) == (["NAD608"] if is_idle else [])


MAC_PLUGINS = {"cniVersion": "1.0.0", "type": "bridge", "capabilities": {"mac": True}}
SHAPED = {"plugins": [{"type": "bridge"}, {"type": "bandwidth", "capabilities": {"bandwidth": True}}]}


@pytest.mark.parametrize(
    ("config", "mac", "expected"),
    [
        (MAC_PLUGINS, "02:00:00:00:00:01", []),
        (MAC_PLUGINS, "fe-ff-ff-ff-ff-ff", []),
        (MAC_PLUGINS, "01:00:5e:00:00:01", ["NAD614"]),
        (MAC_PLUGINS, "ffff.ffff.ffff", ["NAD614"]),
        (MAC_PLUGINS, "00:00:00:00:00:00", ["NAD614"]),
        ({**MAC_PLUGINS, "type": "sriov"}, "01:00:5e:00:00:01", []),
        ({**MAC_PLUGINS, "type": "my-plugin"}, "01:00:5e:00:00:01", []),
    ],
)
def test_macs(config: dict[str, Any], mac: str, expected: list[str]) -> None:
    assert codes(ask(config, mac=mac)) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"ingressRate": 1000}, []),
        ({"ingressRate": 2**63 - 1, "ingressBurst": 34_359_738_359}, []),
        ({"ingressRate": 1000, "ingressBurst": 34_359_738_360}, ["NAD615"]),
        ({"egressRate": 1000, "egressBurst": 2**63 - 1}, ["NAD615"]),
    ],
)
def test_bandwidth(asked: dict[str, int], expected: list[str]) -> None:
    decision = ask(SHAPED, bandwidth=asked)
    assert codes(decision) == expected
    assert all("bandwidth." in cause.field for cause in decision.causes)


def test_bandwidth_of_another_plugin_has_its_own_limits() -> None:
    other = {"plugins": [{"type": "bridge"}, {"type": "my-shaper", "capabilities": {"bandwidth": True}}]}
    assert ask(other, bandwidth={"ingressRate": 1, "ingressBurst": 2**40}).is_allowed


def test_without_the_capability_an_address_travels_in_cni_args() -> None:
    config = {**ONE, "plugins": [{**ONE["plugins"][0], "capabilities": {}}]}
    assert ask(config, ips=["10.1.0.9"]).rules == ("Posture", "capability-undeclared")
    assert ask(config, ips=["10.9.0.1"]).rules == ("NAD601",)
    assert ask(config, ips=["10.1.0.9", "10.1.0.8"]).rules == ("NAD616",)


def test_without_a_way_to_a_plugin_the_plan_refuses() -> None:
    config = {**network("dhcp"), "plugins": [{**network("dhcp")["plugins"][0], "capabilities": {}}]}
    decision = ask(config, ips=["10.9.0.1"])
    assert decision.rules == ("capability-missing",)


def test_without_schemas_nothing_is_compared() -> None:
    assert judge(ONE, '[{"name":"net","ips":["10.9.0.1"]}]', checks=None).is_allowed


@pytest.mark.parametrize("exempt", ["macvlan", "host-local"])
def test_exempt_types_are_not_compared(exempt: str) -> None:
    checks = PluginChecks(schemas=SCHEMAS, exempt=frozenset({exempt}))
    decision = judge(ONE, '[{"name":"net","ips":["10.9.0.1"]}]', checks=checks)
    assert decision.is_allowed
    assert codes(decision) == []


def test_a_configuration_that_is_too_large_supports_nothing_known() -> None:
    few = PluginChecks(schemas=SCHEMAS, values_max=1)
    assert judge(PARTS, '[{"name":"net","ips":["10.9.0.1"]}]', checks=few).is_allowed
    ranges = [[{"subnet": f"10.{number >> 8}.{number & 255}.0/24"} for number in range(RANGES_MAX + 1)]]
    assert ask(network("host-local", ranges=ranges), ips=["192.0.2.1"]).is_allowed
    assert not ask(network("host-local", ranges=[ranges[0][1:]]), ips=["192.0.2.1"]).is_allowed


def test_a_long_list_of_ranges_is_shortened() -> None:
    ranges = [[{"subnet": f"10.{number}.0.0/24"} for number in range(9)]]
    decision = ask(network("host-local", ranges=ranges), ips=["192.0.2.1"])
    assert decision.message.endswith("10.3.0.2 to 10.3.0.254, ...")
    routed = ask(network("host-local", ranges=ranges), default_route=["192.0.2.1"])
    assert routed.message.endswith("an address of 10.3.0.0/24, ...")


def test_the_addresses_of_one_pod_are_bounded() -> None:
    """The grammar limits the annotation; 256 addresses are far more than a pod needs."""
    item = {"name": "net", "ips": ["10.9.0.1"]}
    decision = judge(ONE, json.dumps([item] * 300))
    assert decision.message.count("NAD601") < 300
    assert not decision.is_allowed


def test_problems_of_plan_and_requests_come_in_the_order_of_the_annotation() -> None:
    items = [{"name": "net", "ips": ["10.9.0.1"]}, {"name": "gone"}, {"name": "net", "ips": ["10.1.0.1"]}]
    decision = judge(ONE, json.dumps(items))
    assert decision.rules == ("NAD601", "network-not-found", "NAD602")
    assert [cause.field[-7:] for cause in decision.causes] == [".ips[0]", "rks][1]", ".ips[0]"]
    assert decision.missing == ()


def test_a_network_that_the_pod_may_not_use_is_not_described() -> None:
    made = world(ONE)
    made.networks["green", "shared"] = made.networks["blue", "net"].replace(namespace="green", name="shared")
    asked = request(pod('[{"name":"shared","namespace":"green","ips":["10.9.0.1"]}]'))
    decision = decide(asked, world=made, plugins=CHECKS)
    assert decision.code == 403
    assert "10.1.0" not in decision.message


def test_the_default_network_is_compared() -> None:
    made = world(ONE)
    asked = request(pod(default='[{"name":"net","namespace":"blue","ips":["10.9.0.1"]}]'))
    decision = decide(asked, world=made, rules=rules(posture="Open"), plugins=CHECKS)
    assert decision.causes[0].field == "metadata.annotations[v1.multus-cni.io/default-network].ips[0]"
    assert decision.causes[0].rule == "NAD601"


def test_a_template_is_refused_like_its_pods() -> None:
    annotations = pod('[{"name":"net","ips":["10.9.0.1"]}]').annotations
    decision = decide(
        request(Object(name="web", annotations=annotations), kind=DEPLOYMENT), world=world(ONE), plugins=CHECKS
    )
    assert decision.rules == ("NAD601",)
    assert decision.causes[0].field.startswith("spec.template.metadata.annotations[")


def test_items_that_were_there_before_are_not_judged_again() -> None:
    before, after = '[{"name":"net","ips":["10.9.0.1"]}]', '[{"name":"net","ips":["10.9.0.1"]},{"name":"lan"}]'
    assert decide(request(pod(after), old=pod(before)), world=world(ONE), plugins=CHECKS).is_allowed
    refused = decide(request(pod(after), old=pod("lan")), world=world(ONE), plugins=CHECKS)
    assert codes(refused) == ["NAD601"]


def test_a_network_on_the_nodes_disk_is_not_compared() -> None:
    asked = request(pod('[{"name":"disk","ips":["10.9.0.1"]}]'), kind=POD)
    assert decide(asked, world=cluster(blue__disk=None), plugins=CHECKS).is_allowed
