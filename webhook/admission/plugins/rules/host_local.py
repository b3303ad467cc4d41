"""The ranges of IPAM host-local (containernetworking/plugins host-local/backend/allocator: config, range, range_set).

`subnet` is a set of one range, before the sets of `ranges`. Unless `rangeStart` and `rangeEnd` are set, a range has all
addresses of its subnet but the first one, and the broadcast address of IPv4. Ranges overlap if these addresses do, so
two halves of one subnet are fine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import Address, Block, interface_of, read_address, read_block
from webhook.admission.plugins.intervals import AddressRange, overlaps
from webhook.admission.plugins.placement import Placed
from webhook.admission.plugins.rules.ipam import family_findings, gateway_findings


class _Range(NamedTuple):
    """One range as written, with its subnet as a value. `set_index`: the number of its set, as the plugin counts."""

    conf: Mapping[str, Any]
    subnet: Block
    path: str
    set_index: int


def range_findings(placed: Placed) -> Findings:
    """Yield ranges that host-local refuses, and addresses in them that no pod could use."""
    values = placed.values
    if values.unreadable and values.unreadable & {"subnet", "ranges"}:
        return
    sets = list(_sets(placed))
    if not sets:
        yield _no_ranges(placed)
    sound: list[AddressRange] = []
    families: list[int] = []
    for index, (path, written) in enumerate(sets):
        ranges = list(_read(written, index))
        if len(ranges) != 1 or not written:
            yield from _set_findings(ranges, path, index, has_items=bool(written))
        families.extend([item.subnet.version for item in ranges[:1]])
        for item in ranges:
            found = _range_findings(item, sound)
            if found:
                yield from found
    if len(sound) > 1:
        yield from _overlap_findings(sound)
    if len(families) > 1:
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
        subnet = read_block((conf or {}).get("subnet"))
        if subnet is not None:
            yield _Range(conf, subnet, path, index)


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
    """Return the mistakes of one range, or add its addresses to `sound`."""
    subnet, conf = item.subnet, item.conf
    if subnet.prefixlen > subnet.width - 2 or subnet.number != subnet.lowest:
        return (_subnet_problem(item),)
    start, end = _edge(conf, "rangeStart"), _edge(conf, "rangeEnd")
    found = [
        _outside(item, key, words, address)
        for key, words, address in (("rangeStart", "RangeStart", start), ("rangeEnd", "RangeEnd", end))
        if address is not None and not subnet.has(address)
    ]
    is_sound = not found
    if conf.get("gateway"):
        found.extend(gateway_findings(conf, subnet, item.path))
    if is_sound:
        first = subnet.number + 1 if start is None else int(start)
        last = subnet.highest - (subnet.version == 4) if end is None else int(end)
        if first > last:
            found.append(_swapped(item))
        else:
            sound.append(AddressRange(subnet.version, first, last, item.path, item.set_index))
    return found


def _edge(conf: Mapping[str, Any], key: str) -> Address | None:
    written = conf.get(key)
    return read_address(written) if written else None


def _outside(item: _Range, key: str, words: str, address: Address) -> PluginFinding:
    network = interface_of(item.subnet).network
    detail = f"this address is outside the subnet {item.conf['subnet']}"
    refusal = f"invalid range set {item.set_index}: {words} {address} not in network {network}"
    path = f"{item.path}.{key}"
    return PluginFinding(code="NAD305", path=path, detail=detail, value=item.conf[key], refusal=refusal)


def _swapped(item: _Range) -> PluginFinding:
    """NB: the plugin reports that an end is outside the network, unless it chose the other end itself."""
    key, other = ("rangeStart", "end") if item.conf.get("rangeStart") else ("rangeEnd", "beginning")
    path, value = f"{item.path}.{key}", item.conf[key]
    if not item.conf.get("rangeEnd"):
        detail = "the range begins after the last address that can be handed out"
        return PluginFinding(code="NAD310", path=path, detail=detail, value=value)
    words, network = f"{key[0].upper()}{key[1:]}", interface_of(item.subnet).network
    refusal = f"invalid range set {item.set_index}: {words} {read_address(value)} not in network {network}"
    detail = f"this is on the wrong side of the range's {other}"
    return PluginFinding(code="NAD305", path=path, detail=detail, value=value, refusal=refusal)


def _subnet_problem(item: _Range) -> PluginFinding:
    """Return the mistake of a subnet that is too small, or has host bits."""
    network, text = interface_of(item.subnet).network, item.conf["subnet"]
    path, start = f"{item.path}.subnet", f"invalid range set {item.set_index}: "
    if network.prefixlen > network.max_prefixlen - 2:
        detail = "the subnet is too small to hand out addresses"
        refusal = f"{start}Network {{value}} too small to allocate from"
        allowed = f"a prefix of at most {network.max_prefixlen - 2}"
        return PluginFinding(code="NAD304", path=path, detail=detail, value=text, allowed=allowed, refusal=refusal)
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
