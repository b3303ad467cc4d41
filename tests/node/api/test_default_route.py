"""`default-route` takes effect in the kernel, the result and network-status (NPWG v1.3 §4.1.2.1.9)."""

from __future__ import annotations

from typing import Any

import pytest

from .podnode import Conf, Node

pytestmark = [pytest.mark.root, pytest.mark.slow]

DUAL = {letter: (f"10.77.{ord(letter)}.0/24", f"fd77:{ord(letter)}::/64") for letter in "ab"}


def gateway_of(letter: str) -> str:
    return f"10.77.{ord(letter)}.1"


def dual(node: Node, letter: str, *, has_route: bool = True, **more: Any) -> Conf:
    conf = node.bridge_conf(letter, subnets=(), isGateway=True, **more)
    conf["ipam"]["ranges"] = [[{"subnet": subnet}] for subnet in DUAL[letter]]
    if has_route:
        conf["ipam"]["routes"] = [
            {"dst": "0.0.0.0/0"},
            {"dst": "::/0"},
            {"dst": "10.9.0.0/16", "gw": gateway_of(letter)},
        ]
    return conf


def defaults_of(result: Conf) -> list[str]:
    return [route.get("gw", "") for route in result.get("routes", []) if route["dst"] in {"0.0.0.0/0", "::/0"}]


def test_the_default_route_moves(node: Node) -> None:
    node.api.put_network("blue", "lan", dual(node, "b", has_route=False))
    node.api.put_pod([{"name": "lan", "default-route": ["10.77.98.1", "fd77:98::1"]}])
    result = node.add(delegates=[dual(node, "a")]).expect()
    assert node.default_routes() == [("net1", "10.77.98.1")]
    assert node.default_routes("-6") == [("net1", "fd77:98::1")]
    assert result["routes"] == [{"dst": "10.9.0.0/16", "gw": "10.77.97.1"}]
    first, second = node.api.status()
    assert "gateway" not in first
    assert second["gateway"] == second["default-route"] == ["10.77.98.1", "fd77:98::1"]
    node.call("CHECK").expect()  # NB: CHECK of the delegates compares the kernel with their results


def test_one_family(node: Node) -> None:
    """The others lose the routes of both families. The holder keeps its own route of the family without a gateway."""
    node.api.put_network("blue", "lan", dual(node, "b"))
    node.api.put_pod([{"name": "lan", "default-route": ["10.77.98.254"]}])
    node.add(delegates=[dual(node, "a")]).expect()
    assert node.default_routes() == [("net1", "10.77.98.254")]
    assert node.default_routes("-6") == [("net1", "fd77:98::1")]
    assert sorted(node.api.status()[1]["gateway"]) == ["10.77.98.254", "fd77:98::1"]


def test_several_gateways(node: Node) -> None:
    node.api.put_network("blue", "lan", dual(node, "b", has_route=False))
    gateways = ["10.77.98.3", "10.77.98.1", "fd77:98::3", "fd77:98::1"]
    node.api.put_pod([{"name": "lan", "default-route": gateways}])
    node.add(delegates=[dual(node, "a")]).expect()
    assert node.default_routes() == [("net1", "10.77.98.3"), ("net1", "10.77.98.1")]
    assert node.default_routes("-6") == [("net1", "fd77:98::3"), ("net1", "fd77:98::1")]
    assert node.api.status()[1]["gateway"] == gateways


@pytest.mark.parametrize("has_route", [False, True])
def test_an_empty_list_keeps_what_the_attachment_brings(node: Node, *, has_route: bool) -> None:
    """NB: if eth0 has a default route, the holder's plugins do not add their own to the kernel."""
    node.api.put_network("blue", "lan", dual(node, "b"))
    node.api.put_pod([{"name": "lan", "default-route": []}])
    node.add(delegates=[dual(node, "a", has_route=has_route)]).expect()
    assert node.default_routes() == [("net1", "10.77.98.1")]
    assert node.default_routes("-6") == [("net1", "fd77:98::1")]
    assert node.api.status()[1]["default-route"] == ["10.77.98.1", "fd77:98::1"]


def test_the_default_network_keeps_it(node: Node) -> None:
    node.api.put_network("kube-system", "main", dual(node, "b"))
    node.api.put_pod(default='[{"name": "main", "default-route": ["10.77.98.254"]}]')
    result = node.add(namespaceIsolation=False).expect()
    assert node.default_routes() == [("eth0", "10.77.98.254")]
    assert sorted(defaults_of(result)) == ["10.77.98.254", "fd77:98::1"]


def test_an_attachment_after_the_holder_has_no_default_route(node: Node) -> None:
    """NB: the kernel accepts the new route only after the old one is removed."""
    node.api.put_network("blue", "lan", node.bridge_conf("c"))
    node.api.put_network("blue", "last", dual(node, "b"))
    node.api.put_pod([{"name": "lan", "default-route": ["10.77.99.1"]}, {"name": "last"}])
    node.add(delegates=[node.bridge_conf("a")]).expect()
    assert node.default_routes() == [("net1", "10.77.99.1")]
    assert node.default_routes("-6") == []


@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "1.0.0"])
def test_the_result_of_any_version_says_what_the_kernel_has(node: Node, version: str) -> None:
    """NB: 0.2.0 has routes in `ip4`, so a list beside it has no meaning."""
    node.api.put_network("blue", "lan", dual(node, "b", has_route=False, cniVersion=version))
    node.api.put_pod([{"name": "lan", "default-route": ["10.77.98.1"]}])
    result = node.add(delegates=[dual(node, "a", cniVersion=version)]).expect()
    assert node.default_routes() == [("net1", "10.77.98.1")]
    assert defaults_of(result) == []
    first, second = node.api.status()
    assert "gateway" not in first
    assert second["gateway"] == ["10.77.98.1"]


def test_a_gateway_that_cannot_be_reached(node: Node) -> None:
    """The kernel refuses the route, so the pod does not start, and everything is detached."""
    node.api.put_network("blue", "lan", dual(node, "b", has_route=False))
    node.api.put_pod([{"name": "lan", "default-route": ["172.31.0.1"]}])
    text = node.add(delegates=[dual(node, "a")]).refused(5)
    assert "172.31.0.1" in text
    assert "network blue/lan (net1)" in text
    assert node.left() == []


def test_a_network_without_interface_cannot_hold_it(node: Node) -> None:
    conf = {"cniVersion": "1.0.0", "plugins": [{"type": "passthru"}]}
    node.api.put_network("blue", "none", conf)
    node.api.put_pod([{"name": "none", "default-route": ["10.77.97.254"]}])
    text = node.add(delegates=[dual(node, "a")]).refused(7)
    assert "network blue/none (net1)" in text
    assert node.left() == []


def test_each_family_may_have_a_holder_of_its_own(node: Node) -> None:
    """A pod with two uplinks: Multus counts gateways by family as well."""
    node.api.put_network("blue", "four", node.bridge_conf("b", isGateway=True))
    node.api.put_network("blue", "six", node.bridge_conf("c", subnets=("fd09::/64",), isGateway=True))
    node.api.put_pod([{"name": "four", "default-route": ["10.77.98.1"]}, {"name": "six", "default-route": ["fd09::1"]}])
    node.add().expect()
    assert node.default_routes() == [("net1", "10.77.98.1")]
    assert node.default_routes("-6") == [("net2", "fd09::1")]
