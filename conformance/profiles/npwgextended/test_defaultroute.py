"""`default-route` (NPWG 4.1.2.1.9, 5.3.6.4), with real plugins and the kernel's routes."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.node import ADD, DEL, Case

NPWG, ROUTE = "npwg-1.3", "4.1.2.1.9"
OLD, NEW = "10.77.1.1", "10.77.2.1"
OLD6, NEW6 = "fd77:1::1", "fd77:2::1"


def bridge(number: int, *, routes: bool) -> dict[str, Any]:
    """Return a real network with static addresses of both families."""
    addresses = [
        {"address": f"10.77.{number}.5/24", "gateway": f"10.77.{number}.1"},
        {"address": f"fd77:{number}::5/64", "gateway": f"fd77:{number}::1"},
    ]
    both = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    ipam = {"type": "static", "addresses": addresses, **({"routes": both} if routes else {})}
    made = {"name": f"net-{number}", "type": "bridge", "bridge": f"br-conf{number}", "isGateway": True}
    return {"cniVersion": "1.0.0", **made, "ipam": ipam}


@pytest.fixture(autouse=True)
def networks(case: Case) -> None:
    """Make the default network one with default routes, and `lan` one without."""
    case.default_network = bridge(1, routes=True)
    case.define("lan", bridge(2, routes=False))


@clause(NPWG, "6", MUST)
def test_without_a_request(case: Case) -> None:
    """The default network has the default route of each family, in the kernel and in the answer."""
    case.pod("lan")
    answer = case.add().succeeds()
    assert case.container.default_routes() == [("eth0", OLD)]
    assert case.container.default_routes("-6") == [("eth0", OLD6)]
    assert {route["dst"] for route in answer["routes"]} == {"0.0.0.0/0", "::/0"}


@clause(NPWG, ROUTE, MUST)
def test_the_route_moves(case: Case) -> None:
    """The network with `default-route` has the default route, by the gateway of the request."""
    case.pod([{"name": "lan", "default-route": [NEW]}])
    case.add().succeeds()
    assert case.container.default_routes()[0] == ("net1", NEW)


@clause(NPWG, ROUTE, MUST)
def test_the_old_route_is_cleared(case: Case) -> None:
    """The default network has no default route of that family any more."""
    case.pod([{"name": "lan", "default-route": [NEW]}])
    case.add().succeeds()
    assert [gateway for link, gateway in case.container.default_routes() if link == "eth0"] == []


@clause(NPWG, ROUTE, MUST)
def test_both_families(case: Case) -> None:
    """Gateways of both families move both routes."""
    case.pod([{"name": "lan", "default-route": [NEW, NEW6]}])
    case.add().succeeds()
    assert case.container.default_routes() == [("net1", NEW)]
    assert case.container.default_routes("-6") == [("net1", NEW6)]


@clause(NPWG, ROUTE, SHOULD)
def test_routes_of_other_networks_are_cleared(case: Case) -> None:
    """A selected network without the key has no default route either."""
    case.define("wan", bridge(3, routes=True))
    case.pod([{"name": "lan", "default-route": [NEW]}, {"name": "wan"}])
    case.add().succeeds()
    assert {link for link, _ in case.container.default_routes()} == {"net1"}


@clause(NPWG, ROUTE, PRACTICE)
def test_other_routes_stay(case: Case) -> None:
    """Routes of the default network that are not default routes stay."""
    case.default_network["ipam"]["routes"].append({"dst": "10.9.0.0/16", "gw": OLD})
    case.pod([{"name": "lan", "default-route": [NEW]}])
    case.add().succeeds()
    assert "10.9.0.0/16 via 10.77.1.1 dev eth0" in case.container.run("route", "show")


@clause(NPWG, ROUTE, PRACTICE)
def test_several_gateways(case: Case) -> None:
    """Of several gateways, the first one is preferred."""
    case.pod([{"name": "lan", "default-route": ["10.77.2.3", NEW]}])
    case.add().succeeds()
    assert case.container.default_routes()[0] == ("net1", "10.77.2.3")


@clause(NPWG, ROUTE, MUST)
def test_two_networks_with_the_key(case: Case) -> None:
    """An annotation with the key in two elements attaches nothing that it selects."""
    case.define("one")
    case.define("two")
    case.pod([{"name": "one", "default-route": [NEW]}, {"name": "two", "default-route": ["10.77.3.1"]}])
    case.add()
    assert case.calls(ADD) == []


@clause(NPWG, ROUTE, MUST)
def test_an_empty_list(case: Case) -> None:
    """The list may be empty; the network is attached."""
    case.pod([{"name": "lan", "default-route": []}])
    case.add().succeeds()
    assert case.container.addresses("net1")


@clause(NPWG, ROUTE, MUST)
@pytest.mark.parametrize(
    "value",
    ["10.77.2.1", ["none"], ["10.77.2.1/24"], [5], {}],
    ids=["text", "no-address", "prefix-length", "number", "map"],
)
def test_values_that_are_no_gateways(case: Case, value: object) -> None:
    """A value that is not a list of addresses attaches nothing that the annotation selects."""
    case.define("one")
    case.pod([{"name": "one", "default-route": value}])
    case.add()
    assert case.calls(ADD, "one") == []


@clause(NPWG, "5.3.6.4", MUST)
def test_the_gateway_in_the_status(case: Case) -> None:
    """The entry of the network has the gateway as `default-route`."""
    case.pod([{"name": "lan", "default-route": [NEW]}])
    case.add().succeeds()
    assert case.status_of("net1")["default-route"] == [NEW]


@clause(NPWG, "5.3.6.4", MUST)
def test_the_own_gateway_in_the_status(case: Case) -> None:
    """With an empty list, `default-route` of the entry is the gateway that the network has itself."""
    case.define("wan", bridge(3, routes=True))
    case.pod([{"name": "wan", "default-route": []}])
    case.add().succeeds()
    assert "10.77.3.1" in case.status_of("net1").get("default-route", [])


@clause(NPWG, "5.3.6.4", MUST)
def test_no_gateway_in_the_status_without_a_request(case: Case) -> None:
    """An entry has `default-route` only if the annotation asked for it."""
    case.pod("lan")
    case.add().succeeds()
    assert not case.status_of("net1").get("default-route")


@clause(NPWG, ROUTE, PRACTICE)
def test_the_result_shows_the_moved_route(case: Case) -> None:
    """The answer of ADD names no default route by the old gateway."""
    case.pod([{"name": "lan", "default-route": [NEW, NEW6]}])
    answer = case.add().succeeds()
    default = [route for route in answer.get("routes", []) if route["dst"] in {"0.0.0.0/0", "::/0"}]
    assert [route for route in default if route.get("gw") in {OLD, OLD6, None}] == []


@clause(NPWG, ROUTE, PRACTICE)
def test_check_after_the_route_moved(case: Case) -> None:
    """CHECK succeeds after the routes were moved."""
    case.pod([{"name": "lan", "default-route": [NEW]}])
    case.add().succeeds()
    case.check().succeeds()


@clause("cni-1.1", "2.DEL", MUST)
def test_delete_after_the_route_moved(case: Case) -> None:
    """DEL succeeds, and leaves nothing in the namespace."""
    case.pod([{"name": "lan", "default-route": [NEW]}])
    case.add().succeeds()
    case.delete().succeeds()
    assert case.container.links() == []
    assert case.calls(DEL) == []
