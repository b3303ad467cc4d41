"""What is kept of the cluster's objects, so small and so arranged that a snapshot costs little.

Copy on write: a snapshot gets the dicts themselves, and a namespace's dict is copied before it changes again. Methods
that change something return whether they did. No locks: `source` calls one method at a time, but `make`, which only
the one thread calls that also calls the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from cniplugin.access.compile import NO_POLICIES, Policies
from cniplugin.access.configuration import read_config
from cniplugin.access.model import NAME_LABEL, Config
from cniplugin.access.reading import read_policy
from cniplugin.access.rules import CONFIG_NAME, Policy
from cniplugin.netspec.errors import SpecError
from webhook.admission.injection import DEFAULT_NETWORKS

from .apiobjects import Item
from .store import DROPPED_ANNOTATIONS, NOT_TEXT, Definition, Snapshot, Texts

Key = tuple[str, str]
"""Namespace and name; the namespace of a cluster-scoped object is ""."""

SHARED_TEXTS = 4096
"""Label and annotation sets that are remembered so that equal ones are one object."""

UNDECODABLE = "spec cannot be decoded"
"""Stands for a spec that is no JSON: a text, which no spec may be."""

ReadConfig = tuple[Config, tuple[SpecError, ...]]
"""A configuration, and what of it cannot be read."""

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


class _Named(Generic[T]):
    """Objects of a cluster-scoped resource by name. What is kept is never changed."""

    def __init__(self) -> None:
        self._kept: dict[str, T] = {}

    def replace(self, found: Mapping[Key, T]) -> bool:
        """Keep these and nothing else."""
        kept = {name: value for (_, name), value in found.items()}
        is_changed = kept != self._kept
        self._kept = kept
        return is_changed

    def put(self, key: Key, value: T) -> bool:
        """Keep an object; the one that is there, if it is equal."""
        if self._kept.get(key[1]) == value:
            return False
        self._kept[key[1]] = value
        return True

    def remove(self, key: Key) -> bool:
        """Drop an object."""
        return self._kept.pop(key[1], None) is not None

    def copy(self) -> Mapping[str, T]:
        """Return what a snapshot may keep."""
        return dict(self._kept)


class Namespace(NamedTuple):
    """What decisions ask of a namespace; see `admission.listers.Cluster`."""

    labels: Mapping[str, str]
    default_networks: str | None


class Namespaces(_Named[Namespace]):
    """Labels and default networks by namespace."""

    def make(self, item: Item) -> Namespace:
        """Return what is kept of a namespace."""
        return Namespace(
            labels={**(item.metadata.labels or {}), NAME_LABEL: item.metadata.name},
            default_networks=(item.metadata.annotations or {}).get(DEFAULT_NETWORKS),
        )


class AccessPolicies(_Named[Policy]):
    """Policies by name, read: what changes one of them reads that one again."""

    def make(self, item: Item) -> Policy:
        """Return the policy of an object, as far as it can be read; equal after a change of its status only."""
        return read_policy(_plain(item))


class AccessConfigs(_Named[ReadConfig]):
    """Configurations by name, of which one counts."""

    def make(self, item: Item) -> ReadConfig:
        """Return the configuration of an object, as far as it can be read."""
        return read_config(_plain(item))


class Caches:
    """The caches of all resources, and the snapshot of them."""

    def __init__(self) -> None:
        self.networks = Networks()
        self.namespaces = Namespaces()
        self.policies = AccessPolicies()
        self.configs = AccessConfigs()
        self._policies = NO_POLICIES

    def snapshot(self) -> Snapshot:
        """Return a snapshot; its policies are the same object as before unless one of them has changed."""
        made = self._make_policies()
        if made != self._policies:
            self._policies = made
        namespaces = self.namespaces.copy()
        labels = {name: namespace.labels for name, namespace in namespaces.items()}
        defaults = {name: text for name, (_, text) in namespaces.items() if text is not None}
        return Snapshot(self.networks.copy(), labels, self._policies, default_networks=defaults)

    def _make_policies(self) -> Policies:
        policies = sorted(self.policies.copy().values(), key=lambda policy: policy.name)
        config, problems = self.configs.copy().get(CONFIG_NAME, (None, ()))
        return Policies(policies=tuple(policies), config=config, config_problems=problems)


def _plain(item: Item) -> dict[str, Any]:
    """Return an object as plain JSON values; a spec that cannot be decoded is one of the wrong type."""
    try:
        spec: object = msgspec.json.decode(item.spec)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        spec = UNDECODABLE
    return {"metadata": {"name": item.metadata.name, "generation": item.metadata.generation}, "spec": spec}


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
