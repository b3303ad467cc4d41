"""Files and directories of Kubernetes objects: the objects in them, and the snapshot of a tree.

`treefiles` has the files that count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from webhook.admission.model.kinds import NETWORK_NAMESPACE
from webhook.files import load_file
from webhook.snapshot.snapshot import Snapshot

from . import builder, documents, gathering, treefiles
from .documents import Document
from .problems import ManifestError, Position, Problem
from .yamlstream import decode


def find_files(paths: Sequence[str]) -> list[str]:
    """Return the files of paths; see `treefiles`. Raises ManifestError."""
    return treefiles.find(paths).files


def read_file(file: str, problems: list[Problem]) -> Iterator[Document]:
    """Yield the objects of one file, and add its problems to `problems`."""
    try:
        data = load_file(Path(file), bytes_max=treefiles.FILE_BYTES_MAX)
    except OSError as error:
        problems.append(treefiles.unreadable(file, error))
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


def read_files(files: Iterable[str], problems: list[Problem]) -> Iterator[Document]:
    """Yield the objects of files in order."""
    for file in files:
        yield from read_file(file, problems)


def load_snapshot(
    directory: Path | str, *, warnings: list[Problem] | None = None, network_namespace: str = NETWORK_NAMESPACE
) -> Snapshot:
    """Return the snapshot of a directory, or of one file; `builder.build` explains the other arguments.

    Every file is one of Kubernetes objects: a server must not lose a policy because its file is broken. Raises
    ManifestError with every problem.
    """
    problems: list[Problem] = []
    # One by one: the text of the others need not stay.
    objects = read_files(find_files([str(directory)]), problems)
    snapshot = _built(objects, directory, problems, warnings, network_namespace)
    if problems:
        raise ManifestError(problems)
    return snapshot


def gather_snapshot(
    directory: Path | str, *, warnings: list[Problem] | None = None, network_namespace: str = NETWORK_NAMESPACE
) -> Snapshot:
    """Return the snapshot of a directory as people keep it: with kustomizations, charts, files of other programs.

    For questions of people: a warning names what was passed over. Objects of environments side by side are duplicates:
    one of them has to be named. Raises ManifestError with every problem.
    """
    gathered = gathering.gather([str(directory)])
    problems = gathered.problems
    snapshot = _built(iter(gathered.documents), directory, problems, warnings, network_namespace)
    if problems:
        raise ManifestError(problems)
    if warnings is not None:
        warnings += [*gathered.warnings, *gathered.remarks]
        passed = [one.where for one in gathered.passed_over if one.kind == "foreign"]
        if passed:
            text = f"no Kubernetes objects, passed over: {gathering.shown_names(passed)}"
            warnings.append(Problem(Position(str(directory)), "passed-over", text))
    return snapshot


def _built(
    objects: Iterator[Document],
    directory: Path | str,
    problems: list[Problem],
    warnings: list[Problem] | None,
    network_namespace: str,
) -> Snapshot:
    first = next(objects, None)
    if first is None and not problems:
        problems.append(nothing_found([str(directory)]))
    read = () if first is None else chain((first,), objects)
    return builder.build(read, problems, warnings=warnings, network_namespace=network_namespace)


def nothing_found(paths: Iterable[str]) -> Problem:
    """Return the problem of paths without any object."""
    paths = list(paths)
    fix = f"put {', '.join('*' + suffix for suffix in treefiles.SUFFIXES)} files there"
    if not any(Path(path).is_dir() for path in paths):
        fix = "an object has apiVersion, kind and metadata; name what has one"
    return Problem(Position(" ".join(paths)), "no-objects", f"no Kubernetes object is found; {fix}")
