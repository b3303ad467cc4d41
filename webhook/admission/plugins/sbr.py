"""The gateways of plugin sbr (containernetworking/plugins meta/sbr/main.go): at most one of each family."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.finding import PluginFinding
from webhook.admission.plugins.formats import read_address


def gateway_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield the second gateway of a family."""
    first: dict[int, str] = {}
    for at, text in enumerate(placed.values.get("gateways") or ()):
        address = read_address(text)
        if address is None:
            continue
        other = first.setdefault(address.version, text)
        if other is not text:
            detail = f"there is another IPv{address.version} gateway before it"
            refusal = f"gateways list contains multiple IPv{address.version} addresses: {other} and {text}"
            path = f"{placed.where('gateways')}[{at}]"
            yield PluginFinding(code="NAD208", path=path, detail=detail, value=text, refusal=refusal)
