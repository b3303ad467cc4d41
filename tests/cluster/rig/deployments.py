"""Replaces the manifests' Deployment: two replicas behind a service, and a stream of pods that they judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .replicas import Replica
from .service import Service
from .stream import Stream
from .streamworlds import World

THREADS = 6
SOME = 100
"""The number of pods between two events: about a second of the stream."""

Start = Callable[[], Replica]


class Deployment:
    """Two ready replicas behind a service."""

    def __init__(self, service: Service, start: Start) -> None:
        self.service = service
        self.replicas = [start(), start()]
        self._start = start
        self.serve_all()

    def serve_all(self) -> None:
        """Give the service all replicas, and wait until it finds all of them ready."""
        self.service.backends = tuple(replica.backend for replica in self.replicas)
        self.service.wait_ready(*self.service.backends)

    def add(self) -> None:
        """Start another replica."""
        self.replicas.append(self._start())
        self.serve_all()

    def forget_oldest(self) -> None:
        """Take a replica that has ended out of the service."""
        self.replicas.pop(0)
        self.serve_all()


@contextmanager
def deployed(world: World, folder: Path) -> Iterator[Deployment]:
    """Run two replicas, which judge the pods of the world; the remaining replicas end with the block."""
    started: list[Replica] = []
    try:
        with Service() as service:
            options = world.options(service.port)

            def start() -> Replica:
                started.append(Replica(folder, f"replica-{len(started)}", options))
                return started[-1]

            made = Deployment(service, start)
            world.wait_judged()
            yield made
    finally:
        for replica in started:
            replica.close()


@contextmanager
def streaming(world: World) -> Iterator[Stream]:
    """Create pods during the block, some before the first event and some after the last; print their fates."""
    with Stream(world.connect, threads=THREADS) as stream:
        stream.wait_for(SOME)
        yield stream
        stream.wait_for(SOME)
    print(stream)
