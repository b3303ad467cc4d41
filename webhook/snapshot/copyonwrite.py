"""Values by namespace and name, of which a snapshot may keep the dicts.

Copy on write: `copy` gives the dicts themselves away, and a namespace's dict is copied before it changes again. Hence
a snapshot after a change costs the dict of namespaces and the dicts of those that changed, and after none nothing: it
is the same object. Methods that change something return whether they did. No locks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from webhook.kube.responses import Key

T = TypeVar("T")


class ByNamespace(Generic[T]):
    """Values by namespace and name."""

    def __init__(self) -> None:
        self._named: dict[str, dict[str, T]] = {}
        self._own: set[str] = set()
        self._copy: Mapping[str, Mapping[str, T]] | None = None

    def get(self, key: Key) -> T | None:
        """Return a value, None if there is none."""
        named = self._named.get(key[0])
        return named.get(key[1]) if named else None

    def replace(self, found: Mapping[Key, T]) -> bool:
        """Keep these and nothing else."""
        named: dict[str, dict[str, T]] = {}
        for (namespace, name), value in found.items():
            named.setdefault(namespace, {})[name] = value
        is_changed = named != self._named
        if is_changed:
            self._named = named
            self._own = set(named)
            self._copy = None
        return is_changed

    def put(self, key: Key, value: T) -> bool:
        """Keep a value; nothing changes if an equal one is there."""
        namespace, name = key
        if self.get(key) == value:
            return False
        self._own_one(namespace)[name] = value
        return True

    def remove(self, key: Key) -> bool:
        """Drop a value, if it is there."""
        namespace, name = key
        if name not in self._named.get(namespace, {}):
            return False
        named = self._own_one(namespace)
        del named[name]
        if not named:
            del self._named[namespace]
            self._own.discard(namespace)
        return True

    def copy(self) -> Mapping[str, Mapping[str, T]]:
        """Return what a snapshot may keep; the same object as long as nothing changes."""
        if self._copy is None:
            self._own.clear()
            self._copy = dict(self._named)
        return self._copy

    def _own_one(self, namespace: str) -> dict[str, T]:
        """Return the dict of a namespace that no snapshot has, to be changed."""
        self._copy = None
        if namespace not in self._own:
            self._named[namespace] = dict(self._named.get(namespace, {}))
            self._own.add(namespace)
        return self._named[namespace]


class Named(Generic[T]):
    """Objects of a cluster-scoped resource by name. What is kept is never changed."""

    def __init__(self) -> None:
        self._kept: dict[str, T] = {}
        self._copy: Mapping[str, T] | None = None

    def replace(self, found: Mapping[Key, T]) -> bool:
        """Keep these and nothing else."""
        kept = {name: value for (_, name), value in found.items()}
        is_changed = kept != self._kept
        if is_changed:
            self._kept, self._copy = kept, None
        return is_changed

    def put(self, key: Key, value: T) -> bool:
        """Keep an object; the one that is there, if it is equal."""
        if self._kept.get(key[1]) == value:
            return False
        self._kept[key[1]], self._copy = value, None
        return True

    def remove(self, key: Key) -> bool:
        """Drop an object."""
        self._copy = None
        return self._kept.pop(key[1], None) is not None

    def copy(self) -> Mapping[str, T]:
        """Return what a snapshot may keep; the same object as long as nothing changes."""
        if self._copy is None:
            self._copy = dict(self._kept)
        return self._copy
