"""Overlaps of ranges, compared with a search of all pairs."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from webhook.admission.plugins.intervals import AddressRange, overlaps

PAIRS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.sampled_from(["10.0.0.0", "fd00::"])), max_size=8)


@given(PAIRS)
def test_a_pair_is_found_if_any_two_ranges_overlap(pairs: list[tuple[int, int, str]]) -> None:
    ranges = [
        AddressRange(first=ip_address(base) + low, last=ip_address(base) + low + size, path=str(at), group=at)
        for at, (low, size, base) in enumerate(pairs)
    ]
    found = list(overlaps(ranges))
    assert bool(found) == any(_share(one, other) for one in ranges for other in ranges if one is not other)
    assert all(_share(one, other) and one.group < other.group for one, other in found)


def _share(one: AddressRange, other: AddressRange) -> bool:
    same = one.first.version == other.first.version
    return same and int(one.first) <= int(other.last) and int(other.first) <= int(one.last)
