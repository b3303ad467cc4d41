"""Stretches of addresses: which two of many overlap, in n log n comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from webhook.admission.plugins.formats import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Addresses from `first` to `last`, both included and of one family; `path`: where they are written.

    `group`: the set that it belongs to. `text`: as it is quoted.
    """

    first: Address
    last: Address
    path: str
    group: int
    text: str


def overlaps(stretches: Iterable[Stretch]) -> Iterator[tuple[Stretch, Stretch]]:
    """Yield pairs of stretches that share an address, the one that is written first in front.

    Each stretch is compared with the one that reaches farthest of those that begin before it, so at least one pair is
    found wherever there is any.
    """
    farthest: Stretch | None = None
    for stretch in sorted(stretches, key=lambda found: (found.first.version, int(found.first))):
        if farthest is None or stretch.first.version != farthest.first.version:
            farthest = stretch
            continue
        if int(stretch.first) <= int(farthest.last):
            yield (farthest, stretch) if farthest.group <= stretch.group else (stretch, farthest)
        if int(stretch.last) > int(farthest.last):
            farthest = stretch
