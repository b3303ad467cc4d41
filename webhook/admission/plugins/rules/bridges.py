"""Plugins that work on a switch: lists of VLANs of bridge, ovs and accelerated-bridge; names of bridges; mirrors.

    item   = {"minID": low, "maxID": high} / {"id": one}         ; an item may have all three
    bridge = name *("," name)                                    ; of accelerated-bridge

`vlanTrunk` of bridge takes 1 to 4094 and needs both ends of a range; `trunk` of ovs takes 0 to 4095 and ignores half a
range. The limits of each number are in the schemas.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cniplugin.netspec.names import trim
from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.placement import Placed


def bridge_findings(placed: Placed) -> Findings:
    """Yield ranges of `vlanTrunk` whose ends are swapped or missing, and a list that names no VLAN."""
    items = placed.values.get("vlanTrunk") or ()
    for at, item in enumerate(items):
        path = f"{placed.where('vlanTrunk')}[{at}]"
        yield from _swapped(item or {}, path)
        yield from _half(item or {}, path)
    if items and None not in items and not any(items):
        detail = "no item names a VLAN, so the list has no effect"
        yield PluginFinding(code="NAD504", path=placed.where("vlanTrunk"), detail=detail)


def ovs_findings(placed: Placed) -> Findings:
    """Yield ranges of `trunk` whose ends are swapped, half ranges, which have no effect, and a list without a VLAN."""
    items = placed.values.get("trunk") or ()
    for at, item in enumerate(items):
        path = f"{placed.where('trunk')}[{at}]"
        yield from _swapped(item or {}, path)
        for key, other in (("minID", "maxID"), ("maxID", "minID")):
            if item and item.get(key) and item.get(other) is None:
                detail = f'"{key}" has no effect without "{other}"'
                yield PluginFinding(code="NAD504", path=f"{path}.{key}", detail=detail, value=item[key])
    yield from _empty_trunk(items, placed)


def accelerated_bridge_findings(placed: Placed) -> Findings:
    """Yield ranges of `trunk` whose ends are swapped, and a list without a VLAN."""
    items = placed.values.get("trunk") or ()
    for at, item in enumerate(items):
        yield from _swapped(item or {}, f"{placed.where('trunk')}[{at}]")
    yield from _empty_trunk(items, placed)


def name_findings(placed: Placed) -> Findings:
    """Yield an empty name in the list of bridges (accelerated-bridge-cni pkg/config/config.go)."""
    text = placed.values.get("bridge")
    if text and not all(map(trim, text.split(","))):
        detail = "a name in the list of bridges is empty"
        refusal = "bridge configuration option has invalid format"
        yield PluginFinding(code="NAD203", path=placed.where("bridge"), detail=detail, value=text, refusal=refusal)


def mirror_findings(placed: Placed) -> Findings:
    """Yield mirrors of ovs-mirror-producer without a direction (ovs-cni pkg/ovsdb/ovsdb.go)."""
    for at, mirror in enumerate(placed.values.get("mirrors") or ()):
        if mirror is not None and not mirror.get("ingress") and not mirror.get("egress"):
            detail = "the mirror has neither ingress nor egress"
            fix = "set one of them, or both, to true"
            refusal = "a mirror producer must have either a ingress or an egress or both"
            path = f"{placed.where('mirrors')}[{at}]"
            yield PluginFinding(code="NAD205", path=path, detail=detail, fix=fix, refusal=refusal)


def _empty_trunk(items: Collection[Mapping[str, Any] | None], placed: Placed) -> Findings:
    if items and not any(_names_vlan(item or {}) for item in items):
        detail = "no item of the trunk names a VLAN"
        refusal = "trunk parameter is misconfigured"
        yield PluginFinding(code="NAD206", path=placed.where("trunk"), detail=detail, refusal=refusal)


def _names_vlan(item: Mapping[str, Any]) -> bool:
    return item.get("id") is not None or bool(item.get("minID") and item.get("maxID"))


def _swapped(item: Mapping[str, Any], path: str) -> Findings:
    low, high = item.get("minID"), item.get("maxID")
    if low is not None and high is not None and low > high:
        detail = f"the range of VLANs begins at {low} and ends before"
        refusal = "minID is greater than maxID in trunk parameter"
        yield PluginFinding(code="NAD206", path=f"{path}.maxID", detail=detail, value=high, refusal=refusal)


def _half(item: Mapping[str, Any], path: str) -> Findings:
    for key, other in (("minID", "maxID"), ("maxID", "minID")):
        if item.get(key) is not None and item.get(other) is None:
            detail = f'"{key}" needs "{other}" beside it'
            refusal = f"minID and maxID should be configured simultaneously, {other} is missing"
            yield PluginFinding(code="NAD206", path=path, detail=detail, refusal=refusal)
