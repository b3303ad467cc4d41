"""Device plugin resources: the target container gets what the networks need.

topUp: at least the needed count in requests and limits, which must be equal for such resources. What another container
names, or the container itself already has, stays. honor: a resource that the pod names anywhere stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from webhook.admission import podspec
from webhook.admission.injection import Mode
from webhook.admission.podspec import Container, Json
from webhook.admission.quantity import parse_quantity


def inject_resources(pod: Json, needs: Mapping[str, int], target: Container, mode: Mode) -> Json:
    """Return the pod with the needed resources in the target container."""
    running = [*podspec.containers(pod), *podspec.sidecars(pod)]
    elsewhere = {name for one in running if one.path != target.path for name in one.named(needs)}
    settled = elsewhere | (target.named(needs) if mode == "honor" else set())
    for resource, count in needs.items():
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
