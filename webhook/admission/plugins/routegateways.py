"""Gateways of an IPAM plugin's routes: the kernel refuses a route whose gateway is on no link, and the pod fails.

A plugin adds the addresses first, then the routes in their order (containernetworking/plugins pkg/ipam ConfigureIface).
A gateway is on the link if it is in the subnet of an address, if it is a link-local address of IPv6, or if an earlier
route without a gateway leads to it. NB: a link-local address of IPv4 is on no link.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import Address, read_address, read_cidr
from webhook.admission.plugins.intervals import Network
from webhook.admission.plugins.networksupport import read_subnets
from webhook.admission.plugins.placement import Placed
from webhook.admission.plugins.schema import PluginSchema

Routes = Sequence[Mapping[str, Any] | None]

LINK_SCOPE = 253
"""RT_SCOPE_LINK: such a route needs no gateway (include/uapi/linux/rtnetlink.h)."""
ADDING = {"host-local": "ipRanges", "static": "ips"}
"""The capability with which a pod or its runtime brings other subnets to an IPAM plugin."""


def route_findings(placed: Placed, main: PluginSchema) -> Findings:
    """Yield routes that the kernel will refuse. `placed`: the IPAM plugin; `main`: the plugin that adds the routes."""
    routes: Routes = placed.values.get("routes") or []
    subnets = read_subnets(placed.schema.type, placed.values) if routes and not placed.values.unreadable else None
    if not subnets:
        return
    is_certain = main.interface == "always" and ADDING.get(placed.schema.type) not in placed.declared
    for at, route in enumerate(routes):
        gateway = read_address(route.get("gw")) if route else None
        target = read_cidr(route.get("dst")) if route else None
        if route is None or gateway is None or target is None:
            continue
        reason = _reason(gateway, target.network, subnets, _linked(routes[:at]))
        if reason is not None:
            detail, refusal = reason
            if not is_certain:
                detail += "; a pod fails unless it gets other addresses, or a device without an interface"
            yield PluginFinding(
                code="NAD313" if is_certain else "NAD314",
                path=f"{placed.where('routes')}[{at}].gw",
                detail=detail,
                value=route["gw"],
                fix="write an address of the subnet, or remove the route",
                refusal=refusal if is_certain else "",
            )


def _reason(
    gateway: Address, target: Network, subnets: tuple[Network, ...], linked: list[Network]
) -> tuple[str, str] | None:
    """Return the mistake of one route and the plugin's error; None if the kernel takes it."""
    start = f"failed to add route '... via {gateway} dev ...': "
    if gateway.version != target.version:
        detail = f"the route is IPv{target.version}, and its gateway IPv{gateway.version}"
        return detail, f"{start}gateway, source, and destination ip are not the same IP family"
    is_near = gateway.version == 6 and gateway.is_link_local
    if is_near or any(gateway in network for network in (*subnets, *linked)):
        return None
    own = ", ".join(str(network) for network in subnets[:3])
    words = "no route to host" if gateway.version == 6 else "network is unreachable"
    return f"the gateway is in no subnet of the network ({own}), so the kernel refuses the route", f"{start}{words}"


def _linked(routes: Routes) -> list[Network]:
    """Return the destinations of routes that lead to the link itself."""
    return list(_link_targets(routes))


def _link_targets(routes: Routes) -> Iterator[Network]:
    for route in routes:
        target = read_cidr((route or {}).get("dst"))
        if route is None or target is None or route.get("gw"):
            continue
        if target.version == 6 or route.get("scope") == LINK_SCOPE:
            yield target.network
