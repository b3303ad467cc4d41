"""The cluster behind the webhook, the same for every test: two namespaces, their definitions, and pods that use them.

The names say what a definition is for. `device-*` name a resource, `on-*` a label of nodes. A webhook that runs already
needs the cluster: `python -m conformance.hooks.testcluster | kubectl apply -f -`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import yaml

from .samples import (
    ABSENT,
    NAMESPACE,
    NODE_SELECTOR,
    OTHER_NAMESPACE,
    RESOURCE_NAME,
    Object,
    container,
    definition,
    pod,
)

RESOURCE_A, RESOURCE_B, RESOURCE_C = "example.com/nic_a", "example.com/nic_b", "example.com/nic_c"
OTHER_KEY = "conformance.example.com/resourceName"
"""A second annotation of definitions that names a resource, for subjects with the feature `resource-name-keys`."""
INJECTING_LABEL = "conformance.example.com-network"
"""A pod with this label set to `true` gets the annotation for `device-a`, by the feature `annotations-by-label`."""
NOTING_LABEL = "conformance.example.com-note"
"""The same for the annotation NOTE."""
NOTE = "conformance.example.com/note"
NOTE_TEXT = "by the administrator"

_BRIDGE = {"type": "bridge", "bridge": "br-conf", "ipam": {"type": "host-local", "subnet": "10.40.0.0/16"}}


def single(name: str, plugin: Mapping[str, Any] = _BRIDGE, version: str = "0.3.1") -> dict[str, Any]:
    """Return a configuration of one plugin."""
    return {"cniVersion": version, "name": name, **plugin}


def chain(name: str, *plugins: Mapping[str, Any], version: str = "1.0.0") -> dict[str, Any]:
    """Return a list of plugins."""
    return {"cniVersion": version, "name": name, "plugins": list(plugins)}


_ALL = {"ips": True, "mac": True, "portMappings": True, "bandwidth": True}
_FULL = chain("full", {"type": "awesome-plugin", "capabilities": _ALL})
"""NB: nobody has this plugin. A webhook may know of others that they fail with requests that the standard allows."""
_INFINIBAND = single("infiniband", {"type": "awesome-plugin", "capabilities": {"infinibandGUID": True}})

_WITH_ANNOTATIONS: Mapping[str, Mapping[str, str]] = {
    "device-a": {RESOURCE_NAME: RESOURCE_A},
    "device-a-again": {RESOURCE_NAME: RESOURCE_A},
    "device-b": {RESOURCE_NAME: RESOURCE_B},
    "device-by-other-key": {OTHER_KEY: RESOURCE_C},
    "on-rack": {NODE_SELECTOR: "example.com/rack=r1"},
    "on-rack-spaced": {NODE_SELECTOR: " example.com/rack = r1 "},
    "on-other-rack": {NODE_SELECTOR: "example.com/rack=r2"},
    "on-fast": {NODE_SELECTOR: "example.com/fast"},
    "on-two-labels": {NODE_SELECTOR: "example.com/a=1,example.com/b=2"},
    "device-b-on-rack": {RESOURCE_NAME: RESOURCE_B, NODE_SELECTOR: "example.com/rack=r1"},
}


def definitions() -> list[Object]:
    """Return all definitions."""
    own = {"bridge": single("bridge"), "bridge-2": single("bridge-2"), "full": _FULL, "infiniband": _INFINIBAND}
    made = [definition(config, name=name) for name, config in own.items()]
    made.append(definition(ABSENT, name="on-disk"))
    made += [definition(single(name), name=name, **notes) for name, notes in _WITH_ANNOTATIONS.items()]
    other = definition(single("far"), name="far", namespace=OTHER_NAMESPACE, **{RESOURCE_NAME: RESOURCE_C})
    return [*made, other]


NAMESPACES = (NAMESPACE, OTHER_NAMESPACE)

ASKING_PODS: dict[str, Object] = {
    "one network": pod("device-a"),
    "two networks": pod("device-a,device-b"),
    "JSON form": pod([{"name": "device-a"}, {"name": "device-b", "interface": "x1"}]),
    "requests only": pod("device-a", container(resources={"requests": {"cpu": "1"}})),
    "limits only": pod("device-a", container(resources={"limits": {"memory": "1Gi"}, "requests": {"memory": "1Gi"}})),
    "the resource is there": pod(
        "device-a", container(resources={"limits": {RESOURCE_A: "1"}, "requests": {RESOURCE_A: "1"}})
    ),
    "no volumes": pod("device-a", container(volumeMounts=[]), volumes=[]),
    "no lists": pod("device-a", {"name": "app", "image": "a", "resources": {}}),
    "three containers": pod("device-a", container("a"), container("b"), container("c")),
    "init containers": pod("device-a", initContainers=[container("init")]),
    "a node selector": pod("on-rack,device-a", nodeSelector={"example.com/zone": "z"}),
    "no labels": pod("device-a", labels={}),
    "hugepages": pod(
        "device-a",
        container(
            resources={"limits": {"hugepages-1Gi": "2Gi"}, "requests": {"hugepages-1Gi": "2Gi", "memory": "1Gi"}}
        ),
    ),
    "an environment": pod("device-a", container(env=[{"name": "A", "value": "b"}])),
    "network information": pod(
        "device-a",
        container(volumeMounts=[{"name": "podnetinfo", "mountPath": "/etc/podnetinfo", "readOnly": True}]),
        volumes=[{"name": "podnetinfo", "downwardAPI": {"items": []}}],
    ),
    "slashes and tildes": pod("device-a", annotations={"example.com/a": "~1/~0"}, labels={"a.b/c": "d"}),
}
"""Pods that ask for networks with devices, each with something that a patch may touch."""

if __name__ == "__main__":
    objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]
    for made in definitions():
        for key in ("uid", "creationTimestamp", "generation"):
            del made["metadata"][key]
        objects.append(made)
    yaml.safe_dump_all(objects, sys.stdout, sort_keys=False)
