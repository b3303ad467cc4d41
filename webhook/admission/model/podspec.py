"""A pod as it was sent, plain JSON: what injection reads in it, and how it makes a changed one.

`is_readable` is asked once; the other functions take a pod that is. What they return of the pod is never changed:
`put` copies what is on the way and shares the rest, so that a difference is found where something was put.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from webhook.admission.model.quantity import parse_quantity

Json = dict[str, Any]
Path = tuple[str | int, ...]

"""Annotation of the API's image of a static pod, which already runs as its file says."""

_TEXTS = "an object of texts"
_CONTAINER = {
    "name": str,
    "resources": {"requests": dict, "limits": dict},
    "env": [dict],
    "volumeMounts": [dict],
}
_POD: dict[str, Any] = {
    "metadata": {"annotations": _TEXTS, "labels": _TEXTS},
    "spec": {
        "containers": [_CONTAINER],
        "initContainers": [_CONTAINER],
        "volumes": [dict],
        "nodeSelector": _TEXTS,
        "resourceClaims": list,
    },
}


_SPEC_OUTLINE = {
    "containers": list,
    "initContainers": list,
    "volumes": list,
    "nodeSelector": _TEXTS,
    "resourceClaims": list,
}
_OUTLINE = {"metadata": {"annotations": _TEXTS, "labels": _TEXTS}, "spec": _SPEC_OUTLINE}


def is_readable(pod: object) -> bool:
    """Say whether a pod has the types that the API server gives it. A file may hold anything."""
    return isinstance(pod, dict) and _fits(pod, _POD)


def has_outline(pod: object) -> bool:
    """Say the same, but for what is in containers and volumes, however many there are."""
    return isinstance(pod, dict) and _fits(pod, _OUTLINE)


_REQUESTING = {"resources": {"requests": dict, "limits": dict}}
_REQUESTS = {"spec": {"containers": [_REQUESTING], "initContainers": [_REQUESTING], "resourceClaims": list}}


def has_readable_requests(pod: object) -> bool:
    """Say the same of what a pod requests alone."""
    return isinstance(pod, dict) and _fits(pod, _REQUESTS)


def _fits(value: object, shape: Any) -> bool:
    if value is None:
        return True
    if shape is _TEXTS:
        return isinstance(value, dict) and set(map(type, value.values())) <= {str}
    if isinstance(shape, type):
        return isinstance(value, shape)
    if isinstance(shape, list) and isinstance(shape[0], type):
        return isinstance(value, list) and set(map(type, value)) <= {shape[0]}
    if isinstance(shape, list):
        return isinstance(value, list) and all(item is not None and _fits(item, shape[0]) for item in value)
    return isinstance(value, dict) and all(_fits(value.get(key), inner) for key, inner in shape.items())


def annotations_of(pod: Json) -> Mapping[str, str]:
    """Return the annotations."""
    return (pod.get("metadata") or {}).get("annotations") or {}


def labels_of(pod: Json) -> Mapping[str, str]:
    """Return the labels."""
    return (pod.get("metadata") or {}).get("labels") or {}


def spec_of(pod: Json) -> Json:
    """Return the spec."""
    return pod.get("spec") or {}


def has_claims(pod: Json) -> bool:
    """Say whether devices are claimed (`spec.resourceClaims`, dynamic resource allocation)."""
    return bool(spec_of(pod).get("resourceClaims"))


def count_containers(pod: Json) -> int:
    """Return how many containers there are, init containers included."""
    return len(spec_of(pod).get("containers") or ()) + len(spec_of(pod).get("initContainers") or ())


class Container(NamedTuple):
    """A container and where it stands in the pod."""

    path: Path
    value: Json

    @property
    def name(self) -> str:
        """Its name; "" if it has none yet."""
        return self.value.get("name") or ""

    @property
    def is_sidecar(self) -> bool:
        """Say whether an init container goes on running (`restartPolicy: Always`)."""
        return self.value.get("restartPolicy") == "Always"

    def figures(self, resource: str) -> tuple[object, object]:
        """Return what it requests and its limit, as written; None where the resource is not named."""
        resources = self.value.get("resources") or {}
        return ((resources.get("requests") or {}).get(resource), (resources.get("limits") or {}).get(resource))

    def named(self, resources: Collection[str]) -> set[str]:
        """Return which of these resources it names."""
        written = self.value.get("resources") or {}
        return {
            name
            for key in ("requests", "limits")
            for name, figure in (written.get(key) or {}).items()
            if figure is not None and name in resources
        }

    def asks(self, resource: str) -> Fraction:
        """Return how much it gets: the larger of its figures; one that cannot be read counts as nothing."""
        return max(parse_quantity(figure) or Fraction(0) for figure in self.figures(resource))


def containers(pod: Json) -> list[Container]:
    """Return the ordinary containers, in order."""
    return list(_containers(pod, "containers"))


def sidecars(pod: Json) -> list[Container]:
    """Return the init containers that go on running, in order."""
    return [found for found in _containers(pod, "initContainers") if found.is_sidecar]


def _containers(pod: Json, key: str) -> Iterator[Container]:
    for index, value in enumerate(spec_of(pod).get(key) or ()):
        yield Container(("spec", key, index), value)


def offered(pod: Json, resources: Collection[str]) -> Mapping[str, Fraction]:
    """Return how much the pod gets of each of these resources that it names, counted as the scheduler does.

    What runs at the same time adds up: ordinary containers and sidecars, or an init container and the sidecars that
    were started before it. NB: one walk, however many resources: a pod may have thousands of both.
    """
    highest: dict[str, Fraction] = {}
    running: dict[str, Fraction] = {}
    for found in _containers(pod, "initContainers"):
        for resource in found.named(resources):
            asked = running.get(resource, Fraction(0)) + found.asks(resource)
            highest[resource] = max(highest.get(resource, Fraction(0)), asked)
            if found.is_sidecar:
                running[resource] = asked
    for found in containers(pod):
        for resource in found.named(resources):
            running[resource] = running.get(resource, Fraction(0)) + found.asks(resource)
    return {
        resource: max(highest.get(resource, Fraction(0)), running.get(resource, Fraction(0)))
        for resource in {**highest, **running}
    }


def change_containers(pod: Json, change: Callable[[Container], Json]) -> Json:
    """Return the pod with each container as `change` returns it. One that is not changed is returned as it is."""
    for key in ("containers", "initContainers"):
        known = list(_containers(pod, key))
        changed = [change(container) for container in known]
        if any(new is not old.value for new, old in zip(changed, known, strict=True)):
            pod = put(pod, ("spec", key), changed)
    return pod


def put(pod: Json, path: Path, value: object) -> Json:
    """Return a pod with a value at a path; objects that are missing on the way are made."""
    changed: Json = _put(pod, path, value)
    return changed


def without_annotations(pod: Json, keys: Collection[str]) -> Json:
    """Return a pod without some of its annotations."""
    return put(pod, ("metadata", "annotations"), {k: v for k, v in annotations_of(pod).items() if k not in keys})


def _put(document: Any, path: Path, value: object) -> Any:
    if not path:
        return value
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        return [*document[:first], _put(document[first], rest, value), *document[first + 1 :]]
    known = document or {}
    return {**known, first: _put(known.get(first), rest, value)}
