"""Two outcomes of one pod to the effect of the change, and what differs between the two."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from .applying import differences
from .podoutcome import ADMITTED, UNPLANNED, Attached, Outcome, Reason

KEPT, WARNED, OTHER, LOST, BLOCKED, FREED, STILL, NEW, NEW_REFUSED = EFFECTS = (
    "kept", "warned", "other", "lost", "refused", "admitted", "stillRefused", "new", "newRefused",
)  # fmt: skip
"""KEPT: attached as before. WARNED: the same, with a new warning. OTHER: something else than before. LOST: a network is
gone. BLOCKED: refused when it is created again. FREED: was refused, and would be admitted. STILL: refused before and
after. NEW, NEW_REFUSED: a workload that the change creates."""

BREAKING = frozenset({LOST, BLOCKED, NEW_REFUSED})
"""Effects after which a pod does not start."""
CHANGING = frozenset({OTHER, FREED, *BREAKING})
"""Effects after which something is not as before."""

NETWORK, INTERFACE, ORDER, ADDRESSES, CONFIGURATION, DEVICE, REQUEST, INJECTION = AREAS = (
    "network", "interface", "order", "addresses", "configuration", "device", "request", "injection",
)  # fmt: skip

DIFFERENCES_MAX = 40
"""Differences of one pod that are listed."""


class Difference(NamedTuple):
    """One thing that a pod gets otherwise. `network`: "" for what is not about one network.

    `before`, `after`: "" for what is not there.
    """

    area: str
    network: str
    path: str
    before: str
    after: str


class Effect(NamedTuple):
    """What a change does to a pod. `reasons`: why it is refused; for FREED and STILL, why it was before.

    `missing`: networks that are gone. `warnings`: those that the pod did not get before.
    """

    kind: str
    reasons: tuple[Reason, ...] = ()
    missing: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()
    is_unplanned: bool = False


def effect_of(before: Outcome | None, after: Outcome) -> Effect:
    """Return the effect of a change on a pod; `before` is None for a pod that the change creates."""
    is_admitted = after.fate == ADMITTED
    warnings = tuple(one for one in after.warnings if before is None or one not in before.warnings)
    refusal = Effect(BLOCKED, after.reasons, after.missing, warnings=warnings, is_unplanned=after.fate == UNPLANNED)
    if before is None:
        return Effect(NEW, warnings=warnings) if is_admitted else refusal._replace(kind=NEW_REFUSED)
    if before.fate != ADMITTED:
        return Effect(FREED, before.reasons, warnings=warnings) if is_admitted else refusal._replace(kind=STILL)
    if not is_admitted:
        return refusal._replace(kind=LOST if after.missing else BLOCKED)
    found = tuple(one for one, _ in zip(_differences(before, after), range(DIFFERENCES_MAX), strict=False))
    return Effect(OTHER if found else WARNED if warnings else KEPT, differences=found, warnings=warnings)


def _differences(before: Outcome, after: Outcome) -> Iterator[Difference]:
    old, new = _numbered(before.attached), _numbered(after.attached)
    yield from (Difference(NETWORK, one.network, "", one.interface, "") for key, one in old.items() if key not in new)
    yield from (Difference(NETWORK, one.network, "", "", one.interface) for key, one in new.items() if key not in old)
    both, order = [key for key in old if key in new], [key for key in new if key in old]
    if both != order:
        yield Difference(ORDER, "", "", _names(both), _names(order))
    for key in both:
        yield from _of_attachment(old[key], new[key])
    yield from _of_injection(before.injected, after.injected)


_Key = tuple[str, bool, int]


def _numbered(attached: Sequence[Attached]) -> dict[_Key, Attached]:
    """Return attachments by their network, each of several with its number."""
    found: dict[_Key, Attached] = {}
    for one in attached:
        number = next(number for number in count() if (one.network, one.is_default, number) not in found)
        found[one.network, one.is_default, number] = one
    return found


def _names(keys: Sequence[_Key]) -> str:
    return ", ".join(network for network, _, _ in keys)


def _of_attachment(old: Attached, new: Attached) -> Iterator[Difference]:
    network = new.network
    if old.interface != new.interface:
        yield Difference(INTERFACE, network, "", old.interface, new.interface)
    if old.resource != new.resource:
        yield Difference(DEVICE, network, "resource", old.resource, new.resource)
    if _text(old.config) != _text(new.config):
        yield from _of_config(network, old.config, new.config)
    for one in differences(old.requests, new.requests):
        yield Difference(REQUEST, network, *one)


def _text(value: object) -> str:
    """Return a canonical text. NB: in Python, 1, 1.0 and True are equal."""
    return json.dumps(value, sort_keys=True)


ON_DISK = "a file of the node"


def _of_config(network: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> Iterator[Difference]:
    if old is None or new is None:
        texts = (ON_DISK if one is None else "spec.config" for one in (old, new))
        yield Difference(CONFIGURATION, network, "", *texts)
        return
    single = len(old["plugins"]) == len(new["plugins"]) == 1
    for path, before, after in differences(old, new):
        shown = path.removeprefix("plugins[0].") if single else path
        area = ADDRESSES if "ipam" in shown.split(".")[:2] else CONFIGURATION
        yield Difference(area, network, shown, before, after)


def _of_injection(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for path in dict.fromkeys((*old, *new)):
        before, after = old.get(path, ""), new.get(path, "")
        if before != after:
            yield Difference(INJECTION, "", path, before, after)
