"""Pod templates in an object of any kind: at the paths of a table, or wherever something has the shape of one.

    path = step *( "." step )
    step = name / name "[*]" / "*"       ; each item of a list, each value of a map

By its shape, a template is

- an object with a `spec` that has a list of containers, and with `metadata` if it names networks (PodTemplateSpec), or
- an object with `annotations` that name networks, such as `podMetadata`: a controller puts them on its pods. The
  account of these pods is the nearest `serviceAccountName` around it.

The object itself is no template, and neither is an object inside of it that has an `apiVersion` and a `kind`: that one
is for another API server, or for later. A text with braces of a template language (`{{`) is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cniplugin.netspec.annotation import texts_of
from cniplugin.netspec.jsontext import join
from webhook.admission.model.podspec import is_host_network
from webhook.admission.model.requests import NOTHING, ClaimReference, Object, PodPlace, Read

Json = dict[str, Any]

EACH_ITEM, EACH_VALUE = "[*]", "*"
BRACES = "{{"

TEMPLATES_MAX = 64
"""Templates of one object that are judged. A pod of a later one is judged when it is created."""
VALUES_MAX = 100_000
"""Values of one object that are searched for templates by their shape."""
DEPTH_MAX = 24

_STEP = re.compile(r"(?:(?P<name>[A-Za-z0-9_-]+)(?P<list>\[\*\])?|(?P<map>\*))(?:\.|$)")

TemplatePath = tuple[str, ...]
"""The steps of a path: names, EACH_ITEM and EACH_VALUE."""


class FoundPod(NamedTuple):
    """One pod that an object would make: its place in the object, and the pod as plain JSON (`metadata`, `spec`).

    `has_containers`: the pod is a template that its controller copies. Otherwise `spec` has only what decisions need.
    `replaced`: annotations of the object that its controller writes anew, by their field.
    """

    place: PodPlace
    pod: Json
    has_containers: bool = True
    replaced: tuple[str, ...] = ()


class TemplatePlace(NamedTuple):
    """Implements `PodPlace` for a template. `annotations`: the path of the annotations below `path`."""

    path: str
    is_one_of_many: bool = False
    annotations: str = "metadata.annotations"

    def field(self, annotation: str, path: str) -> str:
        """Return the place in the annotation of the template."""
        dot = "." if path and not path.startswith("[") else ""
        return f"{self.path}{self.annotations}[{annotation}]{dot}{path}"

    def item(self, position: int | None) -> str:
        """Return the template and the item, if there are several templates."""
        if not self.is_one_of_many:
            return ""
        return f"{self.path[:-1]}, {'default-network' if position is None else f'item {position + 1}'}"

    def source(self, _position: int | None) -> str:
        """Return "": the author changes the annotation, as in a pod."""
        return ""


def parse_path(text: str) -> TemplatePath | None:
    """Return the steps of a path; None for a text that is not one."""
    steps: list[str] = []
    end = 0
    for match in _STEP.finditer(text):
        if match.start() != end:
            return None
        steps += [EACH_VALUE] if match["map"] else [match["name"], *([EACH_ITEM] if match["list"] else [])]
        end = match.end()
    return tuple(steps) if steps and end == len(text) and not text.endswith(".") else None


def render_path(path: TemplatePath) -> str:
    """Return the text of a path."""
    return ".".join(path).replace(f".{EACH_ITEM}", EACH_ITEM)


def find_by_paths(value: Json, paths: Iterable[TemplatePath]) -> list[FoundPod]:
    """Return the templates that an object has at these paths."""
    return _placed([FoundPod(TemplatePlace(f"{at}."), pod) for path in paths for at, pod in _follow(value, path)])


def find_by_shape(value: Json) -> list[FoundPod]:
    """Return the templates in an object, in the order of its text."""
    return _placed(_Search().run(value))


def _placed(found: list[FoundPod]) -> list[FoundPod]:
    """Return at most TEMPLATES_MAX pods, which a refusal can tell apart."""
    if len(found) < 2:
        return found
    return [one._replace(place=one.place._replace(is_one_of_many=True)) for one in found[:TEMPLATES_MAX]]  # type: ignore[attr-defined]


def _follow(value: object, path: TemplatePath) -> Iterator[tuple[str, Json]]:
    places: list[tuple[str, object]] = [("", value)]
    for step in path:
        places = [place for at, one in places for place in _children(at, one, step)]
    yield from ((at, one) for at, one in places if isinstance(one, dict))


def _children(at: str, value: object, step: str) -> Iterator[tuple[str, object]]:
    if step == EACH_ITEM:
        if isinstance(value, list):
            yield from ((f"{at}[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, dict):
        for name in value if step == EACH_VALUE else (step,):
            if name in value:
                yield join(at, name), value[name]


class _Search:
    """Looks for templates by their shape, within VALUES_MAX and DEPTH_MAX."""

    def __init__(self) -> None:
        self._left = VALUES_MAX
        self._found: list[FoundPod] = []

    def run(self, root: Json) -> list[FoundPod]:
        """Return the templates below the root."""
        for key, value in root.items():
            if key not in {"metadata", "status"}:
                self._search(value, join("", key), 1, "")
        return self._found

    def _search(self, value: object, at: str, depth: int, account: str) -> None:
        self._left -= 1
        if self._left < 0 or depth > DEPTH_MAX or len(self._found) >= TEMPLATES_MAX:
            return
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict | list):
                    self._search(item, f"{at}[{index}]", depth + 1, account)
        elif isinstance(value, dict) and not _is_object(value):
            if is_template(value):
                self._found.append(FoundPod(TemplatePlace(f"{at}."), value))
                return
            if _names_networks(value):
                self._found.append(_of_metadata(value, at, account))
                return
            account = _text(value.get("serviceAccountName")) or account
            for key, inner in value.items():
                if isinstance(inner, dict | list):
                    self._search(inner, join(at, key), depth + 1, account)


def is_template(value: Mapping[str, Any]) -> bool:
    """Say whether something has the shape of a PodTemplateSpec."""
    spec = value.get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(containers, list) or not containers:
        return False
    return all(isinstance(one, dict) for one in containers) and isinstance(value.get("metadata"), dict | None)


def _names_networks(value: Mapping[str, Any]) -> bool:
    named = [text for text in texts_of(texts(value.get("annotations"))) if text]
    return bool(named) and not any(BRACES in text for text in named)


def _of_metadata(value: Mapping[str, Any], at: str, account: str) -> FoundPod:
    metadata = {"labels": value.get("labels"), "annotations": value["annotations"]}
    place = TemplatePlace(f"{at}.", annotations="annotations")
    return FoundPod(place, {"metadata": metadata, "spec": {"serviceAccountName": account}}, has_containers=False)


def _is_object(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("apiVersion"), str) and isinstance(value.get("kind"), str)


# A pod as the object of a request


def object_of(found: FoundPod, value: Json, *, own: Mapping[str, Mapping[str, str]]) -> Object:
    """Return the pod of a template as the object of a request, with the name of the object `value`.

    `own`: the annotations that no pod gets.
    """
    pod, named = found.pod, _mapping(value.get("metadata"))
    metadata = _mapping(pod.get("metadata"))
    spec = _mapping(pod.get("spec"))
    account = spec.get("serviceAccountName")
    return Object(
        name=_text(named.get("name")),
        generate_name=_text(named.get("generateName")),
        labels=texts(metadata.get("labels")),
        annotations=texts(metadata.get("annotations")),
        service_account=account if isinstance(account, str) and account else "default",
        sent=_Sent(pod) if found.has_containers else None,
        devices=_Devices(spec),
        own_annotations=own,
        is_host_network=found.has_containers and is_host_network({"spec": spec}),
    )


def texts(value: object) -> Mapping[str, str]:
    """Return the texts of a map of labels or annotations; values of other types are left out."""
    if not isinstance(value, dict):
        return NOTHING
    return {key: text for key, text in value.items() if isinstance(text, str)}


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


class _Sent:
    """Implements `SentPod` with a template that is decoded."""

    __slots__ = ("_pod",)

    def __init__(self, pod: Json) -> None:
        self._pod = pod

    def read(self) -> Json:
        """Return the pod."""
        return self._pod

    def read_parts(self) -> None:
        """Return None."""

    def sketch(self, read: Read) -> None:
        """Return None: few templates are reviewed."""

    def sketch_requests(self) -> None:
        """Return None."""


class _Devices:
    """Implements `SentDevices` with the spec of a pod. What has a wrong type names nothing."""

    __slots__ = ("_spec",)

    def __init__(self, spec: Json) -> None:
        self._spec = spec

    def claims(self) -> tuple[ClaimReference, ...]:
        """Return the claims that the pod names."""
        return tuple(
            ClaimReference(_text(one.get("resourceClaimName")), _text(one.get("resourceClaimTemplateName")))
            for one in _objects(self._spec.get("resourceClaims"))
        )

    def resources(self, *, prefix: str = "") -> tuple[str, ...]:
        """Return the extended resources that the containers name."""
        names = {
            name
            for key in ("containers", "initContainers")
            for container in _objects(self._spec.get(key))
            for amounts in ("requests", "limits")
            for name in _mapping(_mapping(container.get("resources")).get(amounts))
        }
        return tuple(sorted(name for name in names if "/" in name and name.startswith(prefix)))


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
