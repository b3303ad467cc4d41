"""Kustomizations of a tree: which are built, which files belong to them, and the objects that they make.

A kustomization that no other one names is built with `kubectl kustomize`: it is what somebody applies. Bases, patches
and data are parts of it, not objects of their own. Where it cannot be built, its resources are read as they are, and
everything else that it names is left out, because a patch looks like the object that it changes.

The objects of a build keep their places: kustomize says from which file each came (`originAnnotations`), and a field
is looked for there and in the patches.

Format: kustomize api/types/kustomization.go. Names of fields that hold paths are listed in _LISTS and _MAPS.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from webhook.admission.model.kinds import CLUSTER_SCOPED, GroupKind
from webhook.files import load_file
from webhook.trees import documents, yamlstream
from webhook.trees.documents import Document
from webhook.trees.positions import Source
from webhook.trees.problems import ManifestError, Position, Problem
from webhook.trees.treefiles import KUSTOMIZATIONS, is_kustomization

from . import programs

FILE_BYTES_MAX = 1024 * 1024
"""A kustomization has some hundred lines."""
PROCESSES_MAX = 4
FOLDERS_MAX = 1000
"""Folders that one kustomization may name, directly and by way of others."""

_RESOURCES = ("resources", "bases", "components")
_LISTS = ("crds", "configurations", "generators", "transformers", "validators", "patchesStrategicMerge")
_MAPS = ("patches", "patchesJson6902", "replacements")
_GENERATORS = ("configMapGenerator", "secretGenerator")
_CHARTS = ("helmCharts", "helmChartInflationGenerator")
_OURS = ("kustomize.config.k8s.io/",)

ORIGIN = "config.kubernetes.io/origin"
BUILD = "<build>"
"""A step of the place of a build."""


@dataclass(frozen=True, slots=True)
class Kustomization:
    """One file. `folders`: of other kustomizations. `resources`: files of objects. `others`: patches and data.

    `tools`: folders of generators and the like, which make no objects by themselves. Paths are as the user would write
    them. `missing`: what is no file here, such as the address of a repository.
    """

    file: str
    folder: str
    is_component: bool = False
    uses_helm: bool = False
    folders: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    namespace: str = ""
    tools: tuple[str, ...] = ()


@dataclass(slots=True)
class Closure:
    """A kustomization with all that it names, directly and by way of others."""

    root: Kustomization
    parts: list[Kustomization] = field(default_factory=list)

    @property
    def unit(self) -> tuple[str, ...]:
        """The place of its objects in the tree, which no file has."""
        return (*Path(os.path.normpath(self.root.folder)).parts, BUILD, Path(self.root.file).name)

    @property
    def files(self) -> set[str]:
        """The files of objects, patches and data."""
        return {os.path.normpath(file) for part in self.parts for file in (*part.resources, *part.others, part.file)}

    @property
    def resources(self) -> list[str]:
        """The files of objects, each once."""
        return list(dict.fromkeys(os.path.normpath(file) for part in self.parts for file in part.resources))

    @property
    def obstacle(self) -> str:
        """Why it is not built, before anything is tried; "" if nothing speaks against it."""
        for part in self.parts:
            if part.uses_helm:
                return f"{part.file} asks for Helm charts"
            if part.missing:
                return f"{part.file} names {part.missing[0]}, which is not in this tree"
        return ""


def read(file: str) -> Kustomization | None:
    """Return the kustomization of a file; None if it is not one of kustomize's, or cannot be read."""
    problems: list[Problem] = []
    try:
        text = yamlstream.decode(load_file(Path(file), bytes_max=FILE_BYTES_MAX), file=file, rule="not-utf-8")
        values = [value for _, value in yamlstream.read(text, file=file, problems=problems)]
    except (OSError, ManifestError):
        return None
    if problems or len(values) != 1 or not isinstance(values[0], dict):
        return None
    value = values[0]
    version, kind = str(value.get("apiVersion") or ""), value.get("kind")
    if kind not in {None, "Kustomization", "Component"} or (version and not version.startswith(_OURS)):
        return None
    return of_value(file, value)


def of_value(file: str, value: Mapping[str, Any]) -> Kustomization:
    """Return the kustomization that a file holds; looks up what is there of the paths that it names."""
    folder = str(Path(file).parent)
    named = [text for key in _RESOURCES for text in _texts(value.get(key))]
    folders, resources, missing = [], [], []
    for text in named:
        path = _below(folder, text)
        if _is(Path.is_dir, path):
            folders.append(path)
        elif _is(Path.is_file, path):
            resources.append(path)
        elif "\n" not in text:
            missing.append(text)
    others, tools = [], []
    for text in _other_paths(value):
        path = _below(folder, text)
        if "\n" in text:
            continue  # a patch or a generator in place of its file
        if _is(Path.is_file, path):
            others.append(path)
        elif _is(Path.is_dir, path):
            tools.append(path)
        else:
            missing.append(text)
    return Kustomization(
        file,
        folder,
        is_component=value.get("kind") == "Component",
        uses_helm=any(value.get(key) for key in _CHARTS),
        folders=tuple(folders),
        resources=tuple(resources),
        others=tuple(others),
        missing=tuple(missing),
        namespace=value["namespace"] if isinstance(value.get("namespace"), str) else "",
        tools=tuple(tools),
    )


