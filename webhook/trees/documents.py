"""Documents: the Kubernetes objects of one file, each with its place.

A file is a stream of YAML or JSON documents. A List counts as its items (`kind: List`, and any `*List` with items). A
document that is not a Kubernetes object is a problem. So is metadata of the wrong type, which the API server would
refuse before it calls any webhook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cniplugin.netspec.errors import show

from . import jsonstream, ownkinds, positions, yamlstream
from .positions import Source
from .problems import Position, Problem

DEFAULT_NAMESPACE = "default"
"""Where kubectl creates an object that names no namespace, without other settings."""

NO_OBJECT = "not-an-object"
"""The rule of a document that has neither apiVersion nor kind, such as a file of another program."""

GROUPS = frozenset({"", "apps", "batch", "k8s.cni.cncf.io", "access.nadmit.io", "resource.k8s.io"})
"""API groups that the webhook judges; an object of them without metadata is a slip."""

METADATA_PATHS = ("metadata", "template.metadata", "spec.template.metadata", "spec.jobTemplate.spec.template.metadata")
"""Where objects have their own metadata, and that of the pods that they make."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object. `number`: of the document in the file. `trail`: to the item of a List.

    `line`: where it starts; 0 for an object that a program has built.
    """

    source: Source
    object: dict[str, Any]
    line: int
    number: int
    trail: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The file as the user named it."""
        return self.source.file

    @property
    def kind(self) -> str:
        """The kind, such as `Pod`."""
        return str(self.object["kind"])

    @property
    def group(self) -> str:
        """The API group; "" for core kinds."""
        group, slash, _ = str(self.object["apiVersion"]).partition("/")
        return group if slash else ""

    @property
    def version(self) -> str:
        """The version in the API group."""
        return str(self.object["apiVersion"]).rpartition("/")[2]

    @property
    def name(self) -> str:
        """The name; "" when the API server generates it."""
        return str(self.object.get("metadata", {}).get("name") or "")

    @property
    def namespace(self) -> str:
        """The namespace; `default` when the object names none."""
        return str(self.object.get("metadata", {}).get("namespace") or DEFAULT_NAMESPACE)

    @property
    def place(self) -> str:
        """The place in short: `file:line`, and the item in a List."""
        item = "".join(f"[{step}]" if step.isdecimal() else f" {step}" for step in self.trail)
        return f"{self.file}:{self.line}{item}" if self.line else f"{self.file}{item}"

    def locate(self, path: str = "") -> Position:
        """Return where a field is written, or the longest part of its path that exists; see `positions`."""
        steps = [*self.trail, *positions.parse_path(path)]
        return self.source.locate(steps, number=self.number) or Position(self.file, self.line, 1)


def parse(text: str, *, file: str, problems: list[Problem]) -> Iterator[Document]:
    """Yield the objects of a file's text, and add its problems to `problems`, both in order."""
    source = Source(file, text)
    for number, (line, value) in enumerate(_read(source, problems)):
        if value is None:
            continue
        yield from _expand(Document(source, {}, line, number), value, problems)


def _read(source: Source, problems: list[Problem]) -> Iterator[tuple[int, object]]:
    if not jsonstream.is_likely(source.text):
        yield from yamlstream.read(source.text, file=source.file, problems=problems)
        return
    try:
        values = jsonstream.read(source.text)
    except jsonstream.NotStrictJsonError as error:
        yield from _read_json_as_yaml(source, error, problems)
        return
    source.slices = [(start, end) for start, end, _ in values]
    line, counted = 1, 0
    for start, _, value in values:
        line += source.text.count("\n", counted, start)
        counted = start
        yield line, value


def _read_json_as_yaml(
    source: Source, error: jsonstream.NotStrictJsonError, problems: list[Problem]
) -> Iterator[tuple[int, object]]:
    """Read a text that is not strict JSON as YAML; for a .json file the error of the JSON reader is clearer."""
    wrong: list[Problem] = []
    yield from yamlstream.read(source.text, file=source.file, problems=wrong)
    if wrong and error.offset is not None and source.file.endswith(".json"):
        before = source.text[: error.offset]
        position = Position(source.file, before.count("\n") + 1, error.offset - before.rfind("\n"))
        wrong = [Problem(position, "json-syntax", f"not JSON: {error}; correct the JSON here")]
    problems.extend(wrong)


