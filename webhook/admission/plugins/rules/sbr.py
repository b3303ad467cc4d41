"""The gateways of plugin sbr (containernetworking/plugins meta/sbr/main.go): at most one of each family."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.formats import read_address


def gateway_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield gateways that are empty, and the second one of a family."""
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