def _is(test: Callable[[Path], bool], path: str) -> bool:
    """Say whether a path is there; a text that cannot be a path is not."""
    try:
        return test(Path(path))
    except (OSError, ValueError):
        return False


def _below(folder: str, text: str) -> str:
    return os.path.normpath(Path(folder, text))


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str) and item] if isinstance(value, list) else []


def _other_paths(value: Mapping[str, Any]) -> Iterator[str]:
    for key in _LISTS:
        yield from _texts(value.get(key))
    for key in _MAPS:
        yield from (item["path"] for item in _maps(value.get(key)) if isinstance(item.get("path"), str))
    if isinstance(value.get("openapi"), dict):
        yield from _texts([value["openapi"].get("path")])
    for key in _GENERATORS:
        for item in _maps(value.get(key)):
            files = (*_texts(item.get("files")), *_texts(item.get("envs")), *_texts([item.get("env")]))
            yield from (text.rpartition("=")[2] for text in files)
    for item in _maps(value.get("helmCharts")):
        yield from (*_texts([item.get("valuesFile")]), *_texts(item.get("additionalValuesFiles")))


def _maps(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def find_roots(files: Iterable[str]) -> tuple[list[Closure], list[Kustomization], list[str]]:
    """Return the kustomizations that are applied, the components that none of them uses, and the other files.

    `files`: those with a name that kustomize looks for.
    """
    known: dict[str, Kustomization | None] = {}
    found: list[Kustomization] = []
    foreign: list[str] = []
    for file in files:
        one = known[os.path.normpath(Path(file).parent)] = read(file)
        if one is None:
            foreign.append(file)
        else:
            found.append(one)
    closures = [_close(one, known) for one in found]
    used = {part.folder for closure in closures for part in closure.parts[1:]}
    roots = [closure for closure in closures if not closure.root.is_component and closure.root.folder not in used]
    reached = {part.folder for closure in roots for part in closure.parts}
    loose = [one for one in found if one.is_component and one.folder not in reached]
    return roots, loose, foreign


def _close(root: Kustomization, known: dict[str, Kustomization | None]) -> Closure:
    closure, seen, waiting = Closure(root), {os.path.normpath(root.folder)}, [root]
    while waiting and len(seen) < FOLDERS_MAX:
        one = waiting.pop(0)
        closure.parts.append(one)
        for folder in (*one.folders, *one.tools):
            if folder not in seen:
                seen.add(folder)
                if folder not in known:
                    known[folder] = next(filter(None, map(read, _candidates(folder))), None)
                below = known[folder]
                waiting += [below] if below is not None else []
    return closure


def _candidates(folder: str) -> list[str]:
    paths = (Path(folder, name) for name in sorted(KUSTOMIZATIONS))
    return [str(path) for path in paths if path.is_file()]


# Building


class BuiltSource(Source):
    """The text of a build. A field is located in the files that it was built from. `unit`: the place of the build."""

    __slots__ = ("_files", "_objects", "unit")

    def __init__(self, closure: Closure, text: str, files: Mapping[str, Sequence[Document]]) -> None:
        super().__init__(closure.root.file, text)
        self.unit = closure.unit
        self._files = {os.path.realpath(file): found for file, found in files.items()}
        self._objects: dict[int, tuple[str, dict[str, Any]]] = {}

    def remember(self, number: int, origin: str, written: dict[str, Any]) -> None:
        """Keep the file that an object of the build comes from, "" if it is not known, and the object."""
        self._objects[number] = (origin, written)

    def locate(self, steps: Sequence[str | int], *, number: int = 0) -> Position | None:
        """Return where a field is written in the files of the kustomization."""
        origin, built = self._objects.get(number, ("", {}))
        best: tuple[tuple[bool, int, bool], Document] | None = None
        for file, found in self._files.items():
            for document in found:
                if not _is_same(document, built):
                    continue
                reach, is_equal = _compare(document.object, built, steps)
                rank = (is_equal, reach, file == origin)
                if best is None or rank > best[0]:
                    best = rank, document
        if best is None:
            return Position(self.file)
        document = best[1]
        return document.source.locate([*document.trail, *steps], number=document.number)


def _is_same(document: Document, built: Mapping[str, Any]) -> bool:
    """Say whether a build may have made an object from another one: prefixes and suffixes are added to names."""
    if document.object.get("kind") != built.get("kind"):
        return False
    metadata = built.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return bool(document.name) and document.name in str(name)


def _compare(written: object, built: object, steps: Sequence[str | int]) -> tuple[int, bool]:
    """Return how many steps both have, and whether the values there are equal."""
    for taken, step in enumerate(steps):
        first, second = _child(written, step), _child(built, step)
        if first is None:
            return taken, taken > 0 and written == built and not isinstance(written, dict | list)
        written, built = first, second
    return len(steps), written == built


def _child(value: object, step: str | int) -> object:
    if isinstance(value, dict):
        return value.get(str(step))
    if isinstance(value, list) and str(step).isdecimal() and int(step) < len(value):
        item: object = value[int(step)]
        return item
    return None


ReadFile = Callable[[str, list[Problem]], Iterable[Document]]
"""(path, problems to add to) -> the documents of a file."""


class Built(NamedTuple):
    """The output of a build, and the folder to which the paths in it are relative; or why it failed."""

    text: str
    folder: str
    error: str = ""


def build_all(program: str, closures: Sequence[Closure]) -> list[Built]:
    """Return the output of kustomizations, in order. `program`: kubectl or kustomize; several run at a time."""
    if not closures:
        return []
    with ThreadPoolExecutor(max_workers=min(len(closures), PROCESSES_MAX)) as pool:
        return list(pool.map(lambda closure: _build(program, closure), closures))


def _build(program: str, closure: Closure) -> Built:
    with tempfile.TemporaryDirectory(prefix="nadmit-") as folder:
        base = os.path.relpath(os.path.realpath(closure.root.folder), os.path.realpath(folder))
        Path(folder, "kustomization.yaml").write_text(
            json.dumps({"resources": [base], "buildMetadata": ["originAnnotations"]}), encoding="utf-8"
        )
        verb = "build" if Path(program).name == "kustomize" else "kustomize"
        try:
            text = programs.run([program, verb, folder]).decode(errors="replace")
        except programs.ProgramError as error:
            return Built("", "", str(error))
        return Built(text, os.path.realpath(folder))


def read_built(closure: Closure, built: Built, read_file: ReadFile, problems: list[Problem]) -> list[Document]:
    """Return the objects that a kustomization makes, each placed in the files of the kustomization."""
    source = BuiltSource(closure, built.text, _written(closure, read_file))
    found = list(documents.parse(built.text, file=closure.root.file, problems=problems))
    return [_placed(document, source, built.folder) for document in found]


def _written(closure: Closure, read_file: ReadFile) -> dict[str, list[Document]]:
    """Return the documents of the files that a kustomization names; those that are not objects are left out."""
    files = sorted(file for file in closure.files if file.endswith((".yaml", ".yml", ".json")))
    return {file: list(read_file(file, [])) for file in files if not is_kustomization(file)}


def _placed(document: Document, source: BuiltSource, folder: str) -> Document:
    metadata = document.object.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(ORIGIN, "") if isinstance(annotations, dict) else ""
    source.remember(document.number, _origin(text, folder), document.object)
    if not text or not isinstance(metadata, dict) or not isinstance(annotations, dict):
        return replace(document, source=source, line=0)
    left = {key: value for key, value in annotations.items() if key != ORIGIN}
    changed = {key: value for key, value in metadata.items() if key != "annotations"}
    written = {**document.object, "metadata": {**changed, **({"annotations": left} if left else {})}}
    return replace(document, source=source, line=0, object=written)


def _origin(text: str, folder: str) -> str:
    """Return the real path of the file in an origin annotation; "" for a generated object and another repository."""
    lines = [line.removeprefix("path: ") for line in text.splitlines() if line.startswith("path: ")]
    if not lines or "repo: " in text:
        return ""
    return os.path.realpath(Path(folder, lines[0]))


# Without building


class UnbuiltSource(Source):
    """A file of a kustomization that is not built. `unit`: the place of the build that it would be in."""

    __slots__ = ("_source", "unit")

    def __init__(self, closure: Closure, source: Source) -> None:
        super().__init__(source.file, source.text)
        self.unit = closure.unit
        self._source = source

    def locate(self, steps: Sequence[str | int], *, number: int = 0) -> Position | None:
        """Return where a field is written."""
        return self._source.locate(steps, number=number)


def read_unbuilt(closure: Closure, read_file: ReadFile, problems: list[Problem]) -> list[Document]:
    """Return the resources of a kustomization as they are, in the namespace that it sets."""
    by_folder = {os.path.normpath(part.folder): part for part in closure.parts}
    found = _read_part(closure.root, by_folder, read_file, problems)
    return [replace(document, source=UnbuiltSource(closure, document.source)) for document in found]


def _read_part(
    part: Kustomization, left: dict[str, Kustomization], read_file: ReadFile, problems: list[Problem]
) -> list[Document]:
    """Return the resources of a kustomization and of those that it names; each is read once."""
    left.pop(os.path.normpath(part.folder), None)
    found = [document for file in part.resources for document in read_file(file, problems)]
    for folder in part.folders:
        if folder in left:
            found += _read_part(left[folder], left, read_file, problems)
    return [_moved(document, part.namespace) for document in found] if part.namespace else found


def _moved(document: Document, namespace: str) -> Document:
    metadata = document.object.get("metadata")
    if not isinstance(metadata, dict) or GroupKind(document.group, document.kind) in CLUSTER_SCOPED:
        return document
    return replace(document, object={**document.object, "metadata": {**metadata, "namespace": namespace}})
