"""Default routes in a real network namespace, compared with the output of iproute2."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cniplugin.cnierrors import CniError
from cniplugin.host.netlink import Namespace, interface_index, interface_names
from cniplugin.host.routes import AF_INET, AF_INET6, Routes

NAME = f"nadmit-test-{os.getpid()}"
PATH = f"/run/netns/{NAME}"


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def shown(family: str) -> list[tuple[str, str, int]]:
    """Default routes as iproute2 has them: (device, gateway, metric)."""
    routes = json.loads(ip("-n", NAME, family, "-j", "route", "show", "default") or "[]")
    return sorted((route["dev"], route.get("gateway", ""), route.get("metric", 0)) for route in routes)


@pytest.fixture
def netns() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("needs root to make a network namespace")
    ip("netns", "add", NAME)
    try:
        for device, network in (("d0", "10.1.0"), ("d1", "10.2.0")):
            ip("-n", NAME, "link", "add", device, "type", "veth", "peer", "name", f"{device}p")
            ip("-n", NAME, "link", "set", f"{device}p", "up")
            ip("-n", NAME, "link", "set", device, "up")
            ip("-n", NAME, "address", "add", f"{network}.2/24", "dev", device)
            ip("-n", NAME, "address", "add", f"fd00:{device[1]}::2/64", "dev", device, "nodad")
        yield
    finally:
        ip("netns", "delete", NAME)


pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]


def test_the_default_route_moves() -> None:
    ip("-n", NAME, "route", "add", "default", "via", "10.1.0.1")
    ip("-n", NAME, "-6", "route", "add", "default", "via", "fd00:0::1", "metric", "50")
    ip("-n", NAME, "route", "add", "10.9.0.0/16", "via", "10.1.0.1")
    home = Path("/proc/thread-self/ns/net").readlink()
    with Namespace(PATH), Routes() as routes:
        first, second = interface_index("d0"), interface_index("d1")
        assert first is not None
        assert second is not None
        assert interface_index("nowhere") is None
        found = routes.defaults(first)
        assert [(route.family, route.gateway, route.metric) for route in found] == [
            (AF_INET, "10.1.0.1", 0),
            (AF_INET6, "fd00::1", 50),
        ]
        assert routes.defaults(second) == []
        for route in found:
            routes.delete(route)
            routes.delete(route)  # a second time, when it is gone
        routes.add_default(second, "10.2.0.1")
        routes.add_default(second, "10.2.0.1")
        routes.add_default(second, "10.2.0.254", metric=100)
        routes.add_default(second, "fd00:1::1")
    assert Path("/proc/thread-self/ns/net").readlink() == home
    assert shown("-4") == [("d1", "10.2.0.1", 0), ("d1", "10.2.0.254", 100)]
    assert [(device, gateway) for device, gateway, _ in shown("-6")] == [("d1", "fd00:1::1")]
    assert "10.9.0.0/16 via 10.1.0.1" in ip("-n", NAME, "route", "show")


def test_other_tables_and_kinds_are_left_alone() -> None:
    ip("-n", NAME, "route", "add", "default", "via", "10.1.0.1", "table", "100")
    ip("-n", NAME, "route", "add", "unreachable", "default", "metric", "4278198272")
    with Namespace(PATH), Routes() as routes:
        assert routes.defaults() == []


def test_several_gateways_in_one_route() -> None:
    ip("-n", NAME, "route", "add", "default", "nexthop", "via", "10.1.0.1", "nexthop", "via", "10.1.0.3")
    with Namespace(PATH), Routes() as routes:
        (route,) = routes.defaults(interface_index("d0"))
        routes.delete(route)
    assert shown("-4") == []


def test_a_gateway_that_cannot_be_reached() -> None:
    with Namespace(PATH), Routes() as routes, pytest.raises(CniError) as caught:
        routes.add_default(interface_index("d1") or 0, "192.0.2.1")
    assert caught.value.code == 5
    assert caught.value.msg.startswith("the kernel refuses to add a default route through 192.0.2.1: ")


def test_the_names_of_interfaces_without_going_there() -> None:
    home = Path("/proc/thread-self/ns/net").readlink()
    fds = len(list(Path("/proc/self/fd").iterdir()))
    expected = {link["ifname"] for link in json.loads(ip("-n", NAME, "-j", "link", "show"))}
    assert interface_names(PATH) == expected >= {"d0", "d1"}
    ip("-n", NAME, "link", "set", "d0", "name", "renamed")
    assert interface_names(PATH) == expected - {"d0"} | {"renamed"}
    assert Path("/proc/thread-self/ns/net").readlink() == home
    assert len(list(Path("/proc/self/fd").iterdir())) == fds


def test_the_names_of_interfaces_of_our_own_namespace() -> None:
    assert interface_names("/proc/self/ns/net") == {link["ifname"] for link in json.loads(ip("-j", "link", "show"))}


def test_the_names_of_many_interfaces() -> None:
    for number in range(300):
        ip("-n", NAME, "link", "add", f"many{number}", "type", "bridge")
    assert len(interface_names(PATH)) == len(json.loads(ip("-n", NAME, "-j", "link", "show"))) > 300


@pytest.mark.parametrize("path", ["/run/netns/nowhere", "/proc/self/status"])
def test_the_names_of_interfaces_where_there_is_no_namespace(path: str) -> None:
    fds = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(CniError) as caught:
        interface_names(path)
    assert caught.value.code == 8
    assert caught.value.msg.startswith(f"network namespace {path}: ")
    assert len(list(Path("/proc/self/fd").iterdir())) == fds


@pytest.mark.parametrize("path", ["/run/netns/nowhere", "/proc/self/status"])
def test_no_namespace(path: str) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(CniError) as caught, Namespace(path):
        pass
    assert caught.value.code == 8
    assert len(list(Path("/proc/self/fd").iterdir())) == before
