"""Ranges of networks: those that overlap on a segment, those without a free address, and addresses outside of them.

Who may hand out the same addresses on purpose: host-local keeps its records by the name of the network, and whereabouts
by range and `network_name`. Pools of whereabouts that overlap see each other, unless `enable_overlapping_ranges` is
false or their names differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import islice
from typing import NamedTuple

from webhook.admission.plugins.goparsing import Address, read_address, read_cidr
from webhook.admission.plugins.networksupport import PLAIN_CHAINED, PLAIN_TYPES, Ipam, Range, Support, read_support
from webhook.admission.plugins.schema import PluginChecks
from webhook.report.diagnosis.objectset import part
from webhook.report.diagnosis.objectset import text as text_at
from webhook.report.diagnosis.podstatus import reference_of
from webhook.report.plaintext import counted, listed
from webhook.report.stockrules import ADDRESS_OUTSIDE, ALLOCATION_ORPHAN, RANGE_FULL, RANGES_OVERLAP
from webhook.report.topology.freeaddresses import HOST_LOCAL, handed_out
from webhook.report.topology.graph import Attachment, Network, Topology
from webhook.report.topology.linkscope import WHEREABOUTS
from webhook.report.topology.segments import OVN_TYPE, Segment

from .collisions import asked_values, static_addresses
from .finding import WARNING, Finding, ObjectName
from .stock import Stock

COUNTED_MAX = 4096
"""Addresses of a range that is compared with those in use one by one; no node has more pods than that."""

SHOWN_MAX = 4

STATIC = "static"

Supports = Mapping[str, Support]
"""Reference of a network -> the ranges of its IPAM plugins."""


class _Owner(NamedTuple):
    """Who keeps the records of a range. `pool`: of whereabouts; `is_shared`: its pools see each other."""

    ipam: str
    name: str
    pool: str = ""
    is_shared: bool = False

    def conflicts_with(self, other: _Owner) -> bool:
        """Say whether two may hand out one address."""
        if (self.ipam, self.name) != (other.ipam, other.name):
            return True
        return self.ipam == WHEREABOUTS and self.pool != other.pool and not (self.is_shared and other.is_shared)


class _Handed(NamedTuple):
    """A range of a network, as numbers of one family."""

    version: int
    first: int
    last: int
    network: str
    owner: _Owner


def read_supports(topology: Topology, checks: PluginChecks) -> Supports:
    """Return the ranges of each network whose configuration can be read."""
    return {
        reference: read_support(network.definition.config, checks)
        for reference, network in topology.networks.items()
        if network.definition.config is not None
    }


def find_overlaps(stock: Stock, topology: Topology, supports: Supports) -> Iterator[Finding]:
    """Yield each network whose range overlaps an earlier one of its segment with other records."""
    segments: defaultdict[Segment, list[_Handed]] = defaultdict(list)
    for reference, support in supports.items():
        network = topology.networks[reference]
        for ipam in support.ipams:
            owner = _owner(network, ipam)
            for one in ipam.ranges:
                pooled = owner._replace(pool=_pool(one, owner))
                segments[network.segment] += (
                    _Handed(span.first.version, int(span.first), int(span.last), reference, pooled)
                    for span in handed_out(one, ipam.type)
                )
    for reference, network in topology.networks.items():
        segments[network.segment] += _static(reference, network)
    for segment, ranges in segments.items():
        if len(ranges) > 1:
            yield from _overlaps(stock, segment, sorted(ranges))


def _static(reference: str, network: Network) -> Iterator[_Handed]:
    """Yield the addresses that a configuration gives to each pod, which nobody records."""
    for address in filter(None, map(read_address, dict.fromkeys(static_addresses(network)))):
        yield _Handed(address.version, int(address), int(address), reference, _Owner(STATIC, reference))


def _owner(network: Network, ipam: Ipam) -> _Owner:
    config = network.definition.config
    name = config.name if config is not None else ""
    if ipam.type != WHEREABOUTS:
        return _Owner(ipam.type, name)
    written = (
        next((part(one.conf, "ipam") for one in config.plugins if one.ipam_type == WHEREABOUTS), {}) if config else {}
    )
    own = written.get("network_name")
    shared = written.get("enable_overlapping_ranges") is not False
    return _Owner(ipam.type, own if isinstance(own, str) else "", is_shared=shared)


def _pool(one: Range, owner: _Owner) -> str:
    return str(one.subnet) if owner.ipam == WHEREABOUTS else ""


def _overlaps(stock: Stock, segment: Segment, ranges: Sequence[_Handed]) -> Iterator[Finding]:
    """Sweep the ranges, sorted by their first address, with the one of each owner that reaches farthest.

    NB: a thousand equal ranges are a thousand findings, and not half a million pairs.
    """
    reaching: list[_Handed] = []
    reported: set[str] = set()
    for one in ranges:
        reaching = [other for other in reaching if other.version == one.version and other.last >= one.first]
        other = next((other for other in reaching if _conflict(one, other)), None)
        if other is not None and one.network not in reported:
            reported.add(one.network)
            yield _overlap(stock, segment, one, other)
        same = next((index for index, other in enumerate(reaching) if other.owner == one.owner), None)
        if same is None:
            reaching = sorted([*reaching, one], key=lambda other: other.last)[-SWEPT_MAX:]
        elif one.last > reaching[same].last:
            reaching[same] = one


SWEPT_MAX = 8
"""Owners of ranges that one range is compared with: those that reach farthest."""


def _conflict(one: _Handed, other: _Handed) -> bool:
    return one.network != other.network and one.owner.conflicts_with(other.owner)


def _overlap(stock: Stock, segment: Segment, one: _Handed, other: _Handed) -> Finding:
    first, last = max(one.first, other.first), min(one.last, other.last)
    ends = dict.fromkeys((_address_of(one.version, first), _address_of(one.version, last)))
    common = "-".join(ends)
    ipams = f"its IPAM {one.owner.ipam} and IPAM {other.owner.ipam} of {other.network}"
    return Finding(
        RANGES_OVERLAP,
        WARNING,
        stock.name_of_network(one.network),
        f"{ipams} both hand out {common} on {segment.title}",
        field="spec.config",
        fix="let each of them hand out addresses of its own",
        others=(stock.name_of_network(other.network),),
        properties=(("segment", segment.title), ("addresses", common)),
    )


def _address_of(version: int, number: int) -> str:
    return str(IPv4Address(number) if version == 4 else IPv6Address(number))


# Addresses in use


def find_outside(stock: Stock, topology: Topology, supports: Supports) -> Iterator[Finding]:
    """Yield the addresses of pods that their network does not hand out now, and that they do not ask for."""
    ovn = {reference: subnets for reference, one in topology.networks.items() if (subnets := _ovn_subnets(one))}
    plain = {
        reference: (support.ipams[0], dict.fromkeys(static_addresses(network)))
        for reference, support in supports.items()
        if _is_plain(network := topology.networks[reference], support)
    }
    for one in topology.attachments:
        if one.pod.leaving:
            continue
        if one.network in ovn:
            outside = [text for text in one.addresses if _is_in_none(text, ovn[one.network])]
            source = f"subnets are {', '.join(map(str, ovn[one.network][:SHOWN_MAX]))}"
        elif one.network in plain:
            ipam, fixed = plain[one.network]
            outside = [text for text in one.addresses if text not in fixed and _is_outside(text, ipam)]
            given_out = _shown_ranges(ipam) if ipam.ranges else ", ".join(islice(fixed, SHOWN_MAX))
            if not given_out:  # NB: of IPAM static, whose pods ask for their addresses
                continue
            source = f"IPAM {ipam.type} hands out {given_out}"
        else:
            continue
        meant = _asked(stock, one) if outside else set()
        given = [text for text in outside if text not in meant]
        if given:
            yield _outside(stock, one, given, source)


def _is_plain(network: Network, support: Support) -> bool:
    """Say whether the addresses of the interface are those of one IPAM plugin that can be read."""
    config = network.definition.config
    if config is None or len(support.ipams) != 1 or sum(one.ipam_type is not None for one in config.plugins) != 1:
        return False
    first, *chained = (one.type for one in config.plugins)
    return first in PLAIN and PLAIN_CHAINED_HERE.issuperset(chained)


PLAIN = frozenset({*PLAIN_TYPES, "cnv-bridge", "ib-sriov", "ovs", "ptp", "tap"})
PLAIN_CHAINED_HERE = frozenset({*PLAIN_CHAINED, "sbr", "vrf"})
"""Plugins that change no addresses. Routes do not matter here."""


def _ovn_subnets(network: Network) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the subnets of a network of OVN-Kubernetes, () if one of them cannot be read.

    subnets = subnet *( "," subnet ) ; subnet = CIDR [ "/" length of the part of a node ]
    """
    config = network.definition.config
    if config is None or config.plugins[0].type != OVN_TYPE:
        return ()
    written = text_at(config.plugins[0].conf, "subnets").split(",")
    found = [read_cidr("/".join(one.strip().split("/")[:2])) for one in written]
    return tuple(one.network for one in found if one is not None) if None not in found else ()


