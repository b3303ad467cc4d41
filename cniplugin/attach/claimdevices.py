"""The devices that a pod's ResourceClaims give to CNI (resource.k8s.io/v1, dynamic resource allocation).

    pod.status.resourceClaimStatuses[].resourceClaimName        claims made from templates
    pod.spec.resourceClaims[].resourceClaimName                 claims by name; Multus does not read these
    pod.status.extendedResourceClaimStatus                      the claim for resources of the containers
      -> ResourceClaim: status.allocation.devices.results[]     request, driver, pool, device
      -> ResourceSlices of that driver and of the pod's node: the device
      -> its attributes k8s.cni.cncf.io/deviceID and k8s.cni.cncf.io/resourceName, as strings

The names of the attributes are those of Multus (k8snetworkplumbingwg/multus-cni@0913b1c, pkg/draclient) and of
dra-driver-sriov in its mode MULTUS. A device without both is no concern of CNI. In the claim for resources of the
containers, the resource of a device must be the one that the pod's status maps its request to.

A claim gives a device only if it is the pod's own: `status.reservedFor` has the UID of this pod. A device that was
allocated for administrative access may be in use by another pod, so it is not given either. Only ResourceSlices of the
pod's node count. If a device is in several slices, the one of the newest generation of the pool counts.

| a claim or its slices | consequence |
| --- | --- |
| give devices | they join those of the kubelet |
| give none | the reason is in the text of error 101, if a network needs a device |
| may not be read (403), or the API server does not serve them (404) | the same, and a log line says so |
| cannot be read for another reason | code 11, the runtime tries again |
"""

from __future__ import annotations

from cniplugin.cluster import objects
from cniplugin.cluster.kubeapi import RefusedError
from cniplugin.host.log import LOG
from cniplugin.netspec.errors import show
from cniplugin.netspec.names import is_subdomain
from cniplugin.netspec.record import Record

from .devices import ClaimDevices
from .podclaims import items_of, member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from cniplugin.cluster.objects import Pod, Server

    Attributes = Mapping[str, Any]
    Index = Mapping[tuple[str, str], Attributes]
    """The attributes of the devices of a driver on the node, by pool and name."""

DOMAIN = "k8s.cni.cncf.io"
DEVICE_ID = f"{DOMAIN}/deviceID"
RESOURCE_NAME = f"{DOMAIN}/resourceName"

FORBIDDEN = 403


class _Device(Record):
    """A device that a claim gives to CNI."""

    resource: str
    device: str


class _Gap(Record):
    """Why a claim, or one of its devices, gives nothing. `is_unknown`: nobody knows which resource it would give."""

    text: str
    is_unknown: bool = False


def find(pod: Pod, client: Server) -> ClaimDevices:
    """Return the devices of the claims of a pod. Raises CniError 11 if an object cannot be read for now."""
    indexes: dict[str, Index | _Gap] = {}
    found: list[_Device | _Gap] = []
    for name in pod.claims:
        found += _within(f"ResourceClaim {pod.namespace}/{name}", _read_claim(pod, name, client, indexes))
    gaps = tuple(dict.fromkeys(one for one in found if isinstance(one, _Gap)))
    return ClaimDevices(
        devices=_by_resource(one for one in found if isinstance(one, _Device)),
        mapped=frozenset(resource for _, resource in pod.extended_requests),
        requested=pod.requested,
        is_unknown=any(gap.is_unknown for gap in gaps),
        gaps=tuple(gap.text for gap in gaps),
    )


def _by_resource(found: Iterable[_Device]) -> Mapping[str, tuple[str, ...]]:
    devices: dict[str, set[str]] = {}
    for one in found:
        devices.setdefault(one.resource, set()).add(one.device)
    return {resource: tuple(sorted(ids)) for resource, ids in devices.items()}


def _within(where: str, found: Iterable[_Device | _Gap]) -> Iterator[_Device | _Gap]:
    for one in found:
        yield one.replace(text=f"{where}: {one.text}") if isinstance(one, _Gap) else one


def _read_claim(pod: Pod, name: str, client: Server, indexes: dict[str, Index | _Gap]) -> Iterator[_Device | _Gap]:
    """Yield the devices of one claim, and its gaps. `indexes`: by driver, filled on demand."""
    try:
        claim = objects.fetch_claim(client, pod.namespace, name)
    except RefusedError as error:
        if error.status != FORBIDDEN:
            raise
        yield _unread(error.msg)
        return
    problem = _problem_of(claim, pod)
    if problem:
        yield _Gap(text=problem, is_unknown=True)
        return
    for result in _results_of(claim or {}):
        driver = str(result.get("driver"))
        if driver not in indexes:
            indexes[driver] = _load_index(driver, pod.node, client)
        index = indexes[driver]
        if isinstance(index, _Gap):
            yield index
        elif name != pod.extended_claim:
            yield _judge(result, index, pod.node)
        else:
            yield _judge_mapped(result, index, pod)


