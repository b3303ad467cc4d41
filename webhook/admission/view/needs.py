"""The networks that a pod selects, and the resources that they need. Both /mutate and /validate use it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import BY_CLAIM, BY_PLUGIN, NetworkAttachmentDefinition, source_of
from webhook.admission.model import podspec
from webhook.admission.model.injection import KEPT_CHARACTERS_MAX, Injection, may_be_claimed, opts_out
from webhook.admission.model.podspec import Json
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.view.parsecache import read_pod


class Networks(NamedTuple):
    """The definitions that a pod selects, one per selection, and namespace and name of those that do not exist.

    `existing` leaves out definitions that opt out of injection.
    """

    existing: tuple[NetworkAttachmentDefinition, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


def find_networks(annotations: Mapping[str, str], namespace: str, context: DecisionContext) -> Networks | None:
    """Return the networks of a pod. None if an annotation cannot be read, or exceeds a limit.

    The check of networks refuses such annotations, and networks that do not exist.
    """
    selected = read_pod(
        annotations,
        namespace=namespace,
        network_namespace=context.network_namespace,
        limits=context.configuration.limits,
    )
    if selected.problems:
        return None
    references = selected.references
    networks = [context.cluster.network(*reference) for reference in references]
    missing = (reference for reference, network in zip(references, networks, strict=True) if network is None)
    return Networks(
        existing=tuple(network for network in networks if network is not None and not opts_out(network.annotations)),
        missing=tuple(dict.fromkeys(missing)),
    )


def resources_of(network: NetworkAttachmentDefinition, keys: Sequence[str]) -> frozenset[str]:
    """Return the resources that a definition names under any of the keys."""
    if not network.annotations:
        return _NOTHING
    if len(keys) == 1:
        text = network.annotations.get(keys[0])
        return _resource(text) if text else _NOTHING
    return _NOTHING.union(*(_resource(network.annotations.get(key, "")) for key in keys))


_NOTHING: frozenset[str] = frozenset()


def _resource(text: str) -> frozenset[str]:
    """Return the resource of one annotation. NB: a few texts are asked for again and again."""
    return _read_resource(text) if len(text) <= KEPT_CHARACTERS_MAX else _read_resource.__wrapped__(text)


@lru_cache(maxsize=512)
def _read_resource(text: str) -> frozenset[str]:
    name = trim(text)
    return frozenset((name,)) if name else _NOTHING


def find_needing(
    networks: Iterable[NetworkAttachmentDefinition], injection: Injection | None
) -> tuple[tuple[str, str], ...]:
    """Return namespace and name of the networks that need a resource and do not opt out, in their order."""
    if injection is None:
        return ()
    keys = injection.resource_name_keys
    return tuple(
        (network.namespace, network.name)
        for network in networks
        if network.annotations and resources_of(network, keys) and not opts_out(network.annotations)
    )


def count_needs(
    networks: Sequence[NetworkAttachmentDefinition], keys: Sequence[str], *, has_claims: bool
) -> Mapping[str, int]:
    """Return how many of each resource a device plugin must give, by the resource's name in alphabetical order.

    A network counts once for each resource that it names. It does not count if a ResourceClaim gives its devices. That
    is so for a definition that names this source, and for a definition without a source in a pod with claims: the
    devices of a claim are unknown before its allocation. A name that no device plugin can have does not count either:
    Multus and the node plugin of nadmit attach a pod without claims without a device.
    """
    default = BY_CLAIM if has_claims else BY_PLUGIN
    needing = (network for network in networks if (source_of(network.annotations) or default) == BY_PLUGIN)
    names = (
        name
        for network in needing
        for name in resources_of(network, keys)
        if not may_be_claimed(name, network.annotations)
    )
    return dict(sorted(Counter(names).items()))


def find_without_domain(networks: Sequence[NetworkAttachmentDefinition], keys: Sequence[str]) -> list[str]:
    """Return the resources that no device plugin can have, of networks that do not name the source of their devices."""
    without_source = [network for network in networks if not source_of(network.annotations)]
    return sorted(
        {
            name
            for network in without_source
            for name in resources_of(network, keys)
            if may_be_claimed(name, network.annotations)
        }
    )


def find_claimed(pod: Json, networks: Sequence[NetworkAttachmentDefinition], keys: Sequence[str]) -> list[str]:
    """Return the resources that claims are assumed to give: neither a container nor a definition says otherwise."""
    if not podspec.has_claims(pod):
        return []
    without_source = [network for network in networks if not source_of(network.annotations)]
    named = {name for network in without_source for name in resources_of(network, keys)}
    requested = podspec.requested(pod, named) if named else {}
    return sorted(name for name in named if not requested.get(name))


class Shortfall(NamedTuple):
    """A resource of which the pod requests less than its networks need.

    `references`: the networks, as `namespace/name`, in the pod's order.
    """

    resource: str
    needed: int
    requested: Fraction
    references: tuple[str, ...]


def find_shortfalls(pod: Json, networks: Sequence[NetworkAttachmentDefinition], keys: Sequence[str]) -> list[Shortfall]:
    """Return the shortfalls of a pod, ordered by the resource's name."""
    counts = count_needs(networks, keys, has_claims=podspec.has_claims(pod))
    if not counts:
        return []
    requested = podspec.requested(pod, counts)
    amounts = ((resource, needed, requested.get(resource, Fraction(0))) for resource, needed in counts.items())
    short = [(resource, needed, amount) for resource, needed, amount in amounts if amount < needed]
    references = _references(networks, keys) if short else {}
    return [Shortfall(resource, needed, amount, tuple(references[resource])) for resource, needed, amount in short]


def _references(networks: Sequence[NetworkAttachmentDefinition], keys: Sequence[str]) -> Mapping[str, Iterable[str]]:
    """Return the networks that name each resource, once each.

    NB: it walks the networks once, because a pod may name 100,000 of them.
    """
    references: dict[str, dict[str, None]] = {}
    for network in networks:
        for resource in resources_of(network, keys):
            references.setdefault(resource, {})[network.reference] = None
    return references
