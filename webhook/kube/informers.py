"""Informers: each lists one resource and then watches it forever.

Theory of operation. An informer is a thread. It lists all objects in pages, puts them into its cache at once, and
watches from the list's resourceVersion. Each event and each bookmark moves that version. A watch that ends is opened
again from there, so no event is missed and nothing is listed twice. The objects are listed again only if the server's
history does not reach back to that version (410). The cache keeps its content while requests fail.

| while    | happens                                | then                                                           |
| -------- | -------------------------------------- | -------------------------------------------------------------- |
| list     | the last page                          | replace the cache; watch                                       |
| any      | 404 of an optional resource            | try its older versions; then empty the cache, list after 30 s  |
| watch    | an event, a bookmark                   | apply it, keep its version                                     |
| watch    | its requested end                      | watch from the last version                                    |
| any      | 410, as a status or as an event        | list again; the first time without a pause                     |
| any      | 401                                    | as below; the connection loads the credentials again           |
| any      | another status, silence, a broken line | the same again, after 0.5 s to 30 s, doubling, with jitter     |

A connection may die without a sign. Keepalive probes notice that in 30 s (`connection`). If a proxy answers the probes,
silence shows it: an API server that sends bookmarks sends one each minute (apiserver `cacher.bookmarkFrequency`), so
the informer gives up after 2.5 minutes of silence. Before the first bookmark it waits for the requested end of the
watch.

A missing CustomResourceDefinition means that there are no networks, or no policies. It does not keep the server from
being ready: pods without networks are admitted, and the definition may be installed at any time. Objects in the cache
stay until a second 404, because an API server that is starting may answer 404 for a moment.

Why not `kubernetes.informer` (37.0.2): it cannot list custom objects (`CustomObjectsApi` returns a dict, whose `items`
is a method: TypeError, forever); it opens the next watch after a failed one without any pause; it sets no time-out for
list or watch, so a dead connection hangs it forever; it lists without pages, asks for no bookmarks, and does not say
whether it has listed yet. `kubernetes.watch` keeps whole objects, twice, and does not say how a watch ended.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from sys import intern
from threading import Event, Lock
from typing import Any, Protocol, TypeVar

import msgspec

from .apierrors import ClusterError, ForbiddenError, GoneError, NotFoundError, StatusError, error_of_status
from .connection import Connection, Stream
from .resources import ObjectPath, Resource
from .responses import (
    PAGE,
    WATCH_EVENT,
    Item,
    Key,
    MalformedError,
    Page,
    Values,
    decode,
    parse_item,
    parse_status,
)
from .retry import Backoff, OnceLog

logger = logging.getLogger("nadmit.cluster")

Query = dict[str, str | int]
T = TypeVar("T")

LIVE_S = 90.0
"""A watch that brings nothing for so long may be dead: an API server sends a bookmark each minute."""

LOGGED_ABSENCES = 2
"""Consecutive 404s of an optional resource that are logged: a cluster without policies needs no line each minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times in seconds, and the number of objects in a page."""

    page_size: int = 500
    page_silence_s: float = 30.0
    watch_s: int = 600
    """The requested length of a watch, minus up to a fifth so that replicas do not reconnect all at once. client-go
    asks for 5 to 10 minutes."""
    watch_grace_s: float = 15.0
    bookmark_silence_s: float = 150.0
    short_watch_s: float = 1.0
    """A watch that ends sooner without an event is a failure. Otherwise we would open watches in a loop."""
    pause_min_s: float = 0.5
    pause_max_s: float = 30.0
    absent_retry_s: float = 30.0
    batch_s: float = 0.05
    log_again_s: float = 60.0


class Cache(Protocol[T]):
    """The objects of one resource, as an informer fills it.

    `make` is called first, so that nothing else of an object stays in memory. The other methods say whether anything
    has changed.
    """

    def make(self, item: Item) -> T | None:
        """Return the value to keep of an object; None to keep nothing."""

    def replace(self, values: Values[T]) -> bool:
        """Keep these values and drop all others. Readers see them when this returns. The dicts are the cache's own."""

    def put(self, key: Key, value: T) -> bool:
        """Add or replace a value."""

    def remove(self, key: Key) -> bool:
        """Drop a value, if it is there."""


