"""Plugins that change routes: gateways of sbr, default routes of route-override.

Sources: containernetworking/plugins meta/sbr/main.go; route-override-cni cmd/route-override addRoute.
"""

from __future__ import annotations

from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import read_address, read_cidr
from webhook.admission.plugins.placement import Placed


def gateway_findings(placed: Placed) -> Findings:
    """Yield gateways of sbr that are empty, and the second one of a family."""
    first: dict[int, str] = {}
    for at, text in enumerate(placed.values.get("gateways") or ()):
        path = f"{placed.where('gateways')}[{at}]"
        if not text:
            refusal = "invalid static gateway IP address: "
            yield PluginFinding(code="NAD203", path=path, detail="the gateway is empty", refusal=refusal)
        address = read_address(text)
        if address is None:
            continue
        other = first.setdefault(address.version, text)
        if other is not text:
            detail = f"there is another IPv{address.version} gateway before it"
            refusal = f"gateways list contains multiple IPv{address.version} addresses: {other} and {text}"
            yield PluginFinding(code="NAD208", path=path, detail=detail, value=text, refusal=refusal)


def default_route_findings(placed: Placed) -> Findings:
    """Yield default routes that route-override adds without a gateway."""
    for at, route in enumerate(placed.values.get("addroutes") or ()):
        destination = read_cidr((route or {}).get("dst"))
        if destination is not None and not destination.network.prefixlen and not route.get("gw"):
            detail = "without gw this default route takes all of the pod's traffic to the link itself"
            path = f"{placed.where('addroutes')}[{at}]"
            yield PluginFinding(code="NAD505", path=path, detail=detail, fix='add "gw"')
