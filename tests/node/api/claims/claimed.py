"""ResourceClaims and ResourceSlices as a scheduler and a DRA driver write them, for a pod on node n1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cniplugin.attach.devices import SOCKET
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from tests.node.api.cluster import NODE, Cluster
from tests.node.api.podnode import Conf, Node

ETH, FAST = "eth0_resource", "example.com/fast"
SRIOV, GPU = "sriovnetwork.k8snetworkplumbingwg.io", "gpu.example.com"
DEVICE_ID, RESOURCE = "k8s.cni.cncf.io/deviceID", "k8s.cni.cncf.io/resourceName"
COUNTED = "bridge.network.kubevirt.io/br1"
BY_NAME: Conf = {"resourceClaims": [{"name": "c", "resourceClaimName": "nic"}]}


def attributes(device: str = "", resource: str = "", **more: Conf) -> Conf:
    """Return the attributes of a device; dra-driver-sriov has some of its own."""
    found: Conf = {"deviceID": {"string": "1018"}, f"{SRIOV}/vfID": {"int": 3}, **more}
    found |= {DEVICE_ID: {"string": device}} if device else {}
    return found | ({RESOURCE: {"string": resource}} if resource else {})


def name_of(device: str) -> str:
    return device.replace(":", "-").replace(".", "-")


def put_slice(
    api: Cluster,
    *devices: tuple[str, Conf],
    driver: str = SRIOV,
    node: str = NODE,
    name: str = "s",
    generation: int = 1,
) -> None:
    made = [{"name": one, "attributes": attributes} for one, attributes in devices]
    pool = {"name": node, "generation": generation, "resourceSliceCount": 1}
    api.put_slice(name, {"driver": driver, "nodeName": node, "pool": pool, "devices": made})


def put_vfs(api: Cluster, *devices: str, resource: str = ETH, **more: Any) -> None:
    put_slice(api, *((name_of(one), attributes(one, resource)) for one in devices), **more)


def allocated(*devices: str, request: str = "vf", driver: str = SRIOV, **more: Any) -> Conf:
    """Return the allocation of devices, by their names."""
    results = [{"request": request, "driver": driver, "pool": NODE, "device": one, **more} for one in devices]
    return {"allocation": {"devices": {"results": results}}}


def reserved(api: Cluster, status: Conf, uid: str = "") -> Conf:
    """Return the status of a claim that is reserved for the pod, or for another one."""
    return {**status, "reservedFor": [{"resource": "pods", "name": "web-0", "uid": uid or api.uid}]}


def put_claim(api: Cluster, *devices: str, name: str = "nic", uid: str = "", **more: Any) -> None:
    """Put a claim to which devices are allocated, by their IDs."""
    api.put_claim(name, reserved(api, allocated(*map(name_of, devices), **more), uid))


def put_pod(api: Cluster, networks: object, spec: Conf = BY_NAME, **status: Any) -> None:
    api.put_pod_on_node(networks, spec=spec, status=status)


def by_template(*names: str) -> tuple[Conf, Conf]:
    """Return spec and status of a pod whose claims were made from templates."""
    claims = [{"name": f"c-{one}", "resourceClaimTemplateName": "nics"} for one in names]
    statuses = [{"name": f"c-{one}", "resourceClaimName": one} for one in names]
    return {"resourceClaims": claims}, {"resourceClaimStatuses": statuses}


def by_extended(*mappings: tuple[str, str]) -> tuple[Conf, Conf]:
    """Return spec and status of a pod whose container requests resources that a claim gives."""
    limits = {resource: "1" for _, resource in mappings}
    container = {"name": "main", "image": "none.example/none", "resources": {"limits": limits}}
    made = [{"containerName": "main", "requestName": one, "resourceName": resource} for one, resource in mappings]
    return {"containers": [container]}, {
        "extendedResourceClaimStatus": {"resourceClaimName": "nic", "requestMappings": made}
    }


def put_network(node: Node, name: str, resource: str, **annotations: str) -> None:
    conf = {
        "cniVersion": "1.0.0",
        "name": name,
        "type": "vf",
        "capabilities": {"deviceID": True, "CNIDeviceInfoFile": True},
    }
    node.api.put_network("blue", name, conf, annotations={RESOURCE_NAME: resource, **annotations})


def put_kubelet(node: Node) -> Path:
    """Make the directory of a kubelet without device plugins, which has no checkpoint."""
    socket = node.directory / "kubelet" / SOCKET
    socket.parent.mkdir(parents=True)
    socket.touch()
    return socket
