"""Each seeded corruption of a clean cluster is found with exactly its rule, and nothing else is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner

from tests.paths import ROOT
from webhook.cli import nadmit
from webhook.report.stockrules import STOCK_RULES

from .cluster import (
    NETWORKS,
    Cluster,
    Object,
    clean,
    entry,
    macvlan,
    namespace,
    network,
    pod,
    policy,
    whereabouts,
    workload,
)

T = "team-0"
Finding = dict[str, Any]


class Corruption(NamedTuple):
    """A change of the cluster, and what is found then. `number`: how many findings of the rule."""

    rule: str
    level: str
    subject: str
    change: Callable[[Cluster], object]
    number: int = 1
    why: str = ""
    words: tuple[str, ...] = ()


def gives(address: str, index: int = 1) -> Callable[[list[Object]], object]:
    """Return the change of a network-status by which an entry has another address."""
    return lambda status: status[index].update(ips=[address])


def asks_fixed(address: str) -> list[Object]:
    return [{"name": "fixed", "ips": [f"{address}/24"]}]


def on_host_local(*addresses: str) -> Callable[[Cluster], None]:
    """Return the change that adds a macvlan network of host-local, and its pods, each on a node of its own."""

    def change(cluster: Cluster) -> None:
        ipam = {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}]]}
        cluster.put(network(T, "flat", macvlan("eth7", ipam)))
        for number, address in enumerate(addresses):
            cluster.put(pod(T, f"flat-{number}", f"node{number}", "flat", entry(f"{T}/flat", address)))

    return change


def full_range(cluster: Cluster) -> None:
    ipam = whereabouts("10.40.0.0/24", range_start="10.40.0.5", range_end="10.40.0.7")
    cluster.reconfigure(T, "vlan", lambda config: config.update(ipam=ipam))


def full_node(cluster: Cluster) -> None:
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": "10.77.0.0/24", "rangeStart": "10.77.0.2", "rangeEnd": "10.77.0.2"}]],
    }
    cluster.reconfigure(T, "node", lambda config: config.update(ipam=ipam))


def orphan(cluster: Cluster) -> None:
    kept = cluster.get("IPPool", "kube-system", "10.20.0.0-24")["spec"]["allocations"]
    kept["99"] = {"id": "x", "podref": f"{T}/gone", "ifname": "net1"}


def default_route(cluster: Cluster) -> None:
    asks = [{"name": "lan", "default-route": ["10.20.0.1"]}]
    cluster.put(pod(T, "router", "node0", asks, entry(f"{T}/lan", "10.20.0.77")))


def dns_route(cluster: Cluster) -> None:
    routes = [{"dst": "10.96.0.0/16", "gw": "10.40.0.1"}]
    cluster.reconfigure(T, "vlan", lambda config: config["ipam"].update(routes=routes))


def dns_subnet(cluster: Cluster) -> None:
    cluster.get("Service", "kube-system", "kube-dns")["spec"]["clusterIPs"] = ["10.40.0.200"]


def asked_by_definition(cluster: Cluster) -> None:
    ipam = {"type": "static", "addresses": [{"address": "10.60.0.6/24"}]}
    cluster.put(network(T, "own", macvlan("eth2.10", ipam)), workload("Deployment", T, "own", "own", replicas=1))


def definition_rule(*namespaces: str) -> Object:
    return {"name": "no-tap", "action": "Deny", "namespaces": list(namespaces), "config": {"pluginTypes": ["tap"]}}


def shapeless(cluster: Cluster) -> None:
    """No API server stores such a pod, but a file may have it."""
    one = pod(T, "shapeless", "node0", "lan", entry(f"{T}/lan", "10.20.0.90"))
    one["spec"]["serviceAccountName"] = 5
    cluster.put(one)


def shield(name: str, networks: str) -> Object:
    annotations = {"k8s.v1.cni.cncf.io/policy-for": networks} if networks else {}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1beta1",
        "kind": "MultiNetworkPolicy",
        "metadata": {"name": name, "namespace": T, "annotations": annotations},
        "spec": {"podSelector": {}},
    }


def different_mtus(cluster: Cluster) -> None:
    cluster.reconfigure(T, "lan", lambda config: config.update(mtu=1400))
    cluster.reconfigure(T, "lan-two", lambda config: config.update(mtu=1500))


def forbidden(cluster: Cluster) -> None:
    cluster.put(network("infra", "private", macvlan("eth8", {"type": "static"})))
    cluster.restatus(T, "plain", lambda status: status.append(entry("infra/private")))


def broken_annotation(cluster: Cluster) -> None:
    cluster.put(pod(T, "broken", "node0", "[{"))


def on_the_host(cluster: Cluster) -> None:
    one = pod(T, "host", "node0", "lan")
    one["spec"]["hostNetwork"] = True
    cluster.put(one)


def misplaced(cluster: Cluster) -> None:
    cluster.get("StatefulSet", T, "db")["metadata"]["annotations"] = {NETWORKS: "lan"}


def host_bits(cluster: Cluster) -> None:
    local = {"type": "host-local", "ranges": [[{"subnet": "10.77.0.1/24"}]]}
    cluster.reconfigure("team-1", "node", lambda config: config.update(ipam=local))


def unknown_field(cluster: Cluster) -> None:
    rule = {"name": "shared", "action": "Allow", "netwroks": [{"names": ["shared"]}]}
    cluster.put(policy("odd", rule, pods=[{"namespaces": [T]}]))


def allow(policy_name: str, pods: Object, **networks: Any) -> Object:
    """A policy whose rule adds nothing to what is allowed."""
    rule = {"name": "lan", "action": "Allow", "networks": [networks or {"namespaces": [T], "names": ["lan"]}]}
    return policy(policy_name, rule, pods=[pods])


CORRUPTIONS = [
    Corruption("address-twice", "error", f"{T}/web-5d-0", lambda c: c.restatus(T, "web-5d-1", gives("10.20.0.10"))),
    Corruption(
        "address-twice", "error", f"{T}/virt-launcher-vm-0",
        lambda c: c.restatus(T, "virt-launcher-vm-0", gives("10.20.0.10")), why="two definitions of one segment",
    ),
    Corruption(
        "address-twice", "error", f"{T}/agent-0",
        lambda c: c.put(pod(T, "bridged", "node0", "node", entry(f"{T}/node", "10.77.0.2"))), why="one bridge of one node",
    ),
    Corruption(
        "mac-twice", "error", f"{T}/web-5d-0",
        lambda c: c.restatus(T, "web-5d-1", lambda status: status[1].update(mac="02-00-00-00-00-00")),
        why="another spelling",
    ),
    Corruption(
        "address-asked-twice", "warning", f"{T}/copy",
        lambda c: c.put(workload("Deployment", T, "copy", asks_fixed("10.60.0.5"), replicas=1)),
    ),
    Corruption(
        "address-asked-twice", "warning", f"{T}/own",
        asked_by_definition,
        why="by the definition",
    ),
    Corruption(
        "mac-asked-twice", "warning", f"{T}/clone",
        lambda c: c.put(workload("Deployment", T, "clone", [{"name": "lan-two", "mac": "02:00:01:00:00:00"}], replicas=1)),
    ),
    Corruption(
        "fixed-address-replicas", "warning", f"{T}/copies",
        lambda c: c.put(workload("Deployment", T, "copies", asks_fixed("10.60.0.90"), replicas=2)),
    ),
    Corruption(
        "fixed-address-replicas", "warning", f"{T}/each",
        lambda c: c.put(workload("DaemonSet", T, "each", asks_fixed("10.60.0.91"))), why="one on each node",
    ),
    Corruption("host-local-nodes", "warning", f"{T}/flat", on_host_local("10.88.0.2", "10.88.0.3")),
    Corruption("host-local-nodes", "error", f"{T}/flat", on_host_local("10.88.0.2", "10.88.0.2"), why="equal ones"),
    Corruption(
        "ranges-overlap", "warning", f"{T}/lan-two",
        lambda c: c.reconfigure(T, "lan-two", lambda config: config["ipam"].update(network_name="other")),
        why="pools of two names",
    ),
    Corruption(
        "ranges-overlap", "warning", f"{T}/lan",
        lambda c: c.reconfigure(
            T, "lan-two",
            lambda config: config.update(ipam=whereabouts("10.20.0.0/25", enable_overlapping_ranges=False)),
        ),
        why="pools that do not see each other",
    ),
    Corruption(
        "ranges-overlap", "warning", f"{T}/lan-two",
        lambda c: c.reconfigure(
            T, "lan-two", lambda config: config.update(ipam={"type": "host-local", "subnet": "10.20.0.128/25"})
        ),
        why="two IPAM plugins",
    ),
    Corruption("range-full", "warning", f"{T}/vlan", full_range),
    Corruption("range-full", "warning", f"{T}/node", full_node, why="of each node"),
    Corruption("address-outside", "warning", f"{T}/web-5d-2", lambda c: c.restatus(T, "web-5d-2", gives("10.99.0.1"))),
    Corruption("allocation-orphan", "warning", "kube-system/10.20.0.0-24", orphan),
    Corruption(
        "default-route-dns", "warning", f"{T}/router", default_route, words=("--attached-by", "nadmit"),
    ),
    Corruption("route-dns", "warning", f"{T}/vlan", dns_route),
    Corruption("route-dns", "warning", f"{T}/vlan", dns_subnet, why="a subnet"),
    Corruption("network-lost", "error", f"{T}/web-5d-2", lambda c: c.restatus(T, "web-5d-2", lambda status: status.pop(2))),
    Corruption(
        "network-lost", "error", "team-1/plain", lambda c: c.ask("team-1", "plain", [{"name": "lan"}]), why="asked for later"
    ),
    Corruption("attached-otherwise", "warning", f"{T}/db-0", lambda c: c.restatus(T, "db-0", gives("10.60.0.99"))),
    Corruption("attachment-forbidden", "warning", f"{T}/plain", forbidden),
    Corruption(
        "selects-no-namespace", "warning", "/space", lambda c: c.put(allow("space", {"namespaces": ["tema-*"]}))
    ),
    Corruption(
        "selects-no-namespace",
        "warning",
        "/writers",
        lambda c: c.put(policy("writers", definitions=[definition_rule("tema-*")])),
        why="of definitions",
    ),
    Corruption(
        "selects-no-network", "warning", "/share",
        lambda c: c.put(allow("share", {"namespaces": [T]}, namespaces=["infra"], names=["share-*"])),
    ),
    Corruption(
        "selects-no-pod", "info", "/nobody",
        lambda c: c.put(allow("nobody", {"namespaces": [T], "serviceAccounts": ["nobody"]})),
    ),
    Corruption("unknown-name", "warning", "/tema", lambda c: c.put(allow("tema", {"namespaces": ["tema-0"]}))),
    Corruption("network-unused", "info", f"{T}/spare", lambda c: c.put(network(T, "spare", macvlan("eth6", {})))),
    Corruption(
        "multi-policy-no-network", "warning", f"{T}/shield", lambda c: c.put(shield("shield", f"lan, {T}/lam"))
    ),
    Corruption(
        "multi-policy-no-network", "warning", f"{T}/bare", lambda c: c.put(shield("bare", "")), why="without annotation"
    ),
    Corruption("mtu-differs", "info", f"{T}/lan", different_mtus),
    # as if it were created now
    Corruption(
        "PostureIsolated", "error", f"{T}/web", lambda c: c.drop("NetworkAttachmentPolicy", "", "shared"), number=4,
        why="the Deployment and the pods of both teams",
    ),
    Corruption(
        "network-not-found", "error", f"{T}/virt-launcher-vm-0",
        lambda c: c.drop("NetworkAttachmentDefinition", T, "lan-two"),
    ),
    Corruption("NAD303", "error", "team-1/node", host_bits),
    Corruption("json-syntax", "error", f"{T}/broken", broken_annotation),
    Corruption("host-network", "warning", f"{T}/host", on_the_host),
    Corruption("annotation-place", "warning", f"{T}/db", misplaced),
    Corruption("unreadable-object", "error", f"{T}/shapeless", shapeless),
    Corruption("policy-field", "error", "/odd", unknown_field),
]  # fmt: skip


def scan(cluster: Cluster, *words: str) -> tuple[int, list[Finding]]:
    result = CliRunner().invoke(nadmit, ["scan", "-f", "-", "-o", "json", *words], input=cluster.text())
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.stdout, result.stderr
    found: list[Finding] = json.loads(result.stdout)["findings"]
    return result.exit_code, found


def key_of(finding: Finding) -> str:
    return json.dumps(finding, sort_keys=True)


def new_in(cluster: Cluster, before: list[Finding], *words: str) -> list[Finding]:
    known = {key_of(one) for one in before}
    return [one for one in scan(cluster, *words)[1] if key_of(one) not in known]


def test_a_clean_cluster_has_nothing_above_info() -> None:
    code, found = scan(clean(), "--fail-on", "warning")
    assert (code, {(one["level"], one["rule"]) for one in found}) == (0, {("info", "host-local-nodes")})


@pytest.fixture(scope="module")
def baseline() -> list[Finding]:
    return scan(clean())[1]


@pytest.mark.parametrize("one", CORRUPTIONS, ids=[f"{one.rule} {one.why}".strip() for one in CORRUPTIONS])
def test_a_corruption_is_found_with_its_rule_and_no_other(one: Corruption, baseline: list[Finding]) -> None:
    cluster = clean()
    one.change(cluster)
    found = new_in(cluster, baseline, *one.words)
    assert [(item["rule"], item["level"]) for item in found] == [(one.rule, one.level)] * one.number, found
    first = found[0]["object"]
    assert f"{first['namespace']}/{first['name']}" == one.subject


def test_every_rule_of_stock_taking_has_a_corruption() -> None:
    assert set(STOCK_RULES) <= {one.rule for one in CORRUPTIONS}
    assert len(CORRUPTIONS) >= 20
    levels = {(one.rule, one.level) for one in CORRUPTIONS} | {
        ("host-local-nodes", "info"),
        ("default-route-dns", "info"),
        ("attachment-forbidden", "info"),
    }
    assert levels >= {(rule, level) for rule, one in STOCK_RULES.items() for level in one.levels}


def test_multus_may_leave_the_default_route_as_it_is(baseline: list[Finding]) -> None:
    cluster = clean()
    default_route(cluster)
    found = {(one["rule"], one["level"]) for one in new_in(cluster, baseline)}
    assert found == {("NAD618", "warning"), ("default-route-dns", "info")}


def test_corruptions_together_are_found_together() -> None:
    """None hides another one, and no two make a third."""
    together = [one for one in CORRUPTIONS if (one.rule, one.why) not in ALONE]
    words = ("--attached-by", "nadmit")
    cluster = clean()
    before = scan(cluster, *words)[1]
    for one in together:
        one.change(cluster)
    found = new_in(cluster, before, *words)
    assert len(together) >= 25
    assert Counter(one["rule"] for one in found) == Counter(one.rule for one in together)


ALONE = {
    ("address-twice", "two definitions of one segment"),
    ("host-local-nodes", "equal ones"),
    ("ranges-overlap", "pools that do not see each other"),
    ("ranges-overlap", "two IPAM plugins"),
    ("route-dns", "a subnet"),
    ("PostureIsolated", "the Deployment and the pods of both teams"),
    ("network-not-found", ""),
    ("policy-field", ""),
}
"""Corruptions of an object that another one changes as well, or that many pods show."""


# examples/cluster


def example() -> Cluster:
    files = sorted((ROOT / "examples" / "cluster").glob("*.yaml"))
    return Cluster(one for file in files for one in yaml.safe_load_all(file.read_text()))


def runs(cluster: Cluster, node: str = "node1") -> None:
    """Let the pods of the example run, each with what it asks for."""
    for space, name, entries in (
        ("team-a", "pod-c", [
            entry("team-a/control-plane", "10.8.0.2"),
            entry("team-a/data-plane", "10.9.0.5", mac="02:23:45:67:89:01", interface="dp0"),
        ]),
        ("team-b", "web", [entry("team-b/lan", "10.2.0.2"), entry("default/macvlan-conf", "10.8.0.3", interface="net2")]),
    ):  # fmt: skip
        one = cluster.get("Pod", space, name)
        asks = one["metadata"]["annotations"][NETWORKS]
        cluster.put(pod(space, name, node, asks, *entries))


EXAMPLES = [
    Corruption("network-lost", "error", "team-b/web", lambda c: c.restatus("team-b", "web", lambda status: status.pop(1))),
    Corruption("network-not-found", "error", "team-b/web", lambda c: c.drop("NetworkAttachmentDefinition", "team-b", "lan")),
    Corruption("address-twice", "error", "team-a/pod-c", lambda c: c.restatus("team-b", "web", gives("10.8.0.2", 2))),
    Corruption("attached-otherwise", "warning", "team-a/pod-c", lambda c: c.restatus("team-a", "pod-c", gives("10.9.0.9", 2))),
    Corruption("address-outside", "warning", "team-b/web", lambda c: c.restatus("team-b", "web", gives("10.7.0.2"))),
    Corruption("PostureIsolated", "error", "team-b/new", lambda c: c.put(pod("team-b", "new", "node1", "infra/secret", entry("infra/secret")))),
    Corruption("network-unused", "info", "team-b/spare", lambda c: c.put(network("team-b", "spare", macvlan("eth6", {})))),
    Corruption("NAD107", "warning", "team-b/lan", lambda c: c.reconfigure("team-b", "lan", lambda config: config.update(type="brigde"))),
]  # fmt: skip


@pytest.mark.parametrize("one", EXAMPLES, ids=[one.rule for one in EXAMPLES])
def test_a_corruption_of_the_example_is_found(one: Corruption) -> None:
    cluster = example()
    runs(cluster)
    before = scan(cluster)[1]
    assert {item["rule"] for item in before} == {"NAD510", "network-unused"}
    one.change(cluster)
    found = new_in(cluster, before)
    assert {(item["rule"], item["level"]) for item in found} == {(one.rule, one.level)}, found
    first = found[0]["object"]
    assert f"{first['namespace']}/{first['name']}" == one.subject


def test_the_example_is_files_and_no_pod_of_it_runs() -> None:
    folder = str(Path("examples") / "cluster")
    result = CliRunner().invoke(nadmit, ["scan", "--manifests", str(ROOT / folder), "-o", "json"])
    assert result.exit_code == 0
    assert {one["rule"] for one in json.loads(result.stdout)["findings"]} == {"NAD510", "network-unused"}


def test_namespace_is_used() -> None:
    """The default networks of a namespace use a network."""
    cluster = clean()
    cluster.put(network(T, "spare", macvlan("eth6", {})))
    one = namespace(T, tier="team")
    one["metadata"]["annotations"] = {"nadmit.io/default-networks": "spare"}
    cluster.put(one)
    assert "network-unused" not in {item["rule"] for item in scan(cluster)[1]}


# What looks wrong and is right, beside what the clean cluster has


def equal_addresses_of(network: str) -> Callable[[Cluster], None]:
    def change(cluster: Cluster) -> None:
        for node in range(2):
            cluster.put(pod(T, f"equal-{node}", f"node{node}", "", entry(network, "10.3.0.2", mac="02:00:00:00:ff:01")))

    return change


def undefined(cluster: Cluster) -> None:
    """Whether a network whose definition is gone was a bridge is not known."""
    equal_addresses_of(f"{T}/gone")(cluster)


def on_disk(cluster: Cluster) -> None:
    definition = network(T, "disk", {})
    del definition["spec"]["config"]
    cluster.put(definition)
    equal_addresses_of(f"{T}/disk")(cluster)


def links_of_nodes(cluster: Cluster) -> None:
    local = {"type": "host-local", "subnet": "10.3.0.0/24"}
    cluster.put(network(T, "link", {"type": "ptp", "ipam": local}))
    equal_addresses_of(f"{T}/link")(cluster)


def no_addresses(cluster: Cluster) -> None:
    """A plugin may write anything into its result."""
    for name in ("web-5d-0", "web-5d-1"):
        cluster.restatus(T, name, gives("dhcp"))


def zero_macs(cluster: Cluster) -> None:
    """A device of vfio has none."""
    for name in ("web-5d-0", "web-5d-1"):
        cluster.restatus(T, name, lambda status: status[1].update(mac="00:00:00:00:00:00"))


def shared_records(cluster: Cluster) -> None:
    """Two definitions of host-local with one name of the network share their records on a node."""
    for number, name in enumerate(("one", "two"), 2):
        ipam = {"type": "host-local", "subnet": "10.4.0.0/24"}
        one = pod(T, name, "node0", name, entry(f"{T}/{name}", f"10.4.0.{number}"))
        cluster.put(network(T, name, {**macvlan("eth6", ipam), "name": "flat"}), one)


def bridged_route(cluster: Cluster) -> None:
    """The gateway is the node, which knows Services."""
    asks = [{"name": "node", "default-route": ["10.77.0.1"]}]
    cluster.put(pod(T, "router", "node3", asks, entry(f"{T}/node", "10.77.0.9")))


def own_resolver(cluster: Cluster) -> None:
    default_route(cluster)
    cluster.get("Pod", T, "router")["spec"]["dnsPolicy"] = "None"


def ovn_default(cluster: Cluster) -> None:
    """OVN-Kubernetes keeps routes to Services."""
    default_route(cluster)
    cluster.restatus(T, "router", lambda status: status[0].update(name="ovn-kubernetes"))


def old_multus(cluster: Cluster) -> None:
    """It names no namespace."""
    cluster.restatus(T, "web-5d-0", lambda status: status[1].update(name="lan"))


def other_spelling(cluster: Cluster) -> None:
    asks = [{"name": "fixed", "ips": ["fd00:0:0::5/64"], "mac": "02-00-00-00-EE-01"}]
    cluster.put(pod(T, "six", "node0", asks, entry(f"{T}/fixed", "fd00::5", mac="02:00:00:00:ee:01")))
    cluster.reconfigure(T, "fixed", lambda config: config["capabilities"].update(mac=True))


def starting(cluster: Cluster) -> None:
    """A pod that does not run yet lacks nothing."""
    one = pod(T, "starting", "node0", "lan")
    one["status"] = {"phase": "Pending"}
    cluster.put(one)


def managed(cluster: Cluster) -> None:
    """A controller uses the network in its own way."""
    definition = network(
        T, "primary", {"type": "ovn-k8s-cni-overlay", "topology": "layer3", "netAttachDefName": f"{T}/primary"}
    )
    definition["metadata"]["ownerReferences"] = [{"kind": "UserDefinedNetwork", "name": "primary", "controller": True}]
    cluster.put(definition)


def guard(cluster: Cluster) -> None:
    cluster.put(policy("guards", {"name": "no-paths", "action": "Deny", "networks": [{"pluginTypes": ["tap"]}]}))


def claimed_devices(cluster: Cluster) -> None:
    """Whether all devices of a DRA driver are on one wire is not known."""
    for number in range(2):
        cluster.put(pod(T, f"claims-{number}", f"node{number}", ""))
        data = {"interfaceName": "rdma0", "ips": ["10.5.0.2"], "hardwareAddress": "02:00:00:00:dd:01"}
        device = {"driver": "dra.net", "pool": f"node{number}", "device": "rdma0", "networkData": data}
        used = {"reservedFor": [{"resource": "pods", "name": f"claims-{number}", "uid": "u"}], "devices": [device]}
        claim = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "spec": {}, "status": used}
        cluster.put({**claim, "metadata": {"name": f"rdma-{number}", "namespace": T}})


RIGHT = [
    undefined, on_disk, links_of_nodes, no_addresses, zero_macs, shared_records, bridged_route, own_resolver, ovn_default,
    old_multus, other_spelling, starting, managed, guard,
]  # fmt: skip


@pytest.mark.parametrize("change", RIGHT, ids=lambda change: change.__name__)
def test_what_is_right_is_not_found(change: Callable[[Cluster], None], baseline: list[Finding]) -> None:
    cluster = clean()
    change(cluster)
    found = new_in(cluster, baseline, "--attached-by", "nadmit")
    stock = [one for one in found if one["rule"] in STOCK_RULES]
    assert {one["rule"] for one in stock if one["level"] != "info" or one["rule"] == "network-unused"} == set(), stock
