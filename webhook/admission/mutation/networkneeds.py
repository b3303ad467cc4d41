"""What the networks of a pod need: devices of plugins, and labels of nodes.

The needs follow from the networks, and from whether the pod has claims. So a server keeps those of the networks that
many pods select, for pods without claims and the mode topUp; then nothing else of the networks matters.

Each network may name one label of its nodes. Two networks that contradict each other are a problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition, has_domain
from webhook.admission.model import podspec
from webhook.admission.model.injection import NODE_SELECTOR, Injection, read_node_selector
from webhook.admission.model.podspec import Json
from webhook.admission.view import needs
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.wording import injectiontext

KEPT_CHARACTERS_MAX = 4096
"""Characters of the resources of needs that are kept. NB: a definition may name a resource of any length."""


class NetworkNeeds(NamedTuple):
    """The needs of the networks of a pod.

    `counts`: how many of each resource, in alphabetical order. `without_domain`: the resources that no plugin can have.
    `labels`: for each label of nodes, the first network that names it, and the value. `unusable` and `contradictory`:
    the problems of resources and of labels. `missing`: namespace and name of networks that do not exist. `networks` is
    empty for needs that were kept.
    """

    has_resources: bool
    counts: Mapping[str, int]
    without_domain: Sequence[str]
    labels: Mapping[str, tuple[str, str]]
    unusable: Sequence[SpecError]
    contradictory: Sequence[SpecError]
    missing: tuple[tuple[str, str], ...]
    networks: tuple[NetworkAttachmentDefinition, ...]


def find_needs(
    pod: Json,
    context: DecisionContext,
    injection: Injection,
    *,
    namespace: str,
    references: tuple[tuple[str, str], ...] = (),
) -> NetworkNeeds | None:
    """Return the needs of the networks of a pod; None if its annotations cannot be read (`needs.find_networks`).

    `references`: namespace and name of the networks that it selects, in order, if the caller has read them.
    """
    has_claims = podspec.has_claims(pod)
    is_kept = bool(references) and not has_claims and injection.mode == "topUp"
    key = ("needs of networks", references)
    known: NetworkNeeds | None = context.memory.get(key) if is_kept else None
    if known is not None:
        return known
    found = needs.find_networks(podspec.annotations_of(pod), namespace, context)
    if found is None:
        return None
    made = _read(found, injection.resource_name_keys, has_claims=has_claims)
    if is_kept and _is_small(made):
        context.memory.put(key, made._replace(networks=()))
    return made


def _is_small(made: NetworkNeeds) -> bool:
    """Say whether needs may be kept: they have no problem, whose texts are long, and a bound."""
    has_problems = made.missing or made.unusable or made.contradictory
    return not has_problems and sum(map(len, (*made.counts, *made.without_domain))) <= KEPT_CHARACTERS_MAX


def _read(found: needs.Networks, keys: Sequence[str], *, has_claims: bool) -> NetworkNeeds:
    networks = found.existing
    counts = needs.count_needs(networks, keys, has_claims=has_claims)
    labels, contradictory = _labels_of(networks)
    return NetworkNeeds(
        has_resources=any(needs.resources_of(network, keys) for network in networks),
        counts=counts,
        without_domain=needs.find_without_domain(networks, keys),
        labels=labels,
        unusable=_find_unusable(networks, counts, keys),
        contradictory=contradictory,
        missing=found.missing,
        networks=networks,
    )


def _find_unusable(
    networks: Sequence[NetworkAttachmentDefinition], counts: Mapping[str, int], keys: Sequence[str]
) -> list[SpecError]:
    """Return the problems of resources of Kubernetes itself, each with the first network that names it.

    NB: the API server would accept `memory: 1`, and no container can run in one byte. It refuses other names that no
    plugin can have.
    """
    unusable = [resource for resource in counts if not has_domain(resource)]
    if not unusable:
        return []
    named = {name: known.reference for known in reversed(networks) for name in needs.resources_of(known, keys)}
    return [injectiontext.resource_unusable(resource, named[resource]) for resource in unusable]


def _labels_of(
    networks: Sequence[NetworkAttachmentDefinition],
) -> tuple[Mapping[str, tuple[str, str]], list[SpecError]]:
    """Return the first network and its value for each label, and the problems of the other networks."""
    labels: dict[str, tuple[str, str]] = {}
    problems: dict[SpecError, None] = {}
    for network in networks:
        text = trim(network.annotations.get(NODE_SELECTOR, ""))
        if not text:
            continue
        read = read_node_selector(text)
        if read is None:
            problems[injectiontext.selector_unreadable(network.reference, text)] = None
            continue
        key, value = read
        first = labels.setdefault(key, (network.reference, value))
        if first[1] != value:
            problems[injectiontext.selectors_contradict(key, first, (network.reference, value))] = None
    return labels, list(problems)
