"""Texts as Go reads them."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.admission.plugins.goparsing import fits, read_address, read_cidr


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("mac", "02:00:00:00:00:01"),
        ("mac", "02-00-00-00-00-aF"),
        ("mac", "0200.0000.0001"),
        ("mac", "020000000001"),
        ("mac", "02:00:00:00:00:00:00:01"),
        ("mac", ":".join(["00"] * 20)),
        ("mac", "0000.0000.0000.0001"),
        ("ip", "10.1.0.5"),
        ("ip", "::ffff:10.1.0.5"),
        ("cidr", "10.1.0.5/24"),
        ("cidr", "fd00::1/128"),
        ("decimal", "-5"),
        ("ifname", "net1.100"),
        ("link", "net1.100"),
        ("link", "a" * 127),
    ],
)
def test_fits(form: str, text: str) -> None:
    assert fits(text, form)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("mac", "02:00:00:00:00"),
        ("mac", "02:00-00:00:00:01"),
        ("mac", "0200000000011"),
        ("ip", "10.1.0.05"),
        ("ip", "10.1.0.5/24"),
        ("ip", "fe80::1%eth0"),
        ("cidr", "10.1.0.5"),
        ("cidr", "10.1.0.0/255.255.255.0"),
        ("cidr", "10.1.0.0/33"),
        ("cidr", "300.1.0.0/8"),
        ("decimal", "1.5"),
        ("decimal", "1" * 19),
        ("ifname", "a" * 16),
        ("link", "a" * 128),
        ("link", "eth0:1"),
        ("ifname", ".."),
        ("ifname", "eth0:1"),
        ("ifname", "a b"),
    ],
)
def test_does_not_fit(form: str, text: str) -> None:
    assert not fits(text, form)


def test_an_address_inside_ipv6_is_ipv4() -> None:
    assert read_address("::ffff:10.1.0.5") == read_address("10.1.0.5")
    assert read_address(5) is None
    assert read_cidr(None) is None


PARTS = st.one_of(st.integers(0, 300).map(str), st.sampled_from(["", "00", "01", "010", "255", "256", "a", "+1"]))


@given(st.lists(PARTS, min_size=4, max_size=4), st.one_of(PARTS, st.integers(0, 40).map(str)))
def test_the_short_way_reads_as_ipaddress_does(parts: list[str], prefix: str) -> None:
    text = f"{'.'.join(parts)}/{prefix}"
    try:
        expected = ip_interface(text)
    except ValueError:
        assert read_cidr(text) is None
        return
    found = read_cidr(text)
    assert found == expected
    assert found is not None
    assert (str(found), found.ip, found.network) == (str(expected), expected.ip, expected.network)
