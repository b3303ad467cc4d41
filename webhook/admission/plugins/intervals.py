"""Stretches of addresses: which two of many overlap, in n log n comparisons, and which addresses are in networks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from webhook.admission.plugins.goparsing import Address

Network = IPv4Network | IPv6Network


def place_of(address: Address) -> int:
    """Return the place of an address among all, those of IPv6 behind those of IPv4. NB: integers compare in C."""
    return int(address) + (1 << 128 if address.version == 6 else 0)


class Spans:
    """Networks to look addresses up in, whatever their number, in log n comparisons."""

    def __init__(self, networks: Iterable[Network]) -> None:
        ends: list[tuple[int, int]] = []
        for low, high in sorted((place_of(net.network_address), place_of(net.broadcast_address)) for net in networks):
            if not ends or high > ends[-1][1]:  # NB: of two networks that share addresses, one holds the other
                ends.append((low, high))
        self._lows = [low for low, _ in ends]
        self._highs = [high for _, high in ends]

    def has(self, place: int) -> bool:
        """Say whether the address of a place is in one of the networks."""
        at = bisect_right(self._lows, place) - 1
        return at >= 0 and place <= self._highs[at]


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
