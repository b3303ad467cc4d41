"""A pod as plain JSON: the parts that injection reads, and the functions that make a changed pod.

Injection calls `is_readable` once; the other functions need a readable pod. No function changes a pod in place: `put`
copies the objects on the way to the new value and shares all others, so a comparison soon finds what differs.

The amounts of resources are quantities (apimachinery, pkg/api/resource/quantity.go):

quantity = [ "+" / "-" ] number [ suffix / exponent ]
number   = 1*DIGIT [ "." *DIGIT ] / "." 1*DIGIT
suffix   = "n" / "u" / "m" / "k" / "M" / "G" / "T" / "P" / "E" / "Ki" / "Mi" / "Gi" / "Ti" / "Pi" / "Ei"
exponent = ( "e" / "E" ) [ "+" / "-" ] 1*2DIGIT   ; more digits are out of the range of every quantity
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

Json = dict[str, Any]
Path = tuple[str | int, ...]

ALWAYS = "Always"
"""The `restartPolicy` of an init container that keeps running."""
QUANTITY_MAX = 64
"""Characters of a quantity."""
_SMALL = {suffix: Fraction(1, 1000**power) for power, suffix in enumerate("mun", start=1)}
_DECIMAL = {suffix: Fraction(1000**power) for power, suffix in enumerate(["", "k", "M", "G", "T", "P", "E"])}
_BINARY = {f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", start=1)}
_FACTORS = {**_SMALL, **_DECIMAL, **_BINARY}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,2})|([a-zA-Z]{0,2}))", re.ASCII)


def parse_quantity(value: object) -> Fraction | None:
    """Return the number of a quantity, or None for anything else.

    A quantity is a string; in undecoded YAML it may be a number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, int):
        return Fraction(value)
    match = _QUANTITY.fullmatch(str(value)) if len(str(value)) <= QUANTITY_MAX else None
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    factor = Fraction(10) ** int(exponent) if exponent else _FACTORS.get(suffix or "")
    return None if factor is None else Fraction(number) * factor


# Types

_TEXTS = "an object of texts"
_REQUESTING = {"resources": {"requests": dict, "limits": dict}}
_REQUESTS = {"spec": {"containers": [_REQUESTING], "initContainers": [_REQUESTING], "resourceClaims": list}}
_CONTAINER = {**_REQUESTING, "name": str, "env": [dict], "volumeMounts": [dict]}
_METADATA = {"annotations": _TEXTS, "labels": _TEXTS}
_SPEC = {"volumes": list, "containers": list, "initContainers": list, "nodeSelector": _TEXTS, "resourceClaims": list}
_OUTLINE = {"metadata": _METADATA, "spec": _SPEC}
_LISTS = {"volumes": [dict], "containers": [_CONTAINER], "initContainers": [_CONTAINER]}
_POD = {"metadata": _METADATA, "spec": {**_SPEC, **_LISTS}}


def is_readable(pod: object) -> bool:
    """Say whether a pod has the types that the API server enforces. A pod in a file may have any type."""
    return isinstance(pod, dict) and _fits(pod, _POD)


def has_outline(pod: object) -> bool:
    """Say the same, but skip the items of the lists of containers and volumes, which may be long."""
    return isinstance(pod, dict) and _fits(pod, _OUTLINE)


def has_readable_requests(pod: object) -> bool:
    """Say the same about the fields that determine the requests of a pod."""
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
    """Return the annotations; absent ones are empty."""
    return (pod.get("metadata") or {}).get("annotations") or {}


def labels_of(pod: Json) -> Mapping[str, str]:
    """Return the labels; absent ones are empty."""
    return (pod.get("metadata") or {}).get("labels") or {}


def spec_of(pod: Json) -> Json:
    """Return the spec; an absent one is empty."""
    return pod.get("spec") or {}


def has_claims(pod: Json) -> bool:
    """Say whether the pod has claims (`spec.resourceClaims`, dynamic resource allocation)."""
    return bool(spec_of(pod).get("resourceClaims"))


def is_host_network(pod: Json) -> bool:
    """Say whether the pod uses the node's network namespace, so that no CNI plugin runs for it."""
    return spec_of(pod).get("hostNetwork") is True


