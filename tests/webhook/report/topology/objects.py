"""Objects for the topology: definitions, pods that are attached, workloads and pools, each as short as it may be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from webhook.admission.plugins.schema import PluginChecks
from webhook.plugindata.pluginfiles import load_schemas
from webhook.report.topology.graph import Graph, Topology

Object = dict[str, Any]

STATUS = "k8s.v1.cni.cncf.io/network-status"
NETWORKS = "k8s.v1.cni.cncf.io/networks"


@cache
def checks() -> PluginChecks:
    return PluginChecks(schemas=load_schemas())


def network(name: str, config: object, namespace: str = "blue", **annotations: str) -> Object:
    text = config if isinstance(config, str) else json.dumps({"cniVersion": "1.0.0", **dict(config)})  # type: ignore[call-overload]
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"config": text},
    }


def bridge(name: str = "lan", ipam: Object | None = None, namespace: str = "blue", **config: object) -> Object:
    value = {"type": "bridge", "bridge": "br-lan", **config, **({"ipam": ipam} if ipam else {})}
    return network(name, value, namespace)


def host_local(subnet: str = "10.1.0.0/24", **more: str) -> Object:
    return {"type": "host-local", "ranges": [[{"subnet": subnet, **more}]]}


def has(
    network: str = "blue/lan", ip: str = "", mac: str = "", interface: str = "net1", info: Object | None = None
) -> Object:
    optional = {"ips": [ip] if ip else [], "mac": mac, "device-info": info or {}}
    return {"name": network, "interface": interface, **{key: value for key, value in optional.items() if value}}


def pod(
    name: str,
    *entries: Object,
    namespace: str = "blue",
    node: str = "node1",
    asks: object = None,
    spec: Object | None = None,
    status: Object | None = None,
    metadata: Object | None = None,
) -> Object:
    annotations = {STATUS: json.dumps(entries)} if entries else {}
    if asks is not None:
        annotations[NETWORKS] = asks if isinstance(asks, str) else json.dumps(asks)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations, **(metadata or {})},
        "spec": {"nodeName": node, **(spec or {})},
        "status": {"phase": "Running", "startTime": "2026-01-02T03:04:05Z", **(status or {})},
    }


def deployment(name: str, asks: object, namespace: str = "blue") -> Object:
    template = {"metadata": {"annotations": {NETWORKS: json.dumps(asks)}}, "spec": {"containers": [{"name": "c"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": template},
    }


def pool(subnet: str, allocations: Object, name: str = "pool") -> Object:
    return {
        "apiVersion": "whereabouts.cni.cncf.io/v1alpha1",
        "kind": "IPPool",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"range": subnet, "allocations": allocations},
    }


def topology(*objects: Object) -> Topology:
    return of(objects)


def of(objects: Sequence[Object]) -> Topology:
    graph = Graph()
    for one in objects:
        graph.add(one)
    return graph.finish()