def _expand(holder: Document, value: object, problems: list[Problem]) -> Iterator[Document]:
    """Yield an object, or the objects of a List."""
    if not isinstance(value, dict):
        what = "a list" if isinstance(value, list) else show(value)
        text = f"not a Kubernetes object: {what}; write a mapping with apiVersion, kind and metadata"
        problems.append(Problem(holder.locate(), NO_OBJECT, text))
        return
    document = Document(holder.source, value, holder.line, holder.number, holder.trail)
    missing = [key for key in ("apiVersion", "kind") if not _is_text(value.get(key))]
    if missing:
        what = f"{missing[0]} is missing; add it" if len(missing) == 1 else "apiVersion and kind are missing; add them"
        rule = "half-an-object" if _is_half(value) else NO_OBJECT
        problems.append(Problem(document.locate(), rule, f"not a Kubernetes object: {what}"))
    elif document.kind.endswith("List") and isinstance(value.get("items"), list):
        yield from _expand_list(document, value["items"], problems)
    elif mistake := ownkinds.find_mistake(document.group, document.version, document.kind):
        field, text = mistake
        problems.append(Problem(document.locate(field), ownkinds.RULE, f"{field}: {text}"))
    elif wrong := list(_check_metadata(document)):
        problems.extend(wrong)
    else:
        yield document


def _is_half(value: Mapping[str, object]) -> bool:
    """Say whether this was meant as a Kubernetes object.

    Kinds are capitalised; those in schemas of plugins are not. An index of Helm charts has an apiVersion and no
    metadata.
    """
    if "metadata" not in value and "spec" not in value:
        return False
    kind = value.get("kind")
    return _is_text(value.get("apiVersion")) or (isinstance(kind, str) and kind[:1].isupper())


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _expand_list(holder: Document, items: list[Any], problems: list[Problem]) -> Iterator[Document]:
    """NB: items of a typed list (`PodList`) may omit kind and apiVersion."""
    kind = holder.kind.removesuffix("List")
    implied = {"apiVersion": holder.object["apiVersion"], "kind": kind} if kind else {}
    for index, item in enumerate(items):
        place = Document(holder.source, {}, holder.line, holder.number, (*holder.trail, "items", str(index)))
        yield from _expand(place, {**implied, **item} if isinstance(item, dict) else item, problems)


# Metadata


def _check_metadata(document: Document) -> Iterator[Problem]:
    if document.kind == "AdmissionReview" or _is_configuration(document):
        return
    if not isinstance(document.object.get("metadata"), dict):
        yield Problem(document.locate("metadata"), "metadata", "metadata is missing; add metadata with a name")
        return
    name = document.object["metadata"].get("name")
    if not isinstance(name, str | None):
        yield Problem(document.locate("metadata.name"), "metadata", _not_a_name(name))
    elif document.group in GROUPS and not any(
        _is_text(document.object["metadata"].get(key)) for key in ("name", "generateName")
    ):
        yield Problem(document.locate("metadata"), "metadata", "metadata.name is missing; add it")
    for path in METADATA_PATHS:
        metadata = dig(document.object, path)
        if isinstance(metadata, dict):
            yield from _check_texts(document, path, metadata)


def _not_a_name(value: object) -> str:
    fix = "a string: quote it" if isinstance(value, bool | int | float) else "a string"
    remark = ", because YAML reads n, y, on, off and the like as true and false" if isinstance(value, bool) else ""
    return f"metadata.name: wrong type: {show(value)}; allowed: {fix}{remark}"


def _is_configuration(document: Document) -> bool:
    """Say whether a document is for a program, not for an API server, such as a kubeconfig or a NadmitConfiguration."""
    if "metadata" in document.object:
        return False
    return document.kind == "Config" or document.group not in GROUPS


def dig(value: object, path: str) -> object:
    """Return the value at a path of keys with dots, None if there is none."""
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _check_texts(document: Document, path: str, metadata: dict[str, Any]) -> Iterator[Problem]:
    for key in ("namespace", "generateName"):
        if not isinstance(metadata.get(key), str | None):
            yield _wrong_type(document, f"{path}.{key}", metadata[key], "a string: quote it")
    for key in ("labels", "annotations"):
        values = metadata.get(key)
        if isinstance(values, dict):
            for name, value in values.items():
                if not isinstance(value, str):
                    yield _wrong_type(document, f"{path}.{key}[{name}]", value, "a string: quote it")
        elif values is not None:
            yield _wrong_type(document, f"{path}.{key}", values, "a mapping of strings")


def _wrong_type(document: Document, path: str, value: object, allowed: str) -> Problem:
    text = f"{path}: wrong type: {show(value)}; allowed: {allowed}"
    return Problem(document.locate(path), "metadata-type", text)
