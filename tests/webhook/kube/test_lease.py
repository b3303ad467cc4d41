"""Leader election: two replicas never write at the same time. The clock is simulated, and requests take time or fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clock import Clock
from webhook.kube.apierrors import ClusterError, ConflictError
from webhook.kube.lease import Candidate, LeaseObject, LeaseTiming

TIMING = LeaseTiming()
EPOCH = datetime(2026, 11, 23, 19, tzinfo=UTC)


class WallClock(Clock):
    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now)


class Server:
    """The Lease. Each replica asks for it through a `Line`."""

    def __init__(self, spec: dict[str, Any] | None = None) -> None:
        self.lease = None if spec is None else LeaseObject("1", spec)
        self.version = 1

    def store(self, spec: dict[str, Any]) -> LeaseObject:
        self.version += 1
        self.lease = LeaseObject(str(self.version), dict(spec))
        return self.lease


class Line:
    """Implements `LeaseStore`: a connection that takes time, and may lose the request or its answer."""

    def __init__(self, server: Server, clock: WallClock) -> None:
        self.server = server
        self.clock = clock
        self.there_s = self.back_s = 0.0
        self.loses_request = self.loses_answer = False

    def read(self) -> LeaseObject | None:
        self._go()
        found = self.server.lease
        self._come_back()
        return found

    peek = read

    def create(self, spec: dict[str, Any]) -> LeaseObject:
        self._go()
        if self.server.lease is not None:
            raise ConflictError("it exists", status=409, message="it exists")
        made = self.server.store(spec)
        self._come_back()
        return made

    def replace(self, version: str, spec: dict[str, Any]) -> LeaseObject:
        self._go()
        if self.server.lease is None or self.server.lease.version != version:
            raise ConflictError("it has changed", status=409, message="it has changed")
        made = self.server.store(spec)
        self._come_back()
        return made

    def _go(self) -> None:
        self.clock.now += self.there_s
        if self.loses_request:
            raise ClusterError("no answer in time")

    def _come_back(self) -> None:
        self.clock.now += self.back_s
        if self.loses_answer:
            raise ClusterError("no answer in time")


class Replica:
    def __init__(self, name: str, server: Server, clock: WallClock) -> None:
        self.line = Line(server, clock)
        self.errors = 0
        self.candidate = Candidate(self.line, name, timing=TIMING, clock=lambda: clock.now, wall=clock.wall)

    def tend(self) -> None:
        try:
            self.candidate.tend()
        except ClusterError:
            self.errors += 1


@pytest.fixture
def clock() -> Clock:
    return WallClock()


def holder(server: Server) -> str:
    assert server.lease is not None
    return str(server.lease.spec["holderIdentity"])


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": ""}, {"holderIdentity": None, "leaseTransitions": 3}])
def test_a_lease_without_a_holder_is_taken_at_once(clock: WallClock, spec: dict[str, Any] | None) -> None:
    server = Server(spec)
    a, b = Replica("a", server, clock), Replica("b", server, clock)
    a.tend()
    b.tend()
    assert a.candidate.may_write()
    assert not b.candidate.may_write()
    assert server.lease is not None
    assert server.lease.spec == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-23T19:16:40.000000Z",
        "renewTime": "2026-11-23T19:16:40.000000Z",
        "leaseTransitions": (spec or {}).get("leaseTransitions", 0) + 1,
    }


def test_it_is_renewed_in_time_and_acquired_once(clock: WallClock) -> None:
    server = Server({})
    a = Replica("a", server, clock)
    a.tend()
    assert server.lease is not None
    acquired = server.lease.spec["acquireTime"]
    for _ in range(60):
        clock.now += 1
        a.tend()
        assert a.candidate.may_write()
    assert server.lease.spec["acquireTime"] == acquired
    assert server.lease.spec["leaseTransitions"] == 1
    assert server.version == 2 + 60 // 5


def test_a_leader_that_renews_stays(clock: WallClock) -> None:
    """The leader renews before `leaseDurationSeconds` have passed."""
    server = Server({})
    a, b = Replica("a", server, clock), Replica("b", server, clock)
    for _ in range(120):
        a.tend()
        b.tend()
        clock.now += 1
        assert a.candidate.may_write()
        assert not b.candidate.may_write()


def test_the_time_counts_from_before_the_request(clock: WallClock) -> None:
    """Others may have seen the renewal long before its answer arrived."""
    server = Server({})
    a = Replica("a", server, clock)
    a.line.back_s = 1.9
    began = clock.now + 1.9  # it has read the Lease before
    a.tend()
    assert a.candidate.may_write()
    clock.now = began + TIMING.duration_s - TIMING.request_s
    assert not a.candidate.may_write()


def test_another_one_takes_over_when_the_leader_is_gone(clock: WallClock) -> None:
    server = Server({})
    a, b = Replica("a", server, clock), Replica("b", server, clock)
    a.tend()
    gone = clock.now
    while not b.candidate.may_write():
        clock.now += 0.5
        b.tend()
    assert TIMING.duration_s <= clock.now - gone <= TIMING.duration_s + 2 * TIMING.read_s
    assert not a.candidate.may_write()
    a.tend()
    assert not a.candidate.may_write()
    assert holder(server) == "b"


def test_a_lease_that_is_given_back_is_taken_at_the_next_read(clock: WallClock) -> None:
    server = Server({})
    a, b = Replica("a", server, clock), Replica("b", server, clock)
    a.tend()
    b.tend()
    a.candidate.release()
    assert holder(server) == ""
    assert not a.candidate.may_write()
    clock.now += TIMING.read_s
    b.tend()
    assert b.candidate.may_write()
    a.candidate.release()  # it does not hold the Lease
    assert holder(server) == "b"


def test_a_candidate_whose_answer_was_lost_goes_on_as_holder(clock: WallClock) -> None:
    """The Lease was taken although the answer was lost. The next read shows it."""
    server = Server({})
    a = Replica("a", server, clock)
    a.line.loses_answer = True
    for _ in range(2):
        a.tend()
        clock.now += TIMING.read_s
    assert not a.candidate.may_write()
    a.line.loses_answer = False
    a.tend()
    assert a.candidate.may_write()


def test_a_renewal_whose_answer_is_lost(clock: WallClock) -> None:
    server = Server({})
    a = Replica("a", server, clock)
    a.tend()
    clock.now += TIMING.renew_s
    a.line.loses_answer = True
    a.tend()
    a.line.loses_answer = False
    clock.now += TIMING.read_s
    a.tend()
    assert a.errors == 1
    assert a.candidate.may_write()
    assert holder(server) == "a"


def test_another_client_labels_the_lease(clock: WallClock) -> None:
    """A living leader stays, and a dead one does not hold the Lease longer."""
    server = Server({})
    a, b = Replica("a", server, clock), Replica("b", server, clock)
    a.tend()
    assert server.lease is not None
    server.store(server.lease.spec)
    clock.now += TIMING.renew_s
    a.tend()
    assert a.candidate.may_write()
    for _ in range(20):
        clock.now += 1
        server.store(server.lease.spec)
        b.tend()
    assert b.candidate.may_write()


def test_a_leader_without_answers_stops_writing_in_time(clock: WallClock) -> None:
    server = Server({})
    a = Replica("a", server, clock)
    a.tend()
    a.line.loses_request = True
    began = clock.now
    while a.candidate.may_write():
        clock.now += 0.5
        a.tend()
    assert clock.now - began <= TIMING.duration_s - TIMING.request_s
    assert a.errors > 0


STEP = st.fixed_dictionaries(
    {
        "who": st.integers(0, 2),
        "what": st.sampled_from(["tend", "tend", "tend", "write", "write", "release", "die"]),
        "passes": st.sampled_from([0.0, 0.4, 2.0, 5.0, 9.0, 20.0]),
        "there_s": st.sampled_from([0.0, 0.1, 1.9]),
        "back_s": st.sampled_from([0.0, 0.1, 1.9]),
        "loses": st.sampled_from([None, None, "request", "answer"]),
        "set_clock": st.sampled_from([0, 0, -3600, 3600]),
    }
)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(STEP, max_size=60))
def test_never_two_writers(steps: list[dict[str, Any]]) -> None:
    """Writes of two replicas never overlap: each begins after the whole time of the previous one.

    Requests take up to 3.8 s, of the 4 s that they may; they get lost; replicas die, give back and come again; the
    clocks on the wall, which differ by hours, decide nothing.
    """
    clock, server = WallClock(), Server({})
    names = iter(range(1000))
    replicas = [Replica(f"r{next(names)}", server, clock) for _ in range(3)]
    busy_until, busy = 0.0, ""
    for step in steps:
        clock.now += step["passes"]
        replica = replicas[step["who"]]
        replica.line.there_s, replica.line.back_s = step["there_s"], step["back_s"]
        replica.line.loses_request, replica.line.loses_answer = step["loses"] == "request", step["loses"] == "answer"
        skew = timedelta(seconds=step["set_clock"])
        replica.candidate._wall = lambda skew=skew: clock.wall() + skew
        if step["what"] == "tend":
            replica.tend()
        elif step["what"] == "write" and replica.candidate.may_write():
            assert replica.candidate.identity == busy or clock.now >= busy_until
            busy, busy_until = replica.candidate.identity, clock.now + TIMING.request_s
        elif step["what"] == "release" and not (busy == replica.candidate.identity and clock.now < busy_until):
            try:
                replica.candidate.release()
            except ClusterError:
                replica.errors += 1
        elif step["what"] == "die":
            replicas[step["who"]] = Replica(f"r{next(names)}", server, clock)
        assert sum(each.candidate.may_write() for each in replicas) <= 1
