"""Maps whose dicts a snapshot may keep: by namespace and name, and by name.

Copy on write: `copy` gives the dicts themselves away, and a dict is copied before it changes again. Hence a snapshot
costs the dict of namespaces and the dicts of the namespaces that have changed. Without a change it costs nothing,
because `copy` returns the same object. Methods that change a map return whether they did. No locks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from webhook.kube.responses import Item, Key, Values

T = TypeVar("T")


class ByNamespace(Generic[T]):
    """Values by namespace and name."""

    def __init__(self) -> None:
        self._values: Values[T] = {}
        self._unshared: set[str] = set()
        """Namespaces whose dict no snapshot has."""
        self._copy: Mapping[str, Mapping[str, T]] | None = None

    def get(self, key: Key) -> T | None:
        """Return a value, None if there is none."""
        values = self._values.get(key[0])
        return values.get(key[1]) if values else None

    def replace(self, values: Values[T]) -> bool:
        """Keep these values and drop all others."""
        is_changed = values != self._values
        if is_changed:
            self._values = values
            self._unshared = set(values)
            self._copy = None
        return is_changed

    def put(self, key: Key, value: T) -> bool:
        """Keep a value. An equal one changes nothing."""
        namespace, name = key
        if self.get(key) == value:
            return False
        self._to_change(namespace)[name] = value
        return True

    def remove(self, key: Key) -> bool:
        """Drop a value, if it is there."""
        namespace, name = key
        if name not in self._values.get(namespace, {}):
            return False
        values = self._to_change(namespace)
        del values[name]
        if not values:
            del self._values[namespace]
            self._unshared.discard(namespace)
        return True

    def copy(self) -> Mapping[str, Mapping[str, T]]:
        """Return a map that never changes; the same object until the next change."""
        if self._copy is None:
            self._unshared.clear()
            self._copy = dict(self._values)
        return self._copy

    def _to_change(self, namespace: str) -> dict[str, T]:
        """Return the dict of a namespace; no snapshot has it."""
        self._copy = None
        if namespace not in self._unshared:
            self._values[namespace] = dict(self._values.get(namespace, {}))
            self._unshared.add(namespace)
        return self._values[namespace]


class ByName(Generic[T]):
    """Values of a cluster-scoped resource by name. Implements `informers.Cache`; `make` is its method."""

    def __init__(self, make: Callable[[Item], T]) -> None:
        self.make = make
        self._values: dict[str, T] = {}
        self._copy: Mapping[str, T] | None = None

    def replace(self, values: Values[T]) -> bool:
        """Keep these values and drop all others."""
        made = values.get("", {})
        is_changed = made != self._values
        if is_changed:
            self._values, self._copy = made, None
        return is_changed

    def put(self, key: Key, value: T) -> bool:
        """Keep a value. An equal one changes nothing."""
        if self._values.get(key[1]) == value:
            return False
        self._values[key[1]], self._copy = value, None
        return True

    def remove(self, key: Key) -> bool:
        """Drop a value, if it is there."""
        self._copy = None
        return self._values.pop(key[1], None) is not None

    def copy(self) -> Mapping[str, T]:
        """Return a map that never changes; the same object until the next change."""
        if self._copy is None:
            self._copy = dict(self._values)
        return self._copy
