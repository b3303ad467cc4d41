"""Ranges of addresses: finds those that overlap in n log n comparisons, and looks an address up in networks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from operator import itemgetter
from typing import NamedTuple

from cniplugin.netspec.names import number_of
from webhook.admission.plugins.goparsing import Address

Network = IPv4Network | IPv6Network


def place_of(address: Address) -> int:
    """Return a number that orders addresses, IPv4 before IPv6. NB: integers compare in C."""
    return int(address) + (1 << 128 if address.version == 6 else 0)


def place_of_text(address: str) -> int:
    """Return the number of an address that has one of the forms of `cniplugin.netspec.names.is_ip`."""
    bits, value = number_of(address)
    return value + (1 << 128 if bits == 128 else 0)


class Spans:
    """Networks in which an address is looked up, in log n comparisons."""

    def __init__(self, networks: Iterable[Network]) -> None:
        ends: list[tuple[int, int]] = []
        for low, high in sorted((place_of(net.network_address), place_of(net.broadcast_address)) for net in networks):
            if not ends or high > ends[-1][1]:  # NB: if two networks overlap, one contains the other
                ends.append((low, high))
        self._lows = [low for low, _ in ends]
        self._highs = [high for _, high in ends]

    def has(self, place: int) -> bool:
        """Say whether the address with the number `place` is in one of the networks."""
        at = bisect_right(self._lows, place) - 1
        return at >= 0 and place <= self._highs[at]


class AddressRange(NamedTuple):
    """Addresses of one family, 4 or 6, from `first` to `last`, both included. `path`: where the range is written.

    `group`: the number of its set.
    """

    version: int
    first: int
    last: int
    path: str
    group: int

    @property
    def text(self) -> str:
        """The range as messages quote it."""
        return f"{address_of(self.version, self.first)}-{address_of(self.version, self.last)}"


def address_of(version: int, number: int) -> Address:
    """Return the address of a family with a number."""
    return (IPv4Address if version == 4 else IPv6Address)(number)


def overlaps(ranges: Sequence[AddressRange]) -> Iterator[tuple[AddressRange, AddressRange]]:
    """Return pairs of ranges that share an address; the first of a pair has the lower group.

    Each range is compared with only one of the ranges that begin before it: the one that ends last. So at least one
    pair is found if any two ranges overlap.
    """
    return iter(()) if len(ranges) < 2 else _overlaps(ranges)


_BY_BEGINNING = itemgetter(0, 1)


def _overlaps(ranges: Sequence[AddressRange]) -> Iterator[tuple[AddressRange, AddressRange]]:
    farthest: AddressRange | None = None
    for current in sorted(ranges, key=_BY_BEGINNING):
        if farthest is None or current.version != farthest.version:
            farthest = current
            continue
        if current.first <= farthest.last:
            yield (farthest, current) if farthest.group <= current.group else (current, farthest)
        if current.last > farthest.last:
            farthest = current
