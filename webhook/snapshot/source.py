"""The cluster as the source of snapshots: informers fill caches, readers get a snapshot that never changes.

There is one informer per resource, and one lock for all caches. A snapshot is made of copies of the caches and swapped
by one assignment, so readers never lock. A complete list is swapped at once, before its informer counts as listed. An
event only marks the caches as changed, and another thread swaps: at once after a quiet time, and at most every 50 ms
(`Timing.batch_s`) while events keep coming, so that 10,000 new networks make a few dozen snapshots. An event that
changes nothing that decisions read (status, managedFields) swaps nothing. Informers of pods ask for metadata only, and
a swap for pods keeps all other parts of the snapshot.
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

from cniplugin.access.compile import Policies
from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from cniplugin.access.model.policyrules import VERSION as ACCESS_VERSION
from cniplugin.netspec.netattachdef import GROUP, RESOURCE, VERSION
from webhook.admission.dra.claims import CLAIM, CLASS, TEMPLATE
from webhook.admission.dra.claims import GROUP as DEVICE_GROUP
from webhook.admission.wording import policytext
from webhook.kube.connection import Connection
from webhook.kube.informers import Cache, Informer, Timing
from webhook.kube.resources import Resource
from webhook.kube.responses import Key, Values

from .caches import Caches
from .pods import ENDED, Pods
from .snapshot import EMPTY, Snapshot

logger = logging.getLogger("nadmit.cluster")

NETWORKS = Resource("networks", GROUP, VERSION, RESOURCE, is_optional=True)
NAMESPACES = Resource("namespaces", "", "v1", "namespaces")
POLICIES = Resource(
    "policies",
    ACCESS_GROUP,
    ACCESS_VERSION,
    "networkattachmentpolicies",
    is_optional=True,
    advice="apply the CustomResourceDefinitions of this version of nadmit",
)
CONFIGS = POLICIES._replace(kind="policyconfigs", plural="networkattachmentpolicyconfigs")
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
    "resourceclaims",
    DEVICE_GROUP,
    "v1",
    "resourceclaims",
    is_optional=True,
    older=("v1beta2", "v1beta1"),
    absence_factor=10,
)
TEMPLATES = CLAIMS._replace(kind="resourceclaimtemplates", plural="resourceclaimtemplates")
CLASSES = CLAIMS._replace(kind="deviceclasses", plural="deviceclasses")
DEVICES = {CLAIM: CLAIMS, TEMPLATE: TEMPLATES, CLASS: CLASSES}
"""The resources of dynamic resource allocation by kind."""

STOP_S = 0.9
"""How long `stop` waits for its threads. One that waits for a silent server ends with its time-out, as a daemon."""


def caches_of(caches: Caches) -> tuple[tuple[Resource, Cache[Any]], ...]:
    """Return each resource that is watched, with its cache."""
    pods: tuple[tuple[Resource, Cache[Any]], ...] = () if caches.pods is None else ((PODS, caches.pods),)
    devices = ((resource, caches.devices[kind]) for kind, resource in DEVICES.items() if caches.devices)
    return (*rules_of(caches), *devices, *pods)


def rules_of(caches: Caches) -> tuple[tuple[Resource, Cache[Any]], ...]:
    """Return the resources that decide whether a pod may use a network, with their caches."""
    return (
        (NETWORKS, caches.networks),
        (NAMESPACES, caches.namespaces),
        (POLICIES, caches.policies),
        (CONFIGS, caches.configs),
    )


class ClusterSource:
    """Networks, namespaces, access policies and pods of a cluster.

    Any thread may call any method. Only `stop` waits.
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
        """`pods`: None to watch no pods. `is_read`: as for `Caches`.

        The thread that makes a snapshot calls `on_swap` with it.
        """
        self._timing = timing or Timing()
        self._on_swap = on_swap
        self._snapshot = EMPTY
        self._lock = Lock()
        self._changed = Event()
        self._stop = Event()
        self.connection = Connection(kubeconfig, environ=environ)
        self._caches = Caches(pods, is_read=is_read)
        self._logged: frozenset[tuple[int, str]] = frozenset()
        self._informers = tuple(
            Informer(
                self.connection, resource, _LockedCache(self, cache), timing=self._timing, clock=clock, jitter=jitter
            )
            for resource, cache in caches_of(self._caches)
        )
        self._threads: tuple[Thread, ...] = ()

    def start(self) -> None:
        """Begin to list and watch in daemon threads. Raises ClusterError without a usable kubeconfig."""
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
        """Return the latest snapshot; an empty one before the first list."""
        return self._snapshot

    def problem(self) -> str | None:
        """Say which resources have not been listed yet, and why. Once all have been, return None forever."""
        kinds: dict[str, list[str]] = {}
        for informer in self._informers:
            if informer.problem is not None:
                kinds.setdefault(informer.problem, []).append(informer.resource.kind)
        return "; ".join(f"{_enumerate(names)} not listed yet: {why}" for why, names in kinds.items()) or None

    def cache_age_seconds(self) -> dict[str, float]:
        """Return for each kind the seconds since its last list, event, bookmark, or regular end of a watch."""
        return {informer.resource.kind: informer.age_seconds for informer in self._informers}

    # For the informers' threads

    def swap_now(self, change: Callable[[], bool]) -> bool:
        """Make a change, and a snapshot of it at once. Return whether anything has changed."""
        with self._lock:
            has_changed = change()
            if has_changed:
                self._swap()
            return has_changed

    def swap_soon(self, change: Callable[[], bool]) -> bool:
        """Make a change, and a snapshot of it with the next batch. Return whether anything has changed."""
        with self._lock:
            has_changed = change()
            if has_changed:
                self._changed.set()
            return has_changed

    def _swap_batches(self) -> None:
        while self._changed.wait() and not self._stop.is_set():
            self._changed.clear()
            try:
                with self._lock:
                    self._swap()
            except Exception:
                logger.exception("internal error; the next change is tried again")
            self._stop.wait(self._timing.batch_s)

    def _swap(self) -> None:
        before, self._snapshot = self._snapshot, self._caches.snapshot()
        self._log_unreadable(before.policies, self._snapshot.policies)
        if self._on_swap is not None:
            self._on_swap(self._snapshot)

    def _log_unreadable(self, before: Policies, policies: Policies) -> None:
        """Log the unreadable parts of the policies, once for each generation."""
        if policies is before:
            return
        problems = {(problem.generation, str(problem)): problem for problem in policytext.find_unreadable(policies)}
        for key, problem in problems.items():
            if key not in self._logged:
                logger.warning("%s", problem)
        self._logged = frozenset(problems)


