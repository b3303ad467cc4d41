"""The snapshot of the cluster that decisions ask: immutable, indexed, and small.

It keeps the text of `spec.config`, the labels and the annotations of a definition. It parses the text when a decision
asks for it, and keeps the parsed value in `webhook.admission.view.parsecache`, which is bounded and survives a swap of
the snapshot. So 10,000 definitions cost their text, and a network in use costs a look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from copy import copy
from functools import partial
from sys import intern
from typing import Self, TypeVar, cast

import msgspec

from cniplugin.access.compile import NO_POLICIES, Policies
from cniplugin.access.content.facts import facts_of
from cniplugin.access.model.decision import NAME_LABEL
from cniplugin.access.model.levels import LABELS
from cniplugin.access.reading.consent import ALLOWED_SELECTOR, TEXT_MAX
from cniplugin.access.reading.consent import ANNOTATIONS as CONSENT
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.dra.claims import NO_DEVICES, Devices
from webhook.admission.model.requests import NOTHING, NetworkUsers
from webhook.admission.view.parsecache import PARSED, OutOfTurnError, ParsedConfig, parse_config, read_config, weigh

from .pods import NO_PODS, PodUse

DROPPED_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
"""kubectl's second copy of the whole object. No decision reads it."""

VALUE_MAX = TEXT_MAX + 1
"""Characters that are kept of a label or an annotation. Decisions read shorter ones; a consent of more characters than
TEXT_MAX grants nothing, and neither does a cut one."""

NOT_TEXT = "spec.config is not a string"
"""Takes the place of a `spec.config` of another type. It is not JSON, so it makes the network unusable."""

HASHED_MAX = 64
"""Labels and annotations of a definition that is hashed by value. One with more is hashed by identity."""

REMEMBERED_MAX = 2048
"""Results that a snapshot remembers before it drops all of them. A key has at most 10 KiB, usually 100 bytes."""

Texts = tuple[tuple[str, str], ...]

T = TypeVar("T")


class Definition(msgspec.Struct, frozen=True, gc=False):
    """The kept parts of a NetworkAttachmentDefinition. A tuple would take 40 bytes more.

    `kind`, `network`: its first plugin's type and the name of its network, as `find_network` returns them. They are
    read when the object arrives, so that an index over 50,000 definitions looks at no text.
    """

    namespace: str
    name: str
    config: str | None
    labels: Texts
    annotations: Texts
    kind: str = ""
    network: str = ""


def kept_texts(texts: Mapping[str, str] | None) -> Texts:
    """Return the kept part of the labels or the annotations of a definition."""
    return tuple(
        (intern(key), value[:VALUE_MAX]) for key, value in (texts or {}).items() if key not in DROPPED_ANNOTATIONS
    )


def is_shared(definition: Definition) -> bool:
    """Say whether a definition has a consent annotation, valid or not."""
    return any(key in CONSENT for key, _ in definition.annotations)


