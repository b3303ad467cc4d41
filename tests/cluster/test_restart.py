"""What a stream of pods loses when replicas end, come, die, and when the API server restarts: nothing but what is said.

Two replicas behind one port that stands for the Service; the webhook is registered with failurePolicy Fail, so each
review that nobody answers is a pod that is not created. Against an in-process API server the stream is of reviews.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from .replicas import Replica
from .senders import ReviewSender
from .service import Service
from .stream import Fate, Stream
from .worlds import InProcessWorld, RealWorld, World, review_of, until

pytestmark = pytest.mark.slow

THREADS = 6
SOME = 100
"""Pods between two events; about a second of the stream."""

Start = Callable[[], Replica]


@pytest.fixture(params=["in-process", pytest.param("kube-apiserver", marks=pytest.mark.kube_apiserver)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    is_real = request.param == "kube-apiserver"
    made: World = RealWorld(request.getfixturevalue("real_api")) if is_real else InProcessWorld(tmp_path)
    yield made
    made.close()


class Deployment:
    """Two replicas that are ready, behind a service."""

    def __init__(self, service: Service, start: Start) -> None:
        self.service = service
        self.replicas = [start(), start()]
        self._start = start
        self.serve_all()

    def serve_all(self) -> None:
        """Give the service the replicas that there are, and wait until it has found all of them ready."""
        self.service.backends = tuple(replica.backend for replica in self.replicas)
        self.service.wait_ready(*self.service.backends)

    def add(self) -> None:
        """Start one more."""
        self.replicas.append(self._start())
        self.serve_all()

    def forget_oldest(self) -> None:
        """Take one that has ended out of the service."""
        self.replicas.pop(0)
        self.serve_all()


@pytest.fixture
def deployment(world: World, tmp_path: Path) -> Iterator[Deployment]:
    started: list[Replica] = []

    def start() -> Replica:
        started.append(Replica(tmp_path, f"replica-{len(started)}", kubeconfig=world.kubeconfig))
        return started[-1]

    try:
        with Service() as service:
            made = Deployment(service, start)
            world.register(service.port, tmp_path / "certs" / "ca.crt")
            yield made
    finally:
        for replica in started:
            replica.close()


@contextmanager
def streaming(world: World) -> Iterator[Stream]:
    with Stream(world.connect, threads=THREADS) as stream:
        stream.wait_for(SOME)
        yield stream
        stream.wait_for(SOME)


def test_sigterm_of_each_in_turn_loses_nothing(world: World, deployment: Deployment) -> None:
    """As after a node's drain: the one that ends is replaced only then."""
    with streaming(world) as stream:
        for _ in range(2):
            oldest = deployment.replicas[0]
            oldest.terminate()
            assert oldest.wait() == 0
            stream.wait_for(SOME)
            deployment.forget_oldest()
            deployment.add()
            stream.wait_for(SOME)
    assert stream.lost == 0, str(stream)


def test_a_rolling_restart_loses_nothing(world: World, deployment: Deployment) -> None:
    """As a Deployment with maxUnavailable 0 does it."""
    with streaming(world) as stream:
        for _ in range(2):
            deployment.add()
            deployment.replicas[0].terminate()
            assert deployment.replicas[0].wait() == 0
            deployment.forget_oldest()
    assert stream.lost == 0, str(stream)


def test_kill_loses_what_was_on_its_way_and_nothing_after_that(world: World, deployment: Deployment) -> None:
    """Nothing is guaranteed for what the dead one had, and for new connections until readiness shows it."""
    with streaming(world) as stream:
        dead = deployment.replicas[0]
        dead.process.kill()
        dead.wait()
        deployment.forget_oldest()
        stream.wait_for(2 * THREADS)
        until_noticed = stream.lost
        stream.wait_for(5 * SOME)
    assert stream.lost == until_noticed, str(stream)
    assert stream.lost == stream.tally[Fate.FAILED], str(stream)


def test_an_api_server_that_restarts_without_history(world: World, deployment: Deployment, tmp_path: Path) -> None:
    """Replicas stay ready, judge by their last snapshot, list again (410), and see what is new."""
    service = deployment.service
    ca = tmp_path / "certs" / "ca.crt"

    def connect_to_replicas() -> ReviewSender:
        return ReviewSender(service.port, ca, review_of("lan"))

    with streaming(world) as stream, Stream(connect_to_replicas, threads=2) as reviews:
        reviews.wait_for(SOME)
        world.restart()
        reviews.wait_for(SOME)
        stream.wait_for(SOME)
        assert set(service.ready) == set(service.backends)
        for replica in deployment.replicas:
            until(partial(_has_listed_again, replica))
        world.put_network("later")
        sender = world.connect("later")
        until(lambda: sender.send().fate is Fate.CREATED)
        sender.close()
    assert reviews.lost == 0, str(reviews)
    assert stream.tally[Fate.FAILED] + stream.tally[Fate.REFUSED] == 0, str(stream)


def _has_listed_again(replica: Replica) -> bool:
    return "networks: listing again: " in replica.text()
