"""The cluster in which changes are tried: definitions, policies, namespaces and workloads of all kinds."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from .world import NETWORKS, Json

RESOURCE = "k8s.v1.cni.cncf.io/resourceName"
DEFAULTS = "nadmit.io/default-networks"
SETTINGS = "apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfiguration\nattachedBy: nadmit\n"
CONTAINERS = [{"name": "c", "image": "example"}]


def nad(reference: str, config: object, **annotations: str) -> Json:
    """Return a definition."""
    namespace, _, name = reference.partition("/")
    text = config if isinstance(config, str) else json.dumps(config)
    metadata: Json = {"namespace": namespace, "name": name}
    if annotations:
        metadata["annotations"] = {key.replace("__", "/").replace("_", "-"): text for key, text in annotations.items()}
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    return {**kind, "metadata": metadata, "spec": {"config": text}}


def with_resource(one: Json, resource: str) -> Json:
    """Return a definition of devices."""
    made = copy.deepcopy(one)
    made["metadata"].setdefault("annotations", {})[RESOURCE] = resource
    return made


def macvlan(master: str = "eth1", **more: Any) -> Json:
    """Return a configuration."""
    return {"cniVersion": "1.0.0", "type": "macvlan", "master": master, "ipam": {"type": "dhcp"}, **more}


def bridge(name: str = "br-lan", **more: Any) -> Json:
    """Return a configuration with addresses of its own."""
    ranges = [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.10", "rangeEnd": "10.1.0.200"}]]
    ipam = {"type": "host-local", "ranges": ranges}
    return {"cniVersion": "1.0.0", "type": "bridge", "bridge": name, "ipam": ipam, **more}


def capable(conf: Json, *names: str) -> Json:
    """Return a configuration with capabilities."""
    return {**conf, "capabilities": dict.fromkeys(names, True)}


def space(name: str, labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None) -> Json:
    """Return a namespace."""
    metadata: Json = {"name": name}
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def policy(name: str, **spec: Any) -> Json:
    """Return an access policy."""
    head = {"apiVersion": "access.nadmit.io/v1alpha1", "kind": "NetworkAttachmentPolicy"}
    return {**head, "metadata": {"name": name}, "spec": spec}


def rule(action: str = "Allow", name: str = "one", **fields: Any) -> Json:
    """Return a rule about attachments."""
    return {"name": name, "action": action, **fields}


def policy_config(**spec: Any) -> Json:
    """Return the configuration of the access rules."""
    head = {"apiVersion": "access.nadmit.io/v1alpha1", "kind": "NetworkAttachmentPolicyConfig"}
    return {**head, "metadata": {"name": "cluster"}, "spec": spec}


def settings(**sections: Any) -> Json:
    """Return a NadmitConfiguration."""
    head = {"apiVersion": "config.nadmit.io/v1alpha1", "kind": "NadmitConfiguration"}
    return {**head, "attachedBy": "nadmit", **sections}


def template(networks: object, labels: Mapping[str, str] | None = None, **spec: Any) -> Json:
    """Return a pod template; `networks` is None for none, a text, or a list of elements."""
    metadata: Json = {"labels": dict(labels or {})}
    if networks is not None:
        metadata["annotations"] = {NETWORKS: networks if isinstance(networks, str) else json.dumps(networks)}
    return {"metadata": metadata, "spec": {"containers": copy.deepcopy(CONTAINERS), **spec}}


def workload(kind: str, reference: str, made: Json, replicas: int = 2) -> Json:
    """Return a Deployment, StatefulSet, DaemonSet or CronJob."""
    namespace, _, name = reference.partition("/")
    labels = made["metadata"]["labels"]
    labels.setdefault("app", name)
    spec: Json = {"template": made, "selector": {"matchLabels": {"app": name}}}
    if kind == "CronJob":
        spec = {"schedule": "@daily", "jobTemplate": {"spec": {"template": made}}, "replicas": 0}
    elif kind != "DaemonSet":
        spec["replicas"] = replicas
    version = "batch/v1" if kind == "CronJob" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def bare(reference: str, networks: object, **spec: Any) -> Json:
    """Return a pod without a controller."""
    namespace, _, name = reference.partition("/")
    made = template(networks, {"app": name}, **spec)
    made["metadata"] |= {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Pod", **made}


def machine(reference: str, *networks: str, running: bool) -> Json:
    """Return a virtual machine."""
    namespace, _, name = reference.partition("/")
    named = [{"name": f"n{number}", "multus": {"networkName": one}} for number, one in enumerate(networks)]
    spec = {"running": running, "template": {"spec": {"networks": named, "domain": {}}}}
    head = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine"}
    return {**head, "metadata": {"namespace": namespace, "name": name}, "spec": spec}


STORAGE = policy(
    "blue-storage",
    contact="storage-team",
    pods=[{"namespaces": ["blue"], "serviceAccounts": ["database"]}],
    attachments=[rule(networks=[{"namespaces": ["infra"], "names": ["storage"]}])],
)
BASE: tuple[Json, ...] = (
    space("blue", {"tenant": "blue"}),
    space("green", {"tenant": "green"}, {DEFAULTS: "uplink"}),
    space("infra"),
    space("default"),
    space("nadmit-system"),
    policy_config(posture="Isolated", globalNamespaces=["default"]),
    STORAGE,
    nad("blue/lan", macvlan()),
    nad("blue/br", capable(bridge(), "ips", "mac")),
    nad("blue/chain", {"cniVersion": "1.0.0", "name": "chain", "plugins": [bridge("br-c"), {"type": "tuning"}]}),
    with_resource(nad("blue/fast", {"cniVersion": "1.0.0", "type": "sriov", "vlan": 10}), "intel.com/vf"),
    nad("green/uplink", macvlan("eth2")),
    nad("infra/storage", bridge("br-storage")),
    nad("default/shared", macvlan("eth3")),
    nad("blue/unused", macvlan("eth4")),
    workload("Deployment", "blue/web", template("lan"), 3),
    workload("Deployment", "blue/two", template("lan,br")),
    workload("Deployment", "blue/named", template([{"name": "lan", "interface": "data0"}, {"name": "br"}])),
    workload("StatefulSet", "blue/db", template("infra/storage", serviceAccountName="database")),
    workload("DaemonSet", "blue/agent", template("default/shared")),
    workload("CronJob", "blue/nightly", template("chain")),
    workload("Deployment", "blue/dpdk", template("fast")),
    workload("Deployment", "blue/fixed", template([{"name": "br", "ips": ["10.1.0.17/24"]}]), 1),
    workload("Deployment", "blue/plain", template(None)),
    workload("Deployment", "blue/thief", template("green/uplink")),
    workload("Deployment", "blue/waits", template("later"), 1),
    workload("Deployment", "blue/host", template("lan", hostNetwork=True), 1),
    workload("Deployment", "green/router", template(None)),
    workload("StatefulSet", "green/own", template("default/shared", {"role": "edge"})),
    machine("blue/stopped", "lan", "fast", running=False),
    machine("blue/guest", "br", running=True),
    bare("blue/alone", "lan"),
    bare("blue/vm", "br,fast"),
)
"""The thief is refused: its network belongs to another tenant. What `waits` for does not exist."""


def changed(kind: str, reference: str, *, of: tuple[Json, ...] = BASE, **parts: Any) -> Json:
    """Return an object of the base with other parts: `spec`, `labels`, `annotations`; None takes a part away."""
    namespace, _, name = reference.rpartition("/")
    found = next(
        one
        for one in of
        if one["kind"] == kind and (one["metadata"].get("namespace", ""), one["metadata"]["name"]) == (namespace, name)
    )
    made = copy.deepcopy(found)
    for key, value in parts.items():
        place = made if key == "spec" else made["metadata"]
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    return made
