"""Overlaps of ranges, compared with a search of all pairs."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from webhook.admission.plugins.intervals import AddressRange, overlaps

BASES = st.sampled_from([ip_address("10.0.0.0"), ip_address("fd00::")])
PAIRS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), BASES), max_size=8)


@given(PAIRS)
def test_a_pair_is_found_if_any_two_ranges_overlap(pairs: list[tuple[int, int, IPv4Address | IPv6Address]]) -> None:
    ranges = [
        AddressRange(base.version, int(base) + low, int(base) + low + size, path=str(at), group=at)
        for at, (low, size, base) in enumerate(pairs)
    ]
    found = list(overlaps(ranges))
    assert bool(found) == any(_share(one, other) for one in ranges for other in ranges if one is not other)
    assert all(_share(one, other) and one.group < other.group for one, other in found)


def _share(one: AddressRange, other: AddressRange) -> bool:
    return one.version == other.version and one.first <= other.last and other.first <= one.last
