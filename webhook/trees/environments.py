"""Environments side by side: directories of one tree that have objects of the same name, such as `dev` and `prod`.

They are for different clusters, so they are no duplicates. Where two directories with one parent have different objects
of one name, each of them is an environment. It is judged with everything that is outside of the environments, and
without its siblings. So are directories that have more than half of their objects in common. Few equal objects, such as
a namespace that two kustomizations of one cluster share, make no environments, and count once. Two files of one
directory with objects of one name stay a mistake.

    envs/dev/lan.yaml      environment envs/dev
    envs/prod/lan.yaml     environment envs/prod
    namespaces.yaml        in both

Below another parent, the directory of the same name is taken: `apps/prod` is judged with `networks/prod`. If there is
none, the first one is taken.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import PurePath
from typing import NamedTuple

from .documents import Document

Parts = tuple[str, ...]
Choice = tuple[tuple[Parts, str], ...]
"""For each parent on the way to a document: the directory below it."""

OWN = ""
"""The files of a parent itself, beside its directories."""


class Environment(NamedTuple):
    """What is judged together. `members`: indexes of the documents that are the cluster.

    `judged`: those that are judged against it. `label`: its directory, "" if the tree has one environment only.
    """

    label: str
    members: Sequence[int]
    judged: frozenset[int]


class Group(NamedTuple):
    """Environments below one parent. `example`: an object that they share, as an index of a document."""

    parent: str
    names: tuple[str, ...]
    example: int


def split(
    documents: Sequence[Document], identities: Sequence[Hashable | None]
) -> tuple[list[Environment], list[Group]]:
    """Return the environments of documents, and the groups of directories that they come from.

    `identities`: of each document; None for one that may occur twice. Without environments it is one with everything.
    """
    by_identity: dict[Hashable, list[int]] = {}
    for index, identity in enumerate(identities):
        if identity is not None:
            by_identity.setdefault(identity, []).append(index)
    several = [indexes for indexes in by_identity.values() if len(indexes) > 1]
    everything = range(len(documents))
    children: dict[Parts, set[str]] = {}
    examples: dict[Parts, int] = {}
    if several:
        parts = [unit_of(document) for document in documents]
        content = _Content(documents, parts)
        for indexes in several:
            is_equal = all(documents[one].object == documents[indexes[0]].object for one in indexes)
            for parent, names in _diverge([parts[index] for index in indexes], 0):
                if not is_equal or content.is_alike(parent, names):
                    children.setdefault(parent, set()).update(names)
                    examples.setdefault(parent, indexes[0])
    if not children:
        members = _without_copies(everything, documents, identities) if several else everything
        return [Environment("", members, frozenset(everything))], []
    choices = [_choice_of(one, children) for one in parts]
    keys = [key for key in dict.fromkeys(choices) if key]
    found = [_environment(key, choices, children, documents, identities) for key in keys]
    groups = [
        Group(_show(parent), tuple(_show((*parent, name)) for name in sorted(names)), examples[parent])
        for parent, names in sorted(children.items())
    ]
    return found, groups


class _Content:
    """The names of the objects in directories, looked up when it is asked for."""

    def __init__(self, documents: Sequence[Document], parts: Sequence[Parts]) -> None:
        self._documents = documents
        self._parts = parts
        self._names: dict[Parts, dict[str, set[Hashable]]] = {}
        self._alike: dict[tuple[Parts, frozenset[str]], bool] = {}

    def is_alike(self, parent: Parts, names: Iterable[str]) -> bool:
        """Say whether some two of the directories below a parent have more than half of their objects in common."""
        key = parent, frozenset(names)
        if key not in self._alike:
            below = self._below(parent)
            self._alike[key] = any(
                2 * len(below[one] & below[other]) > min(len(below[one]), len(below[other]))
                for one, other in combinations(sorted(key[1]), 2)
            )
        return self._alike[key]

    def _below(self, parent: Parts) -> dict[str, set[Hashable]]:
        if parent not in self._names:
            depth, found = len(parent), self._names.setdefault(parent, {})
            for document, path in zip(self._documents, self._parts, strict=True):
                if path[:depth] == parent:
                    name = OWN if len(path) == depth + 1 else path[depth]
                    key = (document.group, document.kind, document.namespace, document.name)
                    found.setdefault(name, set()).add(key)
        return self._names[parent]


def unit_of(document: Document) -> Parts:
    """Return the place of a document in the tree: that of its file, or of the build that made it."""
    unit: Parts | None = getattr(document.source, "unit", None)
    return unit or PurePath(os.path.normpath(document.file)).parts


def _diverge(paths: Sequence[Parts], depth: int) -> Iterator[tuple[Parts, set[str]]]:
    """Yield each parent below which the paths go different ways, with the directories there."""
    below: dict[str, list[Parts]] = {}
    for path in paths:
        is_file = len(path) == depth + 1
        below.setdefault(OWN if is_file else path[depth], []).append(path)
    if len(below) > 1:
        yield paths[0][:depth], set(below)
    for name, some in below.items():
        if name != OWN and len(some) > 1:
            yield from _diverge(some, depth + 1)


def _choice_of(path: Parts, children: Mapping[Parts, set[str]]) -> Choice:
    made: list[tuple[Parts, str]] = []
    for depth in range(len(path)):
        names = children.get(path[:depth])
        name = OWN if len(path) == depth + 1 else path[depth]
        if names and name in names:
            made.append((path[:depth], name))
    return tuple(made)


def _environment(
    key: Choice,
    choices: Sequence[Choice],
    children: Mapping[Parts, set[str]],
    documents: Sequence[Document],
    identities: Sequence[Hashable | None],
) -> Environment:
    own = {name for _, name in key if name != OWN}
    chosen = {parent: _choose(names, own) for parent, names in children.items()} | dict(key)
    members = [index for index, choice in enumerate(choices) if all(_fits(one, chosen) for one in choice)]
    judged = frozenset(index for index in members if choices[index] == key or not choices[index])
    nearest: dict[Hashable, int] = {}
    for index in members:
        identity = identities[index]
        nearest[identity] = max(_depth(choices[index]), nearest.get(identity, 0))
    left = [one for one in members if identities[one] is None or _depth(choices[one]) == nearest[identities[one]]]
    return Environment(_label(key), _without_copies(left, documents, identities), judged)


def _without_copies(
    members: Iterable[int], documents: Sequence[Document], identities: Sequence[Hashable | None]
) -> Sequence[int]:
    """Return the members without objects that another directory has as well."""
    first: dict[Hashable, int] = {}
    left: list[int] = []
    for one in members:
        known = first.setdefault(identities[one], one) if identities[one] is not None else one
        if known == one or unit_of(documents[one])[:-1] == unit_of(documents[known])[:-1]:
            left.append(one)
    return left


def _depth(choice: Choice) -> int:
    """Return how many directories were chosen on the way: an object further down replaces one of a parent."""
    return sum(name != OWN for _, name in choice)


def _choose(names: set[str], own: set[str]) -> str:
    return next(iter(sorted(names & own)), OWN if OWN in names else min(names))


def _fits(one: tuple[Parts, str], chosen: Mapping[Parts, str]) -> bool:
    parent, name = one
    return name in (OWN, chosen[parent])


def _label(key: Choice) -> str:
    parent, name = key[-1]
    return _show((*parent, name) if name != OWN else parent)


def _show(parts: Parts) -> str:
    """Return a directory as the user writes it; that of a build is the directory of its file."""
    shown = [part for part in parts if part and not part.startswith("<")]
    return str(PurePath(*shown)) if shown else "."