def _is_in_none(text: str, subnets: Sequence[IPv4Network | IPv6Network]) -> bool:
    address = read_address(text)
    return address is not None and not address.is_link_local and not any(address in one for one in subnets)


def _shown_ranges(ipam: Ipam) -> str:
    return ", ".join(f"{one.first}-{one.last}" for one in ipam.ranges[:SHOWN_MAX])


def _is_outside(text: str, ipam: Ipam) -> bool:
    address = read_address(text)
    if address is None or address.is_link_local or ipam.find_range(address) is not None:
        return False
    is_fixed = ipam.type == WHEREABOUTS and ipam.has_subnet_of(address)
    return not (is_fixed and not any(address in one.subnet for one in ipam.ranges))


def _asked(stock: Stock, one: Attachment) -> set[str]:
    asker = stock.pods[f"{one.pod.namespace}/{one.pod.name}"].asker
    elements = (element for _, element in asker.elements if reference_of(element) == one.network)
    return {value for element in elements for _, value in asked_values(element)}


def _outside(stock: Stock, one: Attachment, given: Sequence[str], source: str) -> Finding:
    return Finding(
        ADDRESS_OUTSIDE,
        WARNING,
        stock.pods[f"{one.pod.namespace}/{one.pod.name}"].asker.subject,
        f"has address {listed(given, SHOWN_MAX)} of {one.network}, whose {source}",
        fix="create it again, or correct the ranges, if the definition was changed by mistake",
        others=(stock.name_of_network(one.network),),
        properties=(("address", given[0]), ("networks", one.network)),
    )


