"""The bridges of plugin accelerated-bridge (accelerated-bridge-cni pkg/config/config.go): one name, or a list.

bridge = name *("," name)
"""

from __future__ import annotations

from collections.abc import Iterator

from cniplugin.netspec.whitespace import trim
from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding


def name_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield that a name of the list is empty."""
    text = placed.values.get("bridge")
    if text and not all(map(trim, text.split(","))):
        detail = "a name in the list of bridges is empty"
        refusal = "bridge configuration option has invalid format"
        yield PluginFinding(code="NAD203", path=placed.where("bridge"), detail=detail, value=text, refusal=refusal)
