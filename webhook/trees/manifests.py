"""Files and directories of Kubernetes objects: which files count, and what they hold.

Of a directory: every `*.yaml`, `*.yml` and `*.json` below it, in sorted order. Hidden files and directories are
skipped. A link to a directory is not followed, and a link to a file only inside the tree, which is how a mounted
ConfigMap looks. A `kustomization.yaml` is no object of Kubernetes and is skipped.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from webhook.admission.evaluate import NETWORK_NAMESPACE
from webhook.files import load_file, within
from webhook.snapshot.snapshot import Snapshot
from webhook.trees import snapshots

from . import documents
from .documents import Document
from .problems import ManifestError, Position, Problem

SUFFIXES = (".yaml", ".yml", ".json")
FILE_BYTES_MAX = 256 * 1024 * 1024
"""All objects of a large cluster in one file have less; as YAML it would take minutes and 20 GiB to read."""

SKIPPED = frozenset({"kustomization.yaml", "kustomization.yml"})

_FIXES = {
    errno.EISDIR: "name the files in it; `nadmit check` and --manifests take directories",
    errno.EFBIG: "split it",
    errno.ETIMEDOUT: "see to its mount, or leave it out",
    errno.EINVAL: 'leave it out; what comes from a pipe is read as "-" by `nadmit check` and `nadmit review`',
}
"""What to do about files of other types."""


def find_files(paths: Sequence[str]) -> list[str]:
    """Return the files of paths, each once, directories in sorted order; names stay relative as they were given.

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
    """Yield the files below a folder, and whether each is a symbolic link."""
    try:
        found = within(Path(folder), lambda: _list(folder))
    except OSError as error:
        problems.append(_unreadable(folder, error))
        return
    for entry in found:
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
    """Yield the objects of one file; what is wrong with it is added to `problems`."""
    try:
        data = load_file(Path(file), bytes_max=FILE_BYTES_MAX)
    except OSError as error:
        problems.append(_unreadable(file, error))
        return
    yield from read_bytes(data, file=file, problems=problems)


def read_bytes(data: bytes, *, file: str, problems: list[Problem]) -> Iterator[Document]:
    """Yield the objects of a file's content."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "ignore")
        position = Position(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        said = f"not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8"
        problems.append(Problem(position, "not-utf-8", said))
        return
    yield from documents.parse(text, file=file, problems=problems)


def _unreadable(file: str, error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError):
        return _missing(file)
    said = "a directory" if isinstance(error, IsADirectoryError) else (error.strerror or str(error)).lower()
    fix = _FIXES.get(error.errno or 0, "make it readable, or leave it out")
    return Problem(Position(file), "unreadable-file", f"cannot be read: {said}; {fix}")


def _missing(path: str) -> Problem:
    return Problem(Position(path), "no-file", "no such file or directory; name one that exists")


def read_files(files: Iterable[str], problems: list[Problem]) -> Iterator[Document]:
    """Yield the objects of files, in order."""
    for file in files:
        yield from read_file(file, problems)


def load_snapshot(
    directory: Path | str, *, warnings: list[Problem] | None = None, network_namespace: str = NETWORK_NAMESPACE
) -> Snapshot:
    """Return the snapshot of a directory, or of one file; see `snapshots.build` about the rest.

    Raises ManifestError with everything that is wrong.
    """
    problems: list[Problem] = []
    seen = 0

    def counted() -> Iterator[Document]:
        nonlocal seen
        for document in read_files(find_files([str(directory)]), problems):
            seen += 1
            yield document

    snapshot = snapshots.build(counted(), problems, warnings=warnings, network_namespace=network_namespace)
    if not problems and not seen:
        problems.append(nothing_found([str(directory)]))
    if problems:
        raise ManifestError(problems)
    return snapshot


def nothing_found(paths: Iterable[str]) -> Problem:
    """Say that paths hold no object at all."""
    paths = list(paths)
    fix = f"put {', '.join('*' + suffix for suffix in SUFFIXES)} files there"
    if not any(Path(path).is_dir() for path in paths):
        fix = "an object has apiVersion, kind and metadata; name what has one"
    return Problem(Position(" ".join(paths)), "no-objects", f"no Kubernetes object is found; {fix}")
