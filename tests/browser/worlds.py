"""Clusters for the page: a small one that has everything, a large one, and one whose authors are hostile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fakes.apiserver import ApiServer
from tests.fakes.objects import namespace, write_kubeconfig
from tests.fakes.objectstore import CONFIGS, NAMESPACES, NETWORKS, PODS, POLICIES, Object

STATUS = "k8s.v1.cni.cncf.io/network-status"
ASKED = "k8s.v1.cni.cncf.io/networks"
RESOURCE = "k8s.v1.cni.cncf.io/resourceName"
EVENTS = "/api/v1/events"
DEPLOYMENTS = "/apis/apps/v1/deployments"
REPLICA_SETS = "/apis/apps/v1/replicasets"
STATEFUL_SETS = "/apis/apps/v1/statefulsets"
DAEMON_SETS = "/apis/apps/v1/daemonsets"
CRON_JOBS = "/apis/batch/v1/cronjobs"
JOBS = "/apis/batch/v1/jobs"
POOLS = "/apis/whereabouts.cni.cncf.io/v1alpha1/ippools"

COLLECTIONS = {
    "Namespace": NAMESPACES,
    "NetworkAttachmentDefinition": NETWORKS,
    "NetworkAttachmentPolicy": POLICIES,
    "NetworkAttachmentPolicyConfig": CONFIGS,
    "Pod": PODS,
    "Event": EVENTS,
    "Deployment": DEPLOYMENTS,
}


def network(reference: str, config: Object, **annotations: str) -> Object:
    where, name = reference.split("/")
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"namespace": where, "name": name, "annotations": annotations},
        "spec": {"config": json.dumps({"cniVersion": "1.0.0", "name": name, **config})},
    }


def host_local(subnet: str) -> Object:
    return {"type": "host-local", "ranges": [[{"subnet": subnet}]]}


def pod(
    where: str,
    name: str,
    has: dict[str, tuple[str, str]],
    *,
    owner: tuple[str, str] | None = None,
    node: str = "node-1",
    address: str = "10.244.0.9",
    asks: str | None = None,
) -> Object:
    """A pod that has run: `has` is network -> address and MAC. `owner`: kind and name of its controller."""
    kind, owner_name = owner or ("", "")
    entries = [{"name": "cluster-default", "interface": "eth0", "ips": [address], "default": True}]
    entries += [
        {"name": net, "interface": f"net{number}", "ips": [ip] if ip else [], "mac": mac}
        for number, (net, (ip, mac)) in enumerate(has.items(), 1)
    ]
    metadata: dict[str, Any] = {
        "namespace": where,
        "name": name,
        "uid": f"uid-{where}-{name}",
        "annotations": {ASKED: ", ".join(has) if asks is None else asks, STATUS: json.dumps(entries)},
        "labels": {"app": owner_name or name},
    }
    if owner is not None:
        owning = "ReplicaSet" if kind == "Deployment" else kind
        revision = f"{owner_name}-6d5f" if kind == "Deployment" else owner_name
        metadata["labels"] |= {"pod-template-hash": "6d5f"} if kind == "Deployment" else {}
        metadata["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": owning, "name": revision, "uid": f"uid-{revision}", "controller": True}
        ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "c"}]},
        "status": {
            "phase": "Running",
            "startTime": "2026-11-02T08:00:00Z",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "containerStatuses": [{"name": "c", "ready": True, "state": {"running": {}}}],
        },
    }


def replicas(where: str, kind: str, name: str, nets: list[tuple[str, str]], count: int, first: int = 5) -> list[Object]:
    """Pods of one workload; each network is a reference with the beginning of its addresses."""
    return [
        pod(
            where,
            f"{name}-{number}" if kind == "StatefulSet" else f"{name}-6d5f-{number}",
            {
                net: (f"{begin}{first + number}", f"02:00:00:{len(name):02x}:{at:02x}:{number:02x}")
                for at, (net, begin) in enumerate(nets)
            },
            owner=(kind, name),
            node=f"node-{1 + number % 3}",
            address=f"10.244.{1 + number % 3}.{first + number}",
        )
        for number in range(count)
    ]


def demo() -> list[Object]:
    """A cluster of some teams: shared and own networks, a rule, a refused definition, and a pod that waits."""
    waiting = pod("media", "encoder-0", {}, asks="gone", node="node-2")
    del waiting["metadata"]["annotations"][STATUS]
    waiting["status"] = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "media", "name": "encoder-0.1"},
        "involvedObject": {"kind": "Pod", "namespace": "media", "name": "encoder-0", "uid": "uid-media-encoder-0"},
        "reason": "FailedCreatePodSandBox",
        "message": "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "
        '"3f": plugin type="multus" name="multus-cni-network" failed (add): Multus: [media/encoder-0/uid-media-encoder-0]: '
        "error loading k8s delegates k8s args: TryLoadPodDelegates: error in getting k8s network for pod: GetNetworkDelegates: "
        "failed getting the delegate: getKubernetesDelegate: cannot find a network-attachment-definition (gone) in namespace "
        '(media): network-attachment-definitions.k8s.cni.cncf.io "gone" not found',
        "count": 14,
        "lastTimestamp": "2026-11-02T08:05:00Z",
        "source": {"component": "kubelet", "host": "node-2"},
    }
    policy = {
        "apiVersion": "access.nadmit.io/v1alpha1",
        "kind": "NetworkAttachmentPolicy",
        "metadata": {"name": "storage-for-payments"},
        "spec": {
            "contact": "storage-team@example.com",
            "pods": [{"namespaces": ["payments"]}],
            "attachments": [
                {"name": "san", "action": "Allow", "networks": [{"namespaces": ["infra"], "names": ["storage"]}]}
            ],
        },
    }
    return [
        *(namespace(name, tenant=name) for name in ("default", "shop", "payments", "media", "infra")),
        network("default/public", {"type": "macvlan", "master": "eth1", "mode": "bridge", "ipam": host_local("203.0.113.0/24")}),
        network("shop/frontend", {"type": "bridge", "bridge": "br-shop", "vlan": 20, "ipam": host_local("10.20.0.0/24")}),
        network("shop/backend", {"type": "bridge", "bridge": "br-shop", "vlan": 20, "ipam": host_local("10.20.1.0/24")}),
        network("payments/ledger", {"type": "ipvlan", "master": "eth1", "mode": "l2", "ipam": host_local("10.30.0.0/24")}),
        network("infra/storage", {"type": "sriov", "vlan": 100, "ipam": {"type": "whereabouts", "range": "10.100.0.0/16"}}, **{RESOURCE: "intel.com/storage"}),
        network("media/stream", {"type": "bridge", "bridge": "br-media", "ipam": host_local("10.40.0.1/24")}),
        network("media/spare", {"type": "ptp", "ipam": host_local("10.41.0.0/24")}),
        *replicas("shop", "Deployment", "web", [("default/public", "203.0.113."), ("shop/frontend", "10.20.0.")], 4),
        *replicas("shop", "StatefulSet", "catalog", [("shop/backend", "10.20.1.")], 3, 20),
        *replicas("payments", "StatefulSet", "ledger", [("payments/ledger", "10.30.0."), ("infra/storage", "10.100.0.")], 3),
        *replicas("media", "Deployment", "relay", [("default/public", "203.0.113."), ("media/stream", "10.40.0.")], 2, 40),
        *replicas("infra", "DaemonSet", "backup", [("infra/storage", "10.100.0.")], 3, 60),
        waiting,
        event,
        policy,
    ]  # fmt: skip


LARGE_NAMESPACES, LARGE_NETWORKS, LARGE_PODS = 200, 2_000, 20_000


def large() -> Iterator[Object]:
    """200 namespaces, 2,000 definitions on some 700 segments, and 20,000 pods of 2,000 Deployments."""
    for number in range(LARGE_NAMESPACES):
        yield namespace(f"team-{number:03}", tenant=f"t{number % 20}")
    for number in range(LARGE_NETWORKS):
        yield network(
            _reference(number),
            _config(number),
            **({RESOURCE: f"example.com/pool-{number % 12}"} if number % 10 == 8 else {}),
        )
    for number in range(LARGE_PODS):
        group = number // 10
        space = group % LARGE_NAMESPACES
        name = f"app-{group // LARGE_NAMESPACES}"
        first = space + LARGE_NAMESPACES * (group // LARGE_NAMESPACES % 10)
        nets = [_reference(first), _reference((first + 3 * LARGE_NAMESPACES) % LARGE_NETWORKS)]
        has = {
            net: (f"10.{at}.{number >> 8 & 255}.{number & 255}", f"02:00:{at:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}")
            for at, net in enumerate(nets)
        }  # fmt: skip
        made = pod(
            f"team-{space:03}",
            f"{name}-6d5f-{number % 10}",
            has,
            owner=("Deployment", name),
            node=f"node-{number % 120}",
        )
        yield made


def _reference(number: int) -> str:
    return f"team-{number % LARGE_NAMESPACES:03}/net-{number // LARGE_NAMESPACES}"


def _config(number: int) -> Object:
    ipam = host_local(f"10.{number >> 8}.{number & 255}.0/24")
    kind = number % 10
    if kind < 4:
        return {"type": "bridge", "bridge": f"br-{number % 150}", "vlan": 1 + number % 3, "ipam": ipam}
    if kind < 8:
        return {"type": "macvlan", "master": f"eth{number % 4}.{100 + number % 90}", "ipam": ipam}
    return {"type": "sriov", "vlan": number % 8, "ipam": ipam} if kind == 8 else {"type": "ptp", "ipam": ipam}


ATTACK = '"><img src=x onerror="window.attacked=1"><script>window.attacked=1</script>\'\u202e{{7*7}}'


def hostile() -> list[Object]:
    """Objects whose authors write markup wherever the API server lets them."""
    config = {"type": "bridge", "bridge": ATTACK, "ipam": {"type": ATTACK, "subnet": ATTACK}, ATTACK: ATTACK}
    web = pod(
        "shop",
        "web",
        {"shop/lan": (ATTACK, ATTACK), ATTACK: ("10.1.0.5", "02:00:00:00:00:01")},
        asks=ATTACK,
        node=ATTACK,
    )
    web["metadata"]["ownerReferences"] = [{"kind": ATTACK, "name": ATTACK, "controller": True}]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "shop", "name": "web.1"},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web"},
        "reason": "FailedCreatePodSandBox",
        "message": ATTACK,
    }
    return [namespace("shop"), network("shop/lan", config, **{RESOURCE: ATTACK, "note": ATTACK}), web, event]


def fill(api: ApiServer, objects: Iterator[Object] | list[Object]) -> None:
    """Put objects into an API server that serves every kind that the page watches."""
    api.has_whole_pods = True
    api.serve(EVENTS, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS, CRON_JOBS, JOBS, POOLS)
    for one in objects:
        api.put(COLLECTIONS[one["kind"]], one)


def kubeconfig_of(api: ApiServer, directory: Path) -> str:
    return str(write_kubeconfig(directory / "kubeconfig", api.url))
