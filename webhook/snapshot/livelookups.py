"""Networks and namespaces that were created a moment ago: asked for one by one, where the caches do not have them yet.

A namespace, a network and a pod that uses it are often created together, and the watch needs some milliseconds. So that
the pod is not refused for its network, nor judged without the labels of its namespace, the API server is asked for
them, with these bounds:

- at most OBJECTS_MAX for one look-up: if more are missing, none is asked for, because all of them are needed;
- one GET at a time for one object, however many reviews wait for it;
- CONCURRENT_MAX at a time in all; beyond that none;
- what is not there is not asked for again for ABSENT_S, and at most ABSENT_MAX are remembered so;
- a review waits as long as it wants to; the GET itself ends after GET_S without a byte.

Whatever fails finds nothing: without a network the refusal stays as it was, and without a namespace whose labels matter
there is no verdict. Used on the event loop only, so nothing is locked; the GETs run in threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import cast

from cniplugin.netspec.names import is_label
from cniplugin.netspec.netattachdef import GROUP, RESOURCE, VERSION
from webhook.kube.apierrors import AbsentError, ClusterError
from webhook.kube.connection import Connection, Resource
from webhook.kube.reporter import Reporter
from webhook.kube.responses import Item, Key, MalformedError, parse_object

from .caches import Namespace, definition_of, namespace_of
from .snapshot import Definition, Snapshot

NETWORKS = Resource("networks", GROUP, VERSION, RESOURCE)
NAMESPACES = Resource("namespaces", "", "v1", "namespaces")
OBJECTS_MAX = 3
CONCURRENT_MAX = 8
ABSENT_S = 1.0
ABSENT_MAX = 1024
GET_S = 1.0
SAY_AGAIN_S = 60.0

RESULTS = ("found", "absent", "failed", "late", "busy")
"""What becomes of it, for metrics: of each GET the first three, of a review that gives up the others."""

Found = Definition | Namespace | None


class LiveLookups:
    """Implements `serving.reviews.LiveLookups`. The key of a namespace is that of a cluster-scoped object."""

    def __init__(
        self,
        connection: Connection,
        snapshot: Callable[[], Snapshot],
        *,
        clock: Callable[[], float],
        on_result: Callable[[str], None],
    ) -> None:
        """`on_result` is called with one of RESULTS."""
        self._connection = connection
        self._snapshot = snapshot
        self._clock = clock
        self._on_result = on_result
        self._pool = ThreadPoolExecutor(CONCURRENT_MAX, thread_name_prefix="nadmit-live")
        self._running: dict[Key, asyncio.Future[Found]] = {}
        self._absent: dict[Key, float] = {}
        self._reporter = Reporter(SAY_AGAIN_S, clock)

    def close(self) -> None:
        """Ask no more. A GET that runs ends by itself."""
        self._pool.shutdown(wait=False)

    def may_find_networks(self, missing: Sequence[Key]) -> bool:
        """Say whether all of these, given by namespace and name, may be there. Never waits."""
        return self._is_worth_asking(missing)

    def may_find_namespaces(self, unknown: Sequence[str]) -> bool:
        """Say whether all of these may be there. Never waits. NB: a review may name anything as its namespace."""
        return all(map(is_label, unknown)) and self._is_worth_asking([("", name) for name in unknown])

    async def find_networks(
        self, missing: Sequence[Key], *, seconds: float, over: Snapshot | None = None
    ) -> Snapshot | None:
        """Return the newest snapshot, or `over`, with these networks; None if one is not found in time."""
        found = await self._find(missing, seconds)
        if found is None:
            return None
        snapshot = over or self._snapshot()
        for definition in cast(list[Definition], found):
            # What the caches have by now comes from the watch, and is as new or newer.
            if not snapshot.has_network(definition.namespace, definition.name):
                snapshot = snapshot.with_network(definition)
        return snapshot

    async def find_namespaces(
        self, unknown: Sequence[str], *, seconds: float, over: Snapshot | None = None
    ) -> Snapshot | None:
        """Return the newest snapshot, or `over`, with these namespaces; None if one is not found in time."""
        found = await self._find([("", name) for name in unknown], seconds)
        if found is None:
            return None
        snapshot = over or self._snapshot()
        for name, namespace in zip(unknown, cast(list[Namespace], found), strict=True):
            if not snapshot.has_namespace(name):
                snapshot = snapshot.with_namespace(name, namespace.labels, namespace.default_networks)
        return snapshot

    def _is_worth_asking(self, missing: Sequence[Key]) -> bool:
        now = self._clock()
        return len(missing) <= OBJECTS_MAX and not any(self._absent.get(key, now) > now for key in missing)

    async def _find(self, missing: Sequence[Key], seconds: float) -> list[Found] | None:
        """Return what was found, in order; None if anything was not."""
        if len(self._running) + sum(key not in self._running for key in missing) > CONCURRENT_MAX:
            self._on_result("busy")
            return None
        asked = [self._running.get(key) or self._ask(key) for key in missing]
        _, pending = await asyncio.wait(asked, timeout=max(0.0, seconds))
        if pending:
            self._on_result("late")
            return None
        found = [None if future.exception() is not None else future.result() for future in asked]
        return None if None in found else found

    def _ask(self, key: Key) -> asyncio.Future[Found]:
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._get, key)
        self._running[key] = future
        future.add_done_callback(partial(self._note, key))
        return future

    def _get(self, key: Key) -> Found:
        """Return what is kept of an object, None if it does not exist. Runs in a thread. Raises ClusterError."""
        resource = NETWORKS if key[0] else NAMESPACES
        try:
            item = parse_object(self._connection.get_one(resource, *key, seconds=GET_S))
            made = definition_of(item) if key[0] else namespace_of(item)
        except AbsentError:
            return None
        except MalformedError as error:
            raise ClusterError(f"{resource.title}: get: not what an API server answers: {error}") from error
        if _key_of(item) != key:
            raise ClusterError(f"{resource.title}: get: the API server answers with another object")
        return made

    def _note(self, key: Key, future: asyncio.Future[Found]) -> None:
        del self._running[key]
        error = future.exception()
        if error is not None:
            self._on_result("failed")
            what = "network" if key[0] else "namespace"
            self._reporter.say(logging.WARNING, f"a {what} that is not known cannot be asked for: {error}")
        elif future.result() is None:
            self._on_result("absent")
            self._remember(key)
        else:
            self._on_result("found")

    def _remember(self, key: Key) -> None:
        now = self._clock()
        self._absent.pop(key, None)
        for old, until in tuple(self._absent.items()):  # the oldest come first
            if until > now and len(self._absent) < ABSENT_MAX:
                break
            del self._absent[old]
        self._absent[key] = now + ABSENT_S


def _key_of(item: Item) -> Key:
    return item.metadata.namespace, item.metadata.name
