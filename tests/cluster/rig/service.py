"""Replaces a Service with readiness probes: one port on loopback in front of the ready replicas.

It polls /readyz of each replica, as the kubelet does. New connections go to the ready replicas in turn, and are spliced
until one end closes. As with kube-proxy, a replica that is no longer ready keeps its connections; without a ready
replica a connection is closed at once.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, Self

PROBE_S = 0.05
BLOCK = 65_536

Address = tuple[str, int]


class Backend(NamedTuple):
    """The addresses of a replica for reviews and for probes."""

    webhook: Address
    probes: Address


class Service:
    """Use as a context. `backends` may be replaced at any time, from any thread."""

    def __init__(self) -> None:
        self.backends: tuple[Backend, ...] = ()
        self.port = 0
        self._ready: tuple[Backend, ...] = ()
        self._changed = threading.Condition()
        self._turns = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._listening = threading.Event()
        self._splices: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()], name="service")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()

    @property
    def ready(self) -> tuple[Backend, ...]:
        """The replicas whose last probe succeeded."""
        return self._ready

    def wait_ready(self, *backends: Backend, timeout_s: float = 30.0) -> None:
        """Wait until exactly these are ready."""
        with self._changed:
            assert self._changed.wait_for(lambda: set(self._ready) == set(backends), timeout_s), self._ready

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        probing = asyncio.create_task(self._probe())
        self._listening.set()
        await self._ended.wait()
        server.close()
        probing.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(probing, *self._splices, return_exceptions=True)

    async def _probe(self) -> None:
        while True:
            asked = self.backends
            answers = await asyncio.gather(*(_is_ready(backend.probes) for backend in asked))
            with self._changed:
                self._ready = tuple(backend for backend, is_ready in zip(asked, answers, strict=True) if is_ready)
                self._changed.notify_all()
            await asyncio.sleep(PROBE_S)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._splices.add(task)
        try:
            with self._open(writer), suppress(OSError):
                await self._splice(reader, writer)
        finally:
            self._splices.discard(task)

    async def _splice(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready = self._ready
        if ready:
            theirs, ours = await asyncio.open_connection(*ready[next(self._turns) % len(ready)].webhook)
            with self._open(ours):
                await asyncio.gather(_pump(reader, ours), _pump(theirs, writer))

    @contextmanager
    def _open(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._writers.add(writer)
        try:
            yield
        finally:
            self._writers.discard(writer)
            writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until its end, then shut the other side down."""
    while data := await reader.read(BLOCK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _is_ready(address: Address) -> bool:
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return (await reader.readline()).startswith(b"HTTP/1.1 200")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
