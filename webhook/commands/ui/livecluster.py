"""The cluster as watches keep it: a thread for each kind, one lock, and a number that grows with each change.

Pods are reduced to their attachments as they arrive. Definitions stay whole, because the page shows them. Nothing is
written, and a kind that may not be read is a sentence in `unread`; it is tried again, so a right that is granted later
is used without a restart.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import msgspec

from webhook.commands.scanning import scanreading
from webhook.commands.scanning.scanreading import Read
from webhook.commands.who import graphreading
from webhook.commands.why import clusterreading
from webhook.commands.why.targets import Target
from webhook.kube.apierrors import ClusterError, ForbiddenError, NotFoundError
from webhook.kube.connection import Connection
from webhook.kube.informers import Cache, Informer, Timing
from webhook.kube.resources import ObjectPath, Resource
from webhook.kube.responses import Item, Key, MalformedError, Values, parse_item
from webhook.report.diagnosis.objectset import Json
from webhook.report.topology.graph import NOTHING, Graph, Part
from webhook.snapshot import source
from webhook.snapshot.caches import Caches
from webhook.trees import builder
from webhook.trees.documents import Document
from webhook.trees.positions import Source

from .clusterview import Moment, PodObjects, Reference

NETWORK_KIND = "NetworkAttachmentDefinition"
KIND_OF = {
    source.NAMESPACES.kind: "Namespace",
    source.POLICIES.kind: "NetworkAttachmentPolicy",
    source.CONFIGS.kind: "NetworkAttachmentPolicyConfig",
}
PROBE_TIMEOUT_S = 10.0
LOOK_S = 0.02
"""How often `wait` looks. Only the start waits."""


class WholeItem(Item, frozen=True, gc=False):
    """An object with all of its fields."""

    whole: dict[str, Any] = msgspec.field(default_factory=dict)


def parse_whole(raw: msgspec.Raw) -> WholeItem:
    """Return an object with all of its fields. Raises MalformedError."""
    item = parse_item(raw)
    try:
        whole = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedError(str(error)) from error
    return WholeItem(item.metadata, item.spec, whole)


class LiveCluster:
    """Implements `clusterview.Origin`. Any thread may call any method."""

    def __init__(
        self,
        kubeconfig: Path | None,
        *,
        namespace: str,
        network_namespace: str,
        on_change: Callable[[], object] = lambda: None,
        environ: Mapping[str, str] = os.environ,
        timing: Timing | None = None,
    ) -> None:
        """`namespace`: whose pods are watched, "" for all. `on_change`: called by any thread, and returns at once."""
        self.is_live = True
        self.namespace = namespace
        self._network_namespace = network_namespace
        self._on_change = on_change
        self._timing = timing or Timing()
        self._changed = Lock()
        self._stopping = Event()
        self._version = 0
        self._kubeconfig = kubeconfig
        self._connection = Connection(kubeconfig, environ=environ)
        self._caches = Caches(pods=None)
        self._graph = Graph(network_namespace)
        self._definitions: dict[Reference, Json] = {}
        self._moment: tuple[int, Moment] | None = None
        self._informers: dict[str, Informer] = {}
        self._notes: tuple[str, ...] = ()
        self._narrowed = ""

    @property
    def title(self) -> str:
        """The API server, and the namespace if only one is watched."""
        return f"{self._connection.server}{f', pods of {self.namespace}' if self.namespace else ''}"

    @property
    def version(self) -> int:
        """The number of changes."""
        return self._version

    def start(self) -> None:
        """Begin to list and watch in daemon threads. Raises ClusterError without a usable kubeconfig."""
        self._connection.open()
        where = (self.namespace, "")
        pods = graphreading.RUNNING_PODS._replace(is_single=bool(self.namespace))
        networks = source.NETWORKS
        if self.namespace:
            self._notes = (f"only pods of namespace {self.namespace} are read",)
            self._narrowed = self._find_forbidden(networks)
        self._watch(NETWORK_KIND, networks, _Definitions(self), where if self._narrowed else ("", ""))
        for resource, cache in source.rules_of(self._caches):
            if resource != networks:
                self._watch(KIND_OF[resource.kind], resource, _Locked(self, cache), ("", ""))
        self._watch("Pod", pods, _Parts(self, "v1", "Pod"), where)
        for resource, kind in (*graphreading.NETWORK_KINDS[1:], *graphreading.CLAIM_KINDS):
            version = f"{resource.group}/{resource.version}"
            own = resource._replace(is_single=bool(self.namespace))
            self._watch(kind, own, _Parts(self, version, kind), ("", "") if kind == "IPPool" else where)
        for kind, informer in self._informers.items():
            Thread(target=informer.run, name=f"nadmit-ui-{kind}", daemon=True).start()

    def _find_forbidden(self, resource: Resource) -> str:
        """Return why objects of all namespaces may not be listed; "" if they may, or if nobody knows."""
        try:
            self._connection.get(ObjectPath(resource), timeout_s=PROBE_TIMEOUT_S, verb="list", query={"limit": "1"})
        except ForbiddenError as error:
            return str(error)
        except ClusterError:
            return ""  # the watch says what is wrong
        return ""

    def _watch(self, kind: str, resource: Resource, cache: Cache[Any], one: tuple[str, str]) -> None:
        self._informers[kind] = Informer(
            self._connection,
            resource,
            cache,
            timing=self._timing,
            clock=time.monotonic,
            jitter=random.random,
            one=one,
            parse=parse_whole,
        )

    def stop(self) -> None:
        """End the watches. Their threads are daemons, and nobody waits for them: Ctrl-C ends the command at once."""
        self._stopping.set()
        for informer in self._informers.values():
            informer.stop()
        self._connection.close()

    def wait(self, timeout_s: float) -> bool:
        """Wait until each kind is listed or refused, at most for a time. Return whether each is."""
        deadline = time.monotonic() + timeout_s
        while any(informer.is_waiting for informer in self._informers.values()):
            if time.monotonic() > deadline:
                return False
            self._stopping.wait(LOOK_S)
        return True

    def has_nothing(self) -> bool:
        """Whether no kind could be read at all: the API server does not answer, or the account may do nothing."""
        return all(informer.problem is not None for informer in self._informers.values())

    def may_list_pods(self) -> bool:
        """Ask whether the pods of all namespaces may be listed. True if the API server gives no answer."""
        return not self._find_forbidden(graphreading.RUNNING_PODS)

    def unread(self) -> dict[str, str]:
        """Return kind -> why its objects are not known."""
        found = {
            kind: f"{informer.resource.title}: not listed yet" if informer.is_waiting else informer.problem
            for kind, informer in self._informers.items()
            if informer.problem is not None
        }
        return found | ({NETWORK_KIND: self._narrowed} if self._narrowed else {})

    @property
    def state(self) -> str:
        """What differs after a change of objects, of rights or of the connection."""
        return f"{self._version} {hash((*self.unread().values(), *self._losses()))}"

    def _losses(self) -> tuple[str, ...]:
        """Return why changes do not arrive, for each kind that was read before."""
        found = [informer.loss for informer in self._informers.values() if informer.loss is not None]
        return tuple(f"what is shown may be old: {one}" for one in dict.fromkeys(found))

    def moment(self) -> Moment:
        """Return what is known now. It is made once for each version."""
        with self._changed:
            unread, notes = self.unread(), (*self._notes, *self._losses())
            if self._moment is None or self._moment[0] != self._version:
                made = Moment(
                    self._caches.snapshot(),
                    self._graph.finish(self._definitions_of()),
                    dict(self._definitions),
                    unread,
                    notes,
                )
                self._moment = self._version, made
            elif self._moment[1].unread != unread or self._moment[1].notes != notes:
                last = self._moment[1]
                topology = last.topology._replace(definitions_of=self._definitions_of())
                self._moment = self._version, last._replace(unread=unread, notes=notes, topology=topology)
            return self._moment[1]

    def _definitions_of(self) -> str | None:
        if self._informers[NETWORK_KIND].problem is not None:
            return None
        return self.namespace if self._narrowed else ""

    def read_everything(self, read: Read) -> None:
        """List everything anew: what is watched is kept in part only. Raises ClusterError."""
        scanreading.read_cluster(self._kubeconfig, read, lambda _line: None)

    def read_pod(self, namespace: str, name: str) -> PodObjects | None:
        """Read a pod with its owners and events. Raises ClusterError."""
        target = Target("Pod", name, namespace)
        try:
            read = clusterreading.read_through(self._connection, target, lambda _line: None, has_context=False)
        except NotFoundError:
            return None
        objects = list(read.objects.values())
        snapshot = None
        if any(one["kind"] in clusterreading.DEVICE_KINDS for one in objects):
            documents = [Document(Source("cluster", ""), one, 0, 0) for one in objects]
            snapshot = builder.build(documents, [], network_namespace=self._network_namespace)
        return PodObjects([*objects, *read.events], read.unread, snapshot)

    # For the threads of the informers

    def change(self, make: Callable[[], bool]) -> bool:
        """Make a change under the lock. Return whether anything has changed."""
        with self._changed:
            has_changed = make()
            self._version += has_changed
        if has_changed:
            self._on_change()
        return has_changed

    def keep_part(self, kind: str, key: Key, part: Part) -> bool:
        """Keep what an object adds to the graph."""
        return self._graph.put((kind, *key), part)

    def keep_parts(self, kind: str, values: Values[Part]) -> bool:
        """Keep these parts of a kind, and drop all others."""
        keys = {(namespace, name) for namespace, named in values.items() for name in named}
        changes = [self._graph.keep_only(kind, keys)]
        changes += [
            self._graph.put((kind, namespace, name), part)
            for namespace, named in values.items()
            for name, part in named.items()
        ]
        return any(changes)

    def read_part(self, version: str, kind: str, item: Item) -> tuple[Json, Part]:
        """Return an object, and what it adds to the graph."""
        whole = item.whole if isinstance(item, WholeItem) else {}
        one = {**whole, "apiVersion": version, "kind": kind}
        return one, self._graph.read(one)

    @property
    def networks(self) -> Cache[Any]:
        """The cache of definitions that decisions read."""
        return self._caches.networks

    @property
    def definitions(self) -> dict[Reference, Json]:
        """The whole definitions."""
        return self._definitions


class _Locked:
    """Implements `informers.Cache`: a cache of decisions behind the lock."""

    def __init__(self, cluster: LiveCluster, cache: Cache[Any]) -> None:
        self._cluster = cluster
        self._cache = cache
        self.make = cache.make

    def replace(self, values: Values[Any]) -> bool:
        return self._cluster.change(lambda: self._cache.replace(values))

    def put(self, key: Key, value: Any) -> bool:
        return self._cluster.change(lambda: self._cache.put(key, value))

    def remove(self, key: Key) -> bool:
        return self._cluster.change(lambda: self._cache.remove(key))


class _Parts:
    """Implements `informers.Cache`: what objects of a kind add to the graph."""

    def __init__(self, cluster: LiveCluster, version: str, kind: str) -> None:
        self._cluster = cluster
        self._version = version
        self._kind = kind

    def make(self, item: Item) -> Part | None:
        _, part = self._cluster.read_part(self._version, self._kind, item)
        return None if part == NOTHING else part

    def replace(self, values: Values[Part]) -> bool:
        return self._cluster.change(lambda: self._cluster.keep_parts(self._kind, values))

    def put(self, key: Key, value: Part) -> bool:
        return self._cluster.change(lambda: self._cluster.keep_part(self._kind, key, value))

    def remove(self, key: Key) -> bool:
        return self._cluster.change(lambda: self._cluster.keep_part(self._kind, key, NOTHING))


class _Definitions:
    """Implements `informers.Cache`: definitions for decisions, for the graph, and whole."""

    def __init__(self, cluster: LiveCluster) -> None:
        self._cluster = cluster

    def make(self, item: Item) -> tuple[Any, Json, Part]:
        # NB: who wrote which field takes more memory than all that the page shows.
        one, part = self._cluster.read_part(f"{source.NETWORKS.group}/{source.NETWORKS.version}", NETWORK_KIND, item)
        metadata = {key: value for key, value in one["metadata"].items() if key != "managedFields"}
        return self._cluster.networks.make(item), {**one, "metadata": metadata}, part

    def replace(self, values: Values[tuple[Any, Json, Part]]) -> bool:
        def change() -> bool:
            kept = {where: {name: one[0] for name, one in named.items()} for where, named in values.items()}
            parts = {where: {name: one[2] for name, one in named.items()} for where, named in values.items()}
            whole = {(where, name): one[1] for where, named in values.items() for name, one in named.items()}
            changes = [
                self._cluster.networks.replace(kept),
                self._cluster.keep_parts(NETWORK_KIND, parts),
                whole != self._cluster.definitions,
            ]
            self._cluster.definitions.clear()
            self._cluster.definitions.update(whole)
            return any(changes)

        return self._cluster.change(change)

    def put(self, key: Key, value: tuple[Any, Json, Part]) -> bool:
        def change() -> bool:
            self._cluster.networks.put(key, value[0])
            self._cluster.definitions[key] = value[1]
            self._cluster.keep_part(NETWORK_KIND, key, value[2])
            return True

        return self._cluster.change(change)

    def remove(self, key: Key) -> bool:
        def change() -> bool:
            self._cluster.networks.remove(key)
            self._cluster.keep_part(NETWORK_KIND, key, NOTHING)
            return self._cluster.definitions.pop(key, None) is not None

        return self._cluster.change(change)
