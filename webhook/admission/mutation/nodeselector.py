"""Node selectors: the scheduler places a pod on a node that has its networks.

Each network may name one label. Nothing overwrites a pod's own selector: a network that contradicts it is a problem,
and so are two networks that contradict each other. Affinities do not change: the scheduler obeys both.
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
    """Return the pod with the labels of its networks' nodes, or the problems that exclude every node."""
    labels, problems = _labels_of(networks)
    own = podspec.spec_of(pod).get("nodeSelector") or {}
    for key, (reference, value) in labels.items():
        if own.get(key, value) != value:
            problems.append(injectiontext.selector_contradicted(key, own[key], value, reference))
    if problems:
        return problems
    for key, (_, value) in sorted(labels.items()):
        if key not in own:
            pod = podspec.put(pod, ("spec", "nodeSelector", key), value)
    return pod


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
