"""Files and directories of Kubernetes objects: which files count, and the objects in them.

In a directory, every `*.yaml`, `*.yml` and `*.json` below it counts, in sorted order. Hidden files and directories are
skipped. A link to a directory is not followed, and a link to a file only inside the tree, as in a mounted ConfigMap. A
`kustomization.yaml` is not a Kubernetes object and is skipped.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePath

from webhook.admission.model.kinds import NETWORK_NAMESPACE
from webhook.files import load_file, within
from webhook.snapshot.snapshot import Snapshot

from . import builder, documents
from .documents import Document
from .problems import ManifestError, Position, Problem
from .yamlstream import decode

SUFFIXES = (".yaml", ".yml", ".json")
FILE_BYTES_MAX = 256 * 1024 * 1024
"""More than all objects of a large cluster in one file; as YAML it would take minutes and 20 GiB to read."""

SKIPPED = frozenset({"kustomization.yaml", "kustomization.yml"})

CHART_FILE = "Chart.yaml"
_CHART_FIX = "check what Helm makes of them: helm template {folder} | nadmit check -"

_FIXES = {
    errno.EISDIR: "name the files in it; `nadmit check` and --manifests take directories",
    errno.EFBIG: "split it",
    errno.ETIMEDOUT: "see to its mount, or leave it out",
    errno.EINVAL: 'leave it out; `nadmit check` and `nadmit review` read a pipe as "-"',
}
"""The advice about files of other types."""


def find_files(paths: Sequence[str]) -> list[str]:
    """Return the files of paths, each once and by its relative name, directories in sorted order.

    Raises ManifestError for a path that does not exist and a directory that cannot be listed.
    """
    problems: list[Problem] = []
    files = [file for path in paths for file in _files_of(path, problems)]
    if problems:
        raise ManifestError(problems)
    if len(paths) == 1:
        return files
    first: dict[str, str] = {}
    for file in files:
        first.setdefault(os.path.realpath(file), file)
    return list(first.values())


def _files_of(path: str, problems: list[Problem]) -> Iterator[str]:
    try:
        is_directory = within(Path(path), Path(path).is_dir)
    except OSError as error:
        problems.append(_unreadable(path, error))
        return
    if is_directory:
        root = Path(path).resolve()
        for file, is_link in _walk(str(Path(path)), problems):
            if not is_link or Path(file).resolve().is_relative_to(root):
                yield file
    elif os.path.lexists(path):
        yield path
    else:
        problems.append(_missing(path))


def _walk(folder: str, problems: list[Problem]) -> Iterator[tuple[str, bool]]:
    """Yield each file below a folder, and whether it is a symbolic link."""
    try:
        entries = within(Path(folder), lambda: _list(folder))
    except OSError as error:
        problems.append(_unreadable(folder, error))
        return
    for entry in entries:
        file = entry.name if folder == "." else entry.path
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith("."):
                yield from _walk(file, problems)
        elif _counts(entry.name) and not entry.is_dir():
            yield file, entry.is_symlink()


def _list(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _counts(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".") and name not in SKIPPED


def read_file(file: str, problems: list[Problem]) -> Iterator[Document]:
    """Yield the objects of one file, and add its problems to `problems`."""
    try:
        data = load_file(Path(file), bytes_max=FILE_BYTES_MAX)
    except OSError as error:
        problems.append(_unreadable(file, error))
        return
    yield from read_bytes(data, file=file, problems=problems)


def read_bytes(data: bytes, *, file: str, problems: list[Problem]) -> Iterator[Document]:
    """Yield the objects in the content of a file, and add its problems to `problems`."""
    try:
        text = decode(data, file=file, rule="not-utf-8")
    except ManifestError as error:
        problems.extend(error.problems)
        return
    yield from documents.parse(text, file=file, problems=problems)


def _unreadable(file: str, error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError):
        return _missing(file)
    reason = "a directory" if isinstance(error, IsADirectoryError) else (error.strerror or str(error)).lower()
    fix = _FIXES.get(error.errno or 0, "make it readable, or leave it out")
    return Problem(Position(file), "unreadable-file", f"cannot be read: {reason}; {fix}")


def _missing(path: str) -> Problem:
    return Problem(Position(path), "no-file", "no such file or directory; name one that exists")


def read_files(files: Iterable[str], problems: list[Problem]) -> Iterator[Document]:
    """Yield the objects of files in order."""
    for file in files:
        yield from read_file(file, problems)


def load_snapshot(
    directory: Path | str, *, warnings: list[Problem] | None = None, network_namespace: str = NETWORK_NAMESPACE
) -> Snapshot:
    """Return the snapshot of a directory, or of one file; `builder.build` explains the other arguments.

    Raises ManifestError with every problem.
    """
    problems: list[Problem] = []
    objects = read_files(find_files([str(directory)]), problems)
    first = next(objects, None)  # the others are read one by one: their text need not stay
    if first is None and not problems:
        problems.append(nothing_found([str(directory)]))
    read = () if first is None else chain((first,), objects)
    snapshot = builder.build(read, problems, warnings=warnings, network_namespace=network_namespace)
    if problems:
        raise ManifestError(problems)
    return snapshot


def nothing_found(paths: Iterable[str]) -> Problem:
    """Return the problem of paths without any object."""
    paths = list(paths)
    fix = f"put {', '.join('*' + suffix for suffix in SUFFIXES)} files there"
    if not any(Path(path).is_dir() for path in paths):
        fix = "an object has apiVersion, kind and metadata; name what has one"
    return Problem(Position(" ".join(paths)), "no-objects", f"no Kubernetes object is found; {fix}")


def leave_out_charts(files: Iterable[str], *, named: Container[str]) -> tuple[list[str], list[Problem]]:
    """Return the files without the templates and values of Helm charts, and a remark for each chart.

    Templates are not YAML before Helm has filled them in. A directory with a `Chart.yaml` is a chart. That file,
    `values*.yaml` beside it and everything below `templates` are left out; other files of the chart, such as those of
    `crds`, are kept. A file that is `named` by the user is kept as well.
    """
    files = list(files)
    charts = {PurePath(file).parent for file in files if PurePath(file).name == CHART_FILE and file not in named}
    if not charts:
        return files, []
    kept = [file for file in files if file in named or not _is_of_chart(PurePath(file), charts)]
    return kept, [_chart_remark(chart) for chart in sorted(charts)]


def _is_of_chart(file: PurePath, charts: Container[PurePath]) -> bool:
    if file.parent in charts and (file.name == CHART_FILE or file.name.startswith("values")):
        return True
    return any(folder.name == "templates" and folder.parent in charts for folder in file.parents)


def _chart_remark(chart: PurePath) -> Problem:
    text = f"the templates of a Helm chart are passed over; {_CHART_FIX.format(folder=chart)}"
    return Problem(Position(str(chart / CHART_FILE)), "helm-chart", text)