class Informer:
    """Keeps one cache up to date. `run` is the body of a thread; any thread may call the other methods."""

    def __init__(  # noqa: PLR0913 - a composition
        self,
        connection: Connection,
        resource: Resource,
        cache: Cache[Any],
        *,
        timing: Timing,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        one: tuple[str, str] = ("", ""),
        parse: Callable[[msgspec.Raw], Item] = parse_item,
    ) -> None:
        """`one`: namespace and name of the only object, or a namespace alone; by default all objects of all namespaces.

        `parse`: reads an object, for a cache that keeps more of it. Raises MalformedError.
        """
        self.resource = resource
        self._one = one
        self._selected: Query = {"fieldSelector": resource.field_selector} if resource.field_selector else {}
        self._connection = connection
        self._cache = cache
        self._parse_item = parse
        self._timing = timing
        self._clock = clock
        self._jitter = jitter
        self._log = OnceLog(logger, again_s=timing.log_again_s, clock=clock)
        self._backoff = Backoff(timing.pause_min_s, timing.pause_max_s, jitter)
        self._stop = Event()
        self._stream_lock = Lock()
        self._stream: Stream | None = None
        self._version: str | None = None
        self._absences = 0
        self._untried = len(resource.older)
        """Versions of the resource to try before it counts as absent."""
        self._has_bookmarks = False
        self._has_listed = False
        self._is_lost = False
        self._error: str | None = None
        self._contact = clock()

    @property
    def problem(self) -> str | None:
        """Why the cache is not filled yet. After the first list it is None forever."""
        return None if self._has_listed else self._error or "the API server has not answered yet"

    @property
    def is_waiting(self) -> bool:
        """Whether the first list has neither succeeded nor failed yet."""
        return not self._has_listed and self._error is None

    @property
    def loss(self) -> str | None:
        """Why changes do not arrive at the moment, None while they do; the cache keeps what was there."""
        return self._error if self._has_listed and self._is_lost else None

    @property
    def age_seconds(self) -> float:
        """Seconds since the cache was last up to date; since the start, if it never was."""
        return max(0.0, self._clock() - self._contact)

    @property
    def is_live(self) -> bool:
        """Whether the server sends changes: it has sent something in the last LIVE_S, and nothing failed since."""
        return self._has_listed and not self._is_lost and self._version is not None and self.age_seconds <= LIVE_S

    @property
    def path(self) -> ObjectPath:
        """The collection or the object."""
        return ObjectPath(self.resource, *self._one)

    def stop(self) -> None:
        """End `run` soon, even during a watch."""
        self._stop.set()
        with self._stream_lock:
            if self._stream is not None:
                self._stream.cut()

    def run(self) -> None:
        """List and watch until `stop`."""
        while not self._stop.is_set():
            self._stop.wait(self._turn())

    def _turn(self) -> float:
        """List if there is no version to watch from, and watch once. Return the pause before the next turn."""
        try:
            if self._version is None:
                self._version = self._list()
            self._watch(self._version)
        except ClusterError as error:
            return 0.0 if self._stop.is_set() else self._fail(error)
        except Exception:
            logger.exception("%s: internal error; the objects are listed again", self.resource.kind)
            self._version = None
            return self._backoff.next()
        return 0.0

    def list_once(self) -> None:
        """List without watching. Raises ClusterError. An optional resource that is not served has no objects.

        If the history is compacted between two pages (410), this lists once again.
        """
        for _ in range(len(self.resource.older) + 1):
            try:
                try:
                    self._list()
                except GoneError:
                    self._list()
            except NotFoundError:
                if not self.resource.is_optional:
                    raise
                self.resource = self.resource.in_next_version()
            else:
                return
        self._cache.replace({})

    # List

    def _list(self) -> str:
        values: Values[Any] = {}
        token = ""
        while True:
            page = self._fetch_page(token)
            for raw in page.items or ():
                item = self._parse(raw)
                value = None if item is None else self._cache.make(item)
                if item is not None and value is not None:
                    values.setdefault(intern(item.metadata.namespace), {})[item.metadata.name] = value
            token = page.metadata.token
            if not token:
                break
        count = sum(map(len, values.values()))
        self._cache.replace(values)
        self._note_listed(f"listed {count}")
        return page.metadata.resource_version

    def _fetch_page(self, token: str) -> Page:
        query: Query = {"limit": self._timing.page_size, **self._selected}
        if token:
            query["continue"] = token
        with self._open(query, verb="list", silence_s=self._timing.page_silence_s) as stream:
            return decode(PAGE, stream.read(), f"{self.resource.title}: list")

    def _note_listed(self, text: str) -> None:
        self._untried = len(self.resource.older)
        self._has_listed = True
        self._absences = 0
        self._is_lost = False
        self._error = None
        self._contact = self._clock()
        self._report(logging.INFO, text)

    # Watch

    def _watch(self, version: str) -> None:
        seconds = max(1, round(self._timing.watch_s * (1 - self._jitter() / 5)))
        silence_s = self._timing.bookmark_silence_s if self._has_bookmarks else seconds + self._timing.watch_grace_s
        query: Query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": seconds,
            **self._selected,
        }
        began, count = math.inf, 0
        try:
            with self._open(query, verb="watch", silence_s=silence_s) as stream:
                self._note_watching()
                began = self._clock()
                for line in stream.lines():
                    self._take(line)
                    count += 1
        finally:
            is_good = count > 0 or self._clock() - began >= self._timing.short_watch_s
            if is_good:
                self._backoff.reset()
        if not is_good:
            raise ClusterError(f"{self.resource.title}: the watch ended at once; see the log of the API server")
        self._contact = self._clock()

    def _note_watching(self) -> None:
        if self._is_lost:
            self._is_lost = False
            self._error = None
            self._report(logging.INFO, "watching again")

    def _take(self, line: bytes) -> None:
        event = decode(WATCH_EVENT, line, f"{self.resource.title}: watch")
        if event.type == "ERROR":
            raise self._error_of(event.object)
        item = self._parse(event.object, needs_name=event.type != "BOOKMARK")
        if item is not None:
            self._apply(event.type, item)
            self._version = item.metadata.resource_version or self._version
        self._contact = self._clock()

    def _apply(self, kind: str, item: Item) -> None:
        if kind in ("ADDED", "MODIFIED") and (value := self._cache.make(item)) is not None:
            self._cache.put(item.key, value)
        elif kind in ("ADDED", "MODIFIED", "DELETED"):
            self._cache.remove(item.key)
        elif kind == "BOOKMARK":
            self._has_bookmarks = True

    def _error_of(self, raw: msgspec.Raw) -> StatusError:
        status = parse_status(raw)
        return error_of_status(
            status.code,
            status.message,
            verb="watch",
            path=self.path,
            server=self._connection.server,
        )

    # Both

    @contextmanager
    def _open(self, query: Query, *, verb: str, silence_s: float) -> Iterator[Stream]:
        """Open a stream that `stop` can cut."""
        with self._connection.stream(self.path, query, verb=verb, silence_s=silence_s) as stream:
            with self._stream_lock:
                self._stream = stream
            try:
                if self._stop.is_set():
                    raise ClusterError("stopped")
                yield stream
            finally:
                with self._stream_lock:
                    self._stream = None

    def _parse(self, raw: msgspec.Raw, *, needs_name: bool = True) -> Item | None:
        """Return an object; None to skip one that no API server should have stored."""
        try:
            item = self._parse_item(raw)
        except MalformedError as error:
            self._report(logging.WARNING, f"an object is left out: {error}")
            return None
        if needs_name and not item.metadata.name:
            self._report(logging.WARNING, "an object is left out: it has no name")
            return None
        return item

    def _report(self, level: int, text: str) -> None:
        """Log, unless this informer is one of many for single objects: their parts of the server log what matters."""
        if not self._one[1]:
            self._log.log(level, f"{self.resource.kind}: {text}")

    # Failures

    def _fail(self, error: ClusterError) -> float:
        """Note a failure, and return the pause before the next turn."""
        if isinstance(error, NotFoundError) and self.resource.is_optional:
            return self._note_absent(error)
        self._absences = 0
        if isinstance(error, GoneError):
            return self._note_gone(error)
        if isinstance(error, NotFoundError):
            self._version = None
        self._error = str(error)
        self._is_lost = True
        self._report(logging.WARNING, f"the watch is lost: {error}" if self._has_listed else str(error))
        if self._one[1] and isinstance(error, ForbiddenError):
            self._log.log(logging.WARNING, str(error))
        return self._backoff.next()

    def _note_gone(self, error: GoneError) -> float:
        self._version = None
        self._report(logging.WARNING, f"listing again: {error}")
        pause = self._backoff.next()
        return pause if self._backoff.failures > 1 else 0.0

    def _note_absent(self, error: NotFoundError) -> float:
        """Try the next version of the resource; after the last one, empty the cache.

        A cache that has been filled keeps its objects until the second 404 in a row.
        """
        self._version = None
        if self._untried:
            self._untried -= 1
            self.resource = self.resource.in_next_version()
            return 0.0
        self._untried = len(self.resource.older)
        self._absences += 1
        is_certain = not self._has_listed or self._absences > 1
        if is_certain:
            self._cache.replace({})
            self._has_listed = True
            self._contact = self._clock()
        if self._absences <= LOGGED_ABSENCES:
            self._report(logging.WARNING, f"{'there are none' if is_certain else 'the last ones are kept'}: {error}")
        return self._timing.absent_retry_s * self.resource.absence_factor
