"""Which running pods use which networks.

Of a pod only the resolved references of its two network annotations are kept: namespace and name of each definition,
once. Equal references are one tuple, because the pods of a ReplicaSet are alike. A pod without any is not kept, and
an annotation that cannot be read counts for nothing: such a pod attached to nothing by it. A pod runs until its phase
is Succeeded or Failed, which the API server is asked to leave out; a pod that is pending or ending counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from heapq import nsmallest

from cniplugin.netspec import annotation
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS, NetworkSelectionElement
from webhook.admission.model import NO_USERS, NetworkUsers

from .apiobjects import Item
from .bynamespace import ByNamespace, Key

ENDED = ("Succeeded", "Failed")
"""Phases of a pod that has no sandbox any more, and gets none (core/v1 PodPhase)."""

NAMES_MAX = 5
"""Pods of a network's own namespace that are named."""

SHARED_REFERENCES = 16_384
SHARED_ANNOTATIONS = 4_096
SHARED_TEXT_MAX = 4_096
"""Characters of an annotation whose references are remembered; 4,096 of them are at most 16 MiB of text."""

References = tuple[Key, ...]
"""Namespace and name of each network that a pod uses, in the order of its annotations."""


def references_of(annotations: Mapping[str, str], namespace: str, network_namespace: str) -> References:
    """Return the networks of a pod in a namespace; `network_namespace` is where a bare default network is."""
    networks, default = annotations.get(NETWORKS, ""), annotations.get(DEFAULT_NETWORK, "")
    if not networks and not default:
        return ()
    if len(networks) + len(default) > SHARED_TEXT_MAX:
        return _read(networks, default, namespace, network_namespace)
    return _read_shared(networks, default, namespace, network_namespace)


def _read(networks: str, default: str, namespace: str, network_namespace: str) -> References:
    elements: list[NetworkSelectionElement] = []
    with suppress(SpecErrors):
        chosen = annotation.parse_default_network(default, namespace=network_namespace)
        elements += [chosen] if chosen else []
    with suppress(SpecErrors):
        elements += annotation.parse(networks, namespace=namespace)
    return tuple(dict.fromkeys(_share(element.namespace, element.name) for element in elements))


_read_shared = lru_cache(maxsize=SHARED_ANNOTATIONS)(_read)


@lru_cache(maxsize=SHARED_REFERENCES)
def _share(namespace: str, name: str) -> Key:
    """Return the first one that was equal: thousands of pods use the same network."""
    return namespace, name


class PodUse:
    """The pods of one snapshot. Never changed."""

    __slots__ = ("_counts", "_pods", "size")

    def __init__(
        self, pods: Mapping[str, Mapping[str, References]], counts: Mapping[str, Mapping[str, int]], size: int
    ) -> None:
        self._pods = pods
        self._counts = counts
        self.size = size

    def users(self, namespace: str, name: str) -> NetworkUsers:
        """Return who uses a network; a look-up, and a walk over the pods of its namespace if anybody does."""
        total = self._counts.get(namespace, {}).get(name, 0)
        if not total:
            return NO_USERS
        reference = (namespace, name)
        own = [pod for pod, references in self._pods.get(namespace, {}).items() if reference in references]
        return NetworkUsers(total=total, own=len(own), names=tuple(nsmallest(NAMES_MAX, own)))


NO_PODS = PodUse({}, {}, 0)


class Pods:
    """Implements `caches.Cache`: the references of each pod, and how many pods use each network."""

    def __init__(self, network_namespace: str) -> None:
        self._network_namespace = network_namespace
        self._pods: ByNamespace[References] = ByNamespace()
        self._counts: ByNamespace[int] = ByNamespace()
        self._size = 0
        self._copied: Mapping[str, Mapping[str, References]] | None = None
        self._use = NO_PODS

    def make(self, item: Item) -> References | None:
        """Return the networks of a pod; None if it uses none."""
        metadata = item.metadata
        return self.read(metadata.annotations or {}, metadata.namespace)

    def read(self, annotations: Mapping[str, str], namespace: str) -> References | None:
        """Return the networks that annotations of a pod in a namespace name; None if there are none."""
        return references_of(annotations, namespace, self._network_namespace) or None

    def replace(self, found: Mapping[Key, References]) -> bool:
        """Keep these and nothing else."""
        if not self._pods.replace(found):
            return False
        counts: dict[Key, int] = {}
        for references in found.values():
            for reference in references:
                counts[reference] = counts.get(reference, 0) + 1
        self._counts.replace(counts)
        self._size = len(found)
        return True

    def put(self, key: Key, value: References) -> bool:
        """Keep a pod, or what it uses now."""
        before = self._pods.get(key)
        if not self._pods.put(key, value):
            return False
        self._count(before or (), -1)
        self._count(value, 1)
        self._size += before is None
        return True

    def remove(self, key: Key) -> bool:
        """Drop a pod."""
        before = self._pods.get(key)
        if before is None or not self._pods.remove(key):
            return False
        self._count(before, -1)
        self._size -= 1
        return True

    def copy(self) -> PodUse:
        """Return what a snapshot may keep; the same object as long as nothing changes."""
        pods, counts = self._pods.copy(), self._counts.copy()
        if pods is not self._copied:
            self._copied = pods
            self._use = PodUse(pods, counts, self._size)
        return self._use

    def _count(self, references: Iterable[Key], change: int) -> None:
        for reference in references:
            count = (self._counts.get(reference) or 0) + change
            if count:
                self._counts.put(reference, count)
            else:
                self._counts.remove(reference)
