"""The sysctls of plugin tuning (containernetworking/plugins meta/tuning/tuning.go): those of the network only.

A key is written with dots or with slashes. The plugin makes all dots slashes, so `..` leads nowhere, and drops empty
parts. One sysctl in both forms is set twice, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator

from cniplugin.netspec.jsontext import join
from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding


def sysctl_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield keys that are not below net."""
    for key in placed.values.get("sysctl") or {}:
        path = join(placed.where("sysctl"), key)
        if not _is_of_network(key):
            detail = "the plugin tuning sets sysctls of the network only"
            refusal = "invalid net sysctl key"
            allowed = "keys that begin with net."
            yield PluginFinding(code="NAD207", path=path, detail=detail, allowed=allowed, refusal=refusal)


def _is_of_network(key: str) -> bool:
    parts = [part for part in key.replace(".", "/").split("/") if part]
    return len(parts) > 1 and parts[0] == "net"
