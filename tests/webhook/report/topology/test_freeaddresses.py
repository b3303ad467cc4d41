"""The free addresses of a network."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.report.topology import freeaddresses
from webhook.report.topology.freeaddresses import Free

from .objects import Object, bridge, checks, deployment, has, host_local, network, of, pod, pool

WHEREABOUTS = {"type": "whereabouts", "range": "10.1.0.0/28"}


def free(*objects: Object, reference: str = "blue/lan") -> Free:
    found = freeaddresses.find_free(reference, of(objects), checks())
    assert isinstance(found, Free), found
    return found


def spans(found: Free) -> list[str]:
    return [str(one.first) if one.first == one.last else f"{one.first}-{one.last}" for one in found.free]


def test_what_pods_have_is_not_free() -> None:
    found = free(bridge(ipam=host_local("10.1.0.0/28")), pod("a", has(ip="10.1.0.5")), pod("b", has(ip="10.1.0.6")))
    assert spans(found) == ["10.1.0.2-10.1.0.4", "10.1.0.7-10.1.0.14"]
    assert [(str(one.address), one.by) for one in found.used] == [
        ("10.1.0.5", "pod blue/a"),
        ("10.1.0.6", "pod blue/b"),
    ]
    assert (found.size, found.notes) == (11, (freeaddresses.PER_NODE,))


def test_what_other_definitions_of_the_segment_have_is_not_free() -> None:
    other = network("other", {"type": "bridge", "bridge": "br-lan"}, "green")
    apart = network("apart", {"type": "bridge", "bridge": "br-else"}, "green")
    pods = [pod("a", has("green/other", ip="10.1.0.5")), pod("b", has("green/apart", ip="10.1.0.6"))]
    assert spans(free(bridge(ipam=host_local("10.1.0.0/29")), other, apart, *pods)) == ["10.1.0.2-10.1.0.4", "10.1.0.6"]


def test_what_is_asked_for_is_not_free() -> None:
    asks = [{"name": "lan", "ips": ["10.1.0.3"]}]
    found = free(bridge(ipam=host_local("10.1.0.0/29")), deployment("db", asks))
    assert spans(found) == ["10.1.0.2", "10.1.0.4-10.1.0.6"]
    assert [one.by for one in found.used] == ["deployment blue/db asks for it"]


def test_who_has_an_address_goes_before_who_asks_for_it() -> None:
    web = pod("web", has(ip="10.1.0.3"), asks=[{"name": "lan", "ips": ["10.1.0.3"]}])
    assert [one.by for one in free(bridge(ipam=host_local("10.1.0.0/29")), web).used] == ["pod blue/web"]


def test_whereabouts_leaves_out_edges_and_exclusions_and_knows_its_pools() -> None:
    ipam = {**WHEREABOUTS, "exclude": ["10.1.0.4/30"]}
    kept = pool("10.1.0.0/28", {"9": {"podref": "blue/gone"}})
    found = free(bridge(ipam=ipam), kept)
    assert spans(found) == ["10.1.0.1-10.1.0.3", "10.1.0.8", "10.1.0.10-10.1.0.14"]
    assert [one.by for one in found.used] == ["whereabouts pool kube-system/pool for pod blue/gone"]
    assert found.notes == ()


def test_a_pool_does_not_count_for_host_local() -> None:
    kept = pool("10.1.0.0/28", {"9": {"podref": "blue/gone"}})
    assert free(bridge(ipam=host_local("10.1.0.0/28")), kept).used == ()


def test_a_large_range_is_not_listed() -> None:
    found = free(bridge(ipam={"type": "whereabouts", "range": "fd00::/64"}), pod("a", has(ip="fd00::5")))
    assert spans(found) == ["fd00::1-fd00::4", "fd00::6-fd00::ffff:ffff:ffff:fffe"]
    assert found.size == 2**64 - 3


def test_both_families() -> None:
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/30"}], [{"subnet": "fd00::/126"}]]}
    assert spans(free(bridge(ipam=ipam), pod("a", has(ip="fd00::2")))) == ["10.1.0.2", "fd00::3"]


def test_an_address_outside_of_the_ranges_is_not_used() -> None:
    assert free(bridge(ipam=host_local("10.1.0.0/29")), pod("a", has(ip="10.9.0.3"))).used == ()


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (bridge(), "it has no IPAM; allowed: IPAM host-local or whereabouts"),
        (bridge(ipam={"type": "dhcp"}), "its IPAM (dhcp) does not say them; allowed: IPAM host-local or whereabouts"),
        (bridge(ipam=host_local("10.1.0.0/32")), "its IPAM (host-local) does not say them"),
        (network("lan", ""), "its configuration is a file on the nodes"),
        (network("lan", "{"), "its configuration cannot be read: the configuration is not JSON: "),
    ],
)
def test_addresses_that_are_not_known(definition: Object, words: str) -> None:
    found = freeaddresses.find_free("blue/lan", of([definition]), checks())
    assert isinstance(found, str)
    assert found.startswith(words)


@settings(deadline=None, max_examples=60)
@given(taken=st.sets(st.integers(0, 15)), excluded=st.sampled_from(["10.1.0.4/30", "10.1.0.8/29", "10.1.0.0/31"]))
def test_each_address_is_free_or_used_or_never_given(taken: set[int], excluded: str) -> None:
    """A brute count over the 16 addresses gives what the computation with ranges gives."""
    ipam: dict[str, Any] = {**WHEREABOUTS, "exclude": [excluded]}
    first = int(ip_address("10.1.0.0"))
    pods = [pod(f"p{number}", has(ip=str(ip_address(first + number)))) for number in taken]
    found = free(bridge(ipam=ipam), *pods)
    low, bits = int(ip_address(excluded.partition("/")[0])), 32 - int(excluded.partition("/")[2])
    never = {first, first + 15, *range(low, low + (1 << bits))}
    listed = {number for one in found.free for number in range(int(one.first), int(one.last) + 1)}
    assert listed == set(range(first, first + 16)) - never - {first + number for number in taken}
    assert found.size == len(listed)
