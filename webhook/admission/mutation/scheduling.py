"""The fields of a pod for the scheduler: device plugin resources, and the node selector.

The target container gets the resources. It is the container that the pod names, else the first ordinary one. It may be
an ordinary container or a sidecar. An init container that ends cannot be the target: the kubelet passes its devices on.

topUp: requests and limits, which must be equal for such resources, get at least the needed count. A resource that
another container names does not change, and no amount gets smaller. honor: a resource that any container names does not
change.

Nothing overwrites a pod's own node selector: a network that contradicts it is a problem. Affinities do not change: the
scheduler obeys both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import trim
from webhook.admission.model import podspec
from webhook.admission.model.injection import INJECT_INTO, Mode
from webhook.admission.model.podspec import Container, Json, parse_quantity
from webhook.admission.wording import injectiontext


def find_target(pod: Json, ordinary: Sequence[Container]) -> Container | SpecError | None:
    """Return the target, or the problem of a name that no container has; None for a pod without containers.

    `ordinary`: the ordinary containers of the pod.
    """
    name = trim(podspec.annotations_of(pod).get(INJECT_INTO, ""))
    if not name:
        return ordinary[0] if ordinary else None
    candidates = [*ordinary, *podspec.sidecars(pod)]
    target = next((container for container in candidates if container.name == name), None)
    return target or injectiontext.unknown_container(name, [container.name for container in candidates])


def inject_resources(
    pod: Json, counts: Mapping[str, int], target: Container, running: Sequence[Container], mode: Mode
) -> Json:
    """Return the pod with the needed resources in the target container.

    `running`: the ordinary containers and the sidecars of the pod.
    """
    settled = {name for one in running if one.path != target.path for name in one.named(counts)}
    if mode == "honor":
        settled |= target.named(counts)
    container = target.value
    for resource, count in counts.items():
        if resource not in settled:
            container = _raise(container, target.figures(resource), resource, count)
    return podspec.put_containers(pod, [target], [container])


def _raise(container: Json, figures: tuple[object, object], resource: str, count: int) -> Json:
    """Return the container with request and limit of one resource raised to their maximum, at least to the count."""
    written: object = str(count)
    raised: list[str] = []
    if figures == (None, None):
        raised = ["requests", "limits"]
    else:
        read = [parse_quantity(figure) for figure in figures]
        if any(figure is not None and number is None for figure, number in zip(figures, read, strict=True)):
            return container  # the API server refuses such an amount, and says why
        highest = max([Fraction(count), *(number for number in read if number is not None)])
        written = next((figure for figure, number in zip(figures, read, strict=True) if number == highest), written)
        raised = [key for key, number in zip(("requests", "limits"), read, strict=True) if number != highest]
    if not raised:
        return container
    resources = container.get("resources") or {}
    amounts = {key: {**(resources.get(key) or {}), resource: written} for key in raised}
    return {**container, "resources": {**resources, **amounts}}


def inject_node_selector(pod: Json, labels: Mapping[str, tuple[str, str]]) -> Json | list[SpecError]:
    """Return the pod with the labels of its networks' nodes, or the problems that exclude every node.

    `labels`: see `NetworkNeeds`.
    """
    if not labels:
        return pod
    own = podspec.spec_of(pod).get("nodeSelector") or {}
    problems = [
        injectiontext.selector_contradicted(key, own[key], value, reference)
        for key, (reference, value) in labels.items()
        if own.get(key, value) != value
    ]
    if problems:
        return problems
    for key, (_, value) in sorted(labels.items()):
        if key not in own:
            pod = podspec.put(pod, ("spec", "nodeSelector", key), value)
    return pod
