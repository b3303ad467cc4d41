"""Writes statuses and events, as long as this replica holds the Lease: one turn at a time, without a thread.

A turn makes a pass when there is something to write down: at first, when policies or labels of namespaces have changed
since the last pass, when what was waited for is late, and every ten minutes. A pass reads the stored objects when the
policies have changed, else it remembers them: no request is made when a namespace comes that changes no status. Then
it plans, and writes what differs, at most 20 objects a second, each event before the status that ends its reason: a
crash in between repeats the event, which then is there already.

| answer to a write | then |
| --- | --- |
| 404 | the object was deleted meanwhile: forget it |
| 409 | an event: it is there; a status: the object has changed, read all again after a pause |
| 400, 413, 422 | say so, and try again when the policies change, or in ten minutes |
| 403 for an event | say so, write the status all the same |
| any other, or none | read all again after a pause, 1 s to 60 s, doubling, with jitter |

A change of a status comes back as a watch event, which changes no policy (`cluster.caches`), hence no snapshot, hence
no pass.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from cniplugin.access.compile import Policies
from webhook.kube.apierrors import AbsentError, ClusterError
from webhook.kube.lease import Candidate, ConflictError, timestamp
from webhook.kube.reporter import Reporter
from webhook.telemetry.metrics import PolicyStatusMetrics

from .api import RESOURCES, Api, ForbiddenError, RefusedError
from .due import Key, plan
from .events import event_body
from .stored import Event, Stored, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterTiming:
    """In seconds, but for the last two."""

    refresh_s: float = 600.0
    late_s: float = 10.0
    between_writes_s: float = 0.05
    pause_min_s: float = 1.0
    pause_max_s: float = 60.0
    rest_factor: float = 9.0
    """Planning takes at most one part in ten of the time, however many policies and namespaces there are."""
    events_max: int = 200
    """In one pass: a cluster whose policies never had a status gets no flood; the status has all of it."""


class Time(NamedTuple):
    """Clocks and chance. `clock`: monotonic, in seconds; `jitter`: 0 to 1.

    `wait` pauses for so many seconds, and says whether the end has come.
    """

    clock: Callable[[], float]
    wall: Callable[[], datetime]
    jitter: Callable[[], float]
    wait: Callable[[float], bool]


class View(Protocol):
    """What of a snapshot decides statuses."""

    @property
    def policies(self) -> Policies:
        """The policies in force; the same object as long as none of them has changed."""

    def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        """Return the labels of all known namespaces by name."""


class _InterruptedError(Exception):
    """The end has come, or another replica may write."""


class Writer:
    """Not safe for threads."""

    def __init__(
        self,
        api: Api,
        candidate: Candidate,
        *,
        snapshot: Callable[[], View | None],
        counts: PolicyStatusMetrics,
        timing: WriterTiming,
        time: Time,
    ) -> None:
        """`snapshot` returns None as long as it is not whole."""
        self._api = api
        self._candidate = candidate
        self._snapshot = snapshot
        self._counts = counts
        self._timing = timing
        self._clock = time.clock
        self._wall = time.wall
        self._jitter = time.jitter
        self._wait = time.wait
        self._reporter = Reporter(60.0, time.clock)
        self._stored: dict[Key, Stored] | None = None
        self._listed_for: Policies | None = None
        self._planned_for: Mapping[str, Mapping[str, str]] | None = None
        self._waiting: dict[Key, float] = {}
        self._late: frozenset[Key] = frozenset()
        self._refresh_at = 0.0
        self._not_before = 0.0
        self._slot = 0.0
        self._failures = 0
        self._events_left = 0

    def turn(self) -> None:
        """Tend the Lease, and make a pass if it is time for one. Raises nothing that the cluster can cause."""
        if not self._may_write():
            self._stored = None
            return
        view = self._snapshot()
        if view is None or not self._is_due(view):
            return
        try:
            self._pass(view)
        except _InterruptedError:
            self._stored = None
        except ClusterError as error:
            self._say(str(error))
            self._try_later()

    def end(self) -> None:
        """Give the Lease back."""
        self._counts.is_writer = False
        try:
            self._candidate.release()
        except ClusterError as error:
            self._say(f"the Lease is not given back, and ends by itself: {error}")

    def _may_write(self) -> bool:
        was_writer = self._counts.is_writer
        try:
            self._candidate.tend()
        except ClusterError as error:
            self._say(f"who writes is not known: {error}")
        is_writer = self._counts.is_writer = self._candidate.may_write()
        if is_writer is not was_writer:
            what = "this replica writes the status of policies" if is_writer else "this replica does not write any more"
            self._reporter.say(logging.INFO, f"status: {what}")
        return is_writer

    # A pass

    def _is_due(self, view: View) -> bool:
        now = self._clock()
        if now < self._not_before:
            return False
        return (
            self._stored is None
            or now >= self._refresh_at
            or any(now >= since + self._timing.late_s for since in self._waiting.values())
            or view.policies is not self._listed_for
            or view.namespaces() != self._planned_for
        )

    def _pass(self, view: View) -> None:
        """NB: the snapshot was taken before the list is: what is listed is never older than what is in force."""
        now = self._clock()
        if self._stored is None or now >= self._refresh_at or view.policies is not self._listed_for:
            self._list(view)
        self._late |= {key for key, since in self._waiting.items() if now >= since + self._timing.late_s}
        writes = self._plan(view)
        self._events_left = self._timing.events_max
        stale = [write for write in writes if not self._write(write)]
        if self._events_left < 0:
            self._say(f"{-self._events_left} events are left out: {self._timing.events_max} at a time are enough")
        if stale:
            self._try_later()
        else:
            self._failures = 0

    def _list(self, view: View) -> None:
        self._stored = {(kind, found.name): found for kind in RESOURCES for found in self._api.stored(kind)}
        self._listed_for = view.policies
        self._late = frozenset()
        self._refresh_at = self._clock() + self._timing.refresh_s

    def _plan(self, view: View) -> tuple[Write, ...]:
        began = self._clock()
        namespaces = view.namespaces()
        now = self._wall().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        planned = plan(view.policies, namespaces, self._stored or {}, late=self._late, now=now)
        ended = self._clock()
        self._planned_for = namespaces
        self._not_before = ended + self._timing.rest_factor * (ended - began)
        self._waiting = {key: self._waiting.get(key, ended) for key in planned.waiting}
        return planned.writes

    def _try_later(self) -> None:
        """Read all again after a pause."""
        self._stored = None
        pause = self._timing.pause_min_s * (1 << min(self._failures, 10)) * (1 + self._jitter())
        self._failures += 1
        self._not_before = self._clock() + min(self._timing.pause_max_s, pause)

    # One object

    def _write(self, write: Write) -> bool:
        """Write events and status; False if the object is not what it was."""
        for event in write.events:
            self._events_left -= 1
            if self._events_left >= 0:
                self._write_event(event, write.stored)
        self._take_slot()
        return self._write_status(write)

    def _write_event(self, event: Event, stored: Stored) -> None:
        self._take_slot()
        body = event_body(event, stored, now=timestamp(self._wall()), instance=self._candidate.identity)
        try:
            self._api.create_event(body)
        except ConflictError:
            self._count("event", "conflict")
        except (ForbiddenError, RefusedError, AbsentError) as error:
            self._count("event", "error")
            self._say(str(error))
        except ClusterError:
            self._count("event", "error")
            raise
        else:
            self._count("event", "ok")

    def _write_status(self, write: Write) -> bool:
        key, known = (write.stored.kind, write.stored.name), self._stored or {}
        try:
            known[key] = self._api.write_status(write)
        except ConflictError:
            self._count("status", "conflict")
            return False
        except AbsentError:
            self._count("status", "gone")
            del known[key]
        except RefusedError as error:
            self._count("status", "error")
            self._say(str(error))
            known[key] = write.stored._replace(status=write.status)  # until the next list
        except ClusterError:
            self._count("status", "error")
            raise
        else:
            self._count("status", "ok")
        return True

    def _take_slot(self) -> None:
        """Wait for the time of the next request. Raises _InterruptedError if it must not be made."""
        if self._wait(max(0.0, self._slot - self._clock())) or not self._may_write():
            raise _InterruptedError
        self._slot = self._clock() + self._timing.between_writes_s

    def _count(self, what: str, result: str) -> None:
        self._counts.writes[what, result] += 1

    def _say(self, text: str) -> None:
        self._reporter.say(logging.WARNING, f"status: {text}")