def find_full(stock: Stock, topology: Topology, supports: Supports) -> Iterator[Finding]:
    """Yield the networks that cannot give the next pod an address: of host-local, on a node."""
    used: defaultdict[tuple[Segment | str, str], set[Address]] = defaultdict(set)
    nodes: defaultdict[str, set[str]] = defaultdict(set)
    for one in topology.attachments:
        support = supports.get(one.network)
        for ipam in support.ipams if support is not None else ():
            if ipam.ranges:
                node = one.pod.node if ipam.type == HOST_LOCAL else ""
                nodes[one.network].add(node)
                found = (read_address(text) for text in one.addresses)
                used[_records(topology.networks[one.network], ipam), node].update(filter(None, found))
    for reference, places in sorted(nodes.items()):
        for ipam in supports[reference].ipams:
            records = _records(topology.networks[reference], ipam)
            full = [node for node in sorted(places) if _is_full(ipam, used[records, node])]
            if full:
                yield _full(stock, reference, ipam, full)


def _records(network: Network, ipam: Ipam) -> Segment | str:
    """Return who sees which addresses are in use: host-local by the name of the network, others on the segment."""
    config = network.definition.config
    return config.name if ipam.type == HOST_LOCAL and config is not None else network.segment


def _is_full(ipam: Ipam, used: set[Address]) -> bool:
    """Say whether one set of ranges has no free address; a pod needs an address of each set."""
    sets: defaultdict[int, list[Range]] = defaultdict(list)
    for number, one in enumerate(ipam.ranges):
        sets[one.group if ipam.type == HOST_LOCAL else number].append(one)
    return any(_has_none_free(ranges, ipam.type, used) for ranges in sets.values())


def _has_none_free(ranges: Sequence[Range], ipam: str, used: set[Address]) -> bool:
    spans = [span for one in ranges for span in handed_out(one, ipam)]
    size = sum(span.size for span in spans)
    if not 0 < size <= min(len(used), COUNTED_MAX):
        return False
    return all(span.first + number in used for span in spans for number in range(span.size))


def _full(stock: Stock, reference: str, ipam: Ipam, full: Sequence[str]) -> Finding:
    where = f" on {listed(full, SHOWN_MAX)}" if ipam.type == HOST_LOCAL else ""
    ranges = _shown_ranges(ipam)
    return Finding(
        RANGE_FULL,
        WARNING,
        stock.name_of_network(reference),
        f"pods have all addresses that its IPAM {ipam.type} hands out{where} ({ranges}); the next pod does not start",
        field="spec.config",
        fix=f"make the range larger; nadmit who --free {reference} lists who has which address",
        properties=(("networks", reference), ("nodes", " ".join(filter(None, full)))),
    )


def find_orphans(stock: Stock, topology: Topology) -> Iterator[Finding]:
    """Yield the pools of whereabouts that keep addresses for pods that are gone."""
    if "Pod" in stock.unread:
        return
    for pool, kept in sorted(stock.pools.items()):
        gone = sorted(one for one in kept if one.pod not in topology.pods and _is_taken(stock, one.pod))
        if not gone:
            continue
        shown = listed([f"{one.address} for {one.pod}" for one in gone], SHOWN_MAX)
        verb = "is" if len(gone) == 1 else "are"
        yield Finding(
            ALLOCATION_ORPHAN,
            WARNING,
            pool,
            f"{counted(len(gone), 'allocation')} {verb} of pods that are gone or have ended: {shown}",
            field="spec.allocations",
            fix="the ip-reconciler of whereabouts removes them: see whether it runs",
            others=tuple(ObjectName("v1", "Pod", *one.pod.split("/", 1)) for one in gone if "/" in one.pod),
            properties=(("count", str(len(gone))),),
        )


def _is_taken(stock: Stock, pod: str) -> bool:
    """Say whether the pod would have been taken if it existed."""
    return not stock.namespace or pod.startswith(f"{stock.namespace}/")
