"""Pods that ask for networks with devices, each with something that a patch may have to do with."""

from __future__ import annotations

from .samples import Object, container, pod
from .testcluster import RESOURCE_A

PODS: dict[str, Object] = {
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
