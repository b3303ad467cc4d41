"""The default routes that plugin route-override adds (route-override-cni cmd/route-override addRoute)."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.formats import read_cidr


def route_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield default routes without a gateway."""
    for at, route in enumerate(placed.values.get("addroutes") or ()):
        destination = read_cidr((route or {}).get("dst"))
        if destination is not None and not destination.network.prefixlen and not route.get("gw"):
            detail = "without gw this default route takes all of the pod's traffic to the link itself"
            path = f"{placed.where('addroutes')}[{at}]"
            yield PluginFinding(code="NAD505", path=path, detail=detail, fix='add "gw"')
