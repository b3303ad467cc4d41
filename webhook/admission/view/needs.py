"""The networks that a pod selects, and how many of which resource they need. Asked by /mutate and by /validate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.model import podspec
from webhook.admission.model.injection import BY_CLAIM, BY_PLUGIN, DEVICES_FROM, SOURCES, opts_out
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits
from webhook.admission.model.podspec import Json
from webhook.admission.view.parsecache import read_pod

Lookup = Callable[[str, str], NetworkAttachmentDefinition | None]
"""(namespace, name) -> the definition, or None if there is none."""


class Networks(NamedTuple):
    """What a pod selects: the definitions, one per selection, and namespace and name of those that do not exist.

    Definitions that want no injection are left out.
    """

    found: tuple[NetworkAttachmentDefinition, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


def find_networks(
    annotations: Mapping[str, str],
    lookup: Lookup,
    *,
    namespace: str,
    network_namespace: str,
    limits: ReviewLimits = DEFAULTS,
) -> Networks | None:
    """Return the networks of a pod. None if an annotation cannot be read, or is above a limit.

    The judgement of networks refuses that, and what does not exist, in words that a pod may be told.
    """
    asked = read_pod(annotations, namespace=namespace, network_namespace=network_namespace, limits=limits)
    if asked.problems:
        return None
    elements = [element for element in (asked.default, *asked.networks) if element is not None]
    references = [(element.namespace, element.name) for element in elements]
    looked_up = [lookup(*reference) for reference in references]
    missing = (reference for reference, network in zip(references, looked_up, strict=True) if network is None)
    return Networks(
        found=tuple(network for network in looked_up if network is not None and not opts_out(network.annotations)),
        missing=tuple(dict.fromkeys(missing)),
    )


def resources_of(network: NetworkAttachmentDefinition, keys: Sequence[str]) -> frozenset[str]:
    """Return the resources that a definition names under any of the keys."""
    named = (trim(network.annotations.get(key, "")) for key in keys)
    return frozenset(name for name in named if name)


def count_needs(
    networks: Sequence[NetworkAttachmentDefinition], keys: Sequence[str], *, has_claims: bool
) -> Mapping[str, int]:
    """Return how many of each resource a device plugin must give, by the resource's name in alphabetical order.

    A network counts once for each resource that it names. Devices that come by a ResourceClaim are not asked for a
    second time: those of a definition that says so, and of every definition that says nothing in a pod with claims,
    because which devices a claim brings is known after it is allocated only.
    """
    source = BY_CLAIM if has_claims else BY_PLUGIN
    asked = (network for network in networks if (_says(network) or source) == BY_PLUGIN)
    return dict(sorted(Counter(name for network in asked for name in resources_of(network, keys)).items()))


def _says(network: NetworkAttachmentDefinition) -> str | None:
    """Return where a definition says that its devices come from."""
    said = trim(network.annotations.get(DEVICES_FROM, ""))
    return said if said in SOURCES else None


def find_claimed(pod: Json, networks: Sequence[NetworkAttachmentDefinition], keys: Sequence[str]) -> list[str]:
    """Return the resources that a pod with claims is taken to claim, because neither it nor a definition says more."""
    if not podspec.has_claims(pod):
        return []
    silent = [network for network in networks if _says(network) is None]
    named = {name for network in silent for name in resources_of(network, keys)}
    offered = podspec.offered(pod, named) if named else {}
    return sorted(name for name in named if not offered.get(name))


class Shortfall(NamedTuple):
    """A resource of which the pod gets fewer than its networks need."""

    resource: str
    needed: int
    offered: Fraction
    references: tuple[str, ...]
    """The networks, `namespace/name`, in the pod's order."""


def find_shortfalls(pod: Json, networks: Sequence[NetworkAttachmentDefinition], keys: Sequence[str]) -> list[Shortfall]:
    """Return what is short in a pod as it is, by the resource's name."""
    counts = count_needs(networks, keys, has_claims=podspec.has_claims(pod))
    if not counts:
        return []
    offered = podspec.offered(pod, counts)
    amounts = ((resource, needed, offered.get(resource, Fraction(0))) for resource, needed in counts.items())
    short = [(resource, needed, amount) for resource, needed, amount in amounts if amount < needed]
    references = _references(networks, keys) if short else {}
    return [Shortfall(resource, needed, amount, tuple(references[resource])) for resource, needed, amount in short]


def _references(networks: Sequence[NetworkAttachmentDefinition], keys: Sequence[str]) -> Mapping[str, Iterable[str]]:
    """Return the networks that name each resource, once each. NB: one walk, as a pod may name 100,000 networks."""
    found: dict[str, dict[str, None]] = {}
    for network in networks:
        for resource in resources_of(network, keys):
            found.setdefault(resource, {})[network.reference] = None
    return found
