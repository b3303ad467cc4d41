"""Watches of single objects: when a round is due, and what a follower of a Lease asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Self

import pytest

from certs.store import Due, NoChanges
from tests.fakes.apiserver import ApiServer, failure
from tests.fakes.clock import Clock
from tests.fakes.objects import write_kubeconfig
from tests.fakes.threads import nothing_left
from tests.fakes.waiting import wait_until
from webhook.kube import objectwatch
from webhook.kube.connection import Connection
from webhook.kube.informers import LIVE_S, Timing
from webhook.kube.objectwatch import Changes, ObjectWatches, WatchedLease
from webhook.kube.resources import LEASES, SECRETS, ObjectPath
from webhook.kube.singleobjects import KubeLease

COLLECTION = "/api/v1/namespaces/n/secrets"
SECRET, OTHER = f"{COLLECTION}/tls", f"{COLLECTION}/other"
PATH = ObjectPath(SECRETS, "n", "tls")
LEASE_PATH = ObjectPath(LEASES, "n", "status")
LEASE_COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/n/leases"
LEASE = f"{LEASE_COLLECTION}/status"

TICK_S, CALM_S = 10.0, 300.0
QUICK = Timing(pause_min_s=0.005, pause_max_s=0.02, short_watch_s=0.0)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(objectwatch, "LOOK_S", 0.005)
    monkeypatch.setattr(objectwatch, "GATHER_S", 0.0)
    with nothing_left():
        yield


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.serve("/api/v1/secrets", "/apis/coordination.k8s.io/v1/leases")
        server.put(SECRET, {"data": {"tls.key": "aHVudGVy"}})
        server.put(OTHER, {})
        server.put(LEASE, {"spec": {"holderIdentity": "a"}})
        yield server


class Resting:
    """A part of the server that rests, again and again. `dues` gets why each round is due."""

    def __init__(self, api: ApiServer, directory: Path) -> None:
        self.clock = Clock()
        self.is_calm = True
        self.dues: SimpleQueue[Due] = SimpleQueue()
        connection = Connection(write_kubeconfig(directory / "kubeconfig", api.url), environ={})
        self.watches = ObjectWatches(connection, timing=QUICK, clock=self.clock)
        self.changes: Changes = self.watches.follow(PATH)
        (watch,) = self.watches._watches.values()
        self.informer = watch.informer
        self._stopping = Event()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self.watches.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.changes.stop()
        self._thread.join()
        self.watches.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            due = self.changes.rest(TICK_S, calm_s=CALM_S, is_calm=lambda: self.is_calm)
            if not self._stopping.is_set():
                self.dues.put(due)

    def wait_for(self, version: int) -> None:
        """Wait until the watch has seen a resourceVersion."""
        wait_until(lambda: self.informer._version == str(version))

    def begin(self) -> None:
        """Wait for the first list, which counts as a change, and until the next change may begin a round."""
        assert self.dues.get() is Due.CHANGE
        wait_until(lambda: self.changes.is_live)
        self.clock.now += TICK_S


@pytest.fixture
def rest(api: ApiServer, tmp_path: Path) -> Iterator[Callable[[], Resting]]:
    made: list[Resting] = []

    def make() -> Resting:
        made.append(Resting(api, tmp_path).__enter__())
        return made[-1]

    yield make
    for one in made:
        one.__exit__()


def touch(api: ApiServer, path: str = SECRET) -> None:
    api.modify(path, lambda value: value.update(data={}))


def test_a_change_begins_a_round(api: ApiServer, rest: Callable[[], Resting]) -> None:
    resting = rest()
    resting.begin()
    touch(api)
    assert resting.dues.get() is Due.CHANGE


def test_waking_begins_a_round_and_delays_no_change(api: ApiServer, rest: Callable[[], Resting]) -> None:
    """SIGHUP does it: at once, also right after another round."""
    resting = rest()
    resting.begin()
    touch(api)
    assert resting.dues.get() is Due.CHANGE
    resting.changes.wake()
    assert resting.dues.get() is Due.CHANGE


def test_waking_begins_a_round_where_nobody_watches() -> None:
    changes, dues = NoChanges(), SimpleQueue[Due]()
    thread = Thread(target=lambda: dues.put(changes.rest(600.0, calm_s=600.0, is_calm=lambda: True)))
    thread.start()
    changes.wake()
    assert dues.get(timeout=20) is Due.TICK
    thread.join()
    changes.wake()
    assert changes.rest(600.0, calm_s=600.0, is_calm=lambda: True) is Due.TICK
    changes.stop()
    assert changes.rest(600.0, calm_s=600.0, is_calm=lambda: True) is Due.TICK


def test_only_metadata_of_the_one_object_is_asked_for(api: ApiServer, rest: Callable[[], Resting]) -> None:
    rest().begin()
    asked = [request for request in api.requests if request.path == COLLECTION]
    api.wait(lambda: api.watch_requests(COLLECTION))
    assert {request.query["fieldSelector"] for request in asked} == {"metadata.name=tls"}
    assert all(";as=PartialObjectMetadata" in request.headers["accept"] for request in asked)


def test_another_object_begins_no_round(api: ApiServer, rest: Callable[[], Resting]) -> None:
    resting = rest()
    resting.begin()
    touch(api, OTHER)
    touch(api)
    assert resting.dues.get() is Due.CHANGE
    resting.clock.now += TICK_S
    assert resting.dues.empty()


def test_without_a_change_a_calm_part_rests_long(api: ApiServer, rest: Callable[[], Resting]) -> None:
    resting = rest()
    resting.begin()
    resting.is_calm = False
    assert resting.dues.get() is Due.TICK
    resting.is_calm = True
    resting.clock.now += TICK_S
    for _ in range(int(CALM_S // 60)):  # a bookmark comes each minute
        resting.clock.now += 60
        resting.wait_for(api.bookmark("/api/v1/secrets"))
    assert resting.dues.get() is Due.CALM
    assert resting.dues.empty()


def test_a_silent_watch_is_not_trusted(rest: Callable[[], Resting]) -> None:
    resting = rest()
    resting.begin()
    wait_until(lambda: resting.changes.is_live)
    resting.clock.now += LIVE_S + 1
    assert resting.dues.get() is Due.TICK


def test_a_second_change_waits_for_the_end_of_the_tick(api: ApiServer, rest: Callable[[], Resting]) -> None:
    resting = rest()
    resting.begin()
    touch(api)
    assert resting.dues.get() is Due.CHANGE
    for _ in range(5):
        touch(api)
    wait_until(resting.changes._rung.is_set)
    assert resting.dues.empty()
    resting.clock.now += TICK_S
    assert resting.dues.get() is Due.CHANGE
    resting.clock.now += TICK_S
    assert resting.dues.empty(), "five changes are one"


def test_a_deletion_and_a_creation_are_changes(api: ApiServer, rest: Callable[[], Resting]) -> None:
    resting = rest()
    resting.begin()
    api.delete(SECRET)
    assert resting.dues.get() is Due.CHANGE
    resting.clock.now += TICK_S
    api.put(SECRET, {})
    assert resting.dues.get() is Due.CHANGE


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_without_the_right_the_object_is_read_as_before(
    api: ApiServer, rest: Callable[[], Resting], verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    refused = failure(403, "no")
    api.instead = lambda request: (
        refused if request.path == COLLECTION and request.is_watch is (verb == "watch") else None
    )
    resting = rest()
    api.wait(lambda: sum(request.code == 403 for request in api.requests) > 3)
    assert not resting.changes.is_live
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning == (
        f"secrets n/tls: {verb} is forbidden: no; grant list and watch on secrets of this name to this account in a "
        "Role, or leave it so: it is then read every few seconds"
    )
    resting.clock.now += TICK_S + 1
    wait_until(lambda: not resting.dues.empty())
    assert resting.dues.get() in {Due.TICK, Due.CHANGE}


def test_a_lost_watch_is_no_news_for_the_log(
    api: ApiServer, rest: Callable[[], Resting], caplog: pytest.LogCaptureFixture
) -> None:
    resting = rest()
    resting.begin()
    api.wait(lambda: api.watch_requests(COLLECTION))
    api.cut_watches()
    api.wait(lambda: len(api.watch_requests(COLLECTION)) > 1)
    wait_until(lambda: resting.changes.is_live)
    assert not caplog.records


# Leases


@pytest.fixture
def lease(api: ApiServer, tmp_path: Path) -> Iterator[WatchedLease]:
    connection = Connection(write_kubeconfig(tmp_path / "kubeconfig", api.url), environ={})
    store = KubeLease(connection, LEASE_PATH, timeout_s=5)
    watched = WatchedLease(connection, LEASE_PATH, store, timing=QUICK)
    yield watched
    watched.stop()


def test_a_look_at_a_watched_lease_is_no_request(api: ApiServer, lease: WatchedLease) -> None:
    lease.start()
    api.wait(lambda: api.watch_requests(LEASE_COLLECTION))
    wait_until(lambda: lease.peek() is not None)
    asked = len(api.get_requests())
    api.modify(LEASE, lambda value: value["spec"].update(holderIdentity="b"))
    wait_until(lambda: (found := lease.peek()) is not None and found.spec["holderIdentity"] == "b")
    assert len(api.get_requests()) == asked
    api.delete(LEASE)
    wait_until(lambda: lease.peek() is None)
    assert len(api.get_requests()) == asked


def test_a_lease_that_is_not_watched_is_read(api: ApiServer, lease: WatchedLease) -> None:
    found = lease.peek()
    assert found is not None
    assert found.spec == {"holderIdentity": "a"}
    assert len(api.get_requests()) == 1
