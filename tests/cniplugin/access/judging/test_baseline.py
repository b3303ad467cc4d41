"""Level Baseline finds each key with an effect outside the pod, and permits the keys that an admin lists."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.access.content.facts import KINDS, facts_of
from cniplugin.access.judging import baseline
from cniplugin.access.judging.baseline import INTERFACE_SYSCTLS, KEPT_MAX, NAMES, SAFE_SYSCTLS, Breach, is_safe_sysctl
from cniplugin.access.model.levels import BaselineLists
from cniplugin.access.model.matchers import Cidrs, names, parse_cidr
from cniplugin.access.model.policyrules import ConfigMatch
from cniplugin.netspec import netattachdef
from cniplugin.netspec.netattachdef import RESOURCE_NAME

POOL = {"type": "host-local", "subnet": "10.1.0.0/16"}
RESOURCE = {RESOURCE_NAME: "example.com/vf"}


def lists(*, masters: list[str] | None = None, addresses: list[str] | None = None) -> BaselineLists:
    return BaselineLists(
        masters=names(masters) if masters else None,
        addresses=Cidrs(texts=tuple(addresses), blocks=tuple(filter(None, map(parse_cidr, addresses))))
        if addresses
        else None,
    )


NOTHING = lists()
BOND = lists(masters=["bond1", "bond1.*", "br-tenants"])
RANGES = lists(masters=["bond1"], addresses=["10.1.0.0/16", "2001:db8::/64"])


def breaches(
    conf: dict[str, Any] | None, given: BaselineLists = NOTHING, annotations: dict[str, str] | None = None
) -> tuple[Breach, ...]:
    text = None if conf is None else json.dumps({"cniVersion": "1.0.0", **conf})
    network = netattachdef.build(namespace="blue", name="lan", config=text, annotations=annotations)
    assert network.problems == ()
    return baseline.find(network, facts_of(network), given)


def paths(conf: dict[str, Any] | None, given: BaselineLists = NOTHING) -> list[str]:
    return [breach.path for breach in breaches(conf, given)]


def chain(*plugins: dict[str, Any]) -> dict[str, Any]:
    return {"plugins": list(plugins)}


@pytest.mark.parametrize(
    ("conf", "given"),
    [
        ({"type": "sriov"}, NOTHING),
        ({"type": "sriov", "ipam": POOL}, NOTHING),
        ({"type": "sriov", "vlan": 0}, NOTHING),
        ({"type": "host-device", "ipam": POOL}, NOTHING),
        ({"type": "ib-sriov", "ipam": {"type": "whereabouts", "range": "10.1.0.0/24"}}, NOTHING),
        ({"type": "ovn-k8s-cni-overlay", "name": "n", "topology": "layer2", "subnets": "10.9.0.0/16"}, NOTHING),
        ({"type": "dummy", "ipam": {"type": "static", "addresses": [{"address": "192.0.2.1/32"}]}}, NOTHING),
        ({"type": "loopback"}, NOTHING),
        ({"type": "ptp"}, NOTHING),
        ({"type": "ptp", "ipam": {"type": "dhcp"}}, NOTHING),
        ({"type": "ptp", "ipam": POOL}, RANGES),
        ({"type": "macvlan", "master": "bond1", "ipam": POOL}, BOND),
        ({"type": "vlan", "master": "bond1", "vlanId": 120, "ipam": {"type": "dhcp"}}, BOND),
        ({"type": "macvlan", "master": "bond1.120"}, BOND),
        ({"type": "bridge", "bridge": "br-tenants", "vlan": 7, "vlanTrunk": [{"minID": 1, "maxID": 9}]}, BOND),
        ({"type": "ovs", "bridge": "br-tenants", "vlan": 7}, BOND),
        ({"type": "macvlan", "ipam": POOL}, lists(masters=["*"])),
        ({"type": "macvlan", "master": "bond1", "ipam": {**POOL, "subnet": "10.1.7.0/24"}}, RANGES),
        (
            {
                "type": "macvlan",
                "master": "bond1",
                "ipam": {"type": "static", "addresses": [{"address": "10.1.0.7/8"}]},
            },
            RANGES,
        ),
        ({"type": "bond", "mode": "active-backup", "linksInContainer": True, "links": [{"name": "net1"}]}, NOTHING),
        (
            chain(
                {"type": "sriov", "ipam": {"type": "dhcp"}},
                {"type": "tuning", "mac": "02:00:00:00:00:01", "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}},
                {"type": "sbr"},
                {"type": "bandwidth"},
                {"type": "portmap", "capabilities": {"portMappings": True}},
                {"type": "firewall"},
                {"type": "vrf", "vrfname": "blue"},
            ),
            NOTHING,
        ),
    ],
    ids=lambda value: json.dumps(value)[:70] if isinstance(value, dict) else "",
)
def test_definitions_that_stay_within_the_pod_or_are_listed(conf: dict[str, Any], given: BaselineLists) -> None:
    assert breaches(conf, given, RESOURCE) == ()


@pytest.mark.parametrize(
    ("conf", "given", "found"),
    [
        (None, RANGES, [""]),
        ({"type": "macvlan", "master": "eth0"}, BOND, ["master"]),
        ({"type": "macvlan"}, BOND, ["master"]),
        ({"type": "bridge"}, BOND, ["bridge"]),
        ({"type": "macvlan", "master": "bond10"}, BOND, ["master"]),
        ({"type": "vlan", "master": "bond1", "vlanID": 7}, NOTHING, ["master", "vlanID"]),
        ({"type": "ovs", "bridge": "bond0", "vlan": 7}, BOND, ["bridge", "vlan"]),
        ({"type": "tap", "bridge": "bond0"}, BOND, ["bridge"]),
        ({"type": "sriov", "vlan": 7}, BOND, ["vlan"]),
        ({"type": "sriov", "vlan": 7, "master": "bond1"}, BOND, ["vlan"]),
        ({"type": "ovs", "vlan": 7, "master": "bond1"}, BOND, ["vlan"]),
        ({"type": "bridge", "vlan": 7, "master": "bond1"}, BOND, ["bridge", "vlan"]),
        ({"type": "sriov", "deviceID": "0000:03:00.1"}, BOND, ["deviceID"]),
        ({"type": "host-device", "device": "bond1"}, BOND, ["device"]),
        ({"type": "host-device", "pciBusID": "0000:03:00.1"}, BOND, ["pciBusID"]),
        ({"type": "host-device", "hwaddr": "02:00:00:00:00:01"}, BOND, ["hwaddr"]),
        (
            {"type": "bond", "mode": "x", "linksInContainer": False, "links": [{"name": "bond1"}]},
            BOND,
            ["links[0].name"],
        ),
        ({"type": "macvlan", "master": "bond1", "device": "eth3", "ipam": {"type": "host-device"}}, BOND, ["device"]),
        ({"type": "ib-sriov", "pkey": "0x10"}, BOND, ["pkey"]),
        (
            {"type": "ovn-k8s-cni-overlay", "name": "infra", "topology": "localnet", "vlanID": 7},
            BOND,
            ["vlanID", "physicalNetworkName"],
        ),
        ({"type": "sriov", "ipam": {**POOL, "dataDir": "/etc"}}, BOND, ["ipam.dataDir"]),
        ({"type": "sriov", "logFile": "/etc/passwd"}, BOND, ["logFile"]),
        (
            {
                "type": "sriov",
                "ipam": {"type": "whereabouts", "range": "10.1.0.0/24", "kubernetes": {"k8s_api_root": "https://x"}},
            },
            BOND,
            ["ipam.kubernetes.k8s_api_root"],
        ),
        ({"type": "dummy", "runtimeConfig": {"deviceID": "0000:03:00.1"}}, BOND, ["runtimeConfig"]),
        ({"type": "my-plugin"}, BOND, ["type"]),
        ({"type": "dummy", "ipam": {"type": "my-ipam"}}, BOND, ["ipam.type"]),
        (
            chain({"type": "dummy"}, {"type": "tuning", "sysctl": {"net.ipv4.ip_forward": "1"}}),
            BOND,
            ['plugins[1].sysctl["net.ipv4.ip_forward"]'],
        ),
        (
            chain({"type": "dummy"}, {"type": "portmap", "conditionsV4": ["-d", "x"]}),
            BOND,
            ["plugins[1].conditionsV4[0]", "plugins[1].conditionsV4[1]"],
        ),
        (
            chain({"type": "dummy"}, {"type": "firewall", "iptablesAdminChainName": "INPUT"}),
            BOND,
            ["plugins[1].iptablesAdminChainName"],
        ),
        ({"type": "ptp", "ipam": POOL}, NOTHING, ["ipam.subnet"]),
        ({"type": "ptp", "ipam": {**POOL, "subnet": "10.2.0.0/16"}}, RANGES, ["ipam.subnet"]),
        ({"type": "bridge", "bridge": "br-tenants", "isGateway": True, "ipam": POOL}, BOND, ["ipam.subnet"]),
        ({"type": "bridge", "bridge": "br-tenants", "i\u017fGateway": True, "ipam": POOL}, BOND, ["ipam.subnet"]),
        (
            {"type": "sriov", "ipam": {"type": "static", "addresses": [{"address": "10.1.0.7/24"}]}},
            BOND,
            ["ipam.addresses[0].address"],
        ),
        ({"type": "sriov", "ipam": {**POOL, "rangeStart": "10.1.0.7", "rangeEnd": "10.1.0.7"}}, BOND, ["ipam.subnet"]),
        ({"type": "sriov", "ipam": {**POOL, "subnet": "10.1.0.0/15"}}, RANGES, ["ipam.subnet"]),
        ({"type": "sriov", "ipam": {**POOL, "subnet": "2001:db8::/63"}}, RANGES, ["ipam.subnet"]),
    ],
    ids=lambda value: json.dumps(value)[:70] if isinstance(value, dict) else "",
)
def test_definitions_that_reach_beyond_the_pod(
    conf: dict[str, Any] | None, given: BaselineLists, found: list[str]
) -> None:
    assert sorted(paths(conf, given)) == sorted(found)


def test_a_nested_plugin_is_judged_by_its_own_masters() -> None:
    """The masters of the outer plugin do not permit its VLANs."""
    inner = {"type": "sriov", "vlan": 7}
    assert paths({"type": "bridge", "bridge": "br-tenants", "delegate": inner}, BOND) == ["delegate.vlan"]
    assert paths(chain({"type": "bridge", "bridge": "br-tenants"}, inner), BOND) == ["plugins[1].vlan"]


def test_each_kind_of_touch_is_judged_or_stays_in_the_pod() -> None:
    """This test fails for a new kind of the table until a maintainer decides about it."""
    harmless = {"container-interface", "mac", "pool"}
    assert set(KINDS) - set(baseline._JUDGES) == harmless


def test_each_breach_says_what_would_be_allowed() -> None:
    for conf in ({"type": "macvlan"}, {"type": "sriov", "deviceID": "x", "pkey": "1", "vlan": 7}, {"type": "x"}, None):
        for breach in breaches(conf):
            assert breach.what
            assert breach.allowed
            assert breach.place.startswith("spec.config")
            assert not breach.field or breach.field in NAMES


# Sysctls


@pytest.mark.parametrize(
    ("name", "is_safe"),
    [
        *((name, True) for name in sorted(SAFE_SYSCTLS)),
        ("net.ipv4.conf.IFNAME.arp_filter", True),
        ("net.ipv4.conf.all.rp_filter", True),
        ("net.ipv4.conf.eth0.100.rp_filter", True),
        ("net.ipv6.conf.default.accept_ra", True),
        ("net.ipv6.neigh.IFNAME.retrans_time_ms", True),
        ("net.ipv4.conf.rp_filter", False),
        ("net.ipv4.conf..rp_filter", False),
        ("net.ipv4.conf.all.forwarding", False),
        ("net.ipv4.conf.all.proxy_arp", False),
        ("net.ipv6.conf.all.proxy_ndp", False),
        ("net.ipv4.conf.all.route_localnet", False),
        ("net.ipv4.ip_forward", False),
        ("net.core.rmem_max", False),
        ("kernel.core_pattern", False),
        ("vm.overcommit_memory", False),
        ("net.ipv4.conf.all.rp_filter.x", False),
        ("", False),
    ],
)
def test_which_sysctls_are_safe(name: str, *, is_safe: bool) -> None:
    assert is_safe_sysctl(name) is is_safe


@pytest.mark.parametrize(
    ("written", "is_safe"),
    [
        ("net/ipv4/tcp_rmem", True),
        ("net.ipv4.tcp_rmem", True),
        ("net/ipv4/conf/all/../../../../kernel/core_pattern", False),
        ("net.ipv4.conf.all.rp_filter/../forwarding", False),
        ("net/ipv4/conf/all/rp_filter/../forwarding", False),
    ],
)
def test_sysctls_are_judged_as_the_plugin_reads_them(written: str, *, is_safe: bool) -> None:
    found = paths(chain({"type": "dummy"}, {"type": "tuning", "sysctl": {written: "1"}}))
    assert (not found) is is_safe


def test_no_listed_sysctl_makes_a_pod_a_router() -> None:
    listed = frozenset().union(*INTERFACE_SYSCTLS.values())
    assert not listed & {"forwarding", "mc_forwarding", "proxy_arp", "proxy_arp_pvlan", "proxy_ndp", "route_localnet"}


# Allow rules


def test_a_rule_decides_what_its_fields_name() -> None:
    found = breaches({"type": "macvlan", "master": "eth0", "vlan": 7, "ipam": {**POOL, "dataDir": "/x"}})
    assert [breach.field for breach in found] == ["masters", "vlans", "hostPaths"]
    assert baseline.without(found, None) == found
    assert baseline.without(found, ConfigMatch()) == found
    assert [breach.field for breach in baseline.without(found, ConfigMatch(masters=names(["*"])))] == [
        "vlans",
        "hostPaths",
    ]


def test_a_rule_decides_about_files_of_the_node() -> None:
    assert baseline.without(breaches(None), ConfigMatch(is_on_disk=True)) == ()


def test_a_definition_that_cannot_be_read_is_for_others_to_refuse() -> None:
    network = netattachdef.build(namespace="blue", name="lan", config="{")
    assert baseline.find(network, facts_of(network), NOTHING) == ()


def test_a_hostile_definition_is_reported_in_part() -> None:
    """The first keys of each kind are enough, because rules lift all breaches of a kind, or none."""
    trunk = [{"id": number % 4000 + 1} for number in range(5000)]
    found = breaches({"type": "bridge", "vlanTrunk": trunk})
    assert sorted(breach.field for breach in found) == ["masters", *["vlans"] * KEPT_MAX]


# Where the node acts on addresses

FIXED = {"type": "static", "addresses": [{"address": "10.96.0.1/32"}]}
BRIDGE = {"type": "bridge", "bridge": "br-tenants", "isGateway": True}


@pytest.mark.parametrize("other", ["portmap", "firewall"])
def test_an_address_that_the_packet_filter_gets_is_seen(other: str) -> None:
    """Real plugins forward the node's ports to it, and accept packets from it."""
    conf = chain({"type": "dummy", "ipam": FIXED}, {"type": other})
    assert paths(conf) == ["plugins[0].ipam.addresses[0].address"]
    assert paths(chain({"type": "dummy", "ipam": FIXED}, {"type": "tuning"})) == []
    pool = chain({"type": "macvlan", "master": "bond1", "ipam": POOL}, {"type": other})
    assert paths(pool, BOND) == ["plugins[0].ipam.subnet"]
    assert paths(pool, RANGES) == []


