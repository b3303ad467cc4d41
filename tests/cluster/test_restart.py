"""What a stream of pods loses when replicas end, come, die, and when the API server restarts: nothing but what is said.

Two replicas behind one port that stands for the Service. Against a real API server all is as the manifests have it, with
failurePolicy Fail: each review that nobody answers is a pod that is not created. Against an in-process one the stream is
of reviews.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

from .deployments import SOME, THREADS, Deployment, deployed, streaming
from .installation import installed_server
from .replicas import Replica
from .senders import ReviewSender
from .stream import Fate, Stream
from .streamworlds import InProcessWorld, RealWorld, World, review_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def api() -> Iterator[RealApiServer]:
    with installed_server() as server:
        yield server


@pytest.fixture(params=["in-process", pytest.param("kube-apiserver", marks=pytest.mark.kube_apiserver)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    is_real = request.param == "kube-apiserver"
    made: World = RealWorld(request.getfixturevalue("api"), tmp_path) if is_real else InProcessWorld(tmp_path)
    yield made
    made.close()


@pytest.fixture
def deployment(world: World, tmp_path: Path) -> Iterator[Deployment]:
    with deployed(world, tmp_path) as made:
        yield made


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


def has_listed_again(replica: Replica) -> bool:
    return "networks: listing again: " in replica.text()


def test_an_api_server_that_restarts_without_history(world: World, deployment: Deployment) -> None:
    """Replicas stay ready, judge by their last snapshot, list again (410), and see what is new."""
    service = deployment.service

    def connect_to_replicas() -> ReviewSender:
        return ReviewSender(service.port, world.ca, review_of("lan"), world.path())

    with streaming(world) as stream, Stream(connect_to_replicas, threads=2) as reviews:
        reviews.wait_for(SOME)
        world.restart()
        reviews.wait_for(SOME)
        stream.wait_for(SOME)
        assert set(service.ready) == set(service.backends)
        for replica in deployment.replicas:
            wait_until(partial(has_listed_again, replica))
        world.put_network("later")
        sender = world.connect("later")
        wait_until(lambda: sender.send().fate is Fate.CREATED)
        sender.close()
    assert reviews.lost == 0, str(reviews)
    assert stream.tally[Fate.FAILED] + stream.tally[Fate.REFUSED] == 0, str(stream)
