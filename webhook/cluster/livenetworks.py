"""Networks that were created a moment ago: asked for one by one, where the caches do not have them yet.

A network and a pod that uses it are often created together, and the watch needs some milliseconds. So that the pod is
not refused, the API server is asked for the network, with these bounds:

- at most NETWORKS_MAX for one review: if more are missing, none is asked for, because all of them are needed;
- one GET at a time for one network, however many reviews wait for it;
- CONCURRENT_MAX at a time in all; beyond that none;
- a network that is not there is not asked for again for ABSENT_S, and at most ABSENT_MAX are remembered so;
- a review waits as long as it wants to; the GET itself ends after GET_S without a byte.

Whatever fails leaves the refusal as it was. Used on the event loop only, so nothing is locked; the GETs run in threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from cniplugin.netspec.netattachdef import GROUP, RESOURCE, VERSION

from .apierrors import AbsentError, ClusterError
from .apiobjects import MalformedError, parse_object
from .bynamespace import Key
from .caches import definition_of
from .kube import Connection, Resource
from .reporter import Reporter
from .store import Definition, Snapshot

NETWORKS = Resource("networks", GROUP, VERSION, RESOURCE)
NETWORKS_MAX = 3
CONCURRENT_MAX = 8
ABSENT_S = 1.0
ABSENT_MAX = 1024
GET_S = 1.0
SAY_AGAIN_S = 60.0

RESULTS = ("found", "absent", "failed", "late", "busy")
"""What becomes of it, for metrics: of each GET the first three, of a review that gives up the others."""


class LiveNetworks:
    """Implements `serving.reviews.LiveNetworks`."""

    def __init__(
        self,
        connection: Connection,
        snapshot: Callable[[], Snapshot],
        *,
        clock: Callable[[], float],
        on_result: Callable[[str], None],
    ) -> None:
        """`on_result` is told one of RESULTS."""
        self._connection = connection
        self._snapshot = snapshot
        self._clock = clock
        self._on_result = on_result
        self._pool = ThreadPoolExecutor(CONCURRENT_MAX, thread_name_prefix="nadmit-live")
        self._running: dict[Key, asyncio.Future[Definition | None]] = {}
        self._absent: dict[Key, float] = {}
        self._reporter = Reporter(SAY_AGAIN_S, clock)

    def close(self) -> None:
        """Ask no more. A GET that runs ends by itself."""
        self._pool.shutdown(wait=False)

    def is_worth_asking(self, missing: Sequence[Key]) -> bool:
        """Say whether all of these may be there."""
        now = self._clock()
        return len(missing) <= NETWORKS_MAX and not any(self._absent.get(key, now) > now for key in missing)

    async def find(self, missing: Sequence[Key], *, seconds: float) -> Snapshot | None:
        """Return the newest snapshot, with these networks; None if one is not found in time."""
        if len(self._running) + sum(key not in self._running for key in missing) > CONCURRENT_MAX:
            self._on_result("busy")
            return None
        asked = [self._running.get(key) or self._ask(key) for key in missing]
        _, pending = await asyncio.wait(asked, timeout=max(0.0, seconds))
        if pending:
            self._on_result("late")
            return None
        found = [future.result() for future in asked if future.exception() is None]
        definitions = [definition for definition in found if definition is not None]
        return self._with(definitions) if len(definitions) == len(missing) else None

    def _with(self, definitions: Sequence[Definition]) -> Snapshot:
        """NB: what the caches have by now comes from the watch, and is as new or newer."""
        snapshot = self._snapshot()
        for definition in definitions:
            if not snapshot.has_network(definition.namespace, definition.name):
                snapshot = snapshot.with_network(definition)
        return snapshot

    def _ask(self, key: Key) -> asyncio.Future[Definition | None]:
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._get, key)
        self._running[key] = future
        future.add_done_callback(partial(self._note, key))
        return future

    def _get(self, key: Key) -> Definition | None:
        """Return a definition, None if it does not exist. Runs in a thread. Raises ClusterError."""
        try:
            body = self._connection.get_one(NETWORKS, *key, seconds=GET_S)
            definition = definition_of(parse_object(body))
        except AbsentError:
            return None
        except MalformedError as error:
            raise ClusterError(f"{NETWORKS.title}: get: not what an API server answers: {error}") from error
        if (definition.namespace, definition.name) != key:
            raise ClusterError(f"{NETWORKS.title}: get: the API server answers with another object")
        return definition

    def _note(self, key: Key, future: asyncio.Future[Definition | None]) -> None:
        del self._running[key]
        error = future.exception()
        if error is not None:
            self._on_result("failed")
            self._reporter.say(logging.WARNING, f"a network that is not known cannot be asked for: {error}")
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
