"""The sentences of a plan that its text and its Markdown share."""

from __future__ import annotations

from collections.abc import Sequence

from .applying import CHANGED, CREATED, DELETED, SAME, FieldChange
from .planned import ChangePlan, ObjectChange, PodEffect, counted_of
from .podeffects import (
    BLOCKED,
    DEVICE,
    FREED,
    INJECTION,
    INTERFACE,
    LOST,
    NETWORK,
    NEW,
    NEW_REFUSED,
    ORDER,
    OTHER,
    STILL,
    WARNED,
    Difference,
    Effect,
)

SECTIONS = {
    LOST: "A network is gone",
    BLOCKED: "Refused when created again",
    NEW_REFUSED: "New, and its pods would be refused",
    OTHER: "Something else than before",
    FREED: "Refused before, and admitted now",
    WARNED: "As before, with a new warning",
    NEW: "New, with a warning",
    STILL: "Refused before and after",
}
"""The effects that are shown, the worst first, with their headings."""

NAMES_MAX = 12
"""Workloads that one row names; the JSON has all."""
VALUE_MAX = 120
"""Characters of a value that are shown."""

WHAT = {
    CREATED: "is new",
    CHANGED: "changes",
    DELETED: "goes away",
}


def names_of(makers: Sequence[PodEffect]) -> str:
    """Return the makers of a row, each with its pods."""
    shown = ", ".join(map(_name_of, makers[:NAMES_MAX]))
    more = len(makers) - NAMES_MAX
    return f"{shown} and {counted_of(more, 'workload')} more" if more > 0 else shown


def _name_of(one: PodEffect) -> str:
    title = one.maker.title
    if one.maker.kind != "Pod":
        return f"{title} ({counted_of(one.running, 'pod')})"
    return f"{title} and {counted_of(one.running - 1, 'pod')} more" if one.running > 1 else title


def lines_of(effect: Effect) -> list[str]:
    """Return what there is to say about an effect, a line for each reason, difference and warning."""
    before = "before: " if effect.kind == FREED else ""
    node = "no node could attach it: " if effect.is_unplanned else ""
    reasons = (
        f"{before}{node}{one.field}: {one.text}" if one.field else f"{before}{node}{one.text}" for one in effect.reasons
    )
    warning = "warning" if effect.kind in {NEW, NEW_REFUSED} else "new warning"
    warnings = (f"{warning}: {one}" for one in effect.warnings)
    return list(dict.fromkeys((*reasons, *map(_difference, effect.differences), *warnings)))


def _difference(one: Difference) -> str:
    if one.area == NETWORK:
        return f"{one.network}: no longer attached" if one.before else f"{one.network}: attached as {one.after}"
    place = f"{one.network}: " if one.network else ""
    what = {INTERFACE: "interface", ORDER: "order", INJECTION: f"injected {one.path}"}.get(
        one.area, one.path or one.area
    )
    if one.area == DEVICE:
        what = "device of resource"
    return f"{place}{what}: {change_of(one.before, one.after)}"


def change_of(before: str, after: str) -> str:
    """Return a value before and after."""
    return f"{_shown(before)} -> {_shown(after)}"


def _shown(value: str) -> str:
    text = value if len(value) <= VALUE_MAX else f"{value[: VALUE_MAX - 3]}..."
    return text or "none"


def field_line(one: FieldChange) -> str:
    """Return one field that changes."""
    return f"{one.path}: {change_of(one.before, one.after)}" if one.path else change_of(one.before, one.after)


def unchanged_of(plan: ChangePlan) -> list[str]:
    """Return how many are as before, a line for each kind of them."""
    lines = []
    if plan.kept:
        lines.append(f"as before: {counted_of(plan.kept, 'workload')} ({counted_of(plan.kept_pods, 'pod')})")
    if new := plan.new - plan.number_of(NEW)[0]:
        lines.append(f"new and admitted: {counted_of(new, 'workload')}")
    same = sum(one.what == SAME and not one.refusals for one in plan.changes)
    if same:
        lines.append(f"the same, or in another form only: {counted_of(same, 'object')} of the change")
    return lines


def shown_first(changes: Sequence[ObjectChange]) -> list[ObjectChange]:
    """Return the objects of a change, those that would be refused first; those that stay as they are last."""
    order = {SAME: 2}
    return sorted(changes, key=lambda one: 0 if one.refusals else order.get(one.what, 1))
