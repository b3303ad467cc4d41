"""The ranges of IPAM whereabouts (whereabouts pkg/config/config.go, pkg/allocate/allocate.go, pkg/iphelpers).

    range   = CIDR / first "-" last "/" prefix        ; parts of IPv4 addresses may have leading zeros
    exclude = CIDR / address

whereabouts ignores `range_start` and `range_end` at the top if they are not addresses; inside `ipRanges` it refuses
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_interface
from typing import Any

from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import Address, Block, Interface, read_address, read_block, read_cidr
from webhook.admission.plugins.intervals import Network
from webhook.admission.plugins.placement import Placed
from webhook.admission.plugins.rules.ipam import family_findings, gateway_findings

_FORMS = "10.1.0.0/24 or 10.1.0.5-10.1.0.9/24"


def range_findings(placed: Placed) -> Findings:
    """Yield ranges that whereabouts refuses, and values that it ignores, or reads only when it hands out an address."""
    values = placed.values
    if not any(values.get(key) for key in ("range", "ipRanges", "addresses")) and not values.unreadable:
        detail = "without range and ipRanges, whereabouts.conf on each node must have them"
        yield PluginFinding(code="NAD505", path=placed.path, detail=detail, fix='add "range"')
    subnets: list[Interface] = []
    items = list(_items(placed))
    for path, item in items:
        yield from _range_item(item, path, subnets)
    yield from _pool_findings(items)
    yield from _handed_out_findings(items, placed)
    gateway = read_address(values.get("gateway"))
    if subnets and gateway is not None and not any(gateway in subnet.network for subnet in subnets):
        first = subnets[0]
        block = Block(first.version, int(first.ip), first.network.prefixlen, first.max_prefixlen)
        yield from gateway_findings(values, block, placed.path)
    added = (read_block((item or {}).get("address")) for item in values.get("addresses") or ())
    yield from family_findings(placed, [address.version for address in added if address is not None])


def _items(placed: Placed) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each range with its path: the one at the top comes first, as in the plugin."""
    if placed.values.get("range"):
        yield placed.path, placed.values
    for at, item in enumerate(placed.values.get("ipRanges") or ()):
        if item is not None:
            yield f"{placed.where('ipRanges')}[{at}]", item


def _pool_findings(items: list[tuple[str, Mapping[str, Any]]]) -> Findings:
    """Yield the second range of one network. NB: a pool has the name of its network, whichever its ends are.

    A pool gives an interface that has an address of it the same address again (pkg/allocate AssignIP).
    """
    first: dict[Network, str] = {}
    for path, conf in items:
        network = _network(conf)
        other = first.setdefault(network, path) if network is not None else path
        if other != path:
            yield PluginFinding(
                code="NAD315",
                path=f"{path}.range",
                detail=f"this range and that of {other or 'the top'} are one pool, which gives both the same address",
                value=conf["range"],
                fix='write it once, and what to leave out in "exclude"',
                refusal="failed to add IP addr ...: file exists",
            )


def _handed_out_findings(items: list[tuple[str, Mapping[str, Any]]], placed: Placed) -> Findings:
    """Yield a gateway that whereabouts hands out, because it is in a range and not excluded."""
    gateway = read_address(placed.values.get("gateway"))
    if gateway is None:
        return
    for _, conf in items:
        if _hands_out(conf, gateway):
            yield PluginFinding(
                code="NAD316",
                path=placed.where("gateway"),
                detail="whereabouts hands the gateway's address out to a pod",
                value=placed.values["gateway"],
                fix=f'add "{gateway}/{gateway.max_prefixlen}" to "exclude" of the range, or begin the range after it',
            )
            return


def _network(conf: Mapping[str, Any]) -> Network | None:
    subnet = read_cidr(split_range(str(conf.get("range")))[1])
    return subnet.network if subnet is not None else None


