"""The fields of a pod for the scheduler: device plugin resources, and the node selector.

The target container gets the resources. It is the container that the pod names, else the first ordinary one. It may be
an ordinary container or a sidecar. An init container that ends cannot be the target: the kubelet passes its devices on.

topUp: requests and limits, which must be equal for such resources, get at least the needed count. A resource that
another container names does not change, and no amount gets smaller. honor: a resource that any container names does not
change.

Each network may name one label of its nodes. Nothing overwrites a pod's own selector: a network that contradicts it is
a problem, and so are two networks that contradict each other. Affinities do not change: the scheduler obeys both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition, has_domain
from webhook.admission.model import podspec
from webhook.admission.model.injection import INJECT_INTO, NODE_SELECTOR, Mode, read_node_selector
from webhook.admission.model.podspec import Container, Json, parse_quantity
from webhook.admission.view import needs
from webhook.admission.wording import injectiontext


def find_unusable(
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


def find_target(pod: Json, annotations: Mapping[str, str]) -> Container | SpecError | None:
    """Return the target, or the problem of a name that no container has; None for a pod without containers."""
    ordinary = podspec.containers(pod)
    name = trim(annotations.get(INJECT_INTO, ""))
    if not name:
        return ordinary[0] if ordinary else None
    candidates = [*ordinary, *podspec.sidecars(pod)]
    target = next((container for container in candidates if container.name == name), None)
    return target or injectiontext.unknown_container(name, [container.name for container in candidates])


def inject_resources(pod: Json, counts: Mapping[str, int], target: Container, mode: Mode) -> Json:
    """Return the pod with the needed resources in the target container."""
    running = [*podspec.containers(pod), *podspec.sidecars(pod)]
    elsewhere = {name for one in running if one.path != target.path for name in one.named(counts)}
    settled = elsewhere | (target.named(counts) if mode == "honor" else set())
    for resource, count in counts.items():
        if resource not in settled:
            pod = _raise(pod, target, resource, count)
    return pod


def _raise(pod: Json, target: Container, resource: str, count: int) -> Json:
    """Return the pod with request and limit of one resource raised to their maximum, and at least to the count."""
    figures = target.figures(resource)
    read = [parse_quantity(figure) for figure in figures]
    if any(figure is not None and number is None for figure, number in zip(figures, read, strict=True)):
        return pod  # the API server refuses such an amount, and says why
    highest = max([Fraction(count), *(number for number in read if number is not None)])
    written = next((figure for figure, number in zip(figures, read, strict=True) if number == highest), str(count))
    for key, number in zip(("requests", "limits"), read, strict=True):
        if number != highest:
            pod = podspec.put(pod, (*target.path, "resources", key, resource), written)
    return pod


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
