"""The cluster as the source of snapshots: informers fill caches, readers get a snapshot that never changes.

Informers, one per resource, hand over what they see; one lock guards all caches. A snapshot is made of their
copies and swapped by one assignment: readers never lock. A complete list is swapped at once, before its informer counts
as listed. Of pods only the metadata come, and a swap for pods alone leaves all the rest as it is.
Events only mark the caches as changed, and one more thread swaps: at once after a quiet time, and at most
every 50 ms (`Timing.batch_s`) while events keep coming, so that 10,000 new networks are a few dozen snapshots. An event
that changes nothing that decisions read (status, managedFields) swaps nothing. What of a policy cannot be read is
logged once for each of its generations.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from cniplugin.access.compile import NO_POLICIES, Policies
from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from cniplugin.access.model.policyrules import VERSION as ACCESS_VERSION
from cniplugin.netspec.netattachdef import GROUP, RESOURCE, VERSION
from webhook.admission.dra.claims import CLAIM, CLASS, TEMPLATE
from webhook.admission.dra.claims import GROUP as DEVICE_GROUP
from webhook.admission.wording import policytext
from webhook.kube.bynamespace import Key
from webhook.kube.connection import Connection, Resource
from webhook.kube.informers import Informer, Timing

from .caches import Cache, Caches
from .pods import ENDED, Pods
from .store import EMPTY, Snapshot

logger = logging.getLogger("nadmit.cluster")

NETWORKS = Resource("networks", GROUP, VERSION, RESOURCE, is_optional=True)
NAMESPACES = Resource("namespaces", "", "v1", "namespaces")
POLICIES = Resource("policies", ACCESS_GROUP, ACCESS_VERSION, "networkattachmentpolicies", is_optional=True)
CONFIGS = Resource("policyconfigs", ACCESS_GROUP, ACCESS_VERSION, "networkattachmentpolicyconfigs", is_optional=True)
PODS = Resource(
    "pods",
    "",
    "v1",
    "pods",
    is_metadata_only=True,
    field_selector=",".join(f"status.phase!={phase}" for phase in ENDED),
    otherwise="start with --no-watch-pods",
)

CLAIMS = Resource(
    "resourceclaims", DEVICE_GROUP, "v1", "resourceclaims", is_optional=True, older=("v1beta2", "v1beta1")
)
TEMPLATES = CLAIMS._replace(kind="resourceclaimtemplates", plural="resourceclaimtemplates")
CLASSES = CLAIMS._replace(kind="deviceclasses", plural="deviceclasses")
DEVICES = {CLAIM: CLAIMS, TEMPLATE: TEMPLATES, CLASS: CLASSES}
"""The resources of dynamic resource allocation by kind."""

STOP_S = 0.9
"""How long `stop` waits for its threads. One that waits for a silent server stays, as a daemon, until its time-out."""


def caches_of(caches: Caches) -> tuple[tuple[Resource, Cache[Any]], ...]:
    """Return each resource that is read, with the cache of its objects."""
    pods: tuple[tuple[Resource, Cache[Any]], ...] = () if caches.pods is None else ((PODS, caches.pods),)
    devices = ((resource, caches.devices[kind]) for kind, resource in DEVICES.items() if caches.devices)
    return (*rules_of(caches), *devices, *pods)


def rules_of(caches: Caches) -> tuple[tuple[Resource, Cache[Any]], ...]:
    """Return those by which it is decided whether a pod may use a network."""
    return (
        (NETWORKS, caches.networks),
        (NAMESPACES, caches.namespaces),
        (POLICIES, caches.policies),
        (CONFIGS, caches.configs),
    )


class ClusterSource:
    """Networks, namespaces, access policies and pods of a cluster.

    All methods may be called from any thread, and none but `stop` waits.
    """

    def __init__(  # noqa: PLR0913 - a composition, and what its tests replace
        self,
        kubeconfig: Path | None,
        *,
        pods: Pods | None = None,
        is_read: Callable[[str], bool] | None = None,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        on_swap: Callable[[Snapshot], object] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`pods`: None if they are not watched. `is_read`: as for `Caches`.

        `on_swap` is called with each new snapshot, by the thread that made it.
        """
        self._timing = timing or Timing()
        self._on_swap = on_swap
        self._snapshot = EMPTY
        self._lock = Lock()
        self._changed = Event()
        self._stop = Event()
        self.connection = Connection(kubeconfig, environ=environ)
        self._caches = Caches(pods, is_read=is_read)
        self._told = _Told()
        self._informers = tuple(
            Informer(self.connection, resource, _Inbox(self, cache), timing=self._timing, clock=clock, jitter=jitter)
            for resource, cache in caches_of(self._caches)
        )
        self._threads: tuple[Thread, ...] = ()

    def start(self) -> None:
        """Begin to list and watch, in daemon threads. Raises ClusterError if there is no usable kubeconfig."""
        self.connection.open()
        bodies = {"swap": self._swap_batches} | {informer.resource.kind: informer.run for informer in self._informers}
        self._threads = tuple(
            Thread(target=body, name=f"nadmit-cluster-{name}", daemon=True) for name, body in bodies.items()
        )
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads; the last snapshot stays."""
        self._stop.set()
        self._changed.set()
        for informer in self._informers:
            informer.stop()
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.connection.close()

    def snapshot(self) -> Snapshot:
        """Return the last snapshot; an empty one before the first list."""
        return self._snapshot

    def problem(self) -> str | None:
        """Say which resources have not been listed yet, and why; None once all have been, for ever."""
        kinds: dict[str, list[str]] = {}
        for informer in self._informers:
            if informer.problem is not None:
                kinds.setdefault(informer.problem, []).append(informer.resource.kind)
        return "; ".join(f"{_enumerate(names)} not listed yet: {why}" for why, names in kinds.items()) or None

    def cache_age_seconds(self) -> dict[str, float]:
        """Return for each kind the seconds since it was last known to be up to date.

        That is: since a list, an event, a bookmark, or the regular end of a watch.
        """
        return {informer.resource.kind: informer.age_seconds for informer in self._informers}

    # For the inboxes

    def swap_now(self, change: Callable[[], bool]) -> None:
        """Make a change, and a snapshot of it at once."""
        with self._lock:
            if change():
                self._swap()

    def swap_soon(self, change: Callable[[], bool]) -> None:
        """Make a change, and a snapshot of it with the next batch."""
        with self._lock:
            if change():
                self._changed.set()

    def _swap_batches(self) -> None:
        while self._changed.wait() and not self._stop.is_set():
            self._changed.clear()
            try:
                with self._lock:
                    self._swap()
            except Exception:
                logger.exception("unexpected; the next change is tried again")
            self._stop.wait(self._timing.batch_s)

    def _swap(self) -> None:
        self._snapshot = self._caches.snapshot()
        self._told.take(self._snapshot.policies)
        if self._on_swap is not None:
            self._on_swap(self._snapshot)


def _enumerate(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


class _Told:
    """Logs what of the policies cannot be read; the same of the same generation once."""

    def __init__(self) -> None:
        self._policies = NO_POLICIES
        self._told: frozenset[tuple[int, str]] = frozenset()

    def take(self, policies: Policies) -> None:
        """Take the policies of a new snapshot."""
        if policies is self._policies:
            return
        found = {(problem.generation, str(problem)): problem for problem in policytext.find_unreadable(policies)}
        for key, problem in found.items():
            if key not in self._told:
                logger.warning("%s", problem)
        self._policies, self._told = policies, frozenset(found)


class _Inbox:
    """Implements `informers.Inbox`: a cache behind the lock of its source."""

    def __init__(self, source: ClusterSource, cache: Cache[Any]) -> None:
        self._source = source
        self._cache = cache
        self.make = cache.make

    def replace(self, found: Mapping[Key, Any]) -> None:
        """Hand over a complete list; a snapshot has it when this returns."""
        self._source.swap_now(lambda: self._cache.replace(found))

    def put(self, key: Key, value: Any) -> None:
        """Hand over an object."""
        self._source.swap_soon(lambda: self._cache.put(key, value))

    def remove(self, key: Key) -> None:
        """Hand over a deletion."""
        self._source.swap_soon(lambda: self._cache.remove(key))
