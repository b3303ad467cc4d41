"""Routes that take the DNS of the cluster away from pods.

Its Service is reached by the default route, if no other route has its address.

A default route over a secondary network ends at a gateway that does not know Services, so names are not resolved. A pod
asks for it, or the IPAM of the network gives it. No harm is done by a gateway on the node itself, which knows them
(bridge, ptp), with OVN-Kubernetes, which keeps routes to Services, and in pods that do not use the cluster's DNS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from cniplugin.netspec.attachers import NAMES, ROUTE_MOVES, YES, value_of
from webhook.admission.plugins.goparsing import Address, read_address, read_cidr
from webhook.report.diagnosis.objectset import items, text
from webhook.report.diagnosis.podstatus import reference_of
from webhook.report.stockrules import DEFAULT_ROUTE_DNS, ROUTE_DNS
from webhook.report.topology.graph import Network, Topology
from webhook.report.topology.linkscope import ON_ONE_NODE, first_type

from .collisions import askers
from .finding import INFO, WARNING, Finding
from .rangefindings import Supports
from .stock import NO_POD, Asker, Stock


def find_default_routes(stock: Stock, topology: Topology, attached_by: str) -> Iterator[Finding]:
    """Yield the pods and templates whose default-route takes DNS away, each workload once.

    `attached_by`: one of `netspec.attachers.ATTACHERS`. Only some versions of Multus move the route.
    """
    if any(pod.keeps_service_routes for pod in stock.pods.values()):
        return
    versions = {address.version for address in map(read_address, stock.cluster_dns) if address is not None}
    own = {reference: tuple(_of_versions(_own_routes(network), versions)) for reference, network in _routed(topology)}
    reported: set[str] = set()
    for asker, workload in askers(stock):
        if workload in reported or not asker.uses_cluster_dns or asker.replicas == NO_POD:
            continue
        route = next(_asked_routes(asker, topology, versions), None) or next(_given_routes(asker, own), None)
        if route is not None:
            reported.add(workload)
            yield _moved(stock, asker, route, attached_by)


class _Route(NamedTuple):
    """A default route over a network. `is_asked`: the pod asks for it; else the IPAM of the network gives it."""

    item: int
    network: str
    gateways: tuple[str, ...]
    is_asked: bool


def _routed(topology: Topology) -> Iterator[tuple[str, Network]]:
    """Yield the networks whose gateway is not the node itself."""
    for reference, network in topology.networks.items():
        if first_type(topology, reference) not in ON_ONE_NODE:
            yield reference, network


def _asked_routes(asker: Asker, topology: Topology, versions: AbstractSet[int]) -> Iterator[_Route]:
    for item, element in asker.elements:
        network = reference_of(element)
        gateways = tuple(_of_versions(element.default_route or (), versions))
        if item and gateways and first_type(topology, network) not in ON_ONE_NODE:
            yield _Route(item, network, gateways, is_asked=True)


def _given_routes(asker: Asker, own: Mapping[str, tuple[str, ...]]) -> Iterator[_Route]:
    """Yield the default routes of IPAM. NB: whoever attaches drops them if an item asks for a default-route."""
    if any(element.default_route is not None for _, element in asker.elements):
        return
    for item, element in asker.elements:
        network = reference_of(element)
        if item and own.get(network):
            yield _Route(item, network, own[network], is_asked=False)


def _of_versions(gateways: Iterable[str], versions: AbstractSet[int]) -> Iterator[str]:
    """Yield the gateways of the families in which DNS has an address; all if that is not known."""
    for one in gateways:
        address = read_address(one)
        if not versions or (address is not None and address.version in versions):
            yield one


def _own_routes(network: Network) -> Iterator[str]:
    """Yield the gateways of the default routes that IPAM gives: the kernel puts such a route before the one of eth0.

    One with a priority comes after it, and one of another table is for source routing. A route that leaves
    its gateway to the range has the unspecified address of its family.
    """
    config = network.definition.config
    for plugin in config.plugins if config is not None else ():
        for route in items(plugin.conf, "ipam", "routes"):
            destination = read_cidr(text(route, "dst"))
            is_main = not route.get("priority") and not route.get("table")
            if destination is not None and not destination.network.prefixlen and is_main:
                yield text(route, "gw") or str(destination.network.network_address)


def _is_unspecified(gateway: str) -> bool:
    address = read_address(gateway)
    return address is not None and address.is_unspecified


def _moved(stock: Stock, asker: Asker, route: _Route, attached_by: str) -> Finding:
    """Return the finding. Without the Service of DNS, nobody knows whether a route of IPAM matters."""
    is_asked_and_moves = route.is_asked and value_of(ROUTE_MOVES, attached_by) == YES
    is_certain = is_asked_and_moves or (not route.is_asked and bool(stock.cluster_dns))
    when = f", if this version of {NAMES[attached_by]} moves it" if route.is_asked and not is_certain else ""
    gateways = ", ".join(one for one in route.gateways[:GATEWAYS_MAX] if not _is_unspecified(one))
    where = f"to {gateways} on {route.network}" if gateways else f"on {route.network}"
    dns = f" ({', '.join(stock.cluster_dns)})" if stock.cluster_dns else ""
    what = "moves the default route" if route.is_asked else "gets a default route from IPAM"
    remove = 'remove "default-route"' if route.is_asked else f"remove the route from {route.network}"
    return Finding(
        DEFAULT_ROUTE_DNS,
        WARNING if is_certain else INFO,
        asker.subject,
        f"item {route.item} {what} {where}, and with it the way to DNS{dns}{when}",
        fix=f'set "dnsPolicy: None" and name servers that this network reaches, or {remove}',
        others=(stock.name_of_network(route.network),),
        properties=(("networks", route.network), ("gateways", gateways)),
    )


GATEWAYS_MAX = 4
"""Gateways that a message names."""


def find_routes(stock: Stock, topology: Topology, supports: Supports) -> Iterator[Finding]:
    """Yield the networks whose subnets or routes have the address of the cluster's DNS."""
    addresses = [address for address in map(read_address, stock.cluster_dns) if address is not None]
    for reference, support in supports.items() if addresses else ():
        is_link = first_type(topology, reference) in ON_ONE_NODE
        for ipam in support.ipams:
            for address in addresses:
                if ipam.has_subnet_of(address) or (ipam.has_route_to(address) and not is_link):
                    yield _taken(stock, reference, address, "subnet" if ipam.has_subnet_of(address) else "route")


def _taken(stock: Stock, reference: str, address: Address, what: str) -> Finding:
    return Finding(
        ROUTE_DNS,
        WARNING,
        stock.name_of_network(reference),
        f"a {what} of its IPAM has {address}, the DNS of the cluster, so its pods ask for names on this network",
        field="spec.config",
        fix=f"use a {what} without the addresses of Services",
        properties=(("address", str(address)),),
    )
