"""A stream of pods loses no pod when replicas end, start, or the API server restarts; SIGKILL loses only reviews in flight.

Two replicas are behind one port, which takes the place of the Service. With a real API server the installation is that of
the manifests, under failurePolicy Fail: a pod whose review gets no answer is not created. With the in-process one the
stream consists of reviews.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.rig.deployments import SOME, THREADS, Deployment, deployed, streaming
from tests.cluster.rig.installation import installed_server
from tests.cluster.rig.replicas import Replica
from tests.cluster.rig.senders import ReviewSender
from tests.cluster.rig.stream import Fate, Stream
from tests.cluster.rig.streamworlds import InProcessWorld, RealWorld, World, review_of
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

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
    """As in the drain of a node: a replica ends before its replacement starts."""
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
    """As in a Deployment with maxUnavailable 0: a replacement starts before the old replica ends."""
    with streaming(world) as stream:
        for _ in range(2):
            deployment.add()
            deployment.replicas[0].terminate()
            assert deployment.replicas[0].wait() == 0
            deployment.forget_oldest()
    assert stream.lost == 0, str(stream)


def test_sigkill_loses_only_reviews_in_flight(world: World, deployment: Deployment) -> None:
    """Reviews of the dead replica may be lost, and those of new connections until the probe fails."""
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
    """Replicas stay ready, judge by their last snapshot, list again after 410, and see new networks."""
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
