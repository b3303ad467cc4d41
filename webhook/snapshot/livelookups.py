"""Objects that the snapshot does not have: the API server is asked for each of them while a review waits.

A namespace, a network, a claim and a pod that uses them are often created together, and a watch takes some
milliseconds. A review asks for networks and namespaces (`LiveLookups`) so that the pod is not refused for a missing
network, nor judged without the labels of its namespace. It asks for claims, templates and classes (`LiveDevices`)
because the caches keep too little of one with large parameters, or with parameters of a driver that was described
later. The bounds:

| | networks, namespaces | claims, templates, classes |
| --- | --- | --- |
| objects of one look-up | OBJECTS_MAX, else the review asks for none | DEVICES_MAX, else the pod is refused |
| GETs in all, else a look-up fails | CONCURRENT_MAX | DEVICES_PENDING_MAX, DEVICES_CONCURRENT_MAX of them at a time |
| kept for KEPT_S, at most KEPT_MAX | absences | all answers |

Reviews that wait for one object share one GET. Each review waits as long as it wants; a GET ends after GET_S without a
byte. A failed look-up finds nothing: without a network the pod is refused, without a namespace whose labels matter
there is no verdict, and without a claim the pod is refused for now, because a user who can make a GET fail must not be
able to attach a pod that way. All methods are for the event loop only, so nothing is locked. GETs run in threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, NamedTuple, TypeVar, cast

from cniplugin.netspec.names import is_label
from webhook.admission.dra.claims import DeviceKey, DeviceSpec
from webhook.admission.view.decisioncontext import Cluster
from webhook.kube.apierrors import ClusterError, NotFoundError
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath
from webhook.kube.responses import ITEM, Item, Key, decode
from webhook.kube.retry import OnceLog

from .caches import Namespace, definition_of, namespace_of
from .devicespecs import UNREADABLE, read_spec
from .snapshot import Definition, Snapshot
from .source import DEVICES, NAMESPACES, NETWORKS

logger = logging.getLogger("nadmit.cluster")

OBJECTS_MAX = 3
CONCURRENT_MAX = 8
DEVICES_MAX = 16
DEVICES_CONCURRENT_MAX = 8
DEVICES_PENDING_MAX = 64
KEPT_S = 1.0
KEPT_MAX = 1024
GET_S = 1.0
LOG_AGAIN_S = 60.0

RESULTS = ("found", "absent", "failed", "late", "busy")
"""The results for metrics: the first three of each GET, the others of a look-up that gives up."""

K = TypeVar("K", Key, DeviceKey)
T = TypeVar("T")


class _Kept(NamedTuple, Generic[T]):
    """An answer, None for an absent object, and until when it holds."""

    value: T | None
    until: float


class _Lookups(Generic[K, T]):
    """GETs of single objects, shared by those who wait for the same object."""

    def __init__(
        self,
        connection: Connection,
        *,
        threads: int,
        pending_max: int,
        clock: Callable[[], float],
        on_result: Callable[[str], None],
    ) -> None:
        """`on_result` is called with one of RESULTS."""
        self._connection = connection
        self._clock = clock
        self._on_result = on_result
        self._pending_max = pending_max
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="nadmit-live")
        self._running: dict[K, asyncio.Future[T | None]] = {}
        self._kept: dict[K, _Kept[T]] = {}
        self._log = OnceLog(logger, again_s=LOG_AGAIN_S, clock=clock)

    def close(self) -> None:
        """Start no more GETs. One that runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _locate(self, key: K) -> ObjectPath:
        raise NotImplementedError

    def _parse(self, key: K, item: Item) -> T:
        """Return the used parts of an object. In a thread. Raises ClusterError."""
        raise NotImplementedError

    def _known(self, key: K) -> _Kept[T] | None:
        kept = self._kept.get(key)
        return kept if kept is not None and kept.until > self._clock() else None

    async def _look_up(self, keys: Sequence[K], seconds: float) -> Mapping[K, T | None] | None:
        """Return each object, None for an absent one; None if any of them cannot be got in time. Never raises."""
        known = {key: kept.value for key in keys if (kept := self._known(key)) is not None}
        rest = [key for key in keys if key not in known]
        if len(self._running) + sum(key not in self._running for key in rest) > self._pending_max:
            self._on_result("busy")
            return None
        asked = {key: self._running.get(key) or self._ask(key) for key in rest}
        if asked:
            _, pending = await asyncio.wait(asked.values(), timeout=max(0.0, seconds))
            if pending:
                self._on_result("late")
                return None
        if any(future.cancelled() or future.exception() is not None for future in asked.values()):
            return None
        return {**known, **{key: future.result() for key, future in asked.items()}}

    def _ask(self, key: K) -> asyncio.Future[T | None]:
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._get, key)
        self._running[key] = future
        future.add_done_callback(partial(self._note, key))
        return future

    def _get(self, key: K) -> T | None:
        """Return an object, None if no version of its resource has it. In a thread. Raises ClusterError."""
        path = self._locate(key)
        for _ in range(len(path.resource.older) + 1):
            try:
                item = decode(ITEM, self._connection.get(path, timeout_s=GET_S), f"{path.resource.title}: get")
                return self._parse(key, item)
            except NotFoundError:
                path = path._replace(resource=path.resource.in_next_version())
        return None

    def _note(self, key: K, future: asyncio.Future[T | None]) -> None:
        del self._running[key]
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._on_result("failed")
            self._log.log(logging.WARNING, f"{self._locate(key).resource.kind}: a live look-up failed: {error}")
            return
        value = future.result()
        self._on_result("absent" if value is None else "found")
        self._keep(key, value)

    def _keep(self, key: K, value: T | None) -> None:
        now = self._clock()
        self._kept.pop(key, None)
        for old, kept in tuple(self._kept.items()):  # the oldest come first
            if kept.until > now and len(self._kept) < KEPT_MAX:
                break
            del self._kept[old]
        self._kept[key] = _Kept(value, now + KEPT_S)


