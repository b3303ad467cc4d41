"""Routes that take the DNS of the cluster away from pods.

Its Service is reached by the default route, if no other route has its address.

A default route over a secondary network ends at a gateway that does not know Services, so names are not resolved. No
harm is done by a gateway on the node itself, which knows them (bridge, ptp), with OVN-Kubernetes, which keeps routes to
Services, and in pods that do not use the cluster's DNS.
"""

from __future__ import annotations

from collections.abc import Iterator

from cniplugin.netspec.attachers import NAMES, ROUTE_MOVES, YES, value_of
from webhook.admission.plugins.goparsing import Address, read_address
from webhook.report.stockrules import DEFAULT_ROUTE_DNS, ROUTE_DNS
from webhook.report.topology.graph import Topology

from .collisions import ON_ONE_NODE, askers, first_type
from .finding import INFO, WARNING, Finding
from .rangefindings import Supports
from .stock import Stock


def find_default_routes(stock: Stock, topology: Topology, attached_by: str) -> Iterator[Finding]:
    """Yield the pods and templates whose default-route takes DNS away, each workload once.

    `attached_by`: one of `netspec.attachers.ATTACHERS`. Only some versions of Multus move the route.
    """
    moves = value_of(ROUTE_MOVES, attached_by) == YES
    when = "" if moves else f", if this version of {NAMES[attached_by]} moves it"
    if any(pod.keeps_service_routes for pod in stock.pods.values()):
        return
    reported: set[str] = set()
    for asker, workload in askers(stock):
        if workload in reported or not asker.uses_cluster_dns:
            continue
        for item, element in asker.elements:
            network = f"{element.namespace}/{element.name}"
            if not item or not element.default_route or first_type(topology, network) in ON_ONE_NODE:
                continue
            reported.add(workload)
            gateways = ", ".join(element.default_route)
            where = f"to {gateways} on {network}"
            dns = f" ({', '.join(stock.cluster_dns)})" if stock.cluster_dns else ""
            yield Finding(
                DEFAULT_ROUTE_DNS,
                WARNING if moves else INFO,
                asker.subject,
                f"item {item} moves the default route {where}, and with it the way to DNS{dns}{when}",
                fix='set "dnsPolicy: None" and name servers that this network reaches, or remove "default-route"',
                others=(stock.name_of_network(network),),
                properties=(("networks", network), ("gateways", gateways)),
            )
            break


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
