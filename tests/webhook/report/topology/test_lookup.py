"""Who has an address, a MAC or a device, what asks for it, and which pods collide."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.report.topology import answertext, lookup
from webhook.report.topology.lookup import Answer, Asked

from .objects import STATUS, Object, bridge, checks, deployment, has, host_local, network, of, pod, pool

_KEYS = st.sampled_from(
    (
        "name",
        "interface",
        "ips",
        "mac",
        "device-info",
        "pci",
        "annotations",
        "ownerReferences",
        "template",
        "podIPs",
        "ip",
    )
)


def find(text: str, *objects: Object) -> Answer:
    asked = lookup.parse(text)
    assert asked is not None
    return lookup.find(asked, of(objects), checks())


def pods(answer: Answer) -> list[str]:
    return [f"{one.attachment.pod.namespace}/{one.attachment.pod.name}" for one in answer.holders]


def claims(answer: Answer) -> list[tuple[str, str, int, str]]:
    return [(one.kind, f"{one.namespace}/{one.name}", one.item, one.path) for one in answer.claims]


# What is asked for


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.1.0.5", ("address", "10.1.0.5")),
        ("10.1.0.5/24", ("address", "10.1.0.5")),
        ("FD00:0::5", ("address", "fd00::5")),
        ("::ffff:10.1.0.5", ("address", "10.1.0.5")),
        ("02:00:00:00:00:0A", ("mac", "02000000000a")),
        ("02-00-00-00-00-0a", ("mac", "02000000000a")),
        ("0200.0000.000a", ("mac", "02000000000a")),
        ("02:00:00:00:00:00:00:0a", ("mac", "020000000000000a")),
        ("0000:18:02.5", ("device", "0000:18:02.5")),
        ("18:0A.5", ("device", "0000:18:0a.5")),
        ("eth1", ("device", "eth1")),
        ("/dev/vhost-vdpa-1", ("device", "/dev/vhost-vdpa-1")),
    ],
)
def test_a_text_is_an_address_or_a_device(text: str, expected: tuple[str, str]) -> None:
    assert lookup.parse(text) == Asked(expected[0], text, expected[1])


@pytest.mark.parametrize(
    "text",
    [
        *("", "10.1.0.300", "10.1.0", "1.2.3.4.5", "10.1.0.5/99", "10.1.0.5/x", "fd00:::1"),
        *("02:00:00:00:00", "02:00-00:00:00:0a", "02:00:00:00:00:0a:0b", "0000:18:02.9"),
        *("eth 1", "-x", "a/b", "/"),
    ],
)
def test_what_is_nearly_an_address_is_nothing(text: str) -> None:
    assert lookup.parse(text) is None


# Who has it


def test_a_pod_has_what_its_status_says() -> None:
    web = pod("web", has(ip="10.1.0.5", mac="02:00:00:00:00:0a"))
    answer = find("10.1.0.5", bridge(), web, pod("other", has(ip="10.1.0.6")))
    (holder,) = answer.holders
    assert (holder.attachment.interface, holder.attachment.network, holder.segment.title) == (
        "net1",
        "blue/lan",
        "bridge br-lan",
    )
    assert holder.attachment.pod[:6] == ("blue", "web", "Running", "node1", "2026-01-02T03:04:05Z", "")
    assert pods(find("0200.0000.000A", web)) == ["blue/web"]


@pytest.mark.parametrize("written", ["fd00:0::5", "FD00::5", "fd00::5/64"])
def test_two_spellings_of_an_address_are_equal(written: str) -> None:
    assert pods(find("fd00::5", pod("web", has(ip=written)))) == ["blue/web"]


def test_the_address_of_a_pod_without_a_status_is_that_of_the_default_network() -> None:
    answer = find("10.244.0.7", pod("web", status={"podIP": "10.244.0.7", "podIPs": [{"ip": "10.244.0.7"}]}))
    assert [(one.attachment.network, one.attachment.interface) for one in answer.holders] == [("", "eth0")]


def test_an_address_of_the_status_is_not_counted_twice() -> None:
    entry = has("default-net", ip="10.244.0.7", interface="eth0")
    answer = find("10.244.0.7", pod("web", entry, status={"podIP": "10.244.0.7"}))
    assert [one.attachment.network for one in answer.holders] == ["default-net"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_has_nothing(phase: str) -> None:
    web = pod("web", has(ip="10.1.0.5"), asks=[{"name": "lan", "ips": ["10.1.0.5"]}], status={"phase": phase})
    assert not find("10.1.0.5", web).is_found


def test_a_pod_that_comes_again_replaces_itself() -> None:
    old, new = pod("web", has(ip="10.1.0.5")), pod("web", has(ip="10.1.0.6"))
    assert pods(find("10.1.0.5", old, new)) == []
    assert pods(find("10.1.0.6", old, new)) == ["blue/web"]


def test_a_status_that_cannot_be_read_says_nothing() -> None:
    broken = pod("web", has(ip="10.1.0.5"))
    broken["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"] = "[{"
    assert not find("10.1.0.5", broken).is_found


PCI = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:18:02.5", "rdma-device": "mlx5_2,mlx5_3"}}
VDPA = {"type": "vdpa", "vdpa": {"parent-device": "vdpa1", "driver": "vhost", "path": "/dev/vhost-vdpa-1"}}


@pytest.mark.parametrize(
    ("text", "info"),
    [("18:02.5", PCI), ("0000:18:02.5", PCI), ("mlx5_3", PCI), ("/dev/vhost-vdpa-1", VDPA), ("vdpa1", VDPA)],
)
def test_a_device_is_in_the_device_information(text: str, info: Object) -> None:
    assert pods(find(text, pod("web", has(info=info)))) == ["blue/web"]


@pytest.mark.parametrize("text", ["pci", "vdpa", "vhost"])
def test_what_many_devices_share_is_no_device(text: str) -> None:
    assert pods(find(text, pod("web", has(info={**PCI, **VDPA})))) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["10.1.0.5", "pci", "blue/lan"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(status=JSON, annotation=JSON, part=st.sampled_from(["metadata", "spec", "status"]), value=JSON)
def test_no_object_stops_the_others(status: Any, annotation: Any, part: str, value: Any) -> None:
    """Whoever creates an object can write into it what the API server does not check; it costs at most its own entry."""
    odd = pod("odd", asks=json.dumps(annotation))
    odd["metadata"]["annotations"][STATUS] = json.dumps(status)
    changed = [{**one, part: value} for one in (pod("a"), bridge(), deployment("d", []), pool("10.1.0.0/24", {}))]
    answer = find("10.1.0.5", pod("web", has(ip="10.1.0.5")), odd, *changed)
    assert "blue/web" in pods(answer)
    answertext.render_text(answer, lambda text, _role: text)
    answertext.render_json(answer)


@pytest.mark.parametrize("text", ["[" * 100_000, '[{"device-info":' + '{"a":' * 100_000, "1" * 5_000])
def test_a_deep_status_says_nothing(text: str) -> None:
    odd = pod("odd")
    odd["metadata"]["annotations"][STATUS] = text
    assert pods(find("10.1.0.5", odd, pod("web", has(ip="10.1.0.5")))) == ["blue/web"]


# Who asks for it


def test_pods_workloads_and_networks_ask_for_addresses() -> None:
    asks = [{"name": "raw"}, {"name": "lan", "ips": ["10.1.0.5/24"], "mac": "02:00:00:00:00:0a"}]
    static = {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}
    objects = [pod("web", asks=asks), deployment("db", asks), bridge("fixed", static, namespace="green")]
    assert claims(find("10.1.0.5", *objects)) == [
        ("deployment", "blue/db", 2, "ips[0]"),
        ("network", "green/fixed", 0, "ipam.addresses[0].address"),
        ("pod", "blue/web", 2, "ips[0]"),
    ]
    assert claims(find("02-00-00-00-00-0A", *objects)) == [
        ("deployment", "blue/db", 2, "mac"),
        ("pod", "blue/web", 2, "mac"),
    ]


def test_networks_name_devices_and_interfaces() -> None:
    named = network("vf", {"type": "host-device", "pciBusID": "0000:18:02.5"})
    parent = network("up", {"type": "macvlan", "master": "eth1"})
    assert claims(find("18:02.5", named, parent)) == [("network", "blue/vf", 0, "pciBusID")]
    assert claims(find("eth1", named, parent)) == [("network", "blue/up", 0, "master")]


def test_a_range_of_one_address_does_not_ask_for_it() -> None:
    answer = find("10.1.0.5", bridge(ipam=host_local(rangeStart="10.1.0.5", rangeEnd="10.1.0.5")))
    assert (answer.claims, answer.is_found) == ((), False)
    assert [one.is_given for one in answer.ranges] == [True]


def test_a_template_that_another_object_makes_does_not_count() -> None:
    made = deployment("db", [{"name": "lan", "ips": ["10.1.0.5"]}])
    made["metadata"]["ownerReferences"] = [{"kind": "App", "name": "x", "uid": "u", "controller": True}]
    assert not find("10.1.0.5", made).is_found


# Ranges


@pytest.mark.parametrize(
    ("text", "ipam", "expected"),
    [
        ("10.1.0.5", host_local(), [True]),
        ("10.1.0.1", host_local(), [False]),
        ("10.1.0.9", host_local(rangeStart="10.1.0.10"), []),
        ("10.2.0.9", host_local(), []),
        ("10.1.0.0", {"type": "whereabouts", "range": "10.1.0.0/24"}, [False]),
        ("10.1.0.1", {"type": "whereabouts", "range": "10.1.0.0/24"}, [True]),
        ("10.1.0.9", {"type": "whereabouts", "range": "10.1.0.0/24", "exclude": ["10.1.0.8/30"]}, [False]),
        ("fd00::9", {"type": "whereabouts", "range": "fd00::/64"}, [True]),
        ("10.1.0.5", {"type": "dhcp"}, []),
    ],
)
def test_networks_hand_out_addresses(text: str, ipam: Object, expected: list[bool]) -> None:
    answer = find(text, bridge(ipam=ipam))
    assert [one.is_given for one in answer.ranges] == expected
    assert not answer.is_found


# Pools of whereabouts


def test_a_pool_keeps_an_address_for_a_pod() -> None:
    kept = pool("10.1.0.0/24", {"5": {"id": "c1", "podref": "blue/web", "ifname": "net1"}})
    (holder,) = find("10.1.0.5", kept, pod("web", has(ip="10.1.0.5"))).holders
    assert holder.pool == "kube-system/pool"
    answer = find("10.1.0.5", kept, pod("web", has(ip="10.1.0.6")))
    assert [(one.allocation.pod, one.has_pod) for one in answer.kept] == [("blue/web", True)]
    answer = find("10.1.0.5", kept)
    assert [(one.allocation.pod, one.has_pod) for one in answer.kept] == [("blue/web", False)]
    assert answer.is_found


@pytest.mark.parametrize("offset", ["256", "-1", "x", "9" * 60, ""])
def test_an_offset_outside_of_its_pool_is_ignored(offset: str) -> None:
    assert of([pool("10.1.0.0/24", {offset: {"podref": "blue/web"}})]).allocations == ()


def test_a_pool_of_another_program_is_ignored() -> None:
    other = pool("10.1.0.0/24", {"5": {"podref": "blue/web"}})
    other["apiVersion"] = "crd.antrea.io/v1beta1"
    assert of([other]).allocations == ()


# Collisions


def test_two_pods_of_a_segment_collide_also_by_different_definitions() -> None:
    other = network("lan", {"type": "macvlan", "master": "eth1"}, "green")
    mine = network("lan", {"type": "macvlan", "master": "eth1"})
    one = pod("web", has(ip="10.1.0.5"))
    two = pod("db", has("green/lan", ip="10.1.0.5"), namespace="green", node="node2")
    answer = find("10.1.0.5", mine, other, one, two)
    assert answer.notes == ("2 pods have this address on interface eth1: they collide",)


def test_bridges_of_two_nodes_need_not_be_connected() -> None:
    pods = [pod("a", has(ip="10.1.0.5")), pod("b", has(ip="10.1.0.5"), node="node2")]
    (note,) = find("10.1.0.5", bridge(), *pods).notes
    assert note == (
        "2 pods have this address on bridge br-lan, each on its own node: they collide if these links are connected"
    )
    (note,) = find("10.1.0.5", bridge(), *pods, pod("c", has(ip="10.1.0.5"))).notes
    assert note == "3 pods have this address on bridge br-lan: they collide"


def test_what_may_be_equal_does_not_collide() -> None:
    """Interfaces of ipvlan share a MAC, a dummy link has no neighbours, and a pod that leaves makes room."""
    mac = "02:00:00:00:00:01"
    ipvlan = network("lan", {"type": "ipvlan", "master": "eth1"})
    both = [pod("a", has(ip="10.1.0.5", mac=mac)), pod("b", has(ip="10.1.0.5", mac=mac))]
    assert find(mac, ipvlan, *both).notes == ()
    assert find("10.1.0.5", ipvlan, *both).notes == ("2 pods have this address on interface eth1: they collide",)
    assert find("10.1.0.5", network("lan", {"type": "dummy"}), *both).notes == ()
    both[0]["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    assert find("10.1.0.5", ipvlan, *both).notes == ()


def test_a_vlan_interface_is_the_vlan_and_the_master_of_a_macvlan_may_be_a_bridge() -> None:
    pairs = [
        ({"type": "macvlan", "master": "eth1.12"}, {"type": "vlan", "master": "eth1", "vlanId": 12}, "interface eth1, VLAN 12"),
        ({"type": "macvlan", "master": "br1"}, {"type": "bridge", "bridge": "br1"}, "bridge br1"),
        ({"type": "macvlan", "master": "br1.7"}, {"type": "bridge", "bridge": "br1", "vlan": 7}, "bridge br1, VLAN 7"),
    ]  # fmt: skip
    for one, other, title in pairs:
        networks = of([network("one", one), network("other", other)]).networks
        assert [known.segment.title for known in networks.values()] == [title, title]
    apart = of(
        [
            network("one", {"type": "macvlan", "master": "eth1.4095"}),
            network("b", {"type": "vlan", "master": "eth1.12", "vlanId": 5}),
        ]
    )
    titles = {name: known.segment.title for name, known in apart.networks.items()}
    assert titles == {"blue/one": "interface eth1.4095", "blue/b": "interface eth1.12, VLAN 5"}


def test_a_machine_asks_by_its_networks() -> None:
    machine = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "vm", "namespace": "blue"},
        "spec": {
            "template": {
                "spec": {
                    "networks": [{"name": "second", "multus": {"networkName": "lan"}}],
                    "domain": {"devices": {"interfaces": [{"name": "second", "macAddress": "02-00-00-00-00-01"}]}},
                }
            }
        },
    }
    (claim,) = find("02:00:00:00:00:01", bridge(), machine).claims
    assert (claim.kind, claim.name, claim.network) == ("virtualmachine", "vm", "blue/lan")


def test_different_segments_do_not_collide() -> None:
    other = network("other", {"type": "macvlan", "master": "eth1"})
    pods = [pod("a", has(ip="10.1.0.5")), pod("b", has("blue/other", ip="10.1.0.5"))]
    assert find("10.1.0.5", bridge(), other, *pods).notes == ()


def test_one_pod_with_two_interfaces_does_not_collide_with_itself() -> None:
    twice = pod("a", has(ip="10.1.0.5"), has(ip="10.1.0.5", interface="net2"))
    assert find("10.1.0.5", bridge(), twice).notes == ()


def test_pods_on_the_host_network_share_the_address_of_their_node() -> None:
    on_host = [pod(name, spec={"hostNetwork": True}, status={"podIP": "192.168.0.1"}) for name in "ab"]
    answer = find("192.168.0.1", *on_host)
    assert (pods(answer), answer.notes) == (["blue/a", "blue/b"], ())


def test_nodes_have_equal_pci_addresses() -> None:
    entry = has(info=PCI)
    apart = [pod("a", entry), pod("b", entry, node="node2")]
    assert find("18:02.5", *apart).notes == ()
    assert find("18:02.5", *apart, pod("c", entry)).notes == ("2 pods have this device on node node1",)