class LiveLookups(_Lookups[Key, Definition | Namespace]):
    """Networks and namespaces. Implements `review.reviews.LiveLookups`. The namespace in a namespace's key is ""."""

    def __init__(
        self,
        connection: Connection,
        snapshot: Callable[[], Snapshot],
        *,
        clock: Callable[[], float],
        on_result: Callable[[str], None],
    ) -> None:
        super().__init__(
            connection, threads=CONCURRENT_MAX, pending_max=CONCURRENT_MAX, clock=clock, on_result=on_result
        )
        self._snapshot = snapshot

    def may_find_networks(self, missing: Sequence[Key]) -> bool:
        """Say whether all of these, given by namespace and name, may exist. Never waits."""
        return len(missing) <= OBJECTS_MAX and not any(map(self._known, missing))

    def may_find_namespaces(self, unknown: Sequence[str]) -> bool:
        """Say whether all of these may exist. Never waits. NB: a review may name anything as its namespace."""
        return all(map(is_label, unknown)) and self.may_find_networks([("", name) for name in unknown])

    async def find_networks(
        self, missing: Sequence[Key], *, seconds: float, over: Snapshot | None = None
    ) -> Snapshot | None:
        """Return the newest snapshot, or `over`, with these networks; None if one is not found in time."""
        objects = await self._look_up(missing, seconds)
        if objects is None or None in objects.values():
            return None
        snapshot = over or self._snapshot()
        for definition in cast(list[Definition], objects.values()):
            # Objects that the caches have by now come from the watch, and are as new or newer.
            if not snapshot.has_network(definition.namespace, definition.name):
                snapshot = snapshot.with_network(definition)
        return snapshot

    async def find_namespaces(
        self, unknown: Sequence[str], *, seconds: float, over: Snapshot | None = None
    ) -> Snapshot | None:
        """Return the newest snapshot, or `over`, with these namespaces; None if one is not found in time."""
        objects = await self._look_up([("", name) for name in unknown], seconds)
        if objects is None or None in objects.values():
            return None
        snapshot = over or self._snapshot()
        for (_, name), namespace in cast(Mapping[Key, Namespace], objects).items():
            if not snapshot.has_namespace(name):
                snapshot = snapshot.with_namespace(name, namespace.labels, namespace.default_networks)
        return snapshot

    def _locate(self, key: Key) -> ObjectPath:
        return ObjectPath(NETWORKS if key[0] else NAMESPACES, *key)

    def _parse(self, key: Key, item: Item) -> Definition | Namespace:
        if item.key != key:
            raise ClusterError(f"{self._locate(key).title}: get: the API server answers with another object")
        return definition_of(item) if key[0] else namespace_of(item)

    def _keep(self, key: Key, value: Definition | Namespace | None) -> None:
        """Keep absences only: a watch brings the others."""
        if value is None:
            super()._keep(key, None)


Devices = Mapping[DeviceKey, DeviceSpec | None]
"""Claims, templates and classes by key; None: it does not exist."""


class LiveDevices(_Lookups[DeviceKey, DeviceSpec]):
    """Claims, templates and classes. Implements `review.reviews.LiveDevices`."""

    def __init__(self, connection: Connection, *, clock: Callable[[], float], on_result: Callable[[str], None]) -> None:
        super().__init__(
            connection,
            threads=DEVICES_CONCURRENT_MAX,
            pending_max=DEVICES_PENDING_MAX,
            clock=clock,
            on_result=on_result,
        )

    async def find(self, unknown: Sequence[DeviceKey], *, seconds: float) -> Devices | None:
        """Return each object, None for an absent one; None if any of them cannot be got in time. Never raises."""
        if len(unknown) > DEVICES_MAX:
            self._on_result("busy")
            return None
        return await self._look_up(unknown, seconds)

    def put(self, cluster: Cluster, devices: Devices) -> Cluster:
        """Return a snapshot with these objects."""
        if not isinstance(cluster, Snapshot):
            raise TypeError("a snapshot of this package is needed")
        more = {key: spec for key, spec in devices.items() if spec is not None}
        absent = frozenset(key for key, spec in devices.items() if spec is None)
        return cluster.with_devices(cluster.devices.with_more(more, absent))

    def _locate(self, key: DeviceKey) -> ObjectPath:
        return ObjectPath(DEVICES[key.kind], key.namespace, key.name)

    def _parse(self, key: DeviceKey, item: Item) -> DeviceSpec:
        try:
            return read_spec(key.kind, item.spec)
        except UNREADABLE as error:
            raise ClusterError(f"{self._locate(key).title}: get: not what an API server answers: {error}") from error
