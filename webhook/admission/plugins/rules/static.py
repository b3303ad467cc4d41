"""The addresses of IPAM static (containernetworking/plugins ipam/static/main.go)."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.formats import read_cidr
from webhook.admission.plugins.rules.host_local import family_findings, gateway_findings


def address_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield that there are none, or too many for an old version, and gateways that are not on the link."""
    if not placed.values.get("addresses") and not placed.values.unreadable and "ips" not in placed.declared:
        detail = "without addresses each pod must ask for its own"
        yield PluginFinding(code="NAD505", path=placed.path, detail=detail, fix='add "addresses", or capability ips')
    families: list[int] = []
    for at, item in enumerate(placed.values.get("addresses") or ()):
        address = read_cidr((item or {}).get("address"))
        if address is not None:
            families.append(address.version)
            yield from gateway_findings(item, address, f"{placed.where('addresses')}[{at}]")
    yield from family_findings(placed, families)