def test_a_pool_that_the_node_masquerades_is_seen() -> None:
    conf = {"type": "macvlan", "master": "bond1", "ipam": POOL, "IPMasq": True}
    assert paths(conf, BOND) == ["ipam.subnet"]
    assert paths({**conf, "IPMasq": False}, BOND) == []


@pytest.mark.parametrize("main", [{"type": "ptp"}, BRIDGE, {**BRIDGE, "isGateway": False, "isdefaultgateway": True}])
def test_the_gateway_of_the_node_is_an_address(main: dict[str, Any]) -> None:
    """Real plugins assign it to the node, which then answers in place of its owner."""
    given = lists(masters=["br-tenants"], addresses=["10.1.0.0/16"])
    for ipam, path in (
        ({**POOL, "gateway": "192.168.0.1"}, "ipam.gateway"),
        (
            {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24", "Gateway": "10.96.0.10"}]]},
            "ipam.ranges[0][0].Gateway",
        ),
        (
            {"type": "static", "addresses": [{"address": "10.1.0.2/24", "gateway": "10.96.0.10"}]},
            "ipam.addresses[0].gateway",
        ),
        ({"type": "whereabouts", "range": "10.1.0.0/24", "gateway": "10.96.0.10"}, "ipam.gateway"),
    ):
        assert path in paths({**main, "ipam": ipam}, given)
    assert paths({**main, "ipam": {**POOL, "gateway": "10.1.0.1"}}, given) == []
    assert paths({"type": "macvlan", "master": "br-tenants", "ipam": {**POOL, "gateway": "10.96.0.1"}}, given) == []


def test_the_prefix_of_a_gateway_counts_whole() -> None:
    """The node gets a route to all of it."""
    given = lists(masters=["br-tenants"], addresses=["10.1.0.0/16"])
    ipam = {"type": "static", "addresses": [{"address": "10.1.0.4/8"}]}
    assert paths({**BRIDGE, "ipam": ipam}, given) == ["ipam.addresses[0].address"]
    assert paths({**BRIDGE, "isGateway": False, "ipam": ipam}, given) == []


def test_a_network_that_names_no_physical_network() -> None:
    """The plugin uses the network's own name; the path has the key in the plugin's spelling."""
    conf = {"type": "ovn-k8s-cni-overlay", "name": "infra", "topology": "localnet"}
    (unset,) = breaches(conf)
    assert (unset.path, unset.what) == (
        "physicalNetworkName",
        'physicalNetworkName is not set, so the network\'s name "infra" is the physical network',
    )
    (written,) = breaches({**conf, "physicalnetworkname": "infra"})
    assert (written.path, written.what) == ("physicalnetworkname", 'the physical network "infra"')


def test_an_address_that_cannot_be_read() -> None:
    (unread,) = breaches({"type": "sriov", "ipam": {"type": "static", "addresses": [{"address": ""}]}})
    assert (unread.what, unread.allowed) == ("an address that cannot be read", "no fixed address")


def test_a_range_that_the_node_routes() -> None:
    """No address is fixed, so the text does not speak of one."""
    (routed,) = breaches({"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.9.0.0/24"}})
    assert (routed.what, routed.allowed) == ('the range "10.9.0.0/24"', "no range that the node routes")
