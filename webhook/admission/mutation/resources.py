"""Device plugin resources: the target container gets what the networks need.

topUp: at least the needed count in requests and limits, which must be equal for such resources. What another container
names, or the container itself already has, stays. honor: a resource that the pod names anywhere stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.model import podspec
from webhook.admission.model.injection import Mode, has_domain
from webhook.admission.model.podspec import Container, Json
from webhook.admission.model.quantity import parse_quantity
from webhook.admission.view import needs
from webhook.admission.wording import injectiontext


def find_unusable(
    networks: Sequence[NetworkAttachmentDefinition], counts: Mapping[str, int], keys: Sequence[str]
) -> list[SpecError]:
    """Return what is wrong with resources of Kubernetes' own; each with the first network that names it.

    NB: the API server would take `memory: 1`, and no container lives in one byte. Other names that nothing can have it
    refuses itself.
    """
    unusable = [resource for resource in counts if not has_domain(resource)]
    if not unusable:
        return []
    named = {name: known.reference for known in reversed(networks) for name in needs.resources_of(known, keys)}
    return [injectiontext.resource_unusable(resource, named[resource]) for resource in unusable]


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
    """Return the pod with both figures of one resource at the largest of them and the count."""
    figures = target.figures(resource)
    read = [parse_quantity(figure) for figure in figures]
    if any(figure is not None and number is None for figure, number in zip(figures, read, strict=True)):
        return pod  # the API server refuses such a figure, and says why
    highest = max([Fraction(count), *(number for number in read if number is not None)])
    written = next((figure for figure, number in zip(figures, read, strict=True) if number == highest), str(count))
    for key, number in zip(("requests", "limits"), read, strict=True):
        if number != highest:
            pod = podspec.put(pod, (*target.path, "resources", key, resource), written)
    return pod
