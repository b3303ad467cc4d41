"""The graph as an outline: segments, the networks on them, and the workloads whose pods are attached.

Pods are grouped by namespace and controller, so the outline is as large as the number of workloads. What a DRA driver
attached stands under its pool of devices. The default network of the cluster, which has no definition, is left out.
A workload that asks for a network that exists is there as well, before a pod of it is attached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from webhook.report.plaintext import counted

from .graph import Topology, workload_of
from .segments import DEFINITION, DRIVER, KINDS, Segment


class User(NamedTuple):
    """A workload on a network. `workload`: `kind/name`, of the pod itself without a controller. `nodes`: how many.

    `pods` is 0 for a workload that asks for the network, and of which no pod has it.
    """

    namespace: str
    workload: str
    pods: int
    nodes: int

    @property
    def words(self) -> str:
        """How many pods are attached, or that none is."""
        return counted(self.pods, "pod") if self.pods else ASKS


ASKS = "asks for it"


class NetworkOutline(NamedTuple):
    """A network, or a pool of a DRA driver. `types`: its plugins; `ipam`: theirs.

    `is_defined`: whether there is such a definition, or a driver says that the pool exists; None if definitions of its
    namespace were not read.
    """

    network: str
    types: tuple[str, ...]
    ipam: tuple[str, ...]
    is_defined: bool | None
    users: tuple[User, ...]

    @property
    def pods(self) -> int:
        """How many pods are attached."""
        return sum(one.pods for one in self.users)


class SegmentOutline(NamedTuple):
    """A segment with its networks, sorted by name."""

    segment: Segment
    networks: tuple[NetworkOutline, ...]


def outline(topology: Topology, namespace: str = "") -> tuple[SegmentOutline, ...]:
    """Return the outline, of a namespace alone if it is named: its networks, and those that its pods have."""
    users = _users(topology)
    found: defaultdict[Segment, list[NetworkOutline]] = defaultdict(list)
    places = {*users, *((topology.segment(network), network) for network in topology.networks)}
    for segment, network in sorted(places, key=lambda place: place[1]):
        one = _network(segment, network, topology, tuple(users.get((segment, network), ())))
        if not namespace or _concerns(one, namespace):
            found[segment].append(one)
    order = sorted(found, key=lambda segment: (KINDS.index(segment.kind), segment))
    return tuple(SegmentOutline(segment, tuple(found[segment])) for segment in order)


def _concerns(one: NetworkOutline, namespace: str) -> bool:
    return one.network.startswith(f"{namespace}/") or any(user.namespace == namespace for user in one.users)


def _network(segment: Segment, network: str, topology: Topology, users: tuple[User, ...]) -> NetworkOutline:
    if segment.kind == DRIVER:
        return NetworkOutline(network, (), (), is_defined=True, users=users)
    known = topology.networks.get(network)
    config = known.definition.config if known is not None else None
    plugins = config.plugins if config is not None else ()
    types = tuple(dict.fromkeys(plugin.type for plugin in plugins))
    ipam = tuple(dict.fromkeys(plugin.ipam_type for plugin in plugins if plugin.ipam_type))
    return NetworkOutline(network, types, ipam, topology.is_defined(network), users)


_Place = tuple[Segment, str]
"""A segment, and a network or a pool of devices on it."""


def _users(topology: Topology) -> dict[_Place, list[User]]:
    """Return the workloads on each network, and those that ask for it. A pod with two interfaces on it counts once."""
    groups: defaultdict[_Place, defaultdict[tuple[str, str], dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    segments: dict[str, Segment] = {}
    for one in topology.attachments:
        pod, network = one.pod, one.network
        if network in topology.networks or "/" in network:
            segment = segments.get(network) or segments.setdefault(network, topology.segment(network))
            groups[segment, network][pod.namespace, workload_of(pod)][pod.name] = pod.node
        elif one.claimed is not None:
            groups[topology.segment_of(one), one.claimed.pool][pod.namespace, workload_of(pod)][pod.name] = pod.node
    for asking in topology.asking:
        known = topology.networks.get(asking.network)
        if known is not None:
            groups[known.segment, asking.network].setdefault((asking.namespace, asking.workload), {})
    return {place: list(_grouped(of)) for place, of in groups.items()}


def _grouped(of: dict[tuple[str, str], dict[str, str]]) -> Iterator[User]:
    for (namespace, workload), pods in sorted(of.items()):
        yield User(namespace, workload, len(pods), len(set(pods.values()) - {""}))


def is_alone(segment: Segment) -> bool:
    """Say whether a segment is one definition, whose name says it all."""
    return segment.kind == DEFINITION
