"""Who has an address, a MAC or a device, and what asks for it.

    asked = IP address [ "/" prefix ] / hardware address / PCI address / absolute path / name

A name begins with a letter: it is an interface or a device of a node. A text that is nearly an address is nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cniplugin.access.content.facts import facts_of
from webhook.admission.plugins.goparsing import Address, read_address, read_cidr
from webhook.admission.plugins.networksupport import Ipam, Range, read_support
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.addressclaims import mac_key

from .graph import Allocation, Attachment, Claim, Network, Topology, device_key
from .linkscope import SHARING_MAC, WHEREABOUTS, WITHOUT_NEIGHBOURS, first_type, is_on_one_node
from .segments import DRIVER, Segment

IP, HARDWARE, NAMED = "address", "mac", "device"
ALLOWED = (
    "an IP address, a MAC address, a PCI address (0000:18:02.5), a path, or the name of a node's interface or device"
)

_HARDWARE = re.compile(
    r"[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2})*)|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4})+"
)
_HARDWARE_DIGITS = frozenset({12, 16, 40})
"""EUI-48, EUI-64, and the 20 octets of IP over InfiniBand."""
_PCI = re.compile(r"(?:[0-9A-Fa-f]{4}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]*|/[^\s/][^\s]*")


class Asked(NamedTuple):
    """What is looked for. `kind`: IP, HARDWARE or NAMED; `key`: its normal form."""

    kind: str
    text: str
    key: str


class Holder(NamedTuple):
    """A pod that has it. `pool`: of whereabouts, which keeps the address for this pod, "" without one."""

    attachment: Attachment
    segment: Segment
    pool: str


class Kept(NamedTuple):
    """An address that a pool keeps for a pod that does not have it. `has_pod`: whether the pod exists."""

    allocation: Allocation
    has_pod: bool


class HandedOut(NamedTuple):
    """A range of a network with the address. `is_given`: a pod may get it, which is not so for a gateway."""

    network: str
    ipam: str
    first: Address
    last: Address
    is_given: bool


class Answer(NamedTuple):
    """Who has it, who asks for it, which pools keep it, which networks hand it out, and what else is to know."""

    asked: Asked
    holders: tuple[Holder, ...]
    claims: tuple[Claim, ...]
    kept: tuple[Kept, ...]
    ranges: tuple[HandedOut, ...]
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def is_found(self) -> bool:
        """Whether anybody has it, keeps it or asks for it."""
        return bool(self.holders or self.claims or self.kept)


def parse(text: str) -> Asked | None:
    """Return what a text asks for; None for a text that is neither address nor name."""
    if _HARDWARE.fullmatch(text):  # NB: eight octets could be an IPv6 address, which nobody writes so
        key = mac_key(text)
        return Asked(HARDWARE, text, key) if len(key) in _HARDWARE_DIGITS else None
    bare, slash, _ = text.partition("/")
    address = read_address(bare)
    if address is not None and (not slash or read_cidr(text) is not None):
        return Asked(IP, text, str(address))
    if _PCI.fullmatch(text) or _NAME.fullmatch(text):
        return Asked(NAMED, text, device_key(text))
    return None


def find(asked: Asked, topology: Topology, checks: PluginChecks) -> Answer:
    """Return who has it and who asks for it."""
    holders = tuple(_holders(asked, topology))
    claims = tuple(one for one in topology.claims if one.key == asked.key)
    kept: tuple[Kept, ...] = ()
    ranges: tuple[HandedOut, ...] = ()
    if asked.kind == IP:
        having = {_reference(one.attachment) for one in holders}
        kept = tuple(
            Kept(one, has_pod=one.pod in topology.pods)
            for one in topology.allocations
            if one.address == asked.key and one.pod not in having
        )
        ranges = tuple(_handed_out(asked, topology, checks))
    return Answer(asked, holders, claims, kept, ranges, tuple(_collisions(asked, holders, topology)))


def _reference(attachment: Attachment) -> str:
    return f"{attachment.pod.namespace}/{attachment.pod.name}"


def _holders(asked: Asked, topology: Topology) -> Iterator[Holder]:
    pools = {one.pod: one.pool for one in topology.allocations if one.address == asked.key}
    for one in topology.attachments:
        if _has(one, asked):
            yield Holder(one, topology.segment_of(one), pools.get(_reference(one), ""))


def _has(one: Attachment, asked: Asked) -> bool:
    if asked.kind == IP:
        return asked.key in one.addresses
    if asked.kind == HARDWARE:
        return bool(one.mac) and mac_key(one.mac) == asked.key
    return any(asked.key in map(device_key, written.split(",")) for written in one.devices)


def _handed_out(asked: Asked, topology: Topology, checks: PluginChecks) -> Iterator[HandedOut]:
    address = read_address(asked.key)
    if address is None:
        return
    for reference, network in topology.networks.items():
        if not _may_have(network, address):
            continue
        for ipam in ipams_of(network, checks):
            for one in ipam.ranges:
                if one.first.version == address.version and int(one.first) <= int(address) <= int(one.last):
                    yield HandedOut(
                        reference, ipam.type, one.first, one.last, is_given=is_given(address, one, ipam.type)
                    )


def _may_have(network: Network, address: Address) -> bool:
    """Say whether a configuration names addresses around this one; most do not, and need not be read further."""
    facts = facts_of(network.definition)
    number = int(address)
    return facts is not None and any(
        bits == address.max_prefixlen and first <= number <= last for bits, first, last in facts.addresses
    )


def ipams_of(network: Network, checks: PluginChecks) -> Sequence[Ipam]:
    """Return the IPAM plugins of a network whose addresses are known."""
    config = network.definition.config
    return () if config is None else read_support(config, checks).ipams


def is_given(address: Address, one: Range, ipam: str) -> bool:
    """Say whether a pod may get an address between the ends of a range."""
    is_edge = ipam == WHEREABOUTS and address in {one.subnet.network_address, one.subnet.broadcast_address}
    return address != one.gateway and not is_edge and not any(address in net for net in one.excluded)


def _collisions(asked: Asked, holders: Sequence[Holder], topology: Topology) -> Iterator[str]:
    """Yield which pods have the same: on one segment, or the device of one node."""
    groups: defaultdict[Segment | str, dict[str, Holder]] = defaultdict(dict)
    for one in holders:
        if not one.attachment.pod.is_on_host and not _may_share(asked, one, topology):
            place = one.attachment.pod.node if asked.kind == NAMED else one.segment
            groups[place][_reference(one.attachment)] = one
    for place, pods in groups.items():
        if len(pods) > 1:
            is_local = any(is_on_one_node(topology, one.attachment.network) for one in pods.values())
            where = _where(place, list(pods.values()), is_local=is_local)
            yield f"{len(pods)} pods have this {_WORDS[asked.kind]} on {where}"


def _may_share(asked: Asked, one: Holder, topology: Topology) -> bool:
    """Say whether others may have the same: what leaves, what has no neighbours, and the MAC of ipvlan."""
    plugin = first_type(topology, one.attachment.network)
    shares_mac = asked.kind == HARDWARE and plugin in SHARING_MAC
    return bool(one.attachment.pod.leaving) or plugin in WITHOUT_NEIGHBOURS or shares_mac


_WORDS = {IP: "address", HARDWARE: "MAC address", NAMED: "device"}


def _where(place: Segment | str, pods: Sequence[Holder], *, is_local: bool) -> str:
    if isinstance(place, str):
        return f"node {place}" if place else "a node that is not known"
    nodes = {one.attachment.pod.node for one in pods}
    if is_local and len(nodes) == len(pods):
        return f"{place.title}, each on its own node: they collide if these links are connected"
    if place.kind == DRIVER:
        return f"interfaces of {place.title}: they collide if these are on one network"
    return f"{place.title}: they collide"
