"""Writes statuses and events while this replica holds the Lease, in a thread that takes a turn each second.

A turn makes a pass if there is something to do: after the start, when policies or labels of namespaces have changed
since the last pass, when an object for which the plan waits is late, and every ten minutes. A pass lists the stored
objects if the policies have changed, else it uses those of the last list: a new namespace that changes no status costs
no request. Then it plans, and writes the differences, at most 20 objects a second. It writes each event before the
status that ends the event's reason. A crash in between repeats the event, and the API server answers that it exists.

| answer to a write | then |
| --- | --- |
| 404 | the object was deleted meanwhile: forget it |
| 409 | an event exists already; a status: the object has changed, so read all again after a pause |
| 400, 413, 422 | log it, and try again when the policies change, or in ten minutes |
| 403 for an event | log it, and write the status |
| any other, or none | read all again after a pause, 1 s to 60 s, doubling, with jitter |

The watch reports a new status as an event that changes no policy (`webhook.snapshot.caches`), so it makes no snapshot
and no pass.
"""

from __future__ import annotations

import logging
import random
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event as Signal
from threading import Thread
from typing import Protocol

from cniplugin.access.compile import Policies
from cniplugin.netspec.attachers import MULTUS
from webhook.kube.apierrors import ClusterError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from webhook.kube.connection import Connection
from webhook.kube.events import Event
from webhook.kube.lease import Candidate, LeaseTiming, timestamp
from webhook.kube.objectwatch import WatchedLease
from webhook.kube.resources import LEASES, ObjectPath
from webhook.kube.retry import Backoff, OnceLog
from webhook.kube.singleobjects import KubeLease
from webhook.telemetry.metrics import PolicyStatusMetrics

from .statusplan import Key, Stored, Write, plan
from .statusstore import RESOURCES, StatusStore

logger = logging.getLogger("nadmit.cluster")