def _hands_out(conf: Mapping[str, Any], address: Address) -> bool:
    """Say whether a range hands out an address: neither the first nor the last of its network, nor an excluded one."""
    network = _network(conf)
    if network is None or address not in network or address in {network[0], network[-1]}:
        return False
    dashed, cidr = split_range(str(conf["range"]))
    start = read_address(dashed or conf.get("range_start"))
    end = read_address(cidr.partition("/")[0]) if dashed else read_address(conf.get("range_end"))
    if start is not None and start in network and int(address) < int(start):
        return False
    if end is not None and end in network and int(address) > int(end):
        return False
    excluded = (read_excluded(text) for text in conf.get("exclude") or ())
    return not any(item is not None and address in item.network for item in excluded)


def read_excluded(text: object) -> Interface | None:
    """Return the network of an item of `exclude`, which may be one address; None if it cannot be read."""
    network, address = read_cidr(text), read_address(text)
    return ip_interface(address) if network is None and address is not None else network


def split_range(text: str) -> tuple[str | None, str]:
    """Return the first address of a range, None for a CIDR alone, and the CIDR.

    NB: whereabouts ignores leading zeros in the parts of an IPv4 address (k8s.io/utils/net ParseIPSloppy).
    """
    first, dash, rest = (text if ":" in text else re.sub(r"(?<![0-9/])0+(?=[0-9])", "", text)).partition("-")
    return (first, rest) if dash else (None, first)


def _range_item(conf: Mapping[str, Any], path: str, subnets: list[Interface]) -> Findings:
    text = conf.get("range")
    if not isinstance(text, str) or not text:
        return
    yield from _excluded(conf, path)
    first, cidr = split_range(text)
    subnet = read_cidr(cidr)
    if first is not None and read_address(first) is None:
        yield _unreadable(path, text, f"invalid range start IP: {first}")
    elif subnet is None and first is not None:
        refusal = "invalid CIDR (do you have the 'range' parameter set for Whereabouts?) "
        yield _unreadable(path, text, f"{refusal}'{cidr}': invalid CIDR address: {cidr}")
    elif subnet is None:
        yield _unreadable(path, text, "invalid CIDR {value}: invalid CIDR address: {value}")
    elif subnet.network.prefixlen > subnet.max_prefixlen - 2:
        detail = "the range is too small: the network and broadcast addresses are not handed out"
        allowed = f"a prefix of at most {subnet.max_prefixlen - 2}"
        refusal = "net mask is too short, subnet"
        yield PluginFinding(
            code="NAD304", path=f"{path}.range", detail=detail, value=text, allowed=allowed, refusal=refusal
        )
    else:
        subnets.append(subnet)
        yield from _edge_findings(conf, subnet, path, first)


def _excluded(conf: Mapping[str, Any], path: str) -> Findings:
    for at, text in enumerate(conf.get("exclude") or ()):
        if read_excluded(text) is None:
            detail = "whereabouts reads this when it hands out an address, and fails then"
            allowed = "an address, or one with its prefix, such as 10.1.0.0/28"
            yield PluginFinding(code="NAD506", path=f"{path}.exclude[{at}]", detail=detail, value=text, allowed=allowed)


def _edge_findings(conf: Mapping[str, Any], subnet: Interface, path: str, dashed: str | None) -> Findings:
    network = subnet.network
    start = read_address(dashed or conf.get("range_start"))
    end = subnet.ip if dashed else read_address(conf.get("range_end"))
    if dashed and start is not None and start not in network:
        detail = f"the range begins outside its subnet {network}"
        refusal = f"invalid range start for CIDR {network}: {dashed}"
        yield PluginFinding(code="NAD305", path=f"{path}.range", detail=detail, value=conf["range"], refusal=refusal)
        return
    for key, edge in () if dashed else (("range_start", start), ("range_end", end)):
        if edge is not None and edge not in network:
            detail = f"this address is outside the range {conf['range']}"
            yield PluginFinding(code="NAD506", path=f"{path}.{key}", detail=detail, value=conf[key])
    if start is not None and end is not None and start.version == end.version and int(start) > int(end):
        detail = "the range ends before it begins"
        key = "range" if dashed else "range_end"
        yield PluginFinding(code="NAD310", path=f"{path}.{key}", detail=detail, value=conf[key])


def _unreadable(path: str, text: str, refusal: str) -> PluginFinding:
    detail = "whereabouts cannot read this range"
    return PluginFinding(
        code="NAD302", path=f"{path}.range", detail=detail, value=text, allowed=_FORMS, refusal=refusal
    )
