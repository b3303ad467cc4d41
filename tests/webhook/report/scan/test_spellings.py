"""Corruptions in other spellings, and unusual clusters in which nothing is wrong. Each is a handful of objects."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from tests.webhook.report.scan.cluster import (
    NETWORKS,
    STATUS,
    Object,
    entry,
    macvlan,
    namespace,
    network,
    pod,
    pool,
    whereabouts,
    workload,
)
from webhook.cli import nadmit

HOST_LOCAL = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}
DNS = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kube-dns", "namespace": "kube-system"},
    "spec": {"clusterIP": "10.96.0.10"},
}


def lan(ipam: Object, name: str = "lan", **more: Any) -> Object:
    return network("blue", name, macvlan("eth1", ipam, **more))


def static(*addresses: str) -> Object:
    return {"type": "static", "addresses": [{"address": one} for one in addresses]}


def by_pod(kind: Object, *, name: str = "lan") -> Object:
    """A network whose pods say themselves what they want."""
    return network("blue", name, {**kind, "ipam": {"type": "static"}, "capabilities": {"ips": True, "mac": True}})


def ovn(subnets: str) -> Object:
    topology = "layer3" if subnets.count("/") > 2 else "layer2"
    config = {"type": "ovn-k8s-cni-overlay", "netAttachDefName": "blue/lan", "topology": topology, "subnets": subnets}
    return network("blue", "lan", config)


MACVLAN = {"type": "macvlan", "master": "eth1"}


def deployment(name: str, asks: object, **spec: Any) -> Object:
    return workload("Deployment", "blue", name, asks, **{"replicas": 1, **spec})


def asks(name: str = "lan", **more: Any) -> list[Object]:
    return [{"name": name, **more}]


def cron_job(name: str, asked: object, **job: object) -> Object:
    template = workload("Deployment", "blue", name, asked)["spec"]["template"]
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": "blue"},
        "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template, **job}}},
    }


def machine(name: str, network_name: str, mac: str = "") -> Object:
    interface = {"name": "second", "bridge": {}, **({"macAddress": mac} if mac else {})}
    template = {
        "spec": {
            "networks": [{"name": "second", "multus": {"networkName": network_name}}],
            "domain": {"devices": {"interfaces": [interface]}},
        }
    }
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": "blue"},
        "spec": {"running": True, "template": template},
    }


def has(
    name: str, *addresses: str, node: str = "n1", of: str = "lan", asked: object = "lan", owner: str = ""
) -> Object:
    return pod("blue", name, node, asked, entry(f"blue/{of}", *addresses), owner=owner)


def bare(name: str) -> Object:
    """A pod as in a file: no node has taken it."""
    one = has(name, node="")
    del one["metadata"]["annotations"][STATUS], one["status"]
    return one


def placed(name: str, node: str) -> Object:
    """A pod without network-status yet."""
    one = bare(name)
    return {**one, "spec": {**one["spec"], "nodeName": node}, "status": {"phase": "Pending"}}


class Case(NamedTuple):
    """Objects, and the findings above info, or all of a rule if its level is info."""

    name: str
    objects: list[Object]
    found: set[tuple[str, str]]


def case(name: str, *objects: Object, found: str = "", level: str = "warning") -> Case:
    return Case(name, list(objects), {(found, level)} if found else set())


FIVE = "10.1.0.5/24"
NINE = asks(ips=["10.1.0.9/24"])
MAC = "02:00:00:00:00:0a"
SEGMENT = {"type": "vlan", "master": "eth1", "vlanId": 12}
L3 = {"type": "ipvlan", "master": "eth1", "mode": "l3"}

CASES = [
    # one address
    case(
        "a template asks for what a pod has",
        lan(whereabouts("10.1.0.0/24"), capabilities={"ips": True}), has("a", "10.1.0.9"), cron_job("b", "lan"),
        {**deployment("c", NINE)}, found="address-asked-twice",
    ),
    case(
        "args.cni of a definition", lan({"type": "static"}, args={"cni": {"ips": [FIVE]}}),
        deployment("a", "lan"), deployment("b", "lan"), found="address-asked-twice",
    ),
    case(
        "cni-args of pods", by_pod(MACVLAN), deployment("a", [{"name": "lan", "cni-args": {"ips": [FIVE]}}]),
        deployment("b", asks(ips=["::ffff:10.1.0.5/120"])), found="address-asked-twice",
    ),
    case(
        "addresses of whereabouts", lan(whereabouts("10.1.0.0/24", addresses=[{"address": FIVE}])),
        deployment("a", "lan"), deployment("b", "lan"), found="address-asked-twice",
    ),
    case(
        "a configuration on the nodes", {**lan({}), "spec": {}}, deployment("a", NINE), deployment("b", NINE),
        found="address-asked-twice",
    ),
    case("parallel pods of a CronJob", by_pod(MACVLAN), cron_job("a", NINE, parallelism=3), found="fixed-address-replicas"),
    case(
        "whereabouts on bridges", network("blue", "lan", {"type": "bridge", "ipam": whereabouts("10.1.0.0/24")}),
        has("a", "10.1.0.9", node="n1"), has("b", "10.1.0.9", node="n2"), found="address-twice", level="error",
    ),
    # one MAC
    case(
        "a MAC in a definition", lan(whereabouts("10.1.0.0/24"), mac=MAC), deployment("a", "lan"), deployment("b", "lan"),
        found="mac-asked-twice",
    ),
    case(
        "two machines", network("blue", "lan", MACVLAN), machine("a", "lan", MAC),
        machine("b", "blue/lan", "02-00-00-00-00-0A"), found="mac-asked-twice",
    ),
    # one segment
    case(
        "a VLAN interface and a VLAN", network("blue", "a", {**SEGMENT, "ipam": HOST_LOCAL}),
        network("blue", "b", macvlan("eth1.12", whereabouts("10.1.0.0/24"))), found="ranges-overlap",
    ),
    case(
        "macvlan on a bridge", network("blue", "a", {"type": "bridge", "bridge": "br1", "ipam": HOST_LOCAL}),
        network("blue", "b", macvlan("br1", whereabouts("10.1.0.0/24"))), found="ranges-overlap",
    ),
    case(
        "a fixed address in a range", lan(static("10.1.0.9/24"), "a"), lan(whereabouts("10.1.0.0/24"), "b"),
        found="ranges-overlap",
    ),
    # host-local
    case("host-local and a DaemonSet", lan(HOST_LOCAL), workload("DaemonSet", "blue", "a", "lan"), found="host-local-nodes"),
    case(
        "host-local and replicas", lan(HOST_LOCAL), deployment("a", "lan", replicas=3), found="host-local-nodes",
        level="info",
    ),
    case(
        "host-local and pods that are not on a node", lan(HOST_LOCAL), deployment("a", "lan"),
        bare("b"), found="host-local-nodes", level="info",
    ),
    case(
        "host-local and pods that just came", lan(HOST_LOCAL), placed("a", "n1"), placed("b", "n2"),
        found="host-local-nodes",
    ),
    case("host-local and one pod", lan(HOST_LOCAL), deployment("a", "lan")),
    # ranges
    case(
        "outside of the subnets of OVN-Kubernetes", ovn("10.1.0.0/24,fd00:1::/64"), has("a", "10.1.0.9", "fd00:1::9"),
        has("b", "10.1.1.9"), found="address-outside",
    ),
    case("not the address of IPAM static", lan(static("10.1.0.9/24")), has("a", "10.1.0.8"), found="address-outside"),
    case(
        "outside, with a chained plugin",
        network("blue", "lan", {"plugins": [{"type": "ptp", "ipam": HOST_LOCAL}, {"type": "sbr"}]}),
        has("a", "10.9.0.9"), found="address-outside",
    ),
    case("inside of the subnets of OVN-Kubernetes", ovn("10.1.0.0/16/24, fd00:1::/48/64"), has("a", "10.1.9.9", "fd00:1::9")),
    # routes
    case(
        "a default route of IPAM", DNS, lan(whereabouts("10.1.0.0/24", routes=[{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}])),
        deployment("a", "lan"), found="default-route-dns",
    ),
    # nothing is wrong
    case("the configuration has another name", network("blue", "lan", {**MACVLAN, "name": "other"}), has("a")),
    case("the configuration is on the nodes", {**lan({}), "spec": {}}, has("a", "10.1.0.5")),
    case(
        "the MAC comes in CNI_ARGS", network("blue", "lan", MACVLAN), machine("a", "lan", MAC), machine("b", "lan"),
    ),
    case(
        "an address of whereabouts beside its range",
        lan(whereabouts("10.1.0.0/24", range_end="10.1.0.99", addresses=[{"address": "10.1.0.200/24"}])),
        has("a", "10.1.0.5", "10.1.0.200"),
    ),
    case("scaled to 0", by_pod(MACVLAN), deployment("a", NINE), deployment("b", NINE, replicas=0)),
    case(
        "a Job of a CronJob, without the Job", by_pod(MACVLAN), cron_job("a", NINE),
        has("a-29000000-x", "10.1.0.9", asked=NINE, owner="Job/a-29000000"),
    ),
    case(
        "anycast of a DaemonSet", network("blue", "lan", {**L3, "ipam": static("10.9.9.9/32")}),
        workload("DaemonSet", "blue", "a", "lan"), has("b", "10.9.9.9", node="n1", owner="DaemonSet/a"),
        has("c", "10.9.9.9", node="n2", owner="DaemonSet/a"),
    ),
    case(
        "host-local and a routed ipvlan", network("blue", "lan", {**L3, "ipam": HOST_LOCAL}),
        has("a", "10.1.0.2", node="n1"), has("b", "10.1.0.3", node="n2"),
    ),
    case(
        "dummy links", network("blue", "lan", {"type": "dummy", "ipam": static("10.9.9.9/32")}),
        has("a", "10.9.9.9"), has("b", "10.9.9.9"), deployment("c", "lan", replicas=3),
    ),
    case(
        "exclude leaves room", lan(whereabouts("10.1.0.0/24", exclude=["10.1.0.128/25"]), "a"),
        lan({"type": "host-local", "subnet": "10.1.0.128/25"}, "b"), lan(static("10.1.0.129/24"), "c"),
    ),
    case(
        "whereabouts gives no edge", lan(whereabouts("10.1.0.128/25"), "a"),
        lan({"type": "host-local", "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.128"}, "b"),
    ),
    case(
        "one node", lan(HOST_LOCAL), workload("DaemonSet", "blue", "a", "lan"), has("b", "10.1.0.2", owner="DaemonSet/a"),
    ),
    case("a node by name", lan(HOST_LOCAL), _pinned := deployment("a", "lan", replicas=3)),
    case(
        "a link-local address", lan(whereabouts("10.1.0.0/24")), has("a", "10.1.0.5", "fe80::5"),
    ),
    case(
        "a default route of IPAM behind that of the pod", DNS,
        lan(whereabouts("10.1.0.0/24", routes=[{"dst": "0.0.0.0/0", "gw": "10.1.0.1", "priority": 900}])),
        deployment("a", "lan"),
    ),
    case(
        "a default route of the other family", DNS,
        lan(whereabouts("fd00:1::/64", routes=[{"dst": "::/0", "gw": "fd00:1::1"}])), deployment("a", "lan"),
    ),
]  # fmt: skip
_pinned["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "n1"}

NAMESPACES = [namespace("blue"), namespace("kube-system")]


def scan(*objects: Object) -> list[dict[str, Any]]:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*NAMESPACES, *objects]})
    result = CliRunner().invoke(nadmit, ["scan", "-f", "-", "-o", "json"], input=text)
    assert result.stdout, (result.stderr, result.exception)
    found: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    return found


@pytest.mark.parametrize("one", CASES, ids=[one.name for one in CASES])
def test_each_spelling_has_its_rule_and_what_is_right_has_none(one: Case) -> None:
    found = scan(*one.objects)
    about = {rule for rule, _ in one.found}
    kept = {(item["rule"], item["level"]) for item in found if item["level"] != "info" or item["rule"] in about}
    assert kept - {("NAD609", "warning")} == one.found, found


def test_a_pod_that_waits_is_one_with_its_workload() -> None:
    waiting = bare("a-0")
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "a", "uid": "u", "controller": True}
    waiting["metadata"]["ownerReferences"] = [owner]
    found = scan(lan(HOST_LOCAL), waiting, workload("StatefulSet", "blue", "a", "lan"))
    assert "host-local-nodes" not in {one["rule"] for one in found}


def test_a_network_of_a_machine_is_used() -> None:
    found = scan(network("blue", "lan", MACVLAN), machine("a", "lan"))
    assert "network-unused" not in {one["rule"] for one in found}


def test_what_all_pods_have_is_from_multus() -> None:
    extra = network("kube-system", "extra", macvlan("eth1", whereabouts("10.1.0.0/24")))
    pods = [
        pod("blue", name, "n1", "", entry("kube-system/extra", f"10.1.0.{index}")) for index, name in enumerate("abc")
    ]
    for one in pods:
        del one["metadata"]["annotations"][NETWORKS]
    assert {one["level"] for one in scan(extra, *pods) if one["rule"] == "attachment-forbidden"} == {"info"}
    pods[0]["metadata"]["annotations"][STATUS] = json.dumps([{"name": "kindnet", "interface": "eth0", "default": True}])
    assert {one["level"] for one in scan(extra, *pods) if one["rule"] == "attachment-forbidden"} == {"warning"}


def test_a_mac_is_shown_as_people_write_it() -> None:
    found = scan(
        by_pod(MACVLAN), deployment("a", asks(mac="0200.0000.000a", ips=[FIVE])), deployment("b", asks(mac=MAC))
    )
    (one,) = (one for one in found if one["rule"] == "mac-asked-twice")
    assert one["message"] == f"item 1 asks for MAC address {MAC} on interface eth1, and so does deployment blue/b"


def test_a_pool_at_the_end_of_all_addresses_is_read() -> None:
    """Its keys are offsets, and one may lie beyond the last address that there is."""
    written = pool("all", "255.255.255.250/0", {"5": {"podref": "blue/a"}, "6": {"podref": "blue/b"}})
    (one,) = (one for one in scan(written, has("c")) if one["rule"] == "allocation-orphan")
    assert "255.255.255.255 for blue/a" in one["message"]


def test_messages_are_as_short_as_people_can_read() -> None:
    """An author writes thousands of addresses, and a long name for an interface of the node."""
    many = [f"10.2.{number // 250}.{number % 250}" for number in range(5000)]
    long = network("blue", "lan", {"type": "macvlan", "master": "x" * 9000, "ipam": HOST_LOCAL})
    asked = [{"name": "lan", "ips": many, "default-route": ["10.2.0.1"]}]
    found = scan(long, has("a", *many), has("b", *many[:9], asked=asked), has("c", "10.1.0.9", asked=asked))
    assert {"address-outside", "attached-otherwise", "address-twice"} <= {one["rule"] for one in found}
    assert max(len(one["message"]) for one in found if not one["rule"].startswith("NAD")) <= 1000
    assert max(len(value) for one in found for value in one["properties"].values()) <= 1000
    outside = [one for one in found if one["rule"] == "address-outside" and one["object"]["name"] == "a"]
    assert [one["message"].partition(" of ")[0] for one in outside] == [
        "has address 10.2.0.0, 10.2.0.1, 10.2.0.2, 10.2.0.3 and 4996 more"
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["metadata"].update(ownerReferences=["x", 1, None]),
        lambda one: one.update(spec=1.5),
        lambda one: one.update(status=["x"]),
        lambda one: one["spec"].update(serviceAccountName=[1]),
        lambda one: one["spec"].update(hostNetwork={}),
    ],
)
def test_a_pod_of_another_shape_does_not_end_the_scan(change: Callable[[Object], None]) -> None:
    """In files nobody has checked the types."""
    one = has("a", "10.1.0.5", owner="DaemonSet/a")
    change(one)
    found = scan(lan(whereabouts("10.1.0.0/24")), one, has("b", "10.9.0.5"))
    assert "address-outside" in {item["rule"] for item in found if item["object"]["name"] == "b"}
