"""Watches of single objects, so that parts of the server need not read them every few seconds.

Theory of operation. A part that keeps an object right works in rounds: it reads the object, compares, and writes. Each
round reads anew, so the rounds are right however they begin. `Changes.rest` says when the next one begins:

| while | the next round begins |
| --- | --- |
| the watches are live, and the part is calm | after a change, at once; else after `calm_s` |
| the watches are live, and the part has something to do later | after a change, at once; else after `tick_s` |
| a watch is not live: lost, forbidden, silent | after `tick_s`, as if there were no watches |

A change begins one round in each `tick_s`. A second one waits for the end of that time, so another program that undoes
what we write makes no more requests than without watches. Several changes in GATHER_S are one.

A right to watch that the account lacks costs nothing but requests: the log says so once, and the object is read each
`tick_s`.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any, Generic, TypeVar

import msgspec

from certs.store import Due

from .connection import Connection
from .informers import Cache, Informer, Timing
from .lease import LeaseObject, LeaseStore
from .resources import ObjectPath
from .responses import Item, Key, Values

GATHER_S = 0.3
LOOK_S = 5.0
"""How often a part that rests looks whether its watches are live."""
STOP_S = 0.9

TIMING = Timing(page_size=1, pause_max_s=60.0, absent_retry_s=60.0, log_again_s=math.inf)

C = TypeVar("C", bound=Cache[Any])

OTHERWISE = "leave it so: it is then read every few seconds"


class _Version:
    """Implements `informers.Cache` for one object: its resourceVersion. Calls `on_change` of each follower."""

    def __init__(self) -> None:
        self.followers: list[Callable[[], None]] = []
        self._known: str | None = None

    def make(self, item: Item) -> str:
        return item.metadata.resource_version

    def replace(self, values: Values[str]) -> bool:
        return self._take(next((version for named in values.values() for version in named.values()), ""))

    def put(self, _key: Key, value: str) -> bool:
        return self._take(value)

    def remove(self, _key: Key) -> bool:
        return self._take("")

    def _take(self, version: str) -> bool:
        is_changed, self._known = version != self._known, version
        for on_change in self.followers if is_changed else ():
            on_change()
        return is_changed


class _Watch(Generic[C]):
    """An informer of one object, with its thread and its cache."""

    def __init__(
        self,
        connection: Connection,
        path: ObjectPath,
        cache: C,
        *,
        timing: Timing,
        clock: Callable[[], float],
        is_metadata_only: bool = True,
    ) -> None:
        self.cache = cache
        self.informer = Informer(
            connection,
            path.resource._replace(is_metadata_only=is_metadata_only, otherwise=OTHERWISE),
            cache,
            timing=timing,
            clock=clock,
            jitter=random.random,
            one=(path.namespace, path.name),
        )
        self._thread = Thread(target=self.informer.run, name=f"nadmit-watch-{path.resource.kind}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.informer.stop()

    def join(self, seconds: float) -> None:
        if self._thread.is_alive():
            self._thread.join(seconds)


class ObjectWatches:
    """The watches of a process, one for each object. Implements `compose.Part`."""

    def __init__(
        self, connection: Connection, *, timing: Timing = TIMING, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._timing = timing
        self._clock = clock
        self._watches: dict[ObjectPath, _Watch[_Version]] = {}

    def follow(self, *paths: ObjectPath) -> Changes:
        """Return the changes of these objects. Call it before `start`."""
        for path in paths:
            if path not in self._watches:
                self._watches[path] = _Watch(self._connection, path, _Version(), timing=self._timing, clock=self._clock)
        return Changes([self._watches[path] for path in paths], clock=self._clock)

    def start(self) -> None:
        """Begin to watch. Raises ClusterError without a usable kubeconfig."""
        self._connection.open()
        for watch in self._watches.values():
            watch.start()

    def stop(self) -> None:
        """End the watches."""
        for watch in self._watches.values():
            watch.stop()
        deadline = time.monotonic() + STOP_S
        for watch in self._watches.values():
            watch.join(max(0.0, deadline - time.monotonic()))

    def problem(self) -> str | None:
        """Return None: without watches the objects are read more often."""
        return None


class Changes:
    """The changes of some objects. Implements `certs.store.Changes`: one thread rests, and any thread may `stop` it."""

    def __init__(self, watches: Sequence[_Watch[_Version]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._watches = watches
        self._clock = clock
        self._rung = Event()
        self._rung_at = -math.inf
        self._stopping = Event()
        for watch in watches:
            watch.cache.followers.append(self._rung.set)

    @property
    def is_live(self) -> bool:
        """Whether every change is seen at once."""
        return bool(self._watches) and all(watch.informer.is_live for watch in self._watches)

    def wake(self) -> None:
        """End a rest now, or the next one; the next change waits as after any other."""
        self._rung_at = -math.inf
        self._rung.set()

    def stop(self) -> None:
        """End a rest now, and each later one."""
        self._stopping.set()
        self._rung.set()

    def rest(self, tick_s: float, *, calm_s: float, is_calm: Callable[[], bool]) -> Due:
        """Wait until the next round is due, as the module says."""
        began = self._clock()
        while not self._stopping.is_set():
            now = self._clock()
            is_rung = self._rung.is_set()
            if is_rung and now >= self._rung_at + tick_s:
                return self._gather()
            is_undisturbed = self.is_live and not is_rung and is_calm()
            left = began + (calm_s if is_undisturbed else tick_s) - now
            if left <= 0:
                return Due.CALM if is_undisturbed else Due.TICK
            if is_rung:
                self._stopping.wait(min(left, self._rung_at + tick_s - now, LOOK_S))
            else:
                self._rung.wait(min(left, LOOK_S))
        return Due.TICK

    def _gather(self) -> Due:
        """Wait a moment for further changes."""
        self._stopping.wait(GATHER_S * (0.5 + random.random()))  # noqa: S311 - only spreads the replicas
        self._rung.clear()
        self._rung_at = self._clock()
        return Due.CHANGE


class WatchedLease:
    """Implements `lease.LeaseStore`: `peek` asks the API server only while the watch is not live."""

    def __init__(
        self,
        connection: Connection,
        path: ObjectPath,
        store: LeaseStore,
        *,
        timing: Timing = TIMING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._watch = _Watch(connection, path, _LeaseCache(), timing=timing, clock=clock, is_metadata_only=False)
        self.read, self.create, self.replace = store.read, store.create, store.replace

    def start(self) -> None:
        """Begin to watch."""
        self._watch.start()

    def stop(self) -> None:
        """End the watch."""
        self._watch.stop()
        self._watch.join(STOP_S)

    def peek(self) -> LeaseObject | None:
        """Return the Lease as the watch has it, or else as the API server has it."""
        return self._watch.cache.lease if self._watch.informer.is_live else self._store.read()


class _LeaseCache:
    """Implements `informers.Cache` for one Lease."""

    def __init__(self) -> None:
        self.lease: LeaseObject | None = None

    def make(self, item: Item) -> LeaseObject | None:
        try:
            return LeaseObject(item.metadata.resource_version, _decode_spec(item.spec) or {})
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def replace(self, values: Values[LeaseObject]) -> bool:
        self.lease = next((lease for named in values.values() for lease in named.values()), None)
        return True

    def put(self, _key: Key, value: LeaseObject) -> bool:
        self.lease = value
        return True

    def remove(self, _key: Key) -> bool:
        self.lease = None
        return True


_decode_spec = msgspec.json.Decoder(dict[str, Any] | None).decode
