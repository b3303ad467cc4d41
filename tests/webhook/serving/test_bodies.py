"""Bodies in flight: which are read, which wait, and which give way, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast

import pytest

from webhook.serving.bodies import LARGE_BYTES, Bodies, Body
from webhook.serving.http import MIB, Limits

from .harness import Client, request, running, server_process

LIMITS = Limits(max_bytes_in_flight=1000, max_in_flight=5, slow_body_s=1)
"""A share of 100 bytes each, and 500 bytes beyond the shares."""


class Loop:
    """A clock, and the calls that are due later."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[Callable[[], None]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, _seconds: float, call: Callable[[], None]) -> None:
        self.due.append(call)

    def tick(self, seconds: float) -> None:
        self.now += seconds
        due, self.due = self.due, []
        for call in due:
            call()


class Sender:
    def __init__(self, bodies: Bodies) -> None:
        self.bodies = bodies
        self.waits = False
        self.is_gone = False
        self.sent = 0
        bodies.begin(self)

    def send(self, size: int) -> None:
        self.sent += size
        assert self.bodies.add(self, bytes(size))

    def wait_for_room(self) -> None:
        self.waits = True

    def go_on(self) -> None:
        self.waits = False

    def give_way(self) -> None:
        self.is_gone = True
        self.bodies.release(self)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def bodies(loop: Loop) -> Bodies:
    return Bodies(LIMITS, cast(asyncio.AbstractEventLoop, loop))


def test_a_body_within_its_share_is_always_read(bodies: Bodies) -> None:
    large = Sender(bodies)
    large.send(700)
    small = [Sender(bodies) for _ in range(4)]
    for sender in small:
        sender.send(100)
    assert not any(sender.waits for sender in small)
    assert bodies.held_bytes == 1100


def test_large_bodies_wait_and_the_newest_is_read_first(bodies: Bodies) -> None:
    first, second, third = (Sender(bodies) for _ in range(3))
    for sender in (first, second, third):
        sender.send(400)
    assert [first.waits, second.waits, third.waits] == [False, True, True]
    bodies.complete(first)
    bodies.release(first)
    assert [second.waits, third.waits] == [True, False]
    bodies.release(third)
    assert not second.waits


def test_a_slow_body_gives_way_to_one_that_needs_its_room(bodies: Bodies, loop: Loop) -> None:
    slow = Sender(bodies)
    slow.send(550)
    loop.tick(1)
    assert not slow.is_gone  # no other body needs the room
    new = Sender(bodies)
    new.send(300)
    assert (slow.is_gone, new.waits) == (True, False)
    assert (bodies.held_bytes, bodies.refusals) == (300, {"slow-body": 1})


def test_a_waiting_body_is_read_when_another_has_become_slow(bodies: Bodies, loop: Loop) -> None:
    first, second = Sender(bodies), Sender(bodies)
    first.send(550)
    second.send(300)
    assert second.waits
    loop.tick(1)
    assert (first.is_gone, second.is_gone, second.waits) == (True, False, False)
    assert loop.due == []


def test_a_body_that_is_judged_does_not_give_way(bodies: Bodies, loop: Loop) -> None:
    judged = Sender(bodies)
    judged.send(601)
    bodies.complete(judged)
    loop.tick(5)
    new = Sender(bodies)
    new.send(300)
    assert (judged.is_gone, new.waits, new.is_gone) == (False, True, False)
    bodies.release(judged)
    assert not new.waits


def test_the_oldest_slow_body_gives_way_to_a_new_review(bodies: Bodies, loop: Loop) -> None:
    first = Sender(bodies)
    loop.tick(0.5)
    second = Sender(bodies)
    assert not bodies.push_out()
    loop.tick(0.5)
    assert bodies.push_out()
    assert (first.is_gone, second.is_gone) == (True, False)
    assert not bodies.push_out()


def test_the_bytes_held_are_bounded_for_any_number_of_senders(bodies: Bodies, loop: Loop) -> None:
    """Each sends until it has to wait: the bound is the budget, and a slice of each."""
    slice_bytes, peak, one_body = 10, 0, LIMITS.max_bytes_in_flight // 2
    senders = [Sender(bodies) for _ in range(5)]
    for _ in range(400):
        for index, sender in enumerate(senders):
            if sender.is_gone:
                senders[index] = sender = Sender(bodies)  # noqa: PLW2901 - it sends again at once
            if not sender.waits and sender.sent < one_body:
                sender.send(slice_bytes)
            peak = max(peak, bodies.held_bytes)
        loop.tick(0.01)
    assert peak <= LIMITS.max_bytes_in_flight + 5 * slice_bytes + one_body
    assert bodies.refusals["slow-body"] >= 3  # so one of them always proceeds


