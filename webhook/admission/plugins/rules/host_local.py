"""The ranges of IPAM host-local (containernetworking/plugins host-local/backend/allocator: config, range, range_set).

`subnet` is a set of one range, before the sets of `ranges`. Unless `rangeStart` and `rangeEnd` are set, a range has all
addresses of its subnet but the first one, and the broadcast address of IPv4. Ranges overlap if these addresses do, so
two halves of one subnet are fine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import Interface, read_address, read_cidr
from webhook.admission.plugins.intervals import AddressRange, overlaps
from webhook.admission.plugins.placement import Placed
from webhook.admission.plugins.rules.ipam import family_findings, gateway_findings


class _Range(NamedTuple):
    """One range as written, with its subnet as a value. `set_index`: the number of its set, as the plugin counts."""

    conf: Mapping[str, Any]
    subnet: Interface
    path: str
    set_index: int


def range_findings(placed: Placed) -> Findings:
    """Yield ranges that host-local refuses, and addresses in them that no pod could use."""
    if placed.values.unreadable & {"subnet", "ranges"}:
        return
    sets = list(_sets(placed))
    if not sets:
        yield _no_ranges(placed)
    sound: list[AddressRange] = []
    families: list[int] = []
    for index, (path, written) in enumerate(sets):
        ranges = list(_read(written, index))
        yield from _set_findings(ranges, path, index, has_items=bool(written))
        families.extend(item.subnet.version for item in ranges[:1])
        for item in ranges:
            yield from _range_findings(item, sound)
    yield from _overlap_findings(sound)
    yield from family_findings(placed, families)


def _no_ranges(placed: Placed) -> PluginFinding:
    """NB: no delegating plugin fills in ipRanges; a runtime may, for the default network, which a definition can be."""
    fix, refusal = 'add "ranges", or "subnet"', "no IP ranges specified"
    if "ipRanges" in placed.declared:
        detail = "only a runtime fills in ipRanges, and only for the default network of the cluster"
        return PluginFinding(code="NAD505", path=placed.path, detail=detail, fix=fix, refusal=refusal)
    detail = "there are no addresses to hand out"
    return PluginFinding(code="NAD308", path=placed.path, detail=detail, fix=fix, refusal=refusal)


def _sets(placed: Placed) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Yield each set: its path, and its ranges, each with its path."""
    values = placed.values
    if values.get("subnet"):
        yield placed.where("subnet"), [(placed.path, values)]
    for at, items in enumerate(values.get("ranges") or ()):
        path = f"{placed.where('ranges')}[{at}]"
        yield path, [(f"{path}[{inner}]", item) for inner, item in enumerate(items or ())]


def _read(written: list[tuple[str, Any]], index: int) -> Iterator[_Range]:
    """Yield each range whose subnet can be read. The others have a finding of the decoder."""
    for path, conf in written:
        subnet = read_cidr((conf or {}).get("subnet"))
        if subnet is not None:
            yield _Range(conf=conf, subnet=subnet, path=path, set_index=index)


def _set_findings(ranges: list[_Range], path: str, index: int, *, has_items: bool) -> Findings:
    if not has_items:
        refusal = f"invalid range set {index}: empty range set"
        detail = "the set of ranges is empty"
        yield PluginFinding(code="NAD308", path=path, detail=detail, fix="remove it", refusal=refusal)
    if len({item.subnet.version for item in ranges}) > 1:
        detail = "one set of ranges has IPv4 and IPv6, and hands out one address of all its ranges"
        fix = "write a set for each family"
        refusal = f"invalid range set {index}: mixed address families"
        yield PluginFinding(code="NAD307", path=path, detail=detail, fix=fix, refusal=refusal)


def _range_findings(item: _Range, sound: list[AddressRange]) -> Findings:
    """Yield the mistakes of one range, or add its addresses to `sound`."""
    network = item.subnet.network
    text = item.conf["subnet"]
    problem = _subnet_problem(item)
    if problem is not None:
        yield problem
        return
    first = network.network_address + 1
    size = 1 << (network.max_prefixlen - network.prefixlen)
    last = first + (size - 2 - (network.version == 4))
    edges = {"rangeStart": first, "rangeEnd": last}
    is_sound = True
    for key, words in (("rangeStart", "RangeStart"), ("rangeEnd", "RangeEnd")):
        address = read_address(item.conf.get(key))
        if address is not None and address not in network:
            is_sound = False
            detail = f"this address is outside the subnet {text}"
            refusal = f"invalid range set {item.set_index}: {words} {address} not in network {network}"
            path = f"{item.path}.{key}"
            yield PluginFinding(code="NAD305", path=path, detail=detail, value=item.conf[key], refusal=refusal)
        edges[key] = address or edges[key]
    start, end = edges["rangeStart"], edges["rangeEnd"]
    yield from gateway_findings(item.conf, item.subnet, item.path)
    if is_sound and int(start) > int(end):
        yield _swapped(item)
    elif is_sound:
        sound.append(AddressRange(first=start, last=end, path=item.path, group=item.set_index))


def _swapped(item: _Range) -> PluginFinding:
    """NB: the plugin reports that an end is outside the network, unless it chose the other end itself."""
    key, other = ("rangeStart", "end") if item.conf.get("rangeStart") else ("rangeEnd", "beginning")
    path, value = f"{item.path}.{key}", item.conf[key]
    if not item.conf.get("rangeEnd"):
        detail = "the range begins after the last address that can be handed out"
        return PluginFinding(code="NAD310", path=path, detail=detail, value=value)
    words = f"{key[0].upper()}{key[1:]}"
    refusal = f"invalid range set {item.set_index}: {words} {read_address(value)} not in network {item.subnet.network}"
    detail = f"this is on the wrong side of the range's {other}"
    return PluginFinding(code="NAD305", path=path, detail=detail, value=value, refusal=refusal)


def _subnet_problem(item: _Range) -> PluginFinding | None:
    network, text = item.subnet.network, item.conf["subnet"]
    path, start = f"{item.path}.subnet", f"invalid range set {item.set_index}: "
    if network.prefixlen > network.max_prefixlen - 2:
        detail = "the subnet is too small to hand out addresses"
        refusal = f"{start}Network {{value}} too small to allocate from"
        allowed = f"a prefix of at most {network.max_prefixlen - 2}"
        return PluginFinding(code="NAD304", path=path, detail=detail, value=text, allowed=allowed, refusal=refusal)
    if item.subnet.ip == network.network_address:
        return None
    refusal = (
        f"{start}Network has host bits set. For a subnet mask of length {network.prefixlen} "
        f"the network address is {network.network_address}"
    )
    detail = "the subnet has host bits set"
    return PluginFinding(code="NAD303", path=path, detail=detail, value=text, fix=f"write {network}", refusal=refusal)


def _overlap_findings(sound: list[AddressRange]) -> Findings:
    for one, other in overlaps(sound):
        refusal = (
            f"invalid range set {one.group}: subnets {one.text} and {other.text} overlap"
            if one.group == other.group
            else f"range set {one.group} overlaps with {other.group}"
        )
        detail = f"this range shares addresses with {one.path}"
        path = f"{other.path}.subnet"
        yield PluginFinding(code="NAD306", path=path, detail=detail, value=other.text, refusal=refusal)
