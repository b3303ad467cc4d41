"""What is kept of the cluster's objects, so small and so arranged that a snapshot costs little.

Copy on write: a snapshot gets the dicts themselves, and a namespace's dict is copied before it changes again. Methods
that change something return whether they did. No locks: `source` calls one method at a time, but `make`, which only
the one thread calls that also calls the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import msgspec

from cniplugin.access.model import NAME_LABEL

from .apiobjects import Item
from .store import DROPPED_ANNOTATIONS, NOT_TEXT, Definition, Texts

Key = tuple[str, str]
"""Namespace and name; the namespace of a cluster-scoped object is ""."""

SHARED_TEXTS = 4096
"""Label and annotation sets that are remembered so that equal ones are one object."""

T = TypeVar("T")


class Cache(Protocol[T]):
    """The objects of one resource. `make` comes first, so that nothing else of an object stays in memory."""

    def make(self, item: Item) -> T:
        """Return what is kept of an object."""

    def replace(self, found: Mapping[Key, T]) -> bool:
        """Keep these and nothing else."""

    def put(self, key: Key, value: T) -> bool:
        """Keep one more, or another one for this key."""

    def remove(self, key: Key) -> bool:
        """Drop one, if it is there."""


class Networks:
    """Definitions by namespace and name."""

    def __init__(self) -> None:
        self._named: dict[str, dict[str, Definition]] = {}
        self._own: set[str] = set()

    def make(self, item: Item) -> Definition:
        """Return the definition of an object; the one that is there, if it is equal."""
        metadata = item.metadata
        made = Definition(
            namespace=metadata.namespace,
            name=metadata.name,
            config=_config_of(item.spec),
            labels=_texts_of(metadata.labels),
            annotations=_texts_of(metadata.annotations),
        )
        known = self._named.get(made.namespace, {}).get(made.name)
        return known if known is not None and known == made else made

    def replace(self, found: Mapping[Key, Definition]) -> bool:
        """Keep these and nothing else."""
        named: dict[str, dict[str, Definition]] = {}
        for (namespace, name), definition in found.items():
            named.setdefault(namespace, {})[name] = definition
        is_changed = named != self._named
        self._named = named
        self._own = set(named)
        return is_changed

    def put(self, key: Key, value: Definition) -> bool:
        """Keep a definition."""
        namespace, name = key
        if self._named.get(namespace, {}).get(name) == value:
            return False
        self._own_one(namespace)[name] = value
        return True

    def remove(self, key: Key) -> bool:
        """Drop a definition."""
        namespace, name = key
        if name not in self._named.get(namespace, {}):
            return False
        named = self._own_one(namespace)
        del named[name]
        if not named:
            del self._named[namespace]
            self._own.discard(namespace)
        return True

    def copy(self) -> Mapping[str, Mapping[str, Definition]]:
        """Return what a snapshot may keep."""
        self._own.clear()
        return dict(self._named)

    def _own_one(self, namespace: str) -> dict[str, Definition]:
        """Return the dict of a namespace that no snapshot has."""
        if namespace not in self._own:
            self._named[namespace] = dict(self._named.get(namespace, {}))
            self._own.add(namespace)
        return self._named[namespace]


class Namespaces:
    """Labels by namespace. The label maps are never changed."""

    def __init__(self) -> None:
        self._labels: dict[str, Mapping[str, str]] = {}

    def make(self, item: Item) -> Mapping[str, str]:
        """Return the labels of a namespace."""
        return {**(item.metadata.labels or {}), NAME_LABEL: item.metadata.name}

    def replace(self, found: Mapping[Key, Mapping[str, str]]) -> bool:
        """Keep these and nothing else."""
        labels = {name: value for (_, name), value in found.items()}
        is_changed = labels != self._labels
        self._labels = labels
        return is_changed

    def put(self, key: Key, value: Mapping[str, str]) -> bool:
        """Keep a namespace."""
        is_changed = self._labels.get(key[1]) != value
        self._labels[key[1]] = value
        return is_changed

    def remove(self, key: Key) -> bool:
        """Drop a namespace."""
        return self._labels.pop(key[1], None) is not None

    def copy(self) -> Mapping[str, Mapping[str, str]]:
        """Return what a snapshot may keep."""
        return dict(self._labels)


class _Spec(msgspec.Struct, gc=False):
    config: Any = None


_spec = msgspec.json.Decoder(_Spec | None)


def _config_of(spec: msgspec.Raw) -> str | None:
    """Return the text of `spec.config`, None if there is none; what is no text makes the network unusable."""
    try:
        parsed = _spec.decode(spec)
    except (msgspec.DecodeError, RecursionError):
        return NOT_TEXT
    config = parsed.config if parsed else None
    return config if isinstance(config, str | None) else NOT_TEXT


def _texts_of(texts: Mapping[str, str] | None) -> Texts:
    return _share(tuple((key, value) for key, value in (texts or {}).items() if key not in DROPPED_ANNOTATIONS))


@lru_cache(maxsize=SHARED_TEXTS)
def _share(texts: Texts) -> Texts:
    """Return the first one that was equal: thousands of objects have the same labels."""
    return texts
