"""Access policies that select nothing: no namespace, no network, or no pod.

A name that no object has is a slip of its own (`unknown-name`), and is left to that rule. A Deny rule about what
networks touch is a guard: it selects nothing as long as nobody writes such a network, and so no finding is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cniplugin.access.content.facts import facts_of
from cniplugin.access.model.matchers import Names
from cniplugin.access.model.policyrules import (
    POLICY_KIND,
    AttachmentRule,
    DefinitionRule,
    NetworkMatch,
    PodMatch,
    Policy,
    WrittenRule,
)
from cniplugin.access.reading.policies import read_policy
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.report.stockrules import SELECTS_NO_NAMESPACE, SELECTS_NO_NETWORK, SELECTS_NO_POD
from webhook.report.topology.graph import Topology

from .finding import INFO, WARNING, Finding, ObjectName
from .stock import Labels, Stock, name_of


class _World(NamedTuple):
    """What policies can select. `pods`: labels and account of pods and templates, by namespace.

    `networks`: the definitions by name, and `every_network` all of them.
    """

    namespaces: Mapping[str, Labels]
    pods: Mapping[str, list[tuple[Labels, str]]]
    networks: Mapping[str, list[NetworkAttachmentDefinition]]
    every_network: list[NetworkAttachmentDefinition]
    has_pods: bool
    has_networks: bool


def find_empty(stock: Stock, topology: Topology) -> Iterator[Finding]:
    """Yield the parts of policies that select nothing."""
    if not stock.policies or "Namespace" in stock.unread or not stock.namespaces:
        return
    world = _world(stock, topology)
    for (kind, _), written in sorted(stock.policies.items()):
        if kind == POLICY_KIND:
            yield from _of_policy(read_policy(written), name_of(written), world)


def _world(stock: Stock, topology: Topology) -> _World:
    pods: dict[str, dict[tuple[int, str], tuple[Labels, str]]] = {}
    askers = (*(one.asker for one in stock.pods.values()), *(one for of in stock.templates.values() for one in of))
    for asker in askers:
        key = id(asker.labels), asker.account
        pods.setdefault(asker.subject.namespace, {})[key] = asker.labels, asker.account
    every = [network.definition for network in topology.networks.values()]
    networks: dict[str, list[NetworkAttachmentDefinition]] = {}
    for definition in every:
        networks.setdefault(definition.name, []).append(definition)
    return _World(
        namespaces=stock.namespaces,
        pods={namespace: list(of.values()) for namespace, of in pods.items()},
        networks=networks,
        every_network=every,
        has_pods=not stock.namespace and "Pod" not in stock.unread,
        has_networks="NetworkAttachmentDefinition" not in stock.unread,
    )


def _of_policy(policy: Policy, name: ObjectName, world: _World) -> Iterator[Finding]:
    rules = [rule for rule in policy.written if not rule.problems]
    attachments = [rule.value for rule in rules if isinstance(rule.value, AttachmentRule)]
    if attachments and policy.has_readable_pods:
        for index, entry in enumerate(attachments[0].pods):
            yield from _of_pods(entry, f"spec.pods[{index}]", name, world)
    for rule in rules:
        if isinstance(rule.value, DefinitionRule):
            yield from _of_definitions(rule.value, rule.path, name, world)
        elif world.has_networks:
            yield from _of_networks(rule, rule.value, name, world)


def _of_pods(entry: PodMatch, path: str, name: ObjectName, world: _World) -> Iterator[Finding]:
    if _has_unknown(entry.namespaces, world.namespaces):
        return
    spaces = [space for space, labels in world.namespaces.items() if entry.has_namespace(space, labels)]
    if not spaces:
        yield _no_namespace(path, name)
    elif world.has_pods and not entry.has_every_pod and not _any_pod(entry, spaces, world):
        yield Finding(
            SELECTS_NO_POD,
            INFO,
            name,
            f"{path} selects no pod and no template of a workload now",
            field=path,
            fix="compare its labels and service accounts with those of the pods",
        )


def _any_pod(entry: PodMatch, spaces: list[str], world: _World) -> bool:
    return any(entry.has_pod(labels, account) for space in spaces for labels, account in world.pods.get(space, ()))


def _of_definitions(rule: DefinitionRule, path: str, name: ObjectName, world: _World) -> Iterator[Finding]:
    is_known = not _has_unknown(rule.namespaces, world.namespaces)
    if is_known and not any(rule.has_namespace(space, labels) for space, labels in world.namespaces.items()):
        yield _no_namespace(path, name)


def _no_namespace(path: str, name: ObjectName) -> Finding:
    return Finding(
        SELECTS_NO_NAMESPACE,
        WARNING,
        name,
        f"{path} selects no namespace of the cluster",
        field=path,
        fix="correct its names or labels: kubectl get namespaces --show-labels lists those that exist",
    )


def _of_networks(rule: WrittenRule, value: AttachmentRule, name: ObjectName, world: _World) -> Iterator[Finding]:
    for index, entry in enumerate(value.networks):
        if (entry.has_content and not value.is_allow) or _has_unknown(entry.namespaces, world.namespaces):
            continue
        if _names_unknown(entry, world) or _any_network(entry, world):
            continue
        path = f"{rule.path}.networks[{index}]"
        yield Finding(
            SELECTS_NO_NETWORK,
            WARNING,
            name,
            f"{path} selects no network of the cluster",
            field=path,
            fix="correct it: kubectl get net-attach-def -A lists the networks that exist",
        )


def _any_network(entry: NetworkMatch, world: _World) -> bool:
    return any(_fits(entry, definition) for definition in _candidates(entry, world))


def _candidates(entry: NetworkMatch, world: _World) -> Iterable[NetworkAttachmentDefinition]:
    """Return the definitions whose name may fit; most entries name them."""
    if entry.names is None or entry.names.prefixes:
        return world.every_network
    return [definition for name in sorted(entry.names.exact) for definition in world.networks.get(name, ())]


def _fits(entry: NetworkMatch, definition: NetworkAttachmentDefinition) -> bool:
    own = "" if entry.scope == "OtherNamespace" else definition.namespace
    if not entry.has_name(own, definition.namespace, definition.name):
        return False
    return entry.has_network(definition, facts_of(definition) if entry.has_facts else None)


def _names_unknown(entry: NetworkMatch, world: _World) -> bool:
    """Say whether an exact name of a network is one that no network has, which is a slip with a rule of its own."""
    if entry.names is None or not world.networks:
        return False
    return not all(
        any(entry.namespaces is None or entry.namespaces.matches(one.namespace) for one in world.networks.get(name, ()))
        for name in entry.names.exact
    )


def _has_unknown(names: Names | None, namespaces: Mapping[str, Labels]) -> bool:
    return names is not None and not names.exact <= namespaces.keys()
