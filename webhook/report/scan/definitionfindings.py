"""Definitions that nothing uses, that differ on one segment, or that a MultiNetworkPolicy names and nobody has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cniplugin.netspec import netattachdef
from webhook.report.diagnosis.podstatus import reference_of
from webhook.report.stockrules import MTU_DIFFERS, MULTI_POLICY_NO_NETWORK, NETWORK_UNUSED
from webhook.report.topology.graph import Network, Topology
from webhook.report.topology.segments import Segment

from .collisions import askers, named
from .finding import INFO, WARNING, Finding
from .stock import POLICY_FOR, Stock

TEMPLATE_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "VirtualMachine"})
"""Kinds without which nobody knows whether a network is used."""


def find_unused(stock: Stock, topology: Topology) -> Iterator[Finding]:
    """Yield the definitions that no pod has and nothing asks for.

    A definition that another object controls may be used in ways of its own, as the primary network of a namespace is.
    """
    if stock.namespace or stock.unread & {"Pod", *TEMPLATE_KINDS}:
        return
    used = {one.network for one in topology.attachments}
    selections = [asker.selections for asker, _ in askers(stock)] + list(stock.default_networks.values())
    used |= {reference_of(element) for one in selections for _, element in one.elements}
    for reference, name in sorted(stock.names.items()):
        if reference not in used and reference not in stock.managed:
            yield Finding(
                NETWORK_UNUSED, INFO, name, "no pod has it, and no pod, template or namespace asks for it",
                fix="delete it if nobody needs it",
            )  # fmt: skip


def find_mtus(stock: Stock, topology: Topology) -> Iterator[Finding]:
    """Yield the segments whose definitions write different MTUs: of a large packet, one side sees nothing.

    A finding is about the definition with the smallest one. Those that write none have that of the interface below.
    """
    segments: defaultdict[Segment, defaultdict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for reference, network in topology.networks.items():
        size = _mtu(network)
        if size:
            segments[network.segment][size].append(reference)
    for segment, sizes in sorted(segments.items()):
        if len(sizes) > 1:
            smallest, *larger = sorted(sizes)
            others = tuple(stock.name_of_network(reference) for size in larger for reference in sizes[size])
            yield Finding(
                MTU_DIFFERS,
                INFO,
                stock.name_of_network(sizes[smallest][0]),
                f"its MTU is {smallest}, and up to {larger[-1]} on {segment.title}: {named(others)}",
                field="spec.config",
                fix="write one MTU in all of them, unless their pods never talk to each other",
                others=others,
                properties=(("segment", segment.title), ("mtus", " ".join(map(str, sorted(sizes))))),
            )


def _mtu(network: Network) -> int:
    config = network.definition.config
    written = config.plugins[0].conf.get("mtu") if config is not None else None
    return written if isinstance(written, int) and not isinstance(written, bool) else 0


def find_unprotected(stock: Stock, topology: Topology) -> Iterator[Finding]:
    """Yield the MultiNetworkPolicies that are for no network, or for one that does not exist."""
    if netattachdef.KIND in stock.unread:
        return
    for name, networks in sorted(stock.multi_policies.items()):
        missing = [reference for reference in networks if reference not in topology.networks]
        if networks and not missing:
            continue
        what = f"names {', '.join(missing)}, which does not exist" if networks else "names no network"
        yield Finding(
            MULTI_POLICY_NO_NETWORK,
            WARNING,
            name,
            f"its annotation {POLICY_FOR} {what}, so it protects nothing there",
            field=f"metadata.annotations[{POLICY_FOR}]",
            fix="name the networks, with their namespace if it is another one: kubectl get net-attach-def -A",
            properties=(("networks", " ".join(missing)),),
        )
