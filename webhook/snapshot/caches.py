"""What is kept of the cluster's objects, so small and so arranged that a snapshot costs little.

Methods that change something return whether they did, and a copy is the same object until something does (see
`bynamespace`). No locks: `source` calls one method at a time, but `make`, which only the one thread calls that also
calls the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import is_not
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from cniplugin.access.compile import NO_POLICIES, Policies
from cniplugin.access.model.decision import NAME_LABEL, Config
from cniplugin.access.model.policyrules import CONFIG_NAME, Policy
from cniplugin.access.reading.policies import read_policy
from cniplugin.access.reading.policyconfig import read_config
from cniplugin.netspec.errors import SpecError
from webhook.admission.dra.claims import KINDS as DEVICE_KINDS
from webhook.admission.dra.claims import NO_DEVICES, Devices, DeviceSpec
from webhook.admission.model.injection import DEFAULT_NETWORKS
from webhook.kube.apiobjects import Item
from webhook.kube.bynamespace import ByNamespace, Key
from webhook.snapshot.deviceobjects import UNREADABLE, keep_spec

from .pods import Pods
from .store import EMPTY, NOT_TEXT, Definition, Snapshot, Texts, is_shared, kept_texts

SHARED_TEXTS = 4096
"""Label and annotation sets that are remembered so that equal ones are one object."""
SHARED_TEXT_MAX = 1024
"""Characters of such a set: 4,096 of them are at most 4 MiB, whatever authors write and take away again."""

UNDECODABLE = "spec cannot be decoded"
"""Stands for a spec that is no JSON: a text, which no spec may be."""

ReadConfig = tuple[Config, tuple[SpecError, ...]]
"""A configuration, and what of it cannot be read."""

T = TypeVar("T")


class Cache(Protocol[T]):
    """The objects of one resource. `make` comes first, so that nothing else of an object stays in memory."""

    def make(self, item: Item) -> T | None:
        """Return what is kept of an object; None if nothing is."""

    def replace(self, found: Mapping[Key, T]) -> bool:
        """Keep these and nothing else."""

    def put(self, key: Key, value: T) -> bool:
        """Keep one more, or another one for this key."""

    def remove(self, key: Key) -> bool:
        """Drop one, if it is there."""


class Networks(ByNamespace[Definition]):
    """Definitions by namespace and name."""

    def __init__(self) -> None:
        super().__init__()
        self._shared: frozenset[Key] = frozenset()

    def make(self, item: Item) -> Definition:
        """Return the definition of an object; the one that is there, if it is equal."""
        made = definition_of(item)
        known = self.get((made.namespace, made.name))
        return known if known is not None and known == made else made

    def replace(self, found: Mapping[Key, Definition]) -> bool:
        """Keep these and nothing else."""
        self._shared = frozenset(key for key, definition in found.items() if is_shared(definition))
        return super().replace(found)

    def put(self, key: Key, value: Definition) -> bool:
        """Keep a definition."""
        self._note_shared(key, shared=is_shared(value))
        return super().put(key, value)

    def remove(self, key: Key) -> bool:
        """Drop a definition."""
        self._note_shared(key, shared=False)
        return super().remove(key)

    def shared(self) -> Iterable[Key]:
        """Return those with a consent annotation, which never change again: few have one, and all are 50,000."""
        return self._shared

    def _note_shared(self, key: Key, *, shared: bool) -> None:
        if shared is not (key in self._shared):
            self._shared = self._shared | {key} if shared else self._shared - {key}


def definition_of(item: Item) -> Definition:
    """Return what is kept of a NetworkAttachmentDefinition."""
    metadata = item.metadata
    return Definition(
        namespace=metadata.namespace,
        name=metadata.name,
        config=_config_of(item.spec),
        labels=_texts_of(metadata.labels),
        annotations=_texts_of(metadata.annotations),
    )


class _Named(Generic[T]):
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


class Namespace(NamedTuple):
    """What is kept of a namespace."""

    labels: Mapping[str, str]
    is_terminating: bool
    default_networks: str | None


class Namespaces(_Named[Namespace]):
    """Labels and default networks by namespace, and which of them are terminating."""

    def make(self, item: Item) -> Namespace:
        """Return what is kept of a namespace."""
        return namespace_of(item)


def namespace_of(item: Item) -> Namespace:
    """Return what is kept of a namespace."""
    metadata = item.metadata
    return Namespace(
        {**(metadata.labels or {}), NAME_LABEL: metadata.name},
        is_terminating=metadata.deletion_timestamp is not None,
        default_networks=(metadata.annotations or {}).get(DEFAULT_NETWORKS),
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


class DeviceObjects(ByNamespace[DeviceSpec]):
    """Specs of claims, of templates or of classes, as far as attachments go (`deviceobjects.keep_spec`)."""

    def __init__(self, kind: str, is_read: Callable[[str], bool]) -> None:
        super().__init__()
        self._kind = kind
        self._is_read = is_read

    def make(self, item: Item) -> DeviceSpec | None:
        """Return what is kept of an object; None of one that no API server stores."""
        try:
            return keep_spec(self._kind, item.spec, self._is_read)
        except UNREADABLE:
            return None


class Caches:
    """The caches of all resources, and the snapshot of them."""

    def __init__(self, pods: Pods | None, *, is_read: Callable[[str], bool] | None = None) -> None:
        """`pods`: None if nobody fills it. `is_read`: whether parameters of a DRA driver are read; None: no claims."""
        self.devices = {} if is_read is None else {kind: DeviceObjects(kind, is_read) for kind in DEVICE_KINDS}
        self.networks = Networks()
        self.namespaces = Namespaces()
        self.policies = AccessPolicies()
        self.configs = AccessConfigs()
        self.pods = pods
        self._policies = NO_POLICIES
        self._copied: tuple[object, ...] = ()
        self._copied_devices: tuple[object, ...] = ()
        self._devices = NO_DEVICES
        self._snapshot = EMPTY

    def snapshot(self) -> Snapshot:
        """Return a snapshot; its policies are the same object as before unless one of them has changed.

        Pods come and go all the time: if nothing else has changed, all the rest is that of the last snapshot, what it
        remembers too.
        """
        copied = (self.networks.copy(), self.namespaces.copy(), self.policies.copy(), self.configs.copy())
        if len(self._copied) != len(copied) or any(map(is_not, copied, self._copied)):
            self._copied = copied
            self._snapshot = self._make()
        snapshot = self._snapshot.with_devices(self._copy_devices()) if self.devices else self._snapshot
        return snapshot if self.pods is None else snapshot.with_pods(self.pods.copy())

    def _copy_devices(self) -> Devices:
        """Return the claims, templates and classes; the same object as long as none changes."""
        copied = tuple(cache.copy() for cache in self.devices.values())
        if len(self._copied_devices) != len(copied) or any(map(is_not, copied, self._copied_devices)):
            self._copied_devices = copied
            claims, templates, classes = copied
            self._devices = Devices(claims, templates, classes.get("", {}))  # type: ignore[arg-type]  # each its kind
        return self._devices

    def _make(self) -> Snapshot:
        policies = self._make_policies()
        if policies != self._policies:
            self._policies = policies
        namespaces = self.namespaces.copy()
        return Snapshot(
            self.networks.copy(),
            {name: namespace.labels for name, namespace in namespaces.items()},
            self._policies,
            shared=self.networks.shared(),
            terminating=frozenset(name for name, namespace in namespaces.items() if namespace.is_terminating),
            default_networks={
                name: namespace.default_networks
                for name, namespace in namespaces.items()
                if namespace.default_networks is not None
            },
        )

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
    kept = kept_texts(texts)
    return _share(kept) if sum(len(key) + len(value) for key, value in kept) <= SHARED_TEXT_MAX else kept


@lru_cache(maxsize=SHARED_TEXTS)
def _share(texts: Texts) -> Texts:
    """Return the first one that was equal: thousands of objects have the same labels."""
    return texts
