"""A clean cluster of any size, in which `nadmit scan` finds nothing above info, and which tests then corrupt.

It has what looks wrong and is right: a machine that migrates, a pod that is being deleted while its successor has its
address, a workload beside its own pods, equal addresses on bridges of different nodes, pools that are shared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from ipaddress import IPv4Address
from typing import Any

Object = dict[str, Any]

NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
NODES = 4
ACCESS = "access.nadmit.io/v1alpha1"
CONTAINERS = [{"name": "c", "image": "i"}]


def network(namespace: str, name: str, config: Object, **annotations: str) -> Object:
    text = json.dumps({"cniVersion": "1.0.0", "name": name, **config})
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {
            "name": name, "namespace": namespace, "uid": f"nad-{namespace}-{name}", "annotations": annotations,
        },
        "spec": {"config": text},
    }  # fmt: skip


def ip(first: str, number: int) -> str:
    return str(IPv4Address(first) + number)


def hardware(number: int) -> str:
    return ":".join(f"{byte:02x}" for byte in (0x02, *number.to_bytes(5)))


def entry(network: str, *addresses: str, mac: str = "", interface: str = "net1") -> Object:
    return {"name": network, "interface": interface, "ips": list(addresses), **({"mac": mac} if mac else {})}


def pod(namespace: str, name: str, node: str, asks: object, *entries: Object, owner: str = "", **labels: str) -> Object:
    """A pod that runs, with the status of its default network. `owner`: kind/name of its controller."""
    status = [{"name": "kindnet", "interface": "eth0", "ips": ["10.244.0.9"], "default": True}, *entries]
    kind, _, controller = owner.partition("/")
    owners = [{"apiVersion": "v1", "kind": kind, "name": controller, "uid": owner, "controller": True}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"pod-{namespace}-{name}",
            "labels": labels,
            "annotations": {NETWORKS: asks if isinstance(asks, str) else json.dumps(asks), STATUS: json.dumps(status)},
            **({"ownerReferences": owners} if owner else {}),
        },
        "spec": {"nodeName": node, "containers": CONTAINERS},
        "status": {"phase": "Running", "startTime": "2026-01-02T03:04:05Z"},
    }


def workload(kind: str, namespace: str, name: str, asks: object, **spec: Any) -> Object:
    metadata = {"labels": {"app": name}}
    if asks:
        metadata["annotations"] = {NETWORKS: asks if isinstance(asks, str) else json.dumps(asks)}
    template = {"metadata": metadata, "spec": {"containers": CONTAINERS}}
    selector = {"matchLabels": {"app": name}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "uid": f"{kind}-{namespace}-{name}"},
        "spec": {"selector": selector, "template": template, **spec},
    }


def pool(name: str, subnet: str, allocations: Object) -> Object:
    return {
        "apiVersion": "whereabouts.cni.cncf.io/v1alpha1",
        "kind": "IPPool",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"range": subnet, "allocations": allocations},
    }


def whereabouts(subnet: str, **more: Any) -> Object:
    return {"type": "whereabouts", "range": subnet, **more}


def macvlan(master: str, ipam: Object, **more: Any) -> Object:
    return {"type": "macvlan", "master": master, "mode": "bridge", "ipam": ipam, **more}


def namespace(name: str, **labels: str) -> Object:
    metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def policy(name: str, *attachments: Object, **spec: Any) -> Object:
    return {
        "apiVersion": ACCESS,
        "kind": "NetworkAttachmentPolicy",
        "metadata": {"name": name},
        "spec": {**spec, **({"attachments": list(attachments)} if attachments else {})},
    }


class Cluster:
    """Objects by kind, namespace and name."""

    def __init__(self, objects: Iterator[Object]) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        for one in objects:
            self.put(one)

    def put(self, *objects: Object) -> None:
        for one in objects:
            metadata = one["metadata"]
            self.objects[one["kind"], metadata.get("namespace", ""), metadata["name"]] = deepcopy(one)

    def get(self, kind: str, namespace: str, name: str) -> Object:
        return self.objects[kind, namespace, name]

    def drop(self, kind: str, namespace: str, name: str) -> None:
        del self.objects[kind, namespace, name]

    def reconfigure(self, namespace: str, name: str, change: Callable[[Object], object]) -> None:
        """Change the configuration of a network."""
        spec = self.get("NetworkAttachmentDefinition", namespace, name)["spec"]
        config = json.loads(spec["config"])
        change(config)
        spec["config"] = json.dumps(config)

    def restatus(self, namespace: str, name: str, change: Callable[[list[Object]], object]) -> None:
        """Change the network-status of a pod."""
        annotations = self.get("Pod", namespace, name)["metadata"]["annotations"]
        status = json.loads(annotations[STATUS])
        change(status)
        annotations[STATUS] = json.dumps(status)

    def ask(self, namespace: str, name: str, asks: object) -> None:
        """Change what a pod asks for."""
        self.get("Pod", namespace, name)["metadata"]["annotations"][NETWORKS] = json.dumps(asks)

    def text(self) -> str:
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(self.objects.values())})


def clean(teams: int = 2, pods: int = 3) -> Cluster:
    """A clean cluster: `teams` namespaces, each with networks of its own, and `pods` pods for each of its workloads."""
    return Cluster(_objects(teams, pods))


def _objects(teams: int, pods: int) -> Iterator[Object]:
    yield namespace("default")
    yield namespace("kube-system")
    yield namespace("infra", tier="infra")
    yield network("infra", "shared", macvlan("eth9", whereabouts("10.128.0.0/9")))
    spec = {"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"]}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": spec,
    }
    everybody = {"namespaces": ["team-*"]}
    shared = {"name": "shared", "action": "Allow", "networks": [{"namespaces": ["infra"], "names": ["shared"]}]}
    yield policy("shared", shared, pods=[everybody])
    guard = {"name": "no-devices", "action": "Deny", "networks": [{"pluginTypes": ["host-device"]}]}
    yield policy("guard", guard)
    for team in range(teams):
        yield from _team(team, pods)


def _team(team: int, pods: int) -> Iterator[Object]:
    space = f"team-{team}"
    master, subnet = f"eth1.{team + 10}", f"{ip('10.20.0.0', team * 256)}/24"
    yield namespace(space, tier="team")
    yield network(space, "lan", macvlan(master, whereabouts(subnet)))
    yield network(
        space, "lan-two", macvlan(master, whereabouts(subnet), capabilities={"mac": True})
    )  # the same pool, on purpose
    yield network(space, "fixed", macvlan(f"eth2.{team + 10}", {"type": "static"}, capabilities={"ips": True}))
    local = {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]]}
    yield network(space, "node", {"type": "bridge", "bridge": f"br{team}", "ipam": local})
    vlan = {"type": "ipvlan", "master": "eth3", "mode": "l2", "ipam": whereabouts(f"{ip('10.40.0.0', team * 256)}/24")}
    yield network(space, "vlan", vlan)
    shield = {"name": "lan", "namespace": space, "annotations": {"k8s.v1.cni.cncf.io/policy-for": f"lan,{space}/vlan"}}
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    yield {"apiVersion": "k8s.cni.cncf.io/v1beta1", "kind": "MultiNetworkPolicy", "metadata": shield, "spec": spec}
    yield from _deployment(space, team, pods, subnet)
    yield from _stateful_set(space, team, pods)
    yield from _others(space, team)


def _deployment(space: str, team: int, pods: int, subnet: str) -> Iterator[Object]:
    """Pods on lan and on the shared network, and one that is being deleted with the address of its successor."""
    asks = [{"name": "lan"}, {"name": "shared", "namespace": "infra", "interface": "net2"}]
    yield workload("Deployment", space, "web", asks, replicas=pods)
    kept = {}
    first = subnet.partition("/")[0]
    for number in range(pods):
        mine, node = ip(first, number + 10), f"node{number % NODES}"
        common = ip("10.128.0.0", team * 256 + number + 10)
        name = f"web-5d-{number}"
        kept[str(number + 10)] = {"id": "x", "podref": f"{space}/{name}", "ifname": "net1"}
        mac = hardware(team * 256 + number)
        on_shared = entry("infra/shared", common, mac=mac, interface="net2")
        yield pod(
            space, name, node, asks, entry(f"{space}/lan", mine, mac=mac), on_shared,
            owner="ReplicaSet/web-5d", app="web", **{"pod-template-hash": "5d"},
        )  # fmt: skip
    old = pod(space, "web-4c-0", "node9", asks, entry(f"{space}/lan", ip(first, 10)), owner="ReplicaSet/web-4c")
    old["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    yield old
    yield pool(subnet.replace("/", "-"), subnet, kept)


def _stateful_set(space: str, team: int, pods: int) -> Iterator[Object]:
    """Each pod asks for an address of its own; and ipvlan gives all of them one MAC."""
    yield workload("StatefulSet", space, "db", "", replicas=pods)
    for number in range(pods):
        address = ip("10.60.0.0", team * 256 + number + 5)
        asks = [{"name": "fixed", "ips": [f"{address}/24"]}, {"name": "vlan"}]
        on_vlan = entry(
            f"{space}/vlan", ip("10.40.0.0", team * 256 + number + 5), mac="02:00:00:00:00:99", interface="net2"
        )
        yield pod(
            space, f"db-{number}", f"node{number % NODES}", asks, entry(f"{space}/fixed", address), on_vlan,
            owner="StatefulSet/db", app="db", index=str(number),
        )  # fmt: skip


def _others(space: str, team: int) -> Iterator[Object]:
    """A DaemonSet on bridges, a machine that migrates, a CronJob with its pod, and pods without networks."""
    yield workload("DaemonSet", space, "agent", "node")
    for node in range(2):  # host-local gives the same address on each node
        yield pod(
            space, f"agent-{node}", f"node{node}", "node", entry(f"{space}/node", "10.77.0.2"), owner="DaemonSet/agent"
        )
    mac = hardware(2**24 + team)
    for number in range(2):
        yield pod(
            space, f"virt-launcher-vm-{number}", f"node{number}", [{"name": "lan-two", "mac": mac}],
            entry(f"{space}/lan-two", mac=mac), owner="VirtualMachineInstance/vm",
        )  # fmt: skip
    address = ip("10.60.0.0", team * 256 + 200)
    asks = [{"name": "fixed", "ips": [f"{address}/24"]}]
    job = workload("Job", space, "night-1", asks)
    night = workload("CronJob", space, "night", "", schedule="0 3 * * *", jobTemplate={"spec": job["spec"]})
    del night["spec"]["template"]
    yield {**night, "apiVersion": "batch/v1"}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "night", "uid": "n", "controller": True}
    job["metadata"]["ownerReferences"] = [owner]
    job["apiVersion"] = "batch/v1"
    yield job
    yield pod(space, "night-1-x", "node3", asks, entry(f"{space}/fixed", address), owner="Job/night-1")
    plain = pod(space, "plain", "node0", "")
    del plain["metadata"]["annotations"][NETWORKS]
    yield plain
    yield {**deepcopy(plain), "metadata": {"name": "done", "namespace": space}, "status": {"phase": "Succeeded"}}
