"""The graph: definitions on their segments, attachments of pods, and what asks for an address, a MAC or a device.

Objects come one by one, in any order, and one that comes again replaces itself. A pod counts until it has ended. What
it has is its `network-status`; an address of `status.podIPs` that is not there counts as one of the default network.
What a DRA driver attached is in the status of the ResourceClaim (`networkData`, KEP-4817), for each pod in
`reservedFor`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import Any, NamedTuple

from cniplugin.access.content.facts import ADDRESS, DEVICE, INTERFACE, MAC, facts_of, fold
from cniplugin.netspec import netattachdef
from cniplugin.netspec.annotation import PodSelections, read_pod, texts_of
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.model.kinds import NETWORK_NAMESPACE, RESOURCE_CLAIM, GroupKind
from webhook.admission.plugins.goparsing import read_address, read_cidr
from webhook.admission.templates.podtemplates import FoundPod, find_by_shape
from webhook.admission.templates.workloadtable import MACHINES
from webhook.admission.view.addressclaims import claims_of, mac_key
from webhook.report.diagnosis.objectset import Json, controller_of, items, part, text, texts
from webhook.report.diagnosis.poddiagnosis import ENDED
from webhook.report.diagnosis.podstatus import Has, reference_of, status_of

from .segments import DEFINITION, DRIVER, Segment, join_bridges, segment_of

TEMPLATE_HASH = "pod-template-hash"
"""The label by which a Deployment tells its ReplicaSets apart; their names end with it."""

READ_MAX = 20_000
"""Annotations that are remembered: a graph that follows a cluster for weeks sees texts that never come again."""

POOL_GROUP = "whereabouts.cni.cncf.io"

_PCI = re.compile(r"(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


class Pod(NamedTuple):
    """A pod that has not ended. `since`: when it started; `leaving`: since when it is being deleted, "" if it is not.

    `owner`: its controller as `kind/name`, "" without one.
    """

    namespace: str
    name: str
    phase: str
    node: str
    since: str
    leaving: str
    owner: str
    is_on_host: bool


class ClaimedDevice(NamedTuple):
    """A device that a ResourceClaim has, as its status names it. `claim`: namespace/name."""

    claim: str
    driver: str
    pool: str
    name: str


class Attachment(NamedTuple):
    """One interface of a pod. `network`: as network-status names it, "" if only the address of the pod is known.

    `addresses` are in normal form, `mac` is as written, and `devices` are the texts of its device information.
    `claimed`: the device of a ResourceClaim that is this interface; then `network` may be "".
    """

    pod: Pod
    network: str
    interface: str
    addresses: tuple[str, ...]
    mac: str
    devices: tuple[str, ...] = ()
    claimed: ClaimedDevice | None = None


class Claim(NamedTuple):
    """What an object asks for: a pod, a workload by its template, or a network by its configuration.

    `item`: of the networks annotation, from 1; 0 for the default network, and for a configuration. `path`: of the
    value; `key`: its normal form.
    """

    kind: str
    namespace: str
    name: str
    network: str
    item: int
    path: str
    value: str
    key: str


class Asking(NamedTuple):
    """A pod without a network that it asks for, or a workload whose template asks for it: `kind/name`."""

    namespace: str
    workload: str
    network: str


class Network(NamedTuple):
    """A definition on its segment."""

    definition: NetworkAttachmentDefinition
    segment: Segment


class Allocation(NamedTuple):
    """One address that a pool of whereabouts keeps for a pod, whose `namespace/name` is as the pool has it."""

    pool: str
    address: str
    pod: str
    interface: str


class Topology(NamedTuple):
    """The graph. `networks`: by reference.

    `definitions_of`: the namespace whose definitions were read, "" for all namespaces, None for no namespace.
    """

    networks: Mapping[str, Network]
    attachments: tuple[Attachment, ...]
    claims: tuple[Claim, ...]
    allocations: tuple[Allocation, ...]
    pods: frozenset[str]
    asking: tuple[Asking, ...] = ()
    definitions_of: str | None = ""

    def is_defined(self, network: str) -> bool | None:
        """Say whether there is such a definition; None if those of its namespace were not read."""
        if network in self.networks:
            return True
        return False if self.definitions_of in {"", network.partition("/")[0]} else None

    def segment_of(self, one: Attachment) -> Segment:
        """Return the segment of an attachment: that of its network, or of the driver of its device."""
        if one.claimed is not None and not one.network:
            return Segment(DRIVER, one.claimed.driver)
        return self.segment(one.network)

    def segment(self, network: str) -> Segment:
        """Return the segment of a network; one of its own if there is no such definition."""
        known = self.networks.get(network)
        return known.segment if known is not None else Segment(DEFINITION, network)


def device_key(written: str) -> str:
    """Return the form of a device in which two spellings are equal: a PCI address has its domain."""
    lower = written.lower()
    if _PCI.fullmatch(lower):
        return lower if lower.count(":") == 2 else f"0000:{lower}"
    return written


class _Claimed(NamedTuple):
    """A device of a claim that is an interface of a pod (`namespace/name`)."""

    pod: str
    device: ClaimedDevice
    interface: str
    addresses: tuple[str, ...]
    mac: str


class Part(NamedTuple):
    """What one object adds to the graph. `pod`: a pod that has not ended. `claimed`: what a driver made for a claim."""

    pod: Pod | None = None
    network: Network | None = None
    attachments: tuple[Attachment, ...] = ()
    claims: tuple[Claim, ...] = ()
    allocations: tuple[Allocation, ...] = ()
    claimed: tuple[_Claimed, ...] = ()
    asking: tuple[Asking, ...] = ()


NOTHING = Part()

Key = tuple[str, str, str]
"""Kind, namespace and name of an object."""


class Graph:
    """Takes objects, and makes the topology of them.

    `read` may run beside the other methods, which are for one thread at a time. Whoever
    watches a cluster reads an object when it arrives, and keeps it later.
    """

    def __init__(self, network_namespace: str = NETWORK_NAMESPACE) -> None:
        self._network_namespace = network_namespace
        self._parts: dict[Key, Part] = {}
        self._read: dict[tuple[str, str, str], PodSelections] = {}

    def add(self, one: Json) -> None:
        """Take an object; kinds that have nothing to say are ignored."""
        key = text(one, "kind"), text(one, "metadata", "namespace"), text(one, "metadata", "name")
        self.put(key, self.read(one))

    def put(self, key: Key, added: Part) -> bool:
        """Keep the part of an object in place of an earlier one; NOTHING drops it. Return whether anything changed."""
        if self._parts.get(key, NOTHING) == added:
            return False
        if added == NOTHING:
            del self._parts[key]
        else:
            self._parts[key] = added
        return True

    def keep_only(self, kind: str, keys: Collection[tuple[str, str]]) -> bool:
        """Drop the objects of a kind but those with these namespaces and names. Return whether anything changed."""
        dropped = [key for key in self._parts if key[0] == kind and key[1:] not in keys]
        for key in dropped:
            del self._parts[key]
        return bool(dropped)

    def read(self, one: Json) -> Part:
        """Return what an object adds; NOTHING for kinds that have nothing to say, and for a pod that has ended."""
        kind = text(one, "kind")
        group = text(one, "apiVersion").rpartition("/")[0]
        if kind == "Pod" and not group:
            return self._read_pod(one, status_of(one) or ())
        if kind == netattachdef.KIND and group == netattachdef.GROUP:
            return _read_network(one)
        if kind == "IPPool" and group == POOL_GROUP:
            return Part(allocations=tuple(_allocations(one)))
        if kind == RESOURCE_CLAIM.kind and group == RESOURCE_CLAIM.group:
            return Part(claimed=tuple(_claimed(one)))
        if kind in {"Event", "List"} or controller_of(one) is not None:
            return NOTHING
        return self._read_templates(kind, one)

    def finish(self, definitions_of: str | None = "") -> Topology:
        """Return the topology of what was taken. `definitions_of`: as `Topology` has it."""
        parts = [(key, self._parts[key]) for key in sorted(self._parts, key=_order)]
        networks = [own.network for _, own in parts if own.network is not None]
        joined = join_bridges(one.segment for one in networks)
        return Topology(
            networks={
                one.definition.reference: one._replace(segment=joined.get(one.segment, one.segment)) for one in networks
            },
            attachments=tuple(one for of in _with_claimed([own for _, own in parts]) for one in of),
            claims=tuple(one for _, own in parts for one in own.claims),
            allocations=tuple(one for _, own in parts for one in own.allocations),
            pods=frozenset(f"{key[1]}/{key[2]}" for key, own in parts if own.pod is not None),
            asking=tuple(dict.fromkeys(one for _, own in parts for one in own.asking)),
            definitions_of=definitions_of,
        )

    def add_pod(self, one: Json, status: Iterable[Has]) -> None:
        """Take a pod whose network-status was read."""
        key = text(one, "kind"), text(one, "metadata", "namespace"), text(one, "metadata", "name")
        self.put(key, self._read_pod(one, status))

    def _read_pod(self, one: Json, status: Iterable[Has]) -> Part:
        metadata = part(one, "metadata")
        if text(one, "status", "phase") in ENDED:
            return NOTHING
        pod = pod_of(one)
        attachments = tuple(_attachments(pod, one, status))
        has = frozenset(each.network for each in attachments)
        asked = () if pod.is_on_host else self._asked(metadata, pod.namespace)
        return Part(
            pod=pod,
            attachments=attachments,
            claims=tuple(self._claims_of("pod", metadata, pod.namespace, pod.name)),
            asking=tuple(Asking(pod.namespace, workload_of(pod), each) for each in asked if each not in has),
        )

    def _read_templates(self, kind: str, one: Json) -> Part:
        namespace, name = text(one, "metadata", "namespace"), text(one, "metadata", "name")
        pods = [template.pod for template in templates_of(one)]
        workload = f"{kind.lower()}/{name}"
        return Part(
            claims=tuple(
                claim for pod in pods for claim in self._claims_of(kind.lower(), part(pod, "metadata"), namespace, name)
            ),
            asking=tuple(
                Asking(namespace, workload, network)
                for pod in pods
                if part(pod, "spec").get("hostNetwork") is not True
                for network in self._asked(part(pod, "metadata"), namespace)
            ),
        )

    def _asked(self, metadata: Json, namespace: str) -> tuple[str, ...]:
        """Return the networks that a pod asks for beside its default network, each once."""
        elements = self.selections(*texts_of(texts(metadata, "annotations")), namespace).elements
        return tuple(dict.fromkeys(intern(reference_of(one)) for position, one in elements if position is not None))

    def _claims_of(self, kind: str, metadata: Json, namespace: str, name: str) -> Iterator[Claim]:
        annotations = texts(metadata, "annotations")
        for position, element in self.selections(*texts_of(annotations), namespace).elements:
            network, item = reference_of(element), 0 if position is None else position + 1
            asked = [(one.path, one.value, one.address) for one in claims_of(element)]
            if element.infiniband_guid:
                asked.append(("infiniband-guid", element.infiniband_guid, mac_key(element.infiniband_guid)))
            if element.device_id:
                asked.append(("deviceID", element.device_id, device_key(element.device_id)))
            for path, value, key in asked:
                yield Claim(kind, namespace, name, network, item, path, value, key)

    def selections(self, networks: str, default: str, namespace: str) -> PodSelections:
        """Return what two annotations ask for. They are read once for all pods of a workload."""
        key = networks, default, namespace
        if key not in self._read:
            if len(self._read) >= READ_MAX:
                self._read.clear()
            self._read[key] = read_pod(
                networks, default, namespace=namespace, network_namespace=self._network_namespace
            )
        return self._read[key]


def templates_of(one: Json) -> Sequence[FoundPod]:
    """Return the pods that an object makes: of a machine of KubeVirt by its networks, of others by their templates."""
    group = text(one, "apiVersion").rpartition("/")[0]
    machine = _MACHINES.get(GroupKind(group, text(one, "kind")))
    return find_by_shape(dict(one)) if machine is None else machine.find(dict(one))


_MACHINES = {one.kind: one for one in MACHINES}


def _order(key: Key) -> tuple[str, str]:
    """Sort claims by kind, as `finish` lists them, and everything by its reference."""
    return key[0].lower(), f"{key[1]}/{key[2]}"


def _read_network(one: Json) -> Part:
    metadata = part(one, "metadata")
    config = part(one, "spec").get("config")
    definition = netattachdef.build(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        config=config if isinstance(config, str) else None,
        labels=texts(metadata, "labels"),
        annotations=texts(metadata, "annotations"),
    )
    return Part(network=Network(definition, segment_of(definition)), claims=tuple(_claims_of_network(definition)))


def _name(one: Json) -> str:
    return f"{text(one, 'metadata', 'namespace')}/{text(one, 'metadata', 'name')}"


def pod_of(one: Json) -> Pod:
    """Return what the topology keeps of a pod."""
    return Pod(  # NB: texts of many pods are kept once
        namespace=intern(text(one, "metadata", "namespace")),
        name=text(one, "metadata", "name"),
        phase=intern(text(one, "status", "phase")),
        node=intern(text(one, "spec", "nodeName")),
        since=text(one, "status", "startTime") or text(one, "metadata", "creationTimestamp"),
        leaving=text(one, "metadata", "deletionTimestamp"),
        owner=_owner(one),
        is_on_host=part(one, "spec").get("hostNetwork") is True,
    )


def workload_of(pod: Pod) -> str:
    """Return the controller of a pod, or the pod itself, as `kind/name`."""
    return pod.owner or f"pod/{pod.name}"


def _owner(one: Json) -> str:
    """Return the controller of a pod as `kind/name`; the Deployment, if it is the ReplicaSet of one."""
    owner = controller_of(one)
    if owner is None:
        return ""
    kind, name = text(owner, "kind").lower(), text(owner, "name")
    revision = f"-{text(one, 'metadata', 'labels', TEMPLATE_HASH)}"
    if kind == "replicaset" and len(revision) > 1 and name.endswith(revision):
        return f"deployment/{name.removesuffix(revision)}"
    return f"{kind}/{name}"


def _attachments(pod: Pod, one: Json, status: Iterable[Has]) -> Iterator[Attachment]:
    seen: set[str] = set()
    for entry in status:
        addresses = tuple(_address_key(written) for written in entry.addresses)
        seen.update(addresses)
        yield Attachment(pod, intern(entry.name), intern(entry.interface), addresses, entry.mac, entry.devices)
    written = [text(item, "ip") for item in items(one, "status", "podIPs")] or [text(one, "status", "podIP")]
    rest = tuple(key for key in dict.fromkeys(map(_address_key, filter(None, written))) if key not in seen)
    if rest:
        yield Attachment(pod, "", "" if pod.is_on_host else "eth0", rest, "")


def _claimed(claim: Json) -> Iterator[_Claimed]:
    """Yield the interfaces of a ResourceClaim, for each pod that uses it (resource.k8s.io/v1 AllocatedDeviceStatus)."""
    namespace = text(claim, "metadata", "namespace")
    pods = [text(one, "name") for one in items(claim, "status", "reservedFor") if text(one, "resource") == "pods"]
    for one in items(claim, "status", "devices"):
        data = part(one, "networkData")
        ips = data.get("ips")
        addresses = tuple(map(_address_key, filter(_is_text, ips))) if isinstance(ips, list) else ()
        interface, mac = text(data, "interfaceName"), text(data, "hardwareAddress")
        if interface or addresses or mac:
            device = ClaimedDevice(_name(claim), text(one, "driver"), text(one, "pool"), text(one, "device"))
            for pod in pods:
                yield _Claimed(f"{namespace}/{pod}", device, interface, addresses, mac)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _with_claimed(parts: Sequence[Part]) -> Iterator[tuple[Attachment, ...]]:
    """Yield the attachments of each pod, with those that a driver made for a ResourceClaim."""
    claimed: defaultdict[str, list[_Claimed]] = defaultdict(list)
    for one in (one for own in parts for one in own.claimed):
        claimed[one.pod].append(one)
    for own in parts:
        found, pod = own.attachments, own.pod
        if pod is not None:
            for one in claimed.get(f"{pod.namespace}/{pod.name}", ()):
                found = _merge(pod, found, one)
        yield found


def _merge(pod: Pod, attachments: tuple[Attachment, ...], claimed: _Claimed) -> tuple[Attachment, ...]:
    """Return the attachments of a pod with a claimed interface; one that network-status has as well is that one."""
    known = [one for one in attachments if claimed.interface and one.interface == claimed.interface]
    names = (claimed.device.name,) if claimed.device.name else ()
    if known:
        return tuple(
            one._replace(
                addresses=tuple(dict.fromkeys((*one.addresses, *claimed.addresses))),
                mac=one.mac or claimed.mac,
                devices=tuple(dict.fromkeys((*one.devices, *names))),
                claimed=claimed.device,
            )
            if one is known[0]
            else one
            for one in attachments
        )
    return (*attachments, Attachment(pod, "", claimed.interface, claimed.addresses, claimed.mac, names, claimed.device))


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_NORMAL = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
"""An IPv4 address in normal form. NB: nearly all are, and `ipaddress` takes ten times as long to say so."""


def _address_key(written: str) -> str:
    if _NORMAL.fullmatch(written):
        return written
    address = read_address(written.partition("/")[0])
    return written if address is None else str(address)


_RANGE_KEYS = frozenset({"subnet", "rangestart", "rangeend", "range", "range_start", "range_end"})
"""Keys of ranges. A range of one address hands it out, and does not ask for it."""


def _claims_of_network(definition: NetworkAttachmentDefinition) -> Iterator[Claim]:
    """Yield the addresses, MACs, devices and interfaces that a configuration names."""
    facts = facts_of(definition)
    keys: Mapping[str, Callable[[str], str]] = {
        ADDRESS: _exact_address,
        MAC: mac_key,
        DEVICE: device_key,
        INTERFACE: str,
    }
    for touch in facts.touches if facts is not None else ():
        if fold(touch.key) in _RANGE_KEYS:
            continue
        key = keys[touch.kind](touch.value) if touch.kind in keys and touch.value else ""
        if key:
            yield Claim(
                "network", definition.namespace, definition.name, definition.reference, 0, touch.path, touch.value, key
            )


def _exact_address(value: str) -> str:
    """Return one address in normal form, without its prefix; "" for a range or a subnet."""
    address, interface = read_address(value), read_cidr(value)
    if interface is not None and interface.ip != interface.network.network_address:
        address = interface.ip
    return "" if address is None else str(address)


def _allocations(pool: Json) -> Iterator[Allocation]:
    """Yield what a pool of whereabouts keeps: its keys are offsets from the first address of `spec.range`."""
    subnet = read_cidr(text(pool, "spec", "range"))
    if subnet is None:
        return
    kept: Mapping[str, Any] = part(pool, "spec", "allocations")
    for offset, one in kept.items():
        number = int(offset) if offset.isdecimal() and len(offset) <= 39 else -1
        if 0 <= number < subnet.network.num_addresses:
            number += int(subnet.ip)
            if number <= int(subnet.network.broadcast_address):
                address = str(type(subnet.ip)(number))
                yield Allocation(_name(pool), address, text(one, "podref"), text(one, "ifname"))