@pytest.mark.parametrize("size", [1, LARGE_BYTES, LARGE_BYTES + 1, MIB])
def test_content_is_what_was_added(size: int) -> None:
    body, sent = Body(0.0), bytes(number % 251 for number in range(size))
    for start in range(0, size, 40_000):
        body.add(sent[start : start + 40_000], MIB)
    assert body.size == size
    assert body.take() == sent


def test_bodies_that_wait_for_each_other_all_complete(bodies: Bodies) -> None:
    """Honest clients send bodies at once that have room only one at a time; none is refused."""
    senders = {Sender(bodies): 0 for _ in range(5)}
    for _ in range(400):
        for sender, sent in list(senders.items()):
            if sent == 480:
                bodies.complete(sender)
                bodies.release(sender)
                del senders[sender]
            elif not sender.waits:
                sender.send(10)
                senders[sender] += 10
    assert (senders, bodies.held_bytes, bodies.refusals) == ({}, 0, {})


# Over the wire


def unfinished(size: int, sent: int, path: str = "/validate?timeout=30s") -> bytes:
    return request(b" " * sent, path, Content_Length=str(size))


def test_a_body_that_never_ends_gives_way_to_a_large_review(pki: Path, context: ssl.SSLContext) -> None:
    limits: dict[str, Any] = {"max_bytes_in_flight": 4 * MIB, "max_body_bytes": 2 * MIB, "slow_body_s": 0.05}
    with running(pki, **limits) as server, ExitStack() as opened:
        slow = [opened.enter_context(Client(server.addresses.webhook, context)) for _ in range(4)]
        slow[0].send(unfinished(2 * MIB, 2 * MIB - 1))
        with Client(server.addresses.webhook, context) as healthy:
            assert healthy.post(b" " * 1000).status == 200
            assert healthy.post(b" " * 2 * MIB).status == 200
        answer = slow[0].read()
        assert (answer.status, answer.headers["retry-after"], answer.closes) == (503, "1", True)
        assert answer.text == (
            "overloaded: request bodies hold 4194304 bytes already (--max-bytes-in-flight), and this one is not "
            "complete; try again in 1 s"
        )
        assert ("/validate", 503) in server.responses
    assert (server.bodies.held_bytes, server.bodies.refusals["slow-body"]) == (0, 1)


def test_slow_bodies_do_not_keep_reviews_out(pki: Path, context: ssl.SSLContext) -> None:
    """Requests whose bodies never come hold all places in flight."""
    with running(pki, max_in_flight=3, slow_body_s=0) as server, ExitStack() as opened:
        for _ in range(3):
            client = opened.enter_context(Client(server.addresses.webhook, context))
            client.send(request(path="/validate?timeout=30s", Content_Length="3", Expect="100-continue")[:-2])
            assert client.read().status == 100
        with Client(server.addresses.webhook, context) as healthy:
            assert healthy.post().status == 200
    assert server.bodies.refusals["slow-body"] == 1


@pytest.mark.parametrize("line", ["POST /nowhere", "PUT /validate", "POST /validate/x"])
def test_the_body_of_a_request_that_its_head_refuses_is_dropped(pki: Path, context: ssl.SSLContext, line: str) -> None:
    with running(pki, linger_s=5) as server, Client(server.addresses.webhook, context) as client:
        client.send(f"{line} HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n".encode())
        assert client.read().status in {404, 405}  # before the body
        client.send(b" " * 7_000_000)
        assert server.bodies.held_bytes == 0
        assert server.responses == []
        client.send(b" " * 1_000_000 + request())
        assert client.read().status == 200  # the connection stays open


def test_a_path_is_refused_instead_of_100_continue(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(request(path="/nowhere", Content_Length="99", Expect="100-continue")[:-2])
        assert client.read().status == 404


def memory_mib(pid: int, key: str) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition(key)[2].split()[0]) / 1024


@pytest.mark.slow
def test_unfinished_bodies_do_not_fill_the_memory(pki: Path, context: ssl.SSLContext) -> None:
    """40 connections, twice, send 7.9 MB each of an announced 8 MB; the process holds at most 128 MiB more than idle."""
    with server_process(pki, slow_body_s=0.02) as (process, addresses):
        idle = memory_mib(process.pid, "VmRSS:")
        for _ in range(2):
            with ExitStack() as opened:
                for _ in range(40):
                    client = opened.enter_context(Client(addresses.webhook, context))
                    with suppress(ConnectionError, ssl.SSLError):
                        client.send(unfinished(8_000_000, 7_900_000))
                with Client(addresses.webhook, context) as healthy:
                    assert healthy.post(b" " * 20_000).status == 200
                    assert healthy.post(b" " * 3 * MIB).status == 200
        assert memory_mib(process.pid, "VmHWM:") - idle < 128
