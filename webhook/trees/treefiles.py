"""The files of a tree that may hold Kubernetes objects, by their names alone, and what is passed over among them.

In a directory, every `*.yaml`, `*.yml` and `*.json` below it counts, in sorted order. Hidden files and directories and
`node_modules` are passed over. A link to a directory is not followed, and a link to a file only inside the tree, as in
a mounted ConfigMap. A `kustomization.yaml` is not a Kubernetes object; it is listed apart.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import NamedTuple

from webhook.files import within

from .passedover import PassedOver
from .problems import ManifestError, Position, Problem

SUFFIXES = (".yaml", ".yml", ".json")

KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})
"""The names that kustomize looks for."""

_NODE_MODULES = "node_modules"
_VERSION_CONTROL = frozenset({".git", ".hg", ".svn"})
"""Hidden directories that nobody wants to be told of."""

_FIXES = {
    errno.EISDIR: "name the files in it; `nadmit check` and --manifests take directories",
    errno.EFBIG: "split it",
    errno.ETIMEDOUT: "see to its mount, or leave it out",
    errno.EINVAL: 'leave it out; `nadmit check` and `nadmit review` read a pipe as "-"',
}
"""The advice about files of other types."""


FILE_BYTES_MAX = 256 * 1024 * 1024
"""More than all objects of a large cluster in one file; as YAML it would take minutes and 20 GiB to read."""


class TreeFiles(NamedTuple):
    """The files of paths by their relative names, each once. `named`: those that are paths themselves."""

    files: list[str]
    kustomizations: list[str]
    passed_over: list[PassedOver]
    named: frozenset[str]


class _Entry(NamedTuple):
    path: str
    is_link: bool = False


class _Walk:
    """Walks directories. `exclude`: patterns of `is_excluded`."""

    def __init__(self, exclude: Sequence[str]) -> None:
        self.exclude = exclude
        self.problems: list[Problem] = []
        self.passed_over: list[PassedOver] = []

    def files_of(self, path: str) -> Iterator[str]:
        """Yield the files of a path that the user names."""
        try:
            is_directory = within(Path(path), Path(path).is_dir)
        except OSError as error:
            self.problems.append(unreadable(path, error))
            return
        if self.exclude and is_excluded(path, self.exclude):
            self._pass("excluded", path)
        elif is_directory:
            root = Path(path).resolve()
            for entry in self._below(str(Path(path))):
                if not entry.is_link or Path(entry.path).resolve().is_relative_to(root):
                    yield entry.path
                else:
                    self._pass("link", entry.path)
        elif os.path.lexists(path):
            yield path
        else:
            self.problems.append(_missing(path))

    def _below(self, folder: str) -> Iterator[_Entry]:
        try:
            entries = within(Path(folder), lambda: _list(folder))
        except OSError as error:
            self.problems.append(unreadable(folder, error))
            return
        for entry in entries:
            path = entry.name if folder == "." else entry.path
            if entry.is_dir(follow_symlinks=False):
                if not self._is_passed_over(entry.name, path, is_folder=True):
                    yield from self._below(path)
            elif _counts(entry) and not self._is_passed_over(entry.name, path, is_folder=False):
                yield _Entry(path, entry.is_symlink())

    def _is_passed_over(self, name: str, path: str, *, is_folder: bool) -> bool:
        if name.startswith("."):
            if name not in _VERSION_CONTROL:
                self._pass("hidden", path)
            return True
        if is_folder and name == _NODE_MODULES:
            self._pass(_NODE_MODULES, path)
            return True
        if self.exclude and is_excluded(path, self.exclude):
            self._pass("excluded", path)
            return True
        return False

    def _pass(self, kind: str, path: str) -> None:
        self.passed_over.append(PassedOver(kind, path))


def find(paths: Sequence[str], *, exclude: Sequence[str] = ()) -> TreeFiles:
    """Return the files of paths, directories in sorted order.

    Raises ManifestError for a path that does not exist and a directory that cannot be listed.
    """
    walk = _Walk(exclude)
    found = [file for path in paths for file in walk.files_of(path)]
    if walk.problems:
        raise ManifestError(walk.problems)
    if len(paths) > 1:
        first: dict[str, str] = {}
        for file in found:
            first.setdefault(os.path.realpath(file), file)
        found = list(first.values())
    kustomizations = [file for file in found if is_kustomization(file)]
    files = [file for file in found if not is_kustomization(file)] if kustomizations else found
    return TreeFiles(files, kustomizations, walk.passed_over, frozenset(paths))


def is_excluded(path: str, patterns: Sequence[str]) -> bool:
    """Say whether a pattern matches a path or a folder on its way, from any folder on: `vendor`, `*/test/*.yaml`.

    `*` matches any text, also "/"; a "/" at the end of a pattern does not count. Letter case matters.
    """
    parts = PurePath(path).parts
    pieces = ["/".join(parts[start:end]) for end in range(1, len(parts) + 1) for start in range(end)]
    return any(fnmatchcase(piece, pattern.rstrip("/").removeprefix("./")) for pattern in patterns for piece in pieces)


def _counts(entry: os.DirEntry[str]) -> bool:
    return (entry.name.endswith(SUFFIXES) or entry.name in KUSTOMIZATIONS) and not entry.is_dir()


def is_kustomization(file: str) -> bool:
    """Say whether kustomize would look for a file of this name."""
    return file.rpartition("/")[2] in KUSTOMIZATIONS


def _list(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def unreadable(file: str, error: OSError) -> Problem:
    """Return the problem of a file or directory that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return _missing(file)
    reason = "a directory" if isinstance(error, IsADirectoryError) else (error.strerror or str(error)).lower()
    fix = _FIXES.get(error.errno or 0, "make it readable, or leave it out")
    return Problem(Position(file), "unreadable-file", f"cannot be read: {reason}; {fix}")


def _missing(path: str) -> Problem:
    return Problem(Position(path), "no-file", "no such file or directory; name one that exists")
