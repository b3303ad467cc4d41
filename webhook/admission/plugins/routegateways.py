"""Gateways of an IPAM plugin's routes: the kernel refuses a route whose gateway is on no link, and the pod fails.

A plugin adds the addresses first, then the routes in their order (containernetworking/plugins pkg/ipam ConfigureIface).
A gateway is on the link if it is in the subnet of an address, if it is a link-local address of IPv6, or if a route
without a gateway leads to it. A route without `gw` takes the first gateway of its family that IPAM gives beside an
address. NB: a link-local address of IPv4 is on no link.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import Address, read_address, read_cidr
from webhook.admission.plugins.intervals import Network, Spans, place_of
from webhook.admission.plugins.networksupport import read_subnets
from webhook.admission.plugins.placement import Placed
from webhook.admission.plugins.schema import PluginSchema

Routes = Sequence[Mapping[str, Any] | None]

LINK_SCOPE = 253
"""RT_SCOPE_LINK: such a route needs no gateway (include/uapi/linux/rtnetlink.h)."""
SHOWN_SUBNETS_MAX = 3
ADDING = {"host-local": "ipRanges", "static": "ips"}
"""The capability with which a pod or its runtime brings other subnets to an IPAM plugin."""


def route_findings(placed: Placed, main: PluginSchema) -> Findings:
    """Yield routes that the kernel will refuse. `placed`: the IPAM plugin; `main`: the plugin that adds the routes.

    Linear in the number of routes, times the logarithm of that of subnets.
    """
    routes: Routes = placed.values.get("routes") or []
    subnets = (
        read_subnets(placed.schema.type, placed.values)
        if routes and not main.opaque and not placed.values.unreadable
        else None
    )
    if not subnets:
        return
    given = dict(_given_gateways(placed.schema.type, placed.values))
    near = Spans((*subnets, *_link_targets(routes, given)))
    is_certain = main.interface == "always" and ADDING.get(placed.schema.type) not in placed.declared
    for at, route in enumerate(routes):
        target = read_cidr(route.get("dst")) if route else None
        if route is None or target is None:
            continue
        text = route.get("gw")
        gateway = read_address(text) if text else given.get(target.version)
        reason = _reason(gateway, target.network, near) if gateway is not None else None
        if reason is not None:
            detail, refusal = reason
            own = ", ".join(map(str, subnets[:SHOWN_SUBNETS_MAX]))
            effect = (
                ", so the kernel refuses the route"
                if is_certain
                else "; a pod fails unless it gets other addresses, or a device without an interface"
            )
            path = f"{placed.where('routes')}[{at}]"
            yield PluginFinding(
                code="NAD313" if is_certain else "NAD314",
                path=f"{path}.gw" if text else path,
                detail=f"{detail} (the network has {own}){effect}",
                value=text or str(gateway),
                fix="write a gateway inside a subnet, or remove the route",
                refusal=refusal if is_certain else "",
            )


def _reason(gateway: Address, target: Network, near: Spans) -> tuple[str, str] | None:
    """Return the mistake of one route and the plugin's error; None if the kernel takes it."""
    start = f"failed to add route '... via {gateway} dev ...': "
    if gateway.version != target.version:
        detail = f"the route is IPv{target.version}, and its gateway IPv{gateway.version}"
        return detail, f"{start}gateway, source, and destination ip are not the same IP family"
    if near.has(place_of(gateway)) or (gateway.version == 6 and gateway.is_link_local):
        return None
    words = "no route to host" if gateway.version == 6 else "network is unreachable"
    return "the gateway is in no subnet", f"{start}{words}"


def _given_gateways(ipam: str, values: Mapping[str, Any]) -> Iterator[tuple[int, Address]]:
    """Yield the gateway of each family that a route without `gw` takes, where that is certain.

    Of host-local, only the one beside `subnet`: it has a default gateway for each other range.
    """
    if ipam == "static":
        written = [(item or {}).get("gateway") for item in values.get("addresses") or ()]
    elif ipam == "whereabouts" or (values.get("subnet") and not values.get("ranges")):
        written = [values.get("gateway")]
    else:
        written = []
    seen: set[int] = set()
    for gateway in map(read_address, written):
        if gateway is not None and gateway.version not in seen:
            seen.add(gateway.version)
            yield gateway.version, gateway


def _link_targets(routes: Routes, given: Mapping[int, Address]) -> Iterator[Network]:
    """Yield the destinations of routes that lead to the link itself."""
    for route in routes:
        target = read_cidr((route or {}).get("dst"))
        if route is None or target is None or route.get("gw") or target.version in given:
            continue
        if target.version == 6 or route.get("scope") == LINK_SCOPE:
            yield target.network
