"""The networks that running pods use, and the addresses that they claim there.

The kept parts of a pod: the namespace and name of each definition that its two network annotations refer to, and the
addresses that it asks for (`addresses`). Equal references are one tuple, because the pods of a ReplicaSet are alike. A
pod without references is not kept. An annotation that cannot be read has no references: no network was attached by it.
A pod runs until its phase is Succeeded or Failed; the API server leaves those pods out. Terminating pods count. A pod
waits until it has a network-status, which the node writes when the networks are attached: nothing is attached yet, and
the pod will get its networks as they are then. NB: only metadata is known of the pods of a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from heapq import nsmallest
from typing import NamedTuple

from cniplugin.netspec.annotation import read_pod, texts_of
from cniplugin.netspec.selection import NETWORK_STATUS_KEYS, NETWORKS
from webhook.admission.model.requests import NO_USERS, NetworkUsers
from webhook.kube.responses import Item, Key, Values
from webhook.snapshot.copyonwrite import ByNamespace

from .addresses import Addresses, Claims, Users, network_key, read_claims

ENDED = ("Succeeded", "Failed")
"""Phases of a pod that has no sandbox and gets none any more (core/v1 PodPhase)."""

NAMES_MAX = 5
"""Pods in a network's own namespace that messages name."""

SHARED_REFERENCES = 16_384
SHARED_ANNOTATIONS = 4_096
SHARED_TEXT_MAX = 1_024
"""Characters of an annotation whose references are cached. 4,096 of them are at most 4 MiB of text and 16 MiB of
references."""

References = tuple[Key, ...]
"""Namespace and name of each network that a pod uses, in the order of its annotations."""


class PodNetworks(NamedTuple):
    """The kept parts of one pod."""

    references: References
    claims: Claims = ()
    is_waiting: bool = False


NO_NETWORKS = PodNetworks(())


def networks_of(annotations: Mapping[str, str], namespace: str, network_namespace: str) -> PodNetworks:
    """Return the networks of a pod in a namespace; `network_namespace` is where a bare default network is."""
    networks, default = texts_of(annotations)
    if not networks and not default:
        return NO_NETWORKS
    if len(networks) + len(default) > SHARED_TEXT_MAX:
        return _read(networks, default, namespace, network_namespace)
    return _read_shared(networks, default, namespace, network_namespace)


def _read(networks: str, default: str, namespace: str, network_namespace: str) -> PodNetworks:
    selections = read_pod(networks, default, namespace=namespace, network_namespace=network_namespace)
    is_readable = all(problem.source != NETWORKS for problem in selections.problems)
    elements = [element for position, element in selections.elements if is_readable or position is None]
    references = dict.fromkeys(_share(element.namespace, element.name) for element in elements)
    return PodNetworks(tuple(references), read_claims(elements))


_read_shared = lru_cache(maxsize=SHARED_ANNOTATIONS)(_read)


@lru_cache(maxsize=SHARED_REFERENCES)
def _share(namespace: str, name: str) -> Key:
    """Return the first equal reference: thousands of pods use the same network."""
    return namespace, name


NOBODY: Mapping[str, Mapping[str, References]] = {}
NO_CLAIMS: Mapping[str, tuple[Key, ...]] = {}


class PodUse:
    """The pods of one snapshot. Never changed."""

    __slots__ = ("_addresses", "_counts", "_pods", "_waiting", "size")

    def __init__(
        self,
        pods: Mapping[str, Mapping[str, References]],
        counts: Mapping[str, Mapping[str, int]],
        addresses: Users,
        size: int,
        waiting: Mapping[str, Mapping[str, References]] = NOBODY,
    ) -> None:
        self._pods = pods
        self._waiting = waiting
        self._counts = counts
        self._addresses = addresses
        self.size = size

    def users(self, namespace: str, name: str) -> NetworkUsers:
        """Return the users of a network.

        If there are any, this walks over the pods of the network's namespace, and over all pods that wait.
        """
        total = self._counts.get(namespace, {}).get(name, 0)
        if not total:
            return NO_USERS
        reference = (namespace, name)
        own = [pod for pod, references in self._pods.get(namespace, {}).items() if reference in references]
        waiting = sum(reference in one for pods in self._waiting.values() for one in pods.values())
        return NetworkUsers(total=total, own=len(own), names=tuple(nsmallest(NAMES_MAX, own)), waiting=waiting)

    def address_users(self, namespace: str, name: str) -> Mapping[str, tuple[Key, ...]]:
        """Return the pods that claim addresses of a network, by address."""
        return self._addresses.get(network_key(namespace, name)) or NO_CLAIMS