def _problem_of(claim: dict[str, Any] | None, pod: Pod) -> str:
    """Return why a claim gives this pod nothing, or ""."""
    if claim is None:
        return "it does not exist"
    status = member(claim, "status")
    if not member(status, "allocation"):
        return "it is not allocated"
    reserved = items_of(status.get("reservedFor"))
    if not any(one.get("resource") == "pods" and one.get("uid") == pod.uid != "" for one in reserved):
        return f"it is not reserved for this pod, whose uid is {pod.uid}"
    return ""


def _results_of(claim: dict[str, Any]) -> list[dict[str, Any]]:
    devices = member(member(member(claim, "status"), "allocation"), "devices")
    return items_of(devices.get("results"))


def _load_index(driver: str, node: str, client: Server) -> Index | _Gap:
    """Return the devices of a driver on a node."""
    if not is_subdomain(driver) or not is_subdomain(node):  # each becomes a part of a selector
        return _Gap(text=f"the driver or the node has a name that cannot be: {show(driver)}, {show(node)}")
    try:
        slices = objects.fetch_slices(client, driver, node)
    except RefusedError as error:
        if error.status != FORBIDDEN:
            raise
        return _unread(error.msg)
    if slices is None:
        versions = ", ".join(objects.CLAIM_VERSIONS)
        text = f"API server {client.server}: it serves no resourceslices of {objects.CLAIMS_GROUP} in {versions}"
        return _unread(text)
    return index_slices(slices, driver, node)


def _unread(text: str) -> _Gap:
    """Return the gap of an object that the API server does not return, and log it. The pod may need no device of it."""
    LOG.error(f"devices of claims are not known: {text}")
    return _Gap(text=text, is_unknown=True)


def index_slices(slices: Iterable[dict[str, Any]], driver: str, node: str) -> Index:
    """Return the attributes of a driver's devices on a node, by pool and name.

    In v1beta1 they are one level deeper, in `basic`. NB: the slices of a pool are replaced one after the other.
    """
    newest: dict[tuple[str, str], tuple[int, Attributes]] = {}
    for spec in (member(one, "spec") for one in slices):
        if spec.get("driver") != driver or spec.get("nodeName") != node:
            continue
        pool = member(spec, "pool")
        number = pool.get("generation")
        generation = number if isinstance(number, int) else 0
        for device in items_of(spec.get("devices")):
            key = (str(pool.get("name")), str(device.get("name")))
            attributes = member(member(device, "basic") or device, "attributes")
            if key not in newest or newest[key][0] < generation:
                newest[key] = (generation, attributes)
    return {key: attributes for key, (_, attributes) in newest.items()}


def _judge(result: dict[str, Any], index: Index, node: str) -> _Device | _Gap:
    """Return the device of an allocation result, or why it is none for CNI."""
    driver, name = str(result.get("driver")), str(result.get("device"))
    where = f"device {show(name)} of driver {show(driver)}"
    if result.get("adminAccess"):
        return _Gap(text=f"{where} is allocated for administrative access, so another pod may have it")
    attributes = index.get((str(result.get("pool")), name))
    if attributes is None:
        return _Gap(text=f"{where} is in no ResourceSlice of node {node}")
    device, resource = (_attribute(attributes, key, driver) for key in (DEVICE_ID, RESOURCE_NAME))
    if not device or not resource:
        missing = RESOURCE_NAME if device else DEVICE_ID
        return _Gap(text=f"{where} is not one for CNI: its ResourceSlice has no string {missing}")
    return _Device(resource=resource, device=device)


def _judge_mapped(result: dict[str, Any], index: Index, pod: Pod) -> _Device | _Gap:
    """Return the device as `_judge`, if it has a resource that the status of the pod maps its request to."""
    judged = _judge(result, index, pod.node)
    request = str(result.get("request"))
    mapped = [resource for name, resource in pod.extended_requests if name == request]
    if isinstance(judged, _Gap) or judged.resource in mapped:
        return judged
    shown = ", ".join(map(show, mapped)) or "no resource"
    text = f"device {show(str(result.get('device')))} has the resource {show(judged.resource)}"
    return _Gap(text=f"{text}, and the status of the pod maps its request {show(request)} to {shown}")


def _attribute(attributes: Attributes, key: str, driver: str) -> str:
    """Return an attribute that is a string, or "". A name without a domain has the domain of the driver."""
    value = attributes.get(key)
    if value is None and driver == DOMAIN:
        value = attributes.get(key.partition("/")[2])
    text = value.get("string") if isinstance(value, dict) else None
    return text if isinstance(text, str) else ""