LEASE = "nadmit-status"
STOP_S = 0.9
"""How long `stop` waits. A thread that waits for a silent server ends with its time-out, as a daemon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterTiming:
    """In seconds, except the last two."""

    turn_s: float = 1.0
    """Between turns. Changes are gathered for so long."""
    refresh_s: float = 600.0
    late_s: float = 10.0
    between_writes_s: float = 0.05
    pause_min_s: float = 1.0
    pause_max_s: float = 60.0
    rest_factor: float = 9.0
    """The pause after planning, in units of its own time: planning takes at most a tenth of the time."""
    events_max: int = 200
    """In one pass, so that a cluster whose policies never had a status gets no flood. The status has all of it."""


class View(Protocol):
    """The part of a snapshot that decides statuses."""

    @property
    def policies(self) -> Policies:
        """The policies in use; the same object until one of them changes."""

    def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        """Return the labels of all known namespaces by name."""


class _InterruptedError(Exception):
    """The server stops, or another replica may write."""


class StatusWriter:
    """Implements `compose.Part`. `counts` are its metrics. Only its own thread calls the private methods."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        *,
        snapshot: Callable[[], View | None],
        attached_by: Callable[[], str] = lambda: MULTUS,
        timing: WriterTiming | None = None,
        lease_timing: LeaseTiming | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`namespace`: of the Lease. `snapshot` returns None until every kind has been listed.

        `attached_by` returns who attaches, as this process judges now.
        """
        self.counts = PolicyStatusMetrics()
        self._connection = connection
        self._snapshot = snapshot
        self._attached_by = attached_by
        self._timing = timing or WriterTiming()
        self._clock = clock
        lease_timing = lease_timing or LeaseTiming()
        self._store = StatusStore(connection, timeout_s=lease_timing.request_s)
        path = ObjectPath(LEASES, namespace, LEASE)
        self._lease = WatchedLease(connection, path, KubeLease(connection, path, timeout_s=lease_timing.request_s))
        self._candidate = Candidate(
            self._lease,
            f"{socket.gethostname()[:63]}_{secrets.token_hex(4)}",
            timing=lease_timing,
            clock=clock,
            wall=_utc_now,
        )
        self._log = OnceLog(logger, again_s=60.0, clock=clock)
        self._backoff = Backoff(self._timing.pause_min_s, self._timing.pause_max_s, random.random)
        self._stopping = Signal()
        self._thread = Thread(target=self._run, name="nadmit-status", daemon=True)
        self._stored: dict[Key, Stored] | None = None
        self._listed_for: Policies | None = None
        self._planned_for: Mapping[str, Mapping[str, str]] | None = None
        self._planned_by = ""
        self._waiting: dict[Key, float] = {}
        self._late: frozenset[Key] = frozenset()
        self._refresh_at = 0.0
        self._not_before = 0.0
        self._slot = 0.0
        self._events_left = 0

    def start(self) -> None:
        """Begin in a daemon thread. Raises ClusterError without a usable kubeconfig."""
        self._connection.open()
        self._lease.start()
        self._thread.start()

    def stop(self) -> None:
        """End soon, and give the Lease back."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def problem(self) -> str | None:
        """Return None: the server is ready no matter which replica writes statuses."""
        return None

    def is_leader(self) -> bool:
        """Return whether this replica holds the Lease. Any thread may ask, because asking changes nothing."""
        return self._candidate.may_write()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception:
                logger.exception("internal error; the writer of statuses tries again")
            self._stopping.wait(self._timing.turn_s)
        self._end()

    def _turn(self) -> None:
        """Tend the Lease, and make a pass if it is due. Errors of the API server are logged."""
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

    def _end(self) -> None:
        """Give the Lease back."""
        self.counts.is_writer = False
        try:
            self._candidate.release()
        except ClusterError as error:
            self._say(f"the Lease is not given back, and expires by itself: {error}")
        self._lease.stop()

    def _may_write(self) -> bool:
        was_writer = self.counts.is_writer
        try:
            self._candidate.tend()
        except ClusterError as error:
            self._say(f"the Lease that says who writes cannot be tended: {error}")
        is_writer = self.counts.is_writer = self._candidate.may_write()
        if is_writer is not was_writer:
            what = "this replica writes the status of policies" if is_writer else "this replica no longer writes it"
            self._log.log(logging.INFO, f"status: {what}")
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
            or self._attached_by() != self._planned_by
        )

    def _pass(self, view: View) -> None:
        """NB: the snapshot is older than the list, so no listed object is older than the one in use."""
        now = self._clock()
        if self._stored is None or now >= self._refresh_at or view.policies is not self._listed_for:
            self._list(view)
        self._late |= {key for key, since in self._waiting.items() if now >= since + self._timing.late_s}
        writes = self._plan(view)
        self._events_left = self._timing.events_max
        stale = [write for write in writes if not self._write(write)]
        if self._events_left < 0:
            self._say(
                f"{-self._events_left} events are left out: at most {self._timing.events_max} at a time are written"
            )
        if stale:
            self._try_later()
        else:
            self._backoff.reset()

    def _list(self, view: View) -> None:
        self._stored = {(kind, one.name): one for kind in RESOURCES for one in self._store.list(kind)}
        self._listed_for = view.policies
        self._late = frozenset()
        self._refresh_at = self._clock() + self._timing.refresh_s

    def _plan(self, view: View) -> tuple[Write, ...]:
        began = self._clock()
        namespaces = view.namespaces()
        now = _utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
        attached_by = self._attached_by()
        planned = plan(view.policies, namespaces, self._stored or {}, late=self._late, now=now, attached_by=attached_by)
        self._planned_by = attached_by
        ended = self._clock()
        self._planned_for = namespaces
        self._not_before = ended + self._timing.rest_factor * (ended - began)
        self._waiting = {key: self._waiting.get(key, ended) for key in planned.waiting}
        return planned.writes

    def _try_later(self) -> None:
        """List the stored objects again after a pause."""
        self._stored = None
        self._not_before = self._clock() + self._backoff.next()

    # One object

    def _write(self, write: Write) -> bool:
        """Write events and status. Return False if the object has changed."""
        for event in write.events:
            self._events_left -= 1
            if self._events_left >= 0:
                self._write_event(event, write.stored)
        self._take_slot()
        return self._write_status(write)

    def _write_event(self, event: Event, stored: Stored) -> None:
        self._take_slot()
        try:
            self._store.create_event(event, stored, now=timestamp(_utc_now()), instance=self._candidate.identity)
        except ConflictError:
            self._count("event", "conflict")
        except (ForbiddenError, InvalidError, NotFoundError) as error:
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
            known[key] = self._store.write_status(write)
        except ConflictError:
            self._count("status", "conflict")
            return False
        except NotFoundError:
            self._count("status", "gone")
            del known[key]
        except InvalidError as error:
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
        """Wait until the next request may be sent. Raises _InterruptedError if it may not be sent at all."""
        if self._stopping.wait(max(0.0, self._slot - self._clock())) or not self._may_write():
            raise _InterruptedError
        self._slot = self._clock() + self._timing.between_writes_s

    def _count(self, what: str, result: str) -> None:
        self.counts.writes[what, result] += 1

    def _say(self, text: str) -> None:
        self._log.log(logging.WARNING, f"status: {text}")


def _utc_now() -> datetime:
    return datetime.now(UTC)
