"""Leader election by a Lease (coordination.k8s.io/v1), as the controllers of Kubernetes do it: the leader writes.

Theory of operation. A candidate looks at the Lease every two seconds, which costs no request while it is watched.
It takes the Lease if there is no holder, or if the Lease has not changed for the duration that its holder promised. The
leader renews it. Of two candidates that write, the resourceVersion decides which was first.

| candidate | sees | then |
| --- | --- | --- |
| follower | no Lease | create it as holder; 409: read it again |
| | no holder, or itself (an answer was lost) | take it |
| | a holder, changed since the last read | wait `leaseDurationSeconds` from now |
| | a holder, unchanged for so long | take it |
| leader | its time to renew | replace it; 409: read it, go on if it is still the holder, else follow |
| | no answer | try again; `may_write` becomes false before others may take over |
| either | its own end | give it back, so that another one can take it at once |

No clocks are compared: each candidate measures with its own monotonic clock how long the Lease stays unchanged. The
leader counts from before it sent the last successful renewal. It begins no write whose time-out is later than the
moment at which others may take over. If the process was stopped in between, the API server refuses its write, which
names an old resourceVersion.

Why not `kubernetes.leaderelection` (37.0.2): it cannot be stopped and never gives the Lease back (leaderelection.py:81
and :96 are endless loops with time.sleep); its requests have no time-out and the process's default configuration
(resourcelock/leaselock.py:39, :53, :94), so that a dead connection hangs the renewal forever while the leader goes on;
an unreachable API server raises an error that leaselock.py:54 does not catch, and `run` ends without calling
`onstopped_leading` (leaderelection.py:61-64); nothing stops the leading thread (:59); it counts by time.time() (:102,
:184), so a clock that is set forward takes a Lease from a living holder; and wrong settings end the process
(electionconfig.py, sys.exit).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from .apierrors import ConflictError


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTiming:
    """In seconds. `duration_s` is the leader's promise, in whole seconds; `request_s` is the longest request."""

    duration_s: int = 15
    renew_s: float = 5.0
    read_s: float = 2.0
    request_s: float = 4.0


class LeaseObject(NamedTuple):
    """A stored Lease: its resourceVersion and its spec."""

    version: str
    spec: dict[str, Any]


class LeaseStore(Protocol):
    """The Lease of a group of replicas. Every method may raise ClusterError."""

    def read(self) -> LeaseObject | None:
        """Return it, None if there is none."""

    def peek(self) -> LeaseObject | None:
        """Return it as it was a moment ago. It may be older: a write that names its version fails then."""

    def create(self, spec: dict[str, Any]) -> LeaseObject:
        """Create it. Raises ConflictError if it exists."""

    def replace(self, version: str, spec: dict[str, Any]) -> LeaseObject:
        """Replace its spec. Raises ConflictError if it has another version by now."""


class Candidate:
    """A replica that wants to lead. Not safe for threads: the thread that writes also calls `tend`.

    Any thread may call `may_write`, which only reads.
    """

    def __init__(
        self,
        store: LeaseStore,
        identity: str,
        *,
        timing: LeaseTiming,
        clock: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        """`identity`: unique to this process. `clock`: monotonic, in seconds. `wall`: for times that people read."""
        self.identity = identity
        self._store = store
        self._timing = timing
        self._clock = clock
        self._wall = wall
        self._held: LeaseObject | None = None
        self._renewed = 0.0
        self._next = clock()
        self._is_doubtful = False
        self._observed: object = None
        self._observed_at = 0.0

    def may_write(self) -> bool:
        """Say whether a request that begins now ends before another replica may write."""
        left = self._renewed + self._timing.duration_s - self._clock()
        return self._held is not None and left > self._timing.request_s

    def tend(self) -> None:
        """Read, take or renew the Lease if it is time. Raises ClusterError; a held Lease stays held until its end."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + self._timing.read_s
        if self._held is not None:
            self._renew(self._held)
        if self._held is None:
            self._try_to_take()

    def release(self) -> None:
        """Give the Lease back if it is held. Raises ClusterError; then the Lease expires by itself."""
        held, self._held = self._held, None
        if held is not None:
            self._store.replace(held.version, held.spec | {"holderIdentity": "", "leaseDurationSeconds": 1})

    def _renew(self, held: LeaseObject) -> None:
        try:
            self._hold(held, held.spec)
        except ConflictError:
            stored = self._store.read()
            if stored is None or stored.spec.get("holderIdentity") != self.identity:
                self._held = None
                return
            self._hold(stored, stored.spec)

    def _try_to_take(self) -> None:
        """NB: after a conflict the last peek was too old, and the next one may be."""
        stored = self._store.read() if self._is_doubtful else self._store.peek()
        self._is_doubtful = False
        try:
            if stored is None:
                self._hold(None, {})
            elif self._is_free(stored.spec):
                self._hold(stored, stored.spec)
        except ConflictError:
            self._is_doubtful = True  # another replica was first

    def _is_free(self, spec: dict[str, Any]) -> bool:
        holder = spec.get("holderIdentity")
        if not holder or holder == self.identity:
            return True
        record = holder, spec.get("acquireTime"), spec.get("renewTime")
        if record != self._observed:
            self._observed, self._observed_at = record, self._clock()
        duration_s = spec.get("leaseDurationSeconds") or self._timing.duration_s
        return bool(self._clock() >= self._observed_at + duration_s)

    def _hold(self, seen: LeaseObject | None, spec: dict[str, Any]) -> None:
        """Write this replica into the Lease. NB: its time counts from before the request is sent."""
        began, now = self._clock(), timestamp(self._wall())
        desired = spec | {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self._timing.duration_s,
            "renewTime": now,
        }
        if spec.get("holderIdentity") != self.identity:
            desired |= {"acquireTime": now, "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1}
        stored = self._store.create(desired) if seen is None else self._store.replace(seen.version, desired)
        self._held, self._renewed = stored, began
        self._next = self._clock() + self._timing.renew_s


def timestamp(now: datetime) -> str:
    """Return a time as a MicroTime of Kubernetes: RFC 3339, UTC, with six digits of a second."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
