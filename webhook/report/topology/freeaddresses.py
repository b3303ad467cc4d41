"""The addresses of a network that no pod has: its ranges without what is used, kept or asked for on its segment.

Known for IPAM host-local and whereabouts. Ranges are computed with, not listed: a /64 has more addresses than memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cniplugin.netspec.errors import render
from webhook.admission.plugins.goparsing import Address, read_address
from webhook.admission.plugins.networksupport import Ipam, Range
from webhook.admission.plugins.schema import PluginChecks

from .graph import Network, Topology
from .linkscope import WHEREABOUTS
from .lookup import ipams_of
from .segments import Segment

HOST_LOCAL = "host-local"

PER_NODE = (
    "host-local hands out addresses on each node for itself: one that is free here may be in use by a container that "
    "the API server does not know, and two nodes may give the same one"
)


class Span(NamedTuple):
    """Addresses of one family, `first` to `last`."""

    first: Address
    last: Address

    @property
    def size(self) -> int:
        """How many they are."""
        return int(self.last) - int(self.first) + 1


class Used(NamedTuple):
    """An address in a range that cannot be had. `by`: who has it, keeps it or asks for it."""

    address: Address
    by: str


class Free(NamedTuple):
    """The free addresses of a network. `ranges`: what its IPAM hands out, with exclusions."""

    network: str
    segment: Segment
    ipam: str
    ranges: tuple[Span, ...]
    used: tuple[Used, ...]
    free: tuple[Span, ...]
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many addresses are free."""
        return sum(one.size for one in self.free)


def find_free(reference: str, topology: Topology, checks: PluginChecks) -> Free | str:
    """Return the free addresses of a network that is defined; a text that says why they are not known."""
    network = topology.networks[reference]
    if network.definition.is_on_disk:
        return "its configuration is a file on the nodes"
    if network.definition.config is None:
        return f"its configuration cannot be read: {render(network.definition.problems[0])}"
    ipams = [one for one in ipams_of(network, checks) if one.ranges]
    if not ipams:
        return f"{_ipam_words(network)}; allowed: IPAM host-local or whereabouts, with ranges that the plugin accepts"
    users = _users(network.segment, ipams, topology)
    ranges = tuple(Span(one.first, one.last) for ipam in ipams for one in ipam.ranges)
    used = tuple(
        Used(address, by)
        for address, by in sorted(users.items(), key=lambda one: (one[0].version, int(one[0])))
        if any(one.first.version == address.version and one.first <= address <= one.last for one in ranges)  # type: ignore[operator]
    )
    taken = [Span(one.address, one.address) for one in used]
    free = tuple(
        span
        for ipam in ipams
        for one in ipam.ranges
        for span in _without(Span(one.first, one.last), [*_never(one, ipam.type), *taken])
    )
    notes = (PER_NODE,) if any(one.type == HOST_LOCAL for one in ipams) else ()
    return Free(reference, network.segment, ", ".join(one.type for one in ipams), ranges, used, free, notes)


def _ipam_words(network: Network) -> str:
    config = network.definition.config
    types = [one.ipam_type for one in config.plugins if one.ipam_type] if config is not None else []
    return f"its IPAM ({', '.join(types)}) does not say them" if types else "it has no IPAM"


def _users(segment: Segment, ipams: list[Ipam], topology: Topology) -> Mapping[Address, str]:
    """Return who has an address of a segment, keeps it or asks for it; who has it goes first."""
    found: dict[Address, str] = {}
    for one in topology.attachments:
        if topology.segment_of(one) == segment:
            _put(found, one.addresses, f"pod {one.pod.namespace}/{one.pod.name}")
    if any(ipam.type == WHEREABOUTS for ipam in ipams):
        for allocation in topology.allocations:
            _put(found, (allocation.address,), f"whereabouts pool {allocation.pool} for pod {allocation.pod}")
    for claim in topology.claims:
        if topology.segment(claim.network) == segment:
            _put(found, (claim.key,), f"{claim.kind} {claim.namespace}/{claim.name} asks for it")
    return found


def _put(found: dict[Address, str], addresses: tuple[str, ...], by: str) -> None:
    for written in addresses:
        address = read_address(written)
        if address is not None:
            found.setdefault(address, by)


def handed_out(one: Range, ipam: str) -> Iterator[Span]:
    """Yield the addresses of a range that an IPAM plugin gives to pods."""
    yield from _without(Span(one.first, one.last), list(_never(one, ipam)))


def _never(one: Range, ipam: str) -> Iterator[Span]:
    """Yield what a range has and no pod gets."""
    if one.gateway is not None:
        yield Span(one.gateway, one.gateway)
    if ipam == WHEREABOUTS:
        yield Span(one.subnet.network_address, one.subnet.network_address)
        yield Span(one.subnet.broadcast_address, one.subnet.broadcast_address)
    for network in one.excluded:
        yield Span(network.network_address, network.broadcast_address)


def _without(span: Span, taken: list[Span]) -> Iterator[Span]:
    """Yield the parts of a range that are in none of the others."""
    make = type(span.first)
    start, end = int(span.first), int(span.last)
    for low, high in sorted((int(one.first), int(one.last)) for one in taken if type(one.first) is make):
        if low > end:
            break
        if low > start:
            yield Span(make(start), make(low - 1))
        start = max(start, high + 1)
    if start <= end:
        yield Span(make(start), make(end))