NO_PODS = PodUse({}, {}, {}, 0)


class Pods:
    """Implements `informers.Cache`: the references of each pod, the number of users of each network, and all claims.

    The references of pods that wait are kept twice, because few pods wait.
    """

    def __init__(self, network_namespace: str) -> None:
        self._network_namespace = network_namespace
        self._pods: ByNamespace[References] = ByNamespace()
        self._waiting: ByNamespace[References] = ByNamespace()
        self._counts: ByNamespace[int] = ByNamespace()
        self._addresses = Addresses()
        self._size = 0
        self._copied: tuple[object, ...] = ()
        self._use = NO_PODS

    def make(self, item: Item) -> PodNetworks | None:
        """Return the networks of a pod; None if it uses none."""
        metadata = item.metadata
        return self.read(metadata.annotations or {}, metadata.namespace)

    def read(self, annotations: Mapping[str, str], namespace: str, *, is_running: bool = False) -> PodNetworks | None:
        """Return the networks of a pod with these annotations; None if there are none. `is_running`: by its phase."""
        networks = networks_of(annotations, namespace, self._network_namespace)
        if not networks.references:
            return None
        is_waiting = not (is_running or any(annotations.get(key) for key in NETWORK_STATUS_KEYS))
        return networks._replace(is_waiting=True) if is_waiting else networks

    def replace(self, values: Values[PodNetworks]) -> bool:
        """Keep these pods and drop all others. Takes `values` apart, so that only one namespace is there twice."""
        references: Values[References] = {}
        waiting: Values[References] = {}
        counts: Values[int] = {}
        claims: dict[Key, Claims] = {}
        while values:
            namespace, pods = values.popitem()
            references[namespace] = {name: pod.references for name, pod in pods.items()}
            if late := {name: pod.references for name, pod in pods.items() if pod.is_waiting}:
                waiting[namespace] = late
            claims |= {(namespace, name): pod.claims for name, pod in pods.items() if pod.claims}
            for pod in pods.values():
                for of_namespace, network in pod.references:
                    users = counts.setdefault(of_namespace, {})
                    users[network] = users.get(network, 0) + 1
        has_new_claims = self._addresses.replace(claims)
        has_news = self._waiting.replace(waiting) or has_new_claims
        if not self._pods.replace(references):
            return has_news
        self._counts.replace(counts)
        self._size = sum(map(len, references.values()))
        return True

    def put(self, key: Key, value: PodNetworks) -> bool:
        """Keep a pod, or its new networks."""
        has_new_claims = self._addresses.put(key, value.claims)
        is_new = self._waiting.put(key, value.references) if value.is_waiting else self._waiting.remove(key)
        before = self._pods.get(key)
        if not self._pods.put(key, value.references):
            return has_new_claims or is_new
        self._count(before or (), -1)
        self._count(value.references, 1)
        self._size += before is None
        return True

    def remove(self, key: Key) -> bool:
        """Drop a pod."""
        before = self._pods.get(key)
        if before is None or not self._pods.remove(key):
            return False
        self._addresses.put(key, ())
        self._waiting.remove(key)
        self._count(before, -1)
        self._size -= 1
        return True

    def copy(self) -> PodUse:
        """Return the pods of a snapshot; the same object until the next change."""
        copied = (self._pods.copy(), self._addresses.copy(), self._waiting.copy())
        if not self._copied or any(new is not old for new, old in zip(copied, self._copied, strict=True)):
            self._copied = copied
            pods, addresses, waiting = copied
            self._use = PodUse(pods, self._counts.copy(), addresses, self._size, waiting)
        return self._use

    def _count(self, references: Iterable[Key], change: int) -> None:
        for reference in references:
            count = (self._counts.get(reference) or 0) + change
            if count:
                self._counts.put(reference, count)
            else:
                self._counts.remove(reference)
