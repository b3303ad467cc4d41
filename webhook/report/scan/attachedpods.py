"""Pods that run: without a network that they ask for, with one in another way, or with one that they may not use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from cniplugin.access.judging.judge import judge
from cniplugin.access.model.decision import Item, Rules, Subject
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.report.stockrules import ATTACHED_OTHERWISE, ATTACHMENT_FORBIDDEN, NETWORK_LOST
from webhook.report.topology.graph import Topology

from .finding import ERROR, INFO, WARNING, Finding
from .stock import Labels, Stock, StockPod

WHY = "nadmit why -n {namespace} {name} says more; create it again"


def find_lost(stock: Stock, topology: Topology) -> Iterator[Finding]:
    """Yield the networks that pods ask for and lack. One that does not exist is another rule's."""
    has_all = "NetworkAttachmentDefinition" not in stock.unread
    for one in stock.pods.values():
        for item, reference in one.lost:
            if reference in topology.networks or not has_all:
                yield Finding(
                    NETWORK_LOST,
                    ERROR,
                    one.asker.subject,
                    f"it runs, and its network-status lacks item {item}, {reference}",
                    field="metadata.annotations[k8s.v1.cni.cncf.io/network-status]",
                    fix=_why(one),
                    others=(stock.name_of_network(reference),),
                    properties=(("networks", reference), ("node", one.pod.node)),
                )


def _why(one: StockPod) -> str:
    return WHY.format(namespace=one.pod.namespace, name=one.pod.name)


def find_otherwise(stock: Stock) -> Iterator[Finding]:
    """Yield the networks that pods have in another way than they ask."""
    for one in stock.pods.values():
        if one.otherwise is not None:
            reference, how = one.otherwise
            yield Finding(
                ATTACHED_OTHERWISE,
                WARNING,
                one.asker.subject,
                f"{reference}: {how}",
                field="metadata.annotations[k8s.v1.cni.cncf.io/network-status]",
                fix=_why(one),
                others=(stock.name_of_network(reference),),
                properties=(("networks", reference), ("node", one.pod.node)),
            )


class _Holder(NamedTuple):
    """What access rules know of a pod, with a network that it has. `labels`: the identity of those."""

    namespace: str
    labels: int
    account: str
    network: str


def find_forbidden(stock: Stock, topology: Topology, rules: Rules) -> Iterator[Finding]:
    """Yield the networks that pods have, do not ask for, and may not use. What they ask for is judged with the pod.

    NB: it may be right: Multus can attach networks to every pod, by its own configuration. What every pod has is
    information.
    """
    reasons: dict[_Holder, str] = {}
    general = _had_by_all(stock)
    for one in stock.pods.values():
        for reference in one.unasked:
            key = _Holder(one.pod.namespace, id(one.asker.labels), one.asker.account, reference)
            if key not in reasons:
                reasons[key] = _refusal(stock, topology, rules, key, one.asker.labels)
            if reasons[key]:
                is_general = reference in general
                all_have = "; all pods have it, as Multus does with its defaultNetworks" if is_general else ""
                yield Finding(
                    ATTACHMENT_FORBIDDEN,
                    INFO if is_general else WARNING,
                    one.asker.subject,
                    f"has {reference}, does not ask for it, and may not use it: {reasons[key]}{all_have}",
                    field="metadata.annotations[k8s.v1.cni.cncf.io/network-status]",
                    fix="see who attached it, and create the pod again without it",
                    others=(stock.name_of_network(reference),),
                    properties=(("networks", reference), ("node", one.pod.node)),
                )


SYSTEM_NAMESPACES = frozenset({"kube-system"})
"""Namespaces whose pods Multus gives no default networks, without a setting (`systemNamespaces`)."""


def _had_by_all(stock: Stock) -> frozenset[str]:
    """Return the networks that all pods of several workloads have, and do not ask for."""
    pods = [one for one in stock.pods.values() if one.has_status and one.pod.namespace not in SYSTEM_NAMESPACES]
    had = Counter(reference for one in pods for reference in set(one.unasked))
    is_several = len({stock.workload_of(one.asker) for one in pods}) > 1
    return frozenset(reference for reference, number in had.items() if is_several and number == len(pods))


def _refusal(stock: Stock, topology: Topology, rules: Rules, key: _Holder, labels: Labels) -> str:
    """Return why a pod may not use a network, "" if it may, or if the network does not exist."""
    known = topology.networks.get(key.network)
    if known is None:
        return ""
    namespace, _, name = key.network.partition("/")
    subject = Subject(
        namespace=key.namespace,
        namespace_labels=stock.labels_of(key.namespace),
        labels=labels,
        service_account=key.account,
    )
    item = Item(
        element=NetworkSelectionElement(name=name, namespace=namespace),
        network=known.definition,
        network_labels=stock.labels_of(namespace),
        replaces_default=False,
    )
    verdict = judge(subject, item, rules)
    is_allowed = verdict.is_allowed or verdict.code == "NotWithinRule"
    return "" if is_allowed else verdict.reason
