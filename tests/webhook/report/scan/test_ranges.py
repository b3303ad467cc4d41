"""Ranges that overlap: each network that hands out addresses of an earlier one is found, however they are nested."""

from __future__ import annotations

from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from tests.webhook.report.topology.objects import checks
from webhook.report.scan.stock import Stock
from webhook.report.scan.stocktaking import take_stock

from .cluster import Object, macvlan, network

SUBNETS = st.builds(
    lambda start, prefix: IPv4Network((start << 4 | 10 << 24, prefix), strict=False),
    st.integers(0, 63),
    st.integers(24, 28),
)


def hands_out(name: str, subnet: str) -> Object:
    return network("blue", name, macvlan("eth1", {"type": "host-local", "subnet": subnet}))


def found(objects: list[Object]) -> set[str]:
    stock = Stock()
    for one in objects:
        stock.add(one)
    return {one.subject.name for one in take_stock(stock, checks()) if one.rule == "ranges-overlap"}


@given(st.lists(SUBNETS, min_size=1, max_size=6))
def test_all_but_the_first_of_each_heap_are_found(subnets: list[IPv4Network]) -> None:
    """As many are found as have an overlap with one that begins earlier, or at the same place and was not found."""
    objects = [hands_out(f"n{number}", str(subnet)) for number, subnet in enumerate(subnets)]
    names = found(objects)
    free = [subnet for number, subnet in enumerate(subnets) if f"n{number}" not in names]
    assert all(not one.overlaps(other) for at, one in enumerate(free) for other in free[at + 1 :])
    for number, subnet in enumerate(subnets):
        if f"n{number}" in names:
            assert any(subnet.overlaps(other) for at, other in enumerate(subnets) if at != number)


def test_a_wide_range_is_remembered_behind_many_narrow_ones() -> None:
    narrow = [hands_out(f"n{number}", f"10.0.{number}.0/28") for number in range(20)]
    assert found([hands_out("wide", "10.0.0.0/16"), *narrow]) >= {f"n{number}" for number in range(1, 20)}


def test_two_families_do_not_overlap() -> None:
    assert found([hands_out("four", "10.0.0.0/24"), hands_out("six", "::a00:0/120")]) == set()
