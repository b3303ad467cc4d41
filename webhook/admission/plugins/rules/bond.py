"""The MTU of plugin bond (bond-cni bond/util/validation.go): 0 stands for 1500, otherwise 68 or more."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding

MTU_MIN = 68
"""Of IPv4 (RFC 791)."""


def mtu_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield an MTU that is too small."""
    mtu = placed.values.get("mtu")
    if mtu and mtu < MTU_MIN:
        detail = f"the plugin bond takes {MTU_MIN} or more, or 0 for 1500"
        refusal = "invalid bond MTU value ({value}), should be 68 or bigger"
        yield PluginFinding(code="NAD201", path=placed.where("mtu"), detail=detail, value=mtu, refusal=refusal)
