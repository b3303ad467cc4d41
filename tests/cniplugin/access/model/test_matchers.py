"""Names, number ranges, address ranges and hardware addresses of rules."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.access.model.matchers import (
    Cidrs,
    HexPrefixes,
    Ranges,
    digits_of,
    is_hex_prefix,
    names,
    parse_cidr,
    parse_range,
)


@pytest.mark.parametrize(
    ("patterns", "text", "expected"),
    [
        (["blue"], "blue", True),
        (["blue"], "blues", False),
        (["blue*"], "blue", True),
        (["blue*"], "blues", True),
        (["blue*"], "blu", False),
        (["*"], "", True),
        (["*"], "anything", True),
        (["a", "b*"], "bc", True),
        ([], "a", False),
        (["a.c"], "abc", False),
        (["a?c"], "abc", False),
    ],
)
def test_names(patterns: list[str], text: str, *, expected: bool) -> None:
    """A star at the end makes a prefix; no other character is special, so no rule is expensive (side door 23)."""
    assert names(patterns).matches(text) is expected
    assert names(patterns).texts == tuple(patterns)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", (5, 5)),
        ("10-20", (10, 20)),
        ("0-65535", (0, 65535)),
        ("007", (7, 7)),
        ("20-10", None),
        ("-5", None),
        ("5-", None),
        ("", None),
        ("-", None),
        ("1-2-3", None),
        ("100000", None),
        ("5 ", None),
        ("\u0665", None),
        ("x", None),
    ],
)
def test_a_range(text: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(text) == expected


def test_ranges() -> None:
    ranges = Ranges(texts=("10-20", "30"), ranges=((10, 20), (30, 30)))
    assert ranges.contain(10, 20)
    assert ranges.contain(30, 30)
    assert not ranges.contain(9, 10)
    assert not ranges.contain(10, 21)
    assert not ranges.contain(20, 30)  # one range must have all of them
    assert ranges.meet(1, 10)
    assert ranges.meet(20, 29)
    assert not ranges.meet(21, 29)


def cidrs(*texts: str) -> Cidrs:
    blocks = [parse_cidr(text) for text in texts]
    assert None not in blocks
    return Cidrs(texts=texts, blocks=tuple(block for block in blocks if block))


@pytest.mark.parametrize(
    ("block", "address", "expected"),
    [
        ("10.1.0.0/16", "10.1.4.7", True),
        ("10.1.0.0/16", "10.1.4.7/16", True),
        ("10.1.0.0/16", "10.1.4.7/8", True),  # the address counts, not its network
        ("10.1.0.0/16", "10.2.0.0", False),
        ("10.1.2.3/16", "10.1.9.9", True),  # bits after the prefix are ignored
        ("10.1.2.3/32", "10.1.2.3", True),
        ("10.1.2.3/32", "10.1.2.4", False),
        ("0.0.0.0/0", "255.255.255.255", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("::/0", "2001:db8::1", True),
        ("::/0", "10.0.0.1", False),
        ("2001:db8::/64", "2001:db8::1/128", True),
        ("2001:db8::/64", "2001:db8:0:1::1", False),
        # An IPv4-mapped address is the IPv4 address, as in Go's net.IP: otherwise it could evade a range.
        ("10.1.0.0/16", "::ffff:10.1.4.7", True),
        ("10.1.0.0/16", "::FFFF:a01:407", True),
        ("10.1.0.0/16", "::ffff:10.2.0.1", False),
        ("::/0", "::ffff:10.1.4.7", False),
        ("10.1.0.0/16", "::10.1.4.7", False),  # IPv4-compatible is not mapped
        ("10.1.0.0/16", "", False),
        ("10.1.0.0/16", "10.1.0", False),
        ("10.1.0.0/16", "x", False),
    ],
)
def test_cidrs(block: str, address: str, *, expected: bool) -> None:
    assert cidrs(block).contain(address) is expected


@pytest.mark.parametrize(
    "text", ["10.1.0.0", "10.1.0.0/33", "10.1.0.0/", "10.1.0.0/-1", "::/129", "x/8", "", "/8", "01.1.1.1/8"]
)
def test_no_cidr(text: str) -> None:
    assert parse_cidr(text) is None


@pytest.mark.parametrize("text", ["::ffff:10.1.0.0/112", "::ffff:0.0.0.0/90"])
def test_a_mapped_range_is_not_a_range(text: str) -> None:
    """An address may have either form; a range must have the IPv4 form."""
    assert parse_cidr(text) is None


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_ipv4_is_as_the_standard_library_has_it(base: object, length: int, address: object) -> None:
    expected = ip_address(str(address)) in ip_network(f"{base}/{length}", strict=False)
    assert cidrs(f"{base}/{length}").contain(str(address)) is expected


@given(
    st.ip_addresses(v=6, network="2001:db8::/96"), st.integers(90, 128), st.ip_addresses(v=6, network="2001:db8::/96")
)
def test_ipv6_is_as_the_standard_library_has_it(base: object, length: int, address: object) -> None:
    expected = ip_address(str(address)) in ip_network(f"{base}/{length}", strict=False)
    assert cidrs(f"{base}/{length}").contain(str(address)) is expected


@pytest.mark.parametrize(
    ("prefix", "address", "expected"),
    [
        ("00:58", "00:58:01:02:03:04", True),
        ("00:58", "00-58-01-02-03-04", True),
        ("00:58", "0058.0102.0304", True),
        ("AA:BB", "aa:bb:00:00:00:00", True),
        ("aa:bb", "AABB.0000.0000", True),
        ("00:58", "02:58:00:00:00:00", False),
        ("00:58", "", False),
    ],
)
def test_hardware_addresses(prefix: str, address: str, *, expected: bool) -> None:
    assert HexPrefixes(texts=(prefix,), digits=(digits_of(prefix),)).match(address) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00", True),
        ("aa:BB:cc", True),
        (":".join(["00"] * 8), True),
        (":".join(["00"] * 9), False),
        ("0", False),
        ("000", False),
        ("00:", False),
        ("00-11", False),
        ("gg", False),
        ("", False),
    ],
)
def test_hexadecimal_prefixes(text: str, *, expected: bool) -> None:
    assert is_hex_prefix(text) is expected