def _enumerate(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


class _LockedCache:
    """Implements `informers.Cache`: a cache behind the lock of its source."""

    def __init__(self, source: ClusterSource, cache: Cache[Any]) -> None:
        self._source = source
        self._cache = cache
        self.make = cache.make

    def replace(self, values: Values[Any]) -> bool:
        """Take a complete list; a snapshot has it when this returns."""
        return self._source.swap_now(lambda: self._cache.replace(values))

    def put(self, key: Key, value: Any) -> bool:
        """Take an object."""
        return self._source.swap_soon(lambda: self._cache.put(key, value))

    def remove(self, key: Key) -> bool:
        """Take a deletion."""
        return self._source.swap_soon(lambda: self._cache.remove(key))


def list_snapshot(kubeconfig: Path | None, *, environ: Mapping[str, str] = os.environ) -> Snapshot:
    """List the networks, namespaces and access policies of a cluster once; no pods, and no claims.

    A page may take 30 s (`Timing.page_silence_s`), a connection 10 s. Raises ClusterError for a kubeconfig that cannot
    be used and for a resource that cannot be listed; a resource that is not installed has no objects.
    """
    connection = Connection(kubeconfig, environ=environ)
    connection.open()
    caches = Caches(pods=None)
    try:
        for resource, cache in rules_of(caches):
            Informer(
                connection, resource, cache, timing=Timing(), clock=time.monotonic, jitter=random.random
            ).list_once()
    finally:
        connection.close()
    return caches.snapshot()
