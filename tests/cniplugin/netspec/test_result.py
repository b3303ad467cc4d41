"""CNI results: reading of every version, conversion, addresses, hostile input (CNI 1.1 §5; libcni pkg/types)."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec import names, result, versions
from cniplugin.netspec.errors import SpecErrors, render
from cniplugin.netspec.result import Dns, Interface, IPConfig, Result, Route

SANDBOX = "/var/run/netns/x"
FULL: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "interfaces": [
        {"name": "veth1", "mac": "0a:00:00:00:00:01"},
        {
            "name": "eth0",
            "mac": "0a:00:00:00:00:02",
            "sandbox": SANDBOX,
            "mtu": 9000,
            "socketPath": "/run/x.sock",
            "pciID": "0000:00:02.0",
        },
    ],
    "ips": [
        {"interface": 1, "address": "10.1.2.3/24", "gateway": "10.1.2.1"},
        {"interface": 0, "address": "10.1.2.4/24"},
        {"address": "fd00::3/64", "gateway": "fd00::1"},
        {"address": "fd00::4/64"},
    ],
    "routes": [
        {"dst": "0.0.0.0/0", "gw": "10.1.2.1"},
        {"dst": "10.9.0.0/16", "mtu": 1400, "advmss": 1360, "priority": 100, "table": 0, "scope": 253},
        {"dst": "::/0", "gw": "fd00::1"},
    ],
    "dns": {"nameservers": ["192.0.2.1"], "domain": "d", "search": ["s"], "options": ["ndots:2"]},
}
OLD: dict[str, Any] = {
    "cniVersion": "0.2.0",
    "ip4": {"ip": "10.1.2.3/24", "gateway": "10.1.2.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}, {"dst": "10.9.0.0/16"}]},
    "ip6": {"ip": "fd00::3/64", "gateway": "fd00::1", "routes": [{"dst": "::/0", "gw": "fd00::1"}]},
    "dns": FULL["dns"],
}  # fmt: skip
BEFORE_1: dict[str, Any] = {
    "cniVersion": "0.4.0",
    "interfaces": [
        {"name": "veth1", "mac": "0a:00:00:00:00:01"},
        {"name": "eth0", "mac": "0a:00:00:00:00:02", "sandbox": SANDBOX},
    ],
    "ips": [
        {"version": "4", "interface": 1, "address": "10.1.2.3/24", "gateway": "10.1.2.1"},
        {"version": "4", "interface": 0, "address": "10.1.2.4/24"},
        {"version": "6", "address": "fd00::3/64", "gateway": "fd00::1"},
        {"version": "6", "address": "fd00::4/64"},
    ],
    "routes": FULL["routes"],
    "dns": FULL["dns"],
}


def problems_of(value: Any, *, cni_version: str = "1.1.0") -> list[tuple[str, str]]:
    with pytest.raises(SpecErrors) as caught:
        result.parse(value, cni_version=cni_version)
    assert all(render(error) for error in caught.value)
    return [(error.rule, error.path) for error in caught.value]


def read(**keys: Any) -> Result:
    return result.parse({"cniVersion": "1.1.0", **keys}, cni_version="1.1.0")


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_1_x_is_read_whole_and_printed_as_it_was(version: str) -> None:
    """CNI 1.0.0 and 1.1.0 are one type (types/100): a result of 1.0.0 keeps the keys of 1.1.0."""
    value = {**FULL, "cniVersion": version}
    read = result.parse(value, cni_version="1.1.0")
    assert read == Result(
        cni_version=version,
        interfaces=(
            Interface(name="veth1", mac="0a:00:00:00:00:01"),
            Interface(
                name="eth0",
                mac="0a:00:00:00:00:02",
                mtu=9000,
                sandbox=SANDBOX,
                socket_path="/run/x.sock",
                pci_id="0000:00:02.0",
            ),
        ),
        ips=(
            IPConfig(interface=1, address="10.1.2.3/24", gateway="10.1.2.1"),
            IPConfig(interface=0, address="10.1.2.4/24"),
            IPConfig(address="fd00::3/64", gateway="fd00::1"),
            IPConfig(address="fd00::4/64"),
        ),
        routes=(
            Route(dst="0.0.0.0/0", gw="10.1.2.1"),
            Route(dst="10.9.0.0/16", mtu=1400, advmss=1360, priority=100, table=0, scope=253),
            Route(dst="::/0", gw="fd00::1"),
        ),
        dns=Dns(nameservers=("192.0.2.1",), domain="d", search=("s",), options=("ndots:2",)),
    )
    assert result.convert(read, version) == value


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0"])
def test_0_3_and_0_4(version: str) -> None:
    """`ips[].version` is added, the 1.x keys of interfaces are dropped (types/100 convertTo04x)."""
    value = {**BEFORE_1, "cniVersion": version}
    assert result.convert(result.parse(FULL, cni_version=""), version) == value
    assert result.convert(result.parse(value, cni_version=""), version) == value
    with_mtu = {**value, "interfaces": [{"name": "a", "mtu": "not read", "pciID": 1}]}
    assert result.parse(with_mtu, cni_version="").interfaces == (Interface(name="a"),)


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_0_1_and_0_2(version: str) -> None:
    """The first address of each family is kept, and dst and gw of the routes of that family (types/040 convertTo02x)."""
    value = {**OLD, "cniVersion": version}
    assert result.convert(result.parse(FULL, cni_version=""), version) == value
    read = result.parse(value, cni_version="")
    assert result.convert(read, version) == value
    assert result.convert(read, "1.1.0") == {
        "cniVersion": "1.1.0",
        "ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}, {"address": "fd00::3/64", "gateway": "fd00::1"}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}, {"dst": "10.9.0.0/16"}, {"dst": "::/0", "gw": "fd00::1"}],
        "dns": FULL["dns"],
    }


def test_the_order_of_ip6_and_ip4_does_not_count() -> None:
    read = result.parse({"ip6": {"ip": "fd00::1/64"}, "ip4": {"ip": "10.0.0.1/8"}}, cni_version="0.2.0")
    assert [config.address for config in read.ips] == ["10.0.0.1/8", "fd00::1/64"]
    assert list(result.convert(read, "0.2.0")) == ["cniVersion", "ip4", "ip6", "dns"]


def test_routes_of_an_absent_family_have_no_place_in_0_2() -> None:
    only_6 = read(ips=[{"address": "fd00::1/64"}], routes=[{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])
    assert result.convert(only_6, "0.2.0") == {
        "cniVersion": "0.2.0",
        "ip6": {"ip": "fd00::1/64", "routes": [{"dst": "::/0"}]},
        "dns": {},
    }


@pytest.mark.parametrize(
    ("version", "shape"),
    [
        ("", {"cniVersion": "0.1.0", "dns": {}}),
        ("0.1.0", {"cniVersion": "0.1.0", "dns": {}}),
        ("0.2.0", {"cniVersion": "0.2.0", "dns": {}}),
        ("0.3.0", {"cniVersion": "0.3.0", "dns": {}}),
        ("0.3.1", {"cniVersion": "0.3.1", "dns": {}}),
        ("0.4.0", {"cniVersion": "0.4.0", "dns": {}}),
        ("1.0.0", {"cniVersion": "1.0.0"}),
        ("1.1.0", {"cniVersion": "1.1.0"}),
    ],
)
@pytest.mark.parametrize("empty", ["null", b"null", None, {}, "{}"])
def test_an_empty_result_has_the_version_of_the_configuration(version: str, shape: Any, empty: Any) -> None:
    """An empty result is read as in exec.go:41-78; 1.x omits an empty dns (types/100 MarshalJSON), the others print
    it."""
    assert result.convert(result.parse(empty, cni_version=version), version) == shape


def test_the_version_of_the_result_is_believed() -> None:
    assert result.parse({"cniVersion": "0.4.0"}, cni_version="1.0.0").cni_version == "0.4.0"
    assert result.parse({"cniVersion": ""}, cni_version="1.0.0").cni_version == "1.0.0"
    assert result.parse({"cniVersion": None}, cni_version="1.0.0").cni_version == "1.0.0"


@pytest.mark.parametrize("version", ["1.2.0", "1.2.3", "0.5.0", "1.0", "x"])
def test_an_unknown_version_is_refused_alone(version: str) -> None:
    with pytest.raises(SpecErrors) as caught:
        result.parse({"cniVersion": version, "ips": 5}, cni_version="1.0.0")
    assert [(error.rule, error.detail) for error in caught.value] == [
        ("result-version", f'unsupported CNI result version "{version}"')
    ]
    assert problems_of({}, cni_version=version) == [("result-version", "cniVersion")]
    with pytest.raises(SpecErrors, match="unsupported CNI result version"):
        result.convert(read(), version)


def test_a_result_without_addresses_has_no_0_2_form() -> None:
    with pytest.raises(SpecErrors, match="cannot convert: no valid IP addresses") as caught:
        result.convert(read(interfaces=[{"name": "a"}], routes=[{"dst": "::/0"}]), "0.2.0")
    assert [error.rule for error in caught.value] == ["result-convert"]


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ([], [("result-type", "")]),
        ("5", [("result-type", "")]),
        ("", [("json-syntax", "")]),
        (b"\xff", [("json-encoding", "")]),
        ('{"ips":[],"ips":[]}', [("json-duplicate-key", "ips")]),
        ("x" * 2_000_000, [("json-size", "")]),
        ({"cniVersion": 1}, [("result-type", "cniVersion")]),
        ({"cniVersion": False}, [("result-type", "cniVersion")]),
        ({"ips": {}}, [("result-type", "ips")]),
        ({"ips": [None, 1]}, [("result-type", "ips[0]"), ("result-type", "ips[1]")]),
        ({"ips": [{}]}, [("result-address", "ips[0]")]),
        ({"ips": [{"address": None}]}, [("result-address", "ips[0]")]),
        ({"ips": [{"address": 1}]}, [("result-type", "ips[0].address")]),
        ({"ips": [{"address": ""}]}, [("result-address", "ips[0].address")]),
        ({"ips": [{"address": "10.0.0.6"}]}, [("result-address", "ips[0].address")]),
        ({"ips": [{"address": "10.0.0.6/33"}]}, [("result-address", "ips[0].address")]),
        ({"ips": [{"address": "fe80::1%eth0/64"}]}, [("result-address", "ips[0].address")]),
        ({"ips": [{"address": "::1/64", "gateway": "::1/64"}]}, [("result-address", "ips[0].gateway")]),
        ({"ips": [{"address": "::1/64", "gateway": 1}]}, [("result-type", "ips[0].gateway")]),
        ({"ips": [{"address": "::1/64", "interface": 1.0}]}, [("result-type", "ips[0].interface")]),
        ({"ips": [{"address": "::1/64", "interface": True}]}, [("result-type", "ips[0].interface")]),
        ({"interfaces": ["eth0"]}, [("result-type", "interfaces[0]")]),
        ({"interfaces": [{"name": 1, "mtu": "1"}]}, [("result-type", "interfaces[0].name"), ("result-type", "interfaces[0].mtu")]),
        ({"interfaces": [{"mtu": 2**63}]}, [("result-type", "interfaces[0].mtu")]),
        ({"routes": [{"gw": "1"}]}, [("result-address", "routes[0].gw"), ("result-address", "routes[0]")]),
        ({"routes": [{"dst": "default"}]}, [("result-address", "routes[0].dst")]),
        ({"dns": []}, [("result-type", "dns")]),
        ({"dns": {"nameservers": "192.0.2.1", "search": [1], "domain": []}}, [("result-type", "dns.nameservers"), ("result-type", "dns.search[0]"), ("result-type", "dns.domain")]),
        ({"routes": 1, "dns": 1, "ips": 1, "interfaces": 1}, [("result-type", key) for key in ("routes", "dns", "ips", "interfaces")]),
    ],
)  # fmt: skip
def test_refused(value: Any, problems: list[tuple[str, str]]) -> None:
    assert problems_of(value) == problems


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ({"ip4": {}}, [("result-address", "ip4")]),
        ({"ip4": [], "ip6": {"ip": "x", "routes": [{}]}}, [("result-type", "ip4"), ("result-address", "ip6.ip"), ("result-address", "ip6.routes[0]")]),
    ],
)  # fmt: skip
def test_refused_in_0_2(value: Any, problems: list[tuple[str, str]]) -> None:
    assert problems_of(value, cni_version="0.2.0") == problems


def test_keys_are_read_in_any_letter_case_as_go_does() -> None:
    read = result.parse({"IPs": [{"Address": "10.0.0.1/8"}], "CNIVersion": "9"}, cni_version="1.0.0")
    assert read == Result(cni_version="1.0.0", ips=(IPConfig(address="10.0.0.1/8"),))
    assert problems_of({"IPs": [{"ADDRESS": "x"}]}) == [("result-address", "IPs[0].ADDRESS")]


def test_unset_fields_are_not_printed() -> None:
    zeros = read(
        interfaces=[{"mac": "", "mtu": 0, "sandbox": None}],
        ips=[{"address": "10.0.0.1/8", "gateway": "", "interface": -1}, {"address": "10.0.0.2/8", "interface": 0}],
        routes=[{"dst": "::/0", "gw": "", "mtu": 0, "advmss": 0, "priority": 0, "table": None, "scope": 0}],
        dns={"nameservers": [], "domain": ""},
        unknown=1,
    )
    assert result.convert(zeros, "1.1.0") == {
        "cniVersion": "1.1.0",
        "interfaces": [{"name": ""}],
        "ips": [{"address": "10.0.0.1/8"}, {"interface": 0, "address": "10.0.0.2/8"}],
        "routes": [{"dst": "::/0", "scope": 0}],
    }


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("fd00:0:0:0::0005", "fd00::5"),
        ("::", "::"),
        ("::1", "::1"),
        ("1::", "1::"),
        ("2001:DB8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("::ffff:a01:203", "10.1.2.3"),
        ("::1.2.3.4", "::102:304"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
    ],
)
def test_canonical_ip(text: str, canonical: str) -> None:
    assert names.canonical_ip(text) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.1.2.3/24", "10.1.2.3/24"),
        ("FD00:0::3/64", "fd00::3/64"),
        ("::ffff:10.1.2.3/120", "10.1.2.3/24"),
        ("::ffff:10.1.2.3/64", "10.1.2.3/0"),
    ],
)
def test_canonical_prefix(text: str, canonical: str) -> None:
    assert names.canonical_prefix(text) == canonical


@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address) | st.lists(st.sampled_from([0, 0, 1, 0xFFFF]), min_size=8, max_size=8).map(lambda groups: ipaddress.IPv6Address(b"".join(group.to_bytes(2, "big") for group in groups))))  # fmt: skip
def test_addresses_are_as_rfc_5952_has_them(address: ipaddress.IPv6Address) -> None:
    expected = str(address.ipv4_mapped or ipaddress.IPv6Address(int(address)))
    for text in (str(address), address.exploded, address.exploded.upper()):
        assert names.canonical_ip(text) == expected
    assert names.canonical_ip(expected) == expected


IPS = st.sampled_from(["10.0.0.1", "192.0.2.7", "fd00::1", "2001:db8::2:1"])
PREFIXES = st.builds(lambda ip, length: f"{ip}/{length}", IPS, st.integers(0, 32))
TEXTS = st.text(max_size=5)
RESULTS = st.builds(
    Result,
    cni_version=st.sampled_from(result.VERSIONS_CURRENT),
    interfaces=st.lists(
        st.builds(Interface, name=TEXTS, mac=TEXTS, mtu=st.integers(0, 9000), sandbox=TEXTS, pci_id=TEXTS), max_size=3
    ).map(tuple),
    ips=st.lists(
        st.builds(IPConfig, interface=st.none() | st.integers(0, 3), address=PREFIXES, gateway=IPS | st.just("")),
        max_size=3,
    ).map(tuple),
    routes=st.lists(
        st.builds(Route, dst=PREFIXES, gw=IPS | st.just(""), mtu=st.integers(0, 9000), table=st.none() | st.integers()),
        max_size=3,
    ).map(tuple),
    dns=st.builds(Dns, nameservers=st.lists(IPS).map(tuple), domain=TEXTS),
)


def in_range(value: Result) -> bool:
    return all((route.table or 0).bit_length() < 64 for route in value.routes)


@pytest.mark.slow
@given(RESULTS.filter(in_range), st.sampled_from(versions.VERSIONS))
def test_reading_what_was_converted_gives_the_same_again(value: Result, version: str) -> None:
    """Conversion is idempotent, and between 1.0.0 and 1.1.0 it loses nothing."""
    if version in result.VERSIONS_IP4_IP6 and not value.ips:
        return
    printed = result.convert(value, version)
    again = result.parse(json.loads(json.dumps(printed)), cni_version="")
    assert result.convert(again, version) == printed
    if version in result.VERSIONS_CURRENT:
        assert again.replace(cni_version=value.cni_version) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["10.0.0.1/8", "::1", "x", "", 1.5]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "interfaces",
                    "ips",
                    "routes",
                    "dns",
                    "ip4",
                    "ip6",
                    "ip",
                    "address",
                    "dst",
                    "gw",
                    "gateway",
                    "name",
                    "mtu",
                    "interface",
                    "search",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(JSON | st.text() | st.binary(), st.sampled_from([*versions.VERSIONS, "", "9"]))
def test_every_value_is_read_or_explained(value: Any, version: str) -> None:
    try:
        read = result.parse(value, cni_version=version)
    except SpecErrors as errors:
        assert all(error.rule and render(error) for error in errors)
    else:
        assert result.convert(read, read.cni_version)["cniVersion"] == read.cni_version
