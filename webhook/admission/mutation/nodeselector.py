"""Node selectors: a pod is scheduled to nodes that have its networks.

Each network may name one label. A pod's own selector is never overwritten: what contradicts it is a problem, as are
two networks that contradict each other. Affinities are left alone: the scheduler heeds both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.model import podspec
from webhook.admission.model.injection import NODE_SELECTOR, read_node_selector
from webhook.admission.model.podspec import Json
from webhook.admission.wording import injectiontext


def inject_node_selector(pod: Json, networks: Sequence[NetworkAttachmentDefinition]) -> Json | list[SpecError]:
    """Return the pod with the labels of its networks' nodes, or what keeps it from any node."""
    wanted, problems = _wanted(networks)
    own = podspec.spec_of(pod).get("nodeSelector") or {}
    for key, (reference, value) in wanted.items():
        if own.get(key, value) != value:
            problems.append(injectiontext.selector_contradicted(key, own[key], value, reference))
    if problems:
        return problems
    for key, (_, value) in sorted(wanted.items()):
        if key not in own:
            pod = podspec.put(pod, ("spec", "nodeSelector", key), value)
    return pod


def _wanted(
    networks: Sequence[NetworkAttachmentDefinition],
) -> tuple[Mapping[str, tuple[str, str]], list[SpecError]]:
    """Return the first network and its value by key, and what is wrong with the others."""
    wanted: dict[str, tuple[str, str]] = {}
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
        first = wanted.setdefault(key, (network.reference, value))
        if first[1] != value:
            problems[injectiontext.selectors_contradict(key, first, (network.reference, value))] = None
    return wanted, list(problems)
