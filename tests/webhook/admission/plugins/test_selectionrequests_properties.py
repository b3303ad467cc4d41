"""Findings about requested addresses agree with `ipaddress`, for any ranges of host-local."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cniplugin.netspec import cniconfig, jsontext
from cniplugin.netspec.selection import NetworkSelectionElement
from tests.webhook.admission.plugins.checking import CHECKS
from webhook.admission.plugins.goparsing import Address, read_address
from webhook.admission.plugins.intervals import place_of, place_of_text
from webhook.admission.plugins.networksupport import Support, read_support
from webhook.admission.plugins.selectionrequests import is_granted, request_findings
from webhook.admission.view.addressclaims import Claim, claims_of

PREFIXES = {4: (16, 30), 6: (48, 126)}


@st.composite
def ranges(draw: st.DrawFn, group: int) -> tuple[dict[str, str], int, int]:
    """A range in a subnet of its own, so that ranges do not overlap, and its first and last address."""
    version = draw(st.sampled_from([4, 6]))
    prefix = draw(st.integers(*PREFIXES[version]))
    base = f"10.{group}.0.0/16" if version == 4 else f"fd00:{group}::/48"
    network = ip_network((int(ip_network(base)[0]), prefix) if version == 6 else f"10.{group}.0.0/{prefix}")
    first, last = int(network[0]) + 1, int(network[-1]) - (version == 4)
    start = draw(st.none() | st.integers(first, last))
    end = draw(st.none() | st.integers(start or first, last))
    make = type(network[0])
    conf = {"subnet": str(network)}
    conf |= {"rangeStart": str(make(start))} if start is not None else {}
    conf |= {"rangeEnd": str(make(end))} if end is not None else {}
    return conf, start or first, end or last


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[dict[str, str]], str, bool]:
    """Ranges, an address near an end of one of them, and whether one of them has it."""
    made = [draw(ranges(group)) for group in range(draw(st.integers(1, 3)))]
    conf, first, last = draw(st.sampled_from(made))
    edge = draw(st.sampled_from([first, last, (first + last) // 2]))
    make = type(ip_network(conf["subnet"])[0])
    address = make(max(0, edge + draw(st.integers(-3, 3))))
    has = any(
        low <= int(address) <= high and ip_network(other["subnet"]).version == address.version
        for other, low, high in made
    )
    return [other for other, _, _ in made], str(address), has


def support_of(written: list[dict[str, str]], *capabilities: str) -> Support:
    ipam = {"type": "host-local", "ranges": [[item] for item in written]}
    conf: dict[str, Any] = {"cniVersion": "1.0.0", "type": "macvlan", "ipam": ipam}
    conf["capabilities"] = dict.fromkeys(capabilities, True)
    return read_support(cniconfig.parse(jsontext.quote(conf), name="net"), CHECKS)


def codes_of(written: list[dict[str, str]], *ips: str) -> list[str]:
    element = NetworkSelectionElement(name="net", namespace="blue", ips=ips)
    return [finding.code for finding in request_findings(element, support_of(written, "ips"))]


@given(cases())
def test_an_address_is_refused_if_and_only_if_no_range_has_it(case: tuple[list[dict[str, str]], str, bool]) -> None:
    written, address, has = case
    assert ("NAD601" in codes_of(written, address)) == (not has)


@settings(max_examples=60)
@given(cases())
def test_how_an_address_is_written_does_not_matter(case: tuple[list[dict[str, str]], str, bool]) -> None:
    written, address, _ = case
    exploded = ip_address(address).exploded
    mapped = [f"::ffff:{address}"] if ip_address(address).version == 4 else []
    for other in (f"{address}/28", exploded, exploded.upper(), *mapped):
        assert codes_of(written, other) == codes_of(written, address)
        one, two = (NetworkSelectionElement(name="n", namespace="b", ips=(text,)) for text in (address, other))
        assert [claim.address for claim in claims_of(one)] == [claim.address for claim in claims_of(two)]


@given(st.binary(min_size=6, max_size=6))
def test_how_a_mac_is_written_does_not_matter(mac: bytes) -> None:
    digits = mac.hex()
    pairs = [digits[at : at + 2] for at in range(0, 12, 2)]
    forms = (":".join(pairs), "-".join(pairs).upper(), ".".join(digits[at : at + 4] for at in range(0, 12, 4)))
    elements = [NetworkSelectionElement(name="n", namespace="b", mac=form) for form in forms]
    assert {claim.address for element in elements for claim in claims_of(element)} == {digits}


MACS = st.none() | st.sampled_from(["02:00:00:00:00:01", "01-00-00-00-00-01", "0000.0000.0000", "0A00.0000.0001"])


@settings(max_examples=300)
@given(st.lists(cases(), min_size=1, max_size=2), MACS, st.sets(st.sampled_from(["ips", "mac", "bandwidth"])))
def test_what_is_granted_gets_no_finding(
    drawn: list[tuple[list[dict[str, str]], str, bool]], mac: str | None, capabilities: set[str]
) -> None:
    """The quick way may only say no too often: if there are two addresses."""
    written = drawn[0][0]
    support = support_of(written, *sorted(capabilities))
    assert support.is_usual
    for ips in ((), (drawn[0][1],), (f"{drawn[-1][1]}/24", drawn[0][1])):
        element = NetworkSelectionElement(name="net", namespace="blue", ips=ips, mac=mac)
        findings = [*request_findings(element, support)]
        if is_granted([text.partition("/")[0] for text in ips], mac, support):
            assert not findings
        else:
            assert findings or len(ips) > 1


@given(st.ip_addresses(), st.sampled_from(["", "::ffff:"]))
def test_an_address_is_claimed_as_ipaddress_writes_it(address: Address, mapped: str) -> None:
    text = f"{mapped if address.version == 4 else ''}{address.exploded.upper()}"
    element = NetworkSelectionElement(name="n", namespace="b", ips=(text, f"{address}/32"))
    assert claims_of(element) == (Claim("ips[0]", text, str(read_address(text))),)
    assert place_of_text(text) == place_of(read_address(text) or address)


def test_a_text_that_is_not_an_address_claims_nothing() -> None:
    """The grammar refuses such a text before; here it must not break anything."""
    assert claims_of(NetworkSelectionElement(name="n", namespace="b", ips=("x", "fe80::1%eth0", "10.1.0.5/x/y"))) == (
        Claim("ips[2]", "10.1.0.5/x/y", "10.1.0.5"),
    )
