"""Which replica writes: the one that holds a Lease (coordination.k8s.io/v1), as the controllers of Kubernetes do it.

Theory of operation. A candidate looks at the Lease now and then, and takes it when nobody holds it, or when it has not
changed for as long as its holder promised. Who holds it renews it. Only the resourceVersion decides who was first.

| candidate | finds | then |
| --- | --- | --- |
| follower | no Lease | create it as holder; 409: look again |
| | no holder, or itself (of an answer that was lost) | take it |
| | a holder, changed since the last look | wait `leaseDurationSeconds` from now on |
| | a holder, unchanged for so long | take it |
| leader | its time to renew | replace it; 409: look at it, go on if still the holder, else follow |
| | no answer | try again; `may_write` ends by itself before others may take over |
| either | its end | give it back, so that another one can take it at once |

No clocks are compared: each candidate measures with its own monotonic clock how long a record stands unchanged. A
leader counts from before it sent the renewal that succeeded, and begins no write that may not end, by its time-out,
before others may take over. A process that was stopped in between is fenced by the resourceVersion of what it writes.

Why not `kubernetes.leaderelection` (37.0.2): it cannot be stopped and never gives the Lease back (leaderelection.py:81
and :96 are endless loops with time.sleep); its requests have no time-out and the process's default configuration
(resourcelock/leaselock.py:39, :53, :94), so that a dead connection hangs the renewal for ever while the leader goes on;
an API server that cannot be reached raises what leaselock.py:54 does not catch, and `run` ends without having called
`onstopped_leading` (leaderelection.py:61-64); the leading thread is never told to stop (:59); it counts by time.time()
(:102, :184), so that a clock that is set forward takes a Lease from its living holder; and wrong settings end the
process (electionconfig.py, sys.exit).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from .apierrors import ConflictError


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTiming:
    """In seconds. `duration_s` is promised to the others, whole seconds; `request_s` is the longest request."""

    duration_s: int = 15
    renew_s: float = 5.0
    look_s: float = 2.0
    request_s: float = 4.0


class LeaseObject(NamedTuple):
    """A Lease as it is stored: its resourceVersion, and its spec."""

    version: str
    spec: dict[str, Any]


class LeaseStore(Protocol):
    """The one Lease. Every method may raise ClusterError."""

    def read(self) -> LeaseObject | None:
        """Return it, None if there is none."""

    def create(self, spec: dict[str, Any]) -> LeaseObject:
        """Make it. Raises ConflictError if there is one."""

    def replace(self, version: str, spec: dict[str, Any]) -> LeaseObject:
        """Change it. Raises ConflictError if it is not of this version any more."""


class Candidate:
    """One replica. Not safe for threads: whoever writes also calls `tend`."""

    def __init__(
        self,
        store: LeaseStore,
        identity: str,
        *,
        timing: LeaseTiming,
        clock: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        """`identity`: no other process ever has the same. `clock`: monotonic, in seconds. `wall`: for people only."""
        self.identity = identity
        self._store = store
        self._timing = timing
        self._clock = clock
        self._wall = wall
        self._held: LeaseObject | None = None
        self._renewed = 0.0
        self._next = clock()
        self._observed: object = None
        self._observed_at = 0.0

    def may_write(self) -> bool:
        """Say whether a request that begins now ends before another replica may write."""
        left = self._renewed + self._timing.duration_s - self._clock()
        return self._held is not None and left > self._timing.request_s

    def tend(self) -> None:
        """Look, take or renew, when it is time. Raises ClusterError; what was held stays held for its time."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + self._timing.look_s
        if self._held is not None:
            self._renew(self._held)
        if self._held is None:
            self._look()

    def release(self) -> None:
        """Give the Lease back, if it is held. Raises ClusterError: then it ends by itself."""
        held, self._held = self._held, None
        if held is not None:
            self._store.replace(held.version, held.spec | {"holderIdentity": "", "leaseDurationSeconds": 1})

    def _renew(self, held: LeaseObject) -> None:
        try:
            self._hold(held, held.spec)
        except ConflictError:
            found = self._store.read()
            if found is None or found.spec.get("holderIdentity") != self.identity:
                self._held = None
                return
            self._hold(found, found.spec)

    def _look(self) -> None:
        found = self._store.read()
        try:
            if found is None:
                self._hold(None, {})
            elif self._is_free(found.spec):
                self._hold(found, found.spec)
        except ConflictError:
            return  # another one was first; look again next time

    def _is_free(self, spec: dict[str, Any]) -> bool:
        holder = spec.get("holderIdentity")
        if not holder or holder == self.identity:
            return True
        record = holder, spec.get("acquireTime"), spec.get("renewTime")
        if record != self._observed:
            self._observed, self._observed_at = record, self._clock()
        duration_s = spec.get("leaseDurationSeconds") or self._timing.duration_s
        return bool(self._clock() >= self._observed_at + duration_s)

    def _hold(self, found: LeaseObject | None, spec: dict[str, Any]) -> None:
        """Write ourselves into the Lease. NB: the time counts from before it is sent."""
        began, now = self._clock(), timestamp(self._wall())
        wanted = spec | {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self._timing.duration_s,
            "renewTime": now,
        }
        if spec.get("holderIdentity") != self.identity:
            wanted |= {"acquireTime": now, "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1}
        stored = self._store.create(wanted) if found is None else self._store.replace(found.version, wanted)
        self._held, self._renewed = stored, began
        self._next = self._clock() + self._timing.renew_s


def timestamp(now: datetime) -> str:
    """Return a time as Kubernetes' MicroTime: RFC 3339, UTC, with six digits of a second."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
