"""The mirrors of plugin ovs-mirror-producer (ovs-cni pkg/ovsdb/ovsdb.go): each takes one direction or both."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding


def producer_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield mirrors without a direction."""
    for at, mirror in enumerate(placed.values.get("mirrors") or ()):
        if mirror is not None and not mirror.get("ingress") and not mirror.get("egress"):
            detail = "the mirror has neither ingress nor egress"
            fix = "set one of them, or both, to true"
            refusal = "a mirror producer must have either a ingress or an egress or both"
            path = f"{placed.where('mirrors')}[{at}]"
            yield PluginFinding(code="NAD205", path=path, detail=detail, fix=fix, refusal=refusal)