class Snapshot:
    """Implements `admission.view.decisioncontext.Cluster`. It never changes.

    Up to twenty are made in a second, while reviews run. So anything that looks at each of 50,000 definitions waits
    until a decision asks for it, or the caches keep it.
    """

    __slots__ = (
        "_default_networks", "_definitions", "_names", "_namespace_labels", "_pods", "_read", "_remembered", "_shared",
        "_terminating", "devices", "policies",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - one argument per cache
        self,
        definitions: Mapping[str, Mapping[str, Definition]],
        namespace_labels: Mapping[str, Mapping[str, str]],
        policies: Policies = NO_POLICIES,
        *,
        shared: Iterable[tuple[str, str]] | None = None,
        pods: PodUse = NO_PODS,
        terminating: frozenset[str] = frozenset(),
        default_networks: Mapping[str, str] = NOTHING,
        devices: Devices = NO_DEVICES,
    ) -> None:
        """`shared`: namespace and name of each definition that `is_shared`; None to look for them."""
        self.policies = policies
        self.devices = devices
        self._default_networks = default_networks
        self._pods = pods
        self._terminating = terminating
        self._definitions = definitions
        self._names: dict[str, tuple[str, ...]] = {}
        self._namespace_labels = namespace_labels
        self._shared = shared
        self._remembered: dict[Hashable, object] = {}
        self._read: dict[int, NetworkAttachmentDefinition] | None = None

    def network(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        """Return a definition, None if there is none. The first look-up parses it, or raises OutOfTurnError."""
        named = self._definitions.get(namespace)
        definition = named.get(name) if named else None
        if definition is None:
            return None
        known = PARSED.get(_key(definition))
        if known is not None:
            return cast(NetworkAttachmentDefinition, known[1])
        if self._read is not None and id(definition) in self._read:
            return self._read[id(definition)]
        if PARSED.spend(len(definition.config or "")):
            return _parse(definition)
        review = self if self._read is not None else self.for_one_review()
        raise OutOfTurnError(
            review,
            work=partial(review._read_elsewhere, definition),  # noqa: SLF001 - its own kind
            keep=partial(review._keep, definition),  # noqa: SLF001
        )

    def has_network(self, namespace: str, name: str) -> bool:
        """Say whether there is a definition. Parses nothing."""
        return name in self._definitions.get(namespace, ())

    def _read_elsewhere(self, definition: Definition) -> None:
        """Read a definition for this snapshot, even if the cache has no room for it. In any thread."""
        if self._read is not None and definition.config is not None:
            network = _build(definition, parse_config(definition.config, definition.name))
            facts_of(network)  # the configuration keeps them, so the event loop does not compute them
            self._read[id(definition)] = network

    def _keep(self, definition: Definition) -> None:
        """Put a definition that another thread has read into the cache, if there is room."""
        if self._read is not None and id(definition) in self._read:
            PARSED.put(_key(definition), (definition, self._read[id(definition)]), _weigh(definition))

    def for_one_review(self) -> Self:
        """Return this snapshot for a review of several turns. It keeps the definitions that are read between them."""
        made = copy(self)
        made._read = {}  # noqa: SLF001 - the same class, and no reader has it yet
        return made

    def network_names(self, namespace: str) -> Sequence[str]:
        """Return the sorted names of the definitions in a namespace; () for an unknown namespace."""
        names = self._names.get(namespace)
        if names is None and namespace in self._definitions:
            names = self._names[namespace] = tuple(sorted(self._definitions[namespace]))
        return names or ()

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace. An unknown namespace has only the label of its name."""
        return self._namespace_labels.get(namespace) or {NAME_LABEL: namespace}

    def default_networks(self, namespace: str) -> str | None:
        """Return the default networks of a namespace, as its annotation has them; None without one."""
        return self._default_networks.get(namespace)

    def has_namespace(self, namespace: str) -> bool:
        """Say whether a namespace is known. An unknown one may have networks."""
        return namespace in self._namespace_labels

    def has_levels(self) -> bool:
        """Say whether a label of any namespace sets a level of definitions. Computed once per snapshot."""
        return self.recall(_LEVELS, self._find_levels)

    def _find_levels(self) -> bool:
        return any(key in labels for labels in self._namespace_labels.values() for key in LABELS.values())

    def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        """Return the labels of all known namespaces by name."""
        return self._namespace_labels

    def is_terminating(self, namespace: str) -> bool:
        """Say whether a namespace is being deleted."""
        return namespace in self._terminating

    def network_users(self, namespace: str, name: str) -> NetworkUsers:
        """Return the running pods that use a network, which may not exist."""
        return self._pods.users(namespace, name)

    def address_users(self, namespace: str, name: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Return the running pods that claim addresses of a network, by address."""
        return self._pods.address_users(namespace, name)

    def with_pods(self, pods: PodUse) -> Self:
        """Return this snapshot with other pods. It shares the remembered results, which depend on no pod."""
        made = copy(self)
        made._pods = pods  # noqa: SLF001 - the same class, and no reader has it yet
        return made

    def with_devices(self, devices: Devices) -> Self:
        """Return this snapshot with other claims, templates and classes. It shares the remembered results."""
        made = copy(self)
        made.devices = devices
        return made

    def with_network(self, definition: Definition) -> Self:
        """Return this snapshot with one definition added or replaced, and no remembered results."""
        namespace = definition.namespace
        named = {**self._definitions.get(namespace, {}), definition.name: definition}
        made = copy(self)
        made._definitions = {**self._definitions, namespace: named}  # noqa: SLF001 - as above
        made._names = {}  # noqa: SLF001
        if self._shared is not None and is_shared(definition):
            made._shared = {*self._shared, (namespace, definition.name)}  # noqa: SLF001
        made._remembered = {}  # noqa: SLF001
        return made

    def with_namespace(self, name: str, labels: Mapping[str, str], default_networks: str | None) -> Self:
        """Return this snapshot with one more namespace, and no remembered results."""
        made = copy(self)
        made._namespace_labels = {**self._namespace_labels, name: labels}  # noqa: SLF001 - as above
        if default_networks is not None:
            made._default_networks = {**self._default_networks, name: default_networks}  # noqa: SLF001
        made._remembered = {}  # noqa: SLF001
        return made

    def network_namespaces(self) -> Sequence[str]:
        """Return the namespaces that have definitions, sorted."""
        return sorted(self._definitions)

    def shared_networks(self) -> Iterable[tuple[str, str]]:
        """Return the sorted keys of the definitions with a consent annotation. Computed once per snapshot."""
        return self.recall(_SHARED, self._find_shared)

    def _find_shared(self) -> Sequence[tuple[str, str]]:
        if self._shared is not None:
            return sorted(self._shared)
        return sorted(
            (namespace, name)
            for namespace, named in self._definitions.items()
            for name, definition in named.items()
            if is_shared(definition)
        )

    def consent_selectors(self) -> Collection[str]:
        """Return the distinct texts of consents by labels of namespaces. Computed once per snapshot."""
        return self.recall(_CONSENTS, self._find_consents)

    def _find_consents(self) -> Collection[str]:
        shared = (self._definitions[namespace][name] for namespace, name in self.shared_networks())
        return frozenset(
            text for definition in shared for key, text in definition.annotations if key == ALLOWED_SELECTOR
        )

    def networks_named(self, name: str, kind: str) -> Sequence[tuple[str, str]]:
        """Return the definitions that may be of a network, sorted. The index is made once per snapshot and kind."""
        return self.recall((_NAMED, kind), partial(self._find_named, kind)).get(name, ())

    def _find_named(self, kind: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Return the definitions of a plugin type by the name of their network."""
        found: dict[str, list[tuple[str, str]]] = {}
        for named in self._definitions.values():
            for definition in named.values():
                if definition.kind == kind:
                    name = definition.network or definition.name
                    found.setdefault(name, []).append((definition.namespace, definition.name))
        return {name: sorted(keys) for name, keys in found.items()}

    def recall(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the remembered result for a key, else call `make`. The snapshot remembers it as long as it lives."""
        remembered = self._remembered
        if key in remembered:
            return cast(T, remembered[key])
        if len(remembered) >= REMEMBERED_MAX:
            remembered.clear()
        made = make()
        remembered[key] = made
        return made

    def counts(self) -> Mapping[str, int]:
        """Return how many objects of each kind there are. Only pods that use networks count."""
        networks = sum(map(len, self._definitions.values()))
        return {
            "networks": networks,
            "namespaces": len(self._namespace_labels),
            "policies": len(self.policies.policies),
            "policyconfigs": int(self.policies.config is not None),
            "pods": self._pods.size,
            **({} if self.devices is NO_DEVICES else self.devices.counts()),
        }


_NAMED = "networks by name"
_SHARED = "shared networks"
_CONSENTS = "consents by labels"
_LEVELS = "levels by labels"
"""Keys of remembered results."""

EMPTY = Snapshot({}, {})


class _Plugin(msgspec.Struct, gc=False):
    type: str = ""


class _Config(msgspec.Struct, gc=False):
    """The keys of a configuration, or of a list, that the index of networks reads."""

    name: str = ""
    type: str = ""
    plugins: list[_Plugin] = []


_decode_config = msgspec.json.Decoder(_Config).decode


def find_network(config: str | None, name: str) -> tuple[str, str]:
    """Return the type of a configuration's first plugin, and the name of its network if that is not `name`.

    Both are "" for a text that is not a configuration. Not a parser: it decides which definitions are worth parsing.
    """
    try:
        found = _decode_config(config or "")
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return "", ""
    kind = found.plugins[0].type if found.plugins else found.type
    return intern(kind), "" if found.name == name else found.name


def _key(definition: Definition) -> Hashable:
    """Return the key of a definition in the cache. NB: hashing thousands of labels takes too long for a look-up."""
    return definition if len(definition.labels) + len(definition.annotations) <= HASHED_MAX else id(definition)


def _parse(definition: Definition) -> NetworkAttachmentDefinition:
    """Parse a definition, and keep the result. The cache also keeps the definition, so no other object gets its id."""
    config = definition.config
    parsed = None if config is None or not config.strip() else read_config(config, definition.name)
    made = _build(definition, parsed or NO_CONFIG)
    PARSED.put(_key(definition), (definition, made), _weigh(definition))
    return made


def _weigh(definition: Definition) -> int:
    texts = sum(len(key) + len(value) + 200 for key, value in (*definition.labels, *definition.annotations))
    return weigh(definition.config or "") + texts


NO_CONFIG = ParsedConfig(None)


def _build(definition: Definition, parsed: ParsedConfig) -> NetworkAttachmentDefinition:
    return NetworkAttachmentDefinition(
        namespace=definition.namespace,
        name=definition.name,
        config=parsed.config,
        is_on_disk=parsed is NO_CONFIG,
        problems=parsed.problems,
        labels=dict(definition.labels),
        annotations=dict(definition.annotations),
    )
