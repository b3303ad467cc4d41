"""Names and addresses, compared with the standard library and with the quoted rules."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec import names


@given(
    st.text(alphabet="0123456789abcdef:.", max_size=45)
    | st.ip_addresses().map(str)
    | st.from_regex(r"([0-9a-f]{0,4}:){1,8}[0-9a-f]{0,4}", fullmatch=True)
)
def test_an_ip_is_what_the_standard_library_reads(text: str) -> None:
    """Python's ipaddress and Go's net.ParseIP agree except about zones, which neither the alphabet nor is_ip has."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        assert not names.is_ip(text)
    else:
        assert names.is_ip(text)


@pytest.mark.parametrize("text", ["::1.2.3.256", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "1.2.3.4::"])
def test_no_ip(text: str) -> None:
    assert not names.is_ip(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1/0", True),
        ("10.0.0.1/32", True),
        ("10.0.0.1/33", False),
        ("10.0.0.1/", False),
        ("10.0.0.1/+8", False),
        ("10.0.0.1/08", False),
        ("10.0.0.1/٣", False),
        ("fd00::1/128", True),
        ("fd00::1/129", False),
        ("fe80::1%eth0", False),
        ("10.0.0.1/24/24", False),
        ("", False),
        ("/24", False),
    ],
)
def test_prefix(text: str, *, expected: bool) -> None:
    assert names.is_ip_or_prefix(text) is expected


@pytest.mark.parametrize("text", ["02:23:45:67:89:01", "02-23-45-67-89-01", "0223.4567.8901", "AA:bb:CC:dd:EE:ff"])
def test_mac(text: str) -> None:
    assert names.is_mac(text)
    assert not names.is_guid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "02:23:45:67:89",
        "02:23:45:67:89:01:02",
        "02:23-45:67:89:01",
        "0:2:3:4:5:6",
        "gg:23:45:67:89:01",
        "022345678901",
        "02:23:45:67:89:01 ",
    ],
)
def test_no_mac(text: str) -> None:
    assert not names.is_mac(text)


@pytest.mark.parametrize("text", ["24:8a:07:03:00:8d:ae:2f", "24-8a-07-03-00-8d-ae-2f", "248a.0703.008d.ae2f"])
def test_guid(text: str) -> None:
    assert names.is_guid(text)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("net1", None),
        ("a" * 15, None),
        ("a" * 16, "16 bytes"),
        ("é" * 8, "16 bytes"),
        ("", "empty"),
        (".", "directory"),
        ("..", "directory"),
        ("...", None),
        ("a/b", "'/'"),
        ("a:b", "':'"),
        ("a b", "white space"),
        ("a\tb", "white space"),
        ("a\u2003b", "white space"),
        ("a\0b", "white space"),
        ("\udc80", None),
    ],
)
def test_interface(name: str, problem: str | None) -> None:
    found = names.interface_problem(name)
    assert found is None if problem is None else problem in (found or "")


@pytest.mark.parametrize("text", ["a", "a-b", "0", "a" * 63])
def test_label(text: str) -> None:
    assert names.is_label(text)
    assert names.is_subdomain(text)


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a_b", "a.b", "a" * 64, "a\n", "٣"])
def test_no_label(text: str) -> None:
    assert not names.is_label(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("a.b", True), ("a..b", False), ("a." * 126 + "a", True), ("a." * 127, False), (".a", False)]
)
def test_subdomain(text: str, *, expected: bool) -> None:
    assert names.is_subdomain(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("A_b.c-1", True), ("-a", False), ("", False), ("a/b", False), ("a b", False)]
)
def test_network_name(text: str, *, expected: bool) -> None:
    assert names.is_network_name(text) is expected


@pytest.mark.parametrize(
    ("word", "candidates", "expected"),
    [
        ("Namespace", ["name", "namespace"], "namespace"),
        ("ip", ["ips", "mac"], "ips"),
        ("data-plain", ["data-plane", "control-plane"], "data-plane"),
        ("x", ["data-plane"], None),
        ("x", [], None),
        ("a" * 100_000, ["a" * 100_000, "b"], "a" * 100_000),
    ],
)
def test_nearest(word: str, candidates: list[str], expected: str | None) -> None:
    assert names.nearest(word, candidates) == expected
