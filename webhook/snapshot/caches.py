"""The caches of a cluster's objects: the kept parts of each, and the snapshot of all.

Methods that change a cache return whether they did (`copyonwrite`). No locks: `source` calls one method at a time. Only
`make` may run beside them, and one thread calls both `make` and the others of a cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import is_not
from sys import intern
from typing import Any, NamedTuple, TypeVar

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
from webhook.kube.responses import Item, Key, Values

from .copyonwrite import ByName, ByNamespace
from .devicespecs import UNREADABLE, keep_spec
from .pods import Pods
from .snapshot import EMPTY, NOT_TEXT, Definition, Snapshot, Texts, find_network, is_shared, kept_texts

SHARED_TEXTS = 4096
"""Sets of labels and annotations that are shared between objects."""
SHARED_CONFIGS = 1024
"""Configurations that are shared. A list is sorted by namespace, so it is enough that one has fewer of them."""
SHARED_TEXT_MAX = 1024
"""Characters of a set, or of a configuration, that is shared. 4,096 of them are at most 4 MiB, however often authors
change them."""

UNDECODABLE = "spec cannot be decoded"
"""Takes the place of a spec that is not JSON. It is a text, which no spec may be."""

ReadConfig = tuple[Config, tuple[SpecError, ...]]
"""A configuration, and its fields that cannot be read."""

T = TypeVar("T")


class Networks(ByNamespace[Definition]):
    """Definitions by namespace and name."""

    def __init__(self) -> None:
        super().__init__()
        self._shared: frozenset[Key] = frozenset()

    def make(self, item: Item) -> Definition:
        """Return the definition of an object; the cached one, if it is equal."""
        made = definition_of(item)
        known = self.get((made.namespace, made.name))
        return known if known is not None and known == made else made

    def replace(self, values: Values[Definition]) -> bool:
        """Keep these definitions and drop all others."""
        self._shared = frozenset(
            (namespace, name)
            for namespace, named in values.items()
            for name, definition in named.items()
            if is_shared(definition)
        )
        return super().replace(values)

    def put(self, key: Key, value: Definition) -> bool:
        """Keep a definition."""
        self._note_shared(key, shared=is_shared(value))
        return super().put(key, value)

    def remove(self, key: Key) -> bool:
        """Drop a definition, if it is there."""
        self._note_shared(key, shared=False)
        return super().remove(key)

    def shared(self) -> Iterable[Key]:
        """Return the keys of definitions with a consent annotation. The result never changes.

        They are kept apart because few of 50,000 definitions have one.
        """
        return self._shared

    def _note_shared(self, key: Key, *, shared: bool) -> None:
        if shared is not (key in self._shared):
            self._shared = self._shared | {key} if shared else self._shared - {key}


def definition_of(item: Item) -> Definition:
    """Return the kept parts of a NetworkAttachmentDefinition."""
    metadata, config = item.metadata, _config_of(item.spec)
    kind, network = find_network(config, metadata.name)
    return Definition(
        namespace=intern(metadata.namespace),
        name=metadata.name,
        config=config,
        labels=_texts_of(metadata.labels),
        annotations=_texts_of(metadata.annotations),
        kind=kind,
        network=network,
    )


class Namespace(NamedTuple):
    """The kept parts of a namespace."""

    labels: Mapping[str, str]
    is_terminating: bool
    default_networks: str | None


def namespace_of(item: Item) -> Namespace:
    """Return the kept parts of a namespace."""
    metadata = item.metadata
    labels = {intern(key): value for key, value in (metadata.labels or {}).items()}
    return Namespace(
        {**labels, NAME_LABEL: metadata.name},
        is_terminating=metadata.deletion_timestamp is not None,
        default_networks=(metadata.annotations or {}).get(DEFAULT_NETWORKS),
    )


def policy_of(item: Item) -> Policy:
    """Return the policy of an object, which may have problems. A new status makes an equal policy."""
    return read_policy(_plain(item))


def config_of(item: Item) -> ReadConfig:
    """Return the configuration of an object, and its fields that cannot be read."""
    return read_config(_plain(item))


class DeviceObjects(ByNamespace[DeviceSpec]):
    """Specs of claims, of templates or of classes: the parts that attachments depend on (`devicespecs.keep_spec`)."""

    def __init__(self, kind: str, is_read: Callable[[str], bool]) -> None:
        super().__init__()
        self._kind = kind
        self._is_read = is_read

    def make(self, item: Item) -> DeviceSpec | None:
        """Return the kept parts of an object; None if no API server stores such an object."""
        try:
            return keep_spec(self._kind, item.spec, self._is_read)
        except UNREADABLE:
            return None


class Caches:
    """The caches of all resources, and the snapshot of them."""

    def __init__(self, pods: Pods | None, *, is_read: Callable[[str], bool] | None = None) -> None:
        """`pods`: None to keep no pods. `is_read`: whether a driver's parameters are used; None to keep no claims."""
        self.devices = {} if is_read is None else {kind: DeviceObjects(kind, is_read) for kind in DEVICE_KINDS}
        self.networks = Networks()
        self.namespaces = ByName(namespace_of)
        self.policies = ByName(policy_of)
        self.configs = ByName(config_of)
        self.pods = pods
        self._policies = NO_POLICIES
        self._copied: tuple[object, ...] = ()
        self._copied_devices: tuple[object, ...] = ()
        self._devices = NO_DEVICES
        self._snapshot = EMPTY

    def snapshot(self) -> Snapshot:
        """Return a snapshot. Its policies are the same object as before unless one of them has changed.

        Pods come and go all the time. If only pods have changed, the snapshot keeps the rest of the last one, with
        the results that it remembers.
        """
        copied = (self.networks.copy(), self.namespaces.copy(), self.policies.copy(), self.configs.copy())
        if len(self._copied) != len(copied) or any(map(is_not, copied, self._copied)):
            self._copied = copied
            self._snapshot = self._make()
        snapshot = self._snapshot.with_devices(self._copy_devices()) if self.devices else self._snapshot
        return snapshot if self.pods is None else snapshot.with_pods(self.pods.copy())

    def _copy_devices(self) -> Devices:
        """Return the claims, templates and classes; the same object until one of them changes."""
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
    """Return an object as plain JSON values. A spec that cannot be decoded becomes UNDECODABLE."""
    try:
        spec: object = msgspec.json.decode(item.spec)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        spec = UNDECODABLE
    return {"metadata": {"name": item.metadata.name, "generation": item.metadata.generation}, "spec": spec}


class _Spec(msgspec.Struct, gc=False):
    config: Any = None


_spec = msgspec.json.Decoder(_Spec | None)


def _config_of(spec: msgspec.Raw) -> str | None:
    """Return the text of `spec.config`, None without one. Another type makes the network unusable."""
    try:
        parsed = _spec.decode(spec)
    except (msgspec.DecodeError, RecursionError):
        return NOT_TEXT
    config = parsed.config if parsed else None
    if not isinstance(config, str):
        return None if config is None else NOT_TEXT
    return _share_config(config) if len(config) <= SHARED_TEXT_MAX else config


def _texts_of(texts: Mapping[str, str] | None) -> Texts:
    kept = kept_texts(texts)
    return _share(kept) if sum(len(key) + len(value) for key, value in kept) <= SHARED_TEXT_MAX else kept


@lru_cache(maxsize=SHARED_CONFIGS)
def _share_config(config: str) -> str:
    """Return the first equal text: a network that each tenant has is one text."""
    return config


@lru_cache(maxsize=SHARED_TEXTS)
def _share(texts: Texts) -> Texts:
    """Return the first equal set: thousands of objects have the same labels."""
    return texts
