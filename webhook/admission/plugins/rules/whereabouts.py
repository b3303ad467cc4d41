"""The ranges of IPAM whereabouts (whereabouts pkg/config/config.go, pkg/allocate/allocate.go, pkg/iphelpers).

    range   = CIDR / first "-" last "/" prefix        ; parts of IPv4 addresses may have leading zeros
    exclude = CIDR / address

whereabouts ignores `range_start` and `range_end` at the top if they are not addresses; inside `ipRanges` it refuses
them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_interface
from typing import Any

from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import Interface, read_address, read_cidr
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
    if values.get("range"):
        yield from _range_item(values, placed.path, subnets)
    for at, item in enumerate(values.get("ipRanges") or ()):
        if item is not None:
            yield from _range_item(item, f"{placed.where('ipRanges')}[{at}]", subnets)
    gateway = read_address(values.get("gateway"))
    if subnets and gateway is not None and not any(gateway in subnet.network for subnet in subnets):
        yield from gateway_findings(values, subnets[0], placed.path)
    added = (read_cidr((item or {}).get("address")) for item in values.get("addresses") or ())
    yield from family_findings(placed, [address.version for address in added if address is not None])


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
