"""Lists of VLANs: `vlanTrunk` of bridge, `trunk` of ovs and accelerated-bridge.

    item = {"minID": low, "maxID": high} / {"id": one}          ; all three together are fine

The plugins differ: bridge takes 1 to 4094 and wants both ends, ovs takes 0 to 4095 and ignores half a range.
The limits of each number are in the schemas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding

Findings = Iterator[PluginFinding]


def bridge_findings(placed: Placed) -> Findings:
    """Yield ranges of `vlanTrunk` that are upside down or half there, and a list that says nothing."""
    items = placed.values.get("vlanTrunk") or ()
    for at, item in enumerate(items):
        path = f"{placed.where('vlanTrunk')}[{at}]"
        yield from _upside_down(item or {}, path)
        yield from _half(item or {}, path)
    if items and None not in items and not any(items):
        detail = "no item names a VLAN, so the list has no effect"
        yield PluginFinding(code="NAD504", path=placed.where("vlanTrunk"), detail=detail)


def ovs_findings(placed: Placed) -> Findings:
    """Yield ranges of `trunk` that are upside down, half ranges, which are ignored, and a list that says nothing."""
    items = placed.values.get("trunk") or ()
    for at, item in enumerate(items):
        path = f"{placed.where('trunk')}[{at}]"
        yield from _upside_down(item or {}, path)
        for key in ("minID", "maxID"):
            other = "maxID" if key == "minID" else "minID"
            if item and item.get(key) and item.get(other) is None:
                detail = f'"{key}" has no effect without "{other}"'
                yield PluginFinding(code="NAD504", path=f"{path}.{key}", detail=detail, value=item[key])
    yield from _void_trunk(items, placed)


def accelerated_bridge_findings(placed: Placed) -> Findings:
    """Yield ranges of `trunk` that are upside down, and a list that says nothing."""
    items = placed.values.get("trunk") or ()
    for at, item in enumerate(items):
        yield from _upside_down(item or {}, f"{placed.where('trunk')}[{at}]")
    yield from _void_trunk(items, placed)


def _void_trunk(items: Collection[Mapping[str, Any] | None], placed: Placed) -> Findings:
    if items and not any(_names_vlan(item or {}) for item in items):
        detail = "no item of the trunk names a VLAN"
        refusal = "trunk parameter is misconfigured"
        yield PluginFinding(code="NAD206", path=placed.where("trunk"), detail=detail, refusal=refusal)


def _names_vlan(item: Mapping[str, Any]) -> bool:
    return item.get("id") is not None or bool(item.get("minID") and item.get("maxID"))


def _upside_down(item: Mapping[str, Any], path: str) -> Findings:
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