def count_containers(pod: Json) -> int:
    """Return the number of containers, init containers included."""
    return len(spec_of(pod).get("containers") or ()) + len(spec_of(pod).get("initContainers") or ())


class Container(NamedTuple):
    """A container and its path in the pod."""

    path: Path
    value: Json

    @property
    def name(self) -> str:
        """The name; "" if it is absent."""
        return self.value.get("name") or ""

    @property
    def is_sidecar(self) -> bool:
        """Whether an init container keeps running."""
        return self.value.get("restartPolicy") == ALWAYS

    def figures(self, resource: str) -> tuple[object, object]:
        """Return the request and the limit of a resource, unparsed; None for an absent one."""
        resources = self.value.get("resources") or {}
        return ((resources.get("requests") or {}).get(resource), (resources.get("limits") or {}).get(resource))

    def named(self, resources: Collection[str]) -> set[str]:
        """Return those of the given resources that the container requests or limits."""
        written = self.value.get("resources")
        if not written:
            return set()
        return {
            name
            for key in ("requests", "limits")
            for name, figure in (written.get(key) or {}).items()
            if figure is not None and name in resources
        }

    def asks(self, resource: str) -> Fraction:
        """Return how much the container gets: the larger of request and limit. An unreadable amount counts as 0."""
        return max(parse_quantity(figure) or Fraction(0) for figure in self.figures(resource))


def containers(pod: Json) -> list[Container]:
    """Return the ordinary containers, in order."""
    return _containers(pod, "containers")


def sidecars(pod: Json) -> list[Container]:
    """Return the init containers that keep running, in order."""
    return [one for one in _containers(pod, "initContainers") if one.is_sidecar]


def _containers(pod: Json, key: str) -> list[Container]:
    return [Container(("spec", key, index), value) for index, value in enumerate(spec_of(pod).get(key) or ())]


def requested(pod: Json, resources: Collection[str]) -> Mapping[str, Fraction]:
    """Return how much the pod requests of each of these resources, counted as the scheduler does.

    Containers that run at the same time add up: ordinary containers and sidecars, or an init container and the sidecars
    that start before it. NB: it walks the containers once, because a pod may have thousands of containers and
    resources.
    """
    highest: dict[str, Fraction] = {}
    running: dict[str, Fraction] = {}
    for container in _containers(pod, "initContainers"):
        for resource in container.named(resources):
            amount = running.get(resource, Fraction(0)) + container.asks(resource)
            highest[resource] = max(highest.get(resource, Fraction(0)), amount)
            if container.is_sidecar:
                running[resource] = amount
    for container in containers(pod):
        for resource in container.named(resources):
            running[resource] = running.get(resource, Fraction(0)) + container.asks(resource)
    return {
        resource: max(highest.get(resource, Fraction(0)), running.get(resource, Fraction(0)))
        for resource in {**highest, **running}
    }


def put_containers(pod: Json, containers: Sequence[Container], values: Sequence[Json]) -> Json:
    """Return the pod with other values of these containers; the same pod if each value is what the pod has."""
    spec = pod.get("spec") or {}
    changed: dict[str, list[Json]] = {}
    for container, value in zip(containers, values, strict=True):
        key, index = str(container.path[1]), int(container.path[2])
        if value is not spec[key][index]:
            changed.setdefault(key, spec[key].copy())[index] = value
    return {**pod, "spec": {**spec, **changed}} if changed else pod


def put(pod: Json, path: Path, value: object) -> Json:
    """Return the pod with a value at a path. Objects that are missing on the way are created."""
    changed: Json = _put(pod, path, value)
    return changed


def without_annotations(pod: Json, keys: Collection[str]) -> Json:
    """Return the pod without some of its annotations."""
    return put(pod, ("metadata", "annotations"), {k: v for k, v in annotations_of(pod).items() if k not in keys})


def _put(document: Any, path: Path, value: object) -> Any:
    if not path:
        return value
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        return [*document[:first], _put(document[first], rest, value), *document[first + 1 :]]
    known = document or {}
    return {**known, first: _put(known.get(first), rest, value)}
