"""A request with a known head passes by the parser, and nobody can tell the difference."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.config import Config

from webhook.serving.app import WebhookApp
from webhook.serving.bodies import Bodies
from webhook.serving.http import Limits, RequestError
from webhook.serving.httpconnection import Connections
from webhook.serving.knownheads import HEAD_BYTES_MAX, KNOWN_MAX, learn_head
from webhook.serving.shortcut import ReviewProtocol

from .harness import Client, request, running

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from webhook.serving.http import Later

HEAD = request(b"").partition(b"Content-Length")[0]
"""Without its end."""


@pytest.mark.parametrize(
    "head",
    [
        request(b"{}", "/validate"),
        request(b"{}", "/mutate/observe/0123456789abcdef?timeout=10s"),
        request(b"{}", User_Agent="kube-apiserver-admission", Accept="application/json, */*", Accept_Encoding="gzip"),
        HEAD + b"content-length: 2\r\nTraceparent: 00-ab\r\n\r\n{}",
    ],
)
def test_a_plain_head_is_learned(head: bytes) -> None:
    known = learn_head(head)
    assert known is not None
    start = head.index(b"\r\n\r\n") + 4
    assert known.match(head) == (start, 2)
    longer = head.replace(b"ength: 2", b"ength: 1048576")
    assert known.match(longer) == (start + 6, 1048576)
    assert known.match(longer[: start + 6]) == (start + 6, 1048576)
    for size in range(start):
        assert known.match(head[:size]) is None
    assert f"{known.path}?{known.query.decode()}".rstrip("?") == head.split()[1].decode()


@pytest.mark.parametrize(
    "line",
    ["Connection: close", "Connection: keep-alive", "Expect: 100-continue", "Transfer-Encoding: chunked", "Upgrade: x",
     "TE: trailers", "Trailer: x", "Proxy-Connection: close", "Content-Length: 2", "content-length:2", "X: \xe9",
     "X:\tx", "X: a\r\n b", "X:", "X : y", "X: a ", "X: " + "y" * HEAD_BYTES_MAX],
)  # fmt: skip
def test_an_unusual_header_is_not_learned(line: str) -> None:
    assert learn_head(HEAD + b"Content-Length: 2\r\n\r\n{}") is not None
    assert learn_head(HEAD + line.encode("latin-1") + b"\r\nContent-Length: 2\r\n\r\n{}") is None


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"\r\n{}",
        HEAD + b"Content-Length: 0\r\n\r\n",
        HEAD + b"Content-Length: 02\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\n",
        HEAD.replace(b"POST", b"PUT") + b"Content-Length: 2\r\n\r\n{}",
        HEAD.replace(b"1.1", b"1.0") + b"Content-Length: 2\r\n\r\n{}",
        HEAD.replace(b"/validate", b"/v%61lidate") + b"Content-Length: 2\r\n\r\n{}",
        HEAD.replace(b"/validate", b"http://a/validate") + b"Content-Length: 2\r\n\r\n{}",
        b"\r\n" + HEAD + b"Content-Length: 2\r\n\r\n{}",
        HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}",
    ],
)
def test_an_unusual_request_is_not_learned(head: bytes) -> None:
    assert learn_head(head) is None


@pytest.mark.parametrize("digits", [b"", b"0", b"07", b"+7", b"-7", b" 7", b"7 ", b"1_0", b"7a", b"\xb2", b"9" * 20])
def test_an_unusual_length_is_not_matched(digits: bytes) -> None:
    known = learn_head(HEAD + b"Content-Length: 2\r\n\r\n{}")
    assert known is not None
    assert known.match(HEAD + b"Content-Length: " + digits + b"\r\n\r\n") is None


@given(position=st.integers(0, len(request()) - 3), byte=st.integers(0, 255))
def test_any_other_byte_is_another_head(position: int, byte: int) -> None:
    data = request(b"{}")
    known = learn_head(data)
    assert known is not None
    changed = data[:position] + bytes([byte]) + data[position + 1 :]
    if changed != data and (found := known.match(changed)) is not None:
        start, length = found
        assert (data[position], str(length)) == (ord("2"), chr(byte))
        assert changed[start:] == b"{}"


class Transport(asyncio.Transport):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = self.is_paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("::1", 1), "peername": ("::1", 2)}.get(name, default)

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


def review(path: str, body: bytes) -> bytes | Later:
    if b"refuse" in body:
        raise RequestError(400, f"refused: {len(body)}")
    if b"later" in body:

        async def later(_seconds_left: float) -> bytes:
            await asyncio.sleep(0)
            return b"later " + path.encode()

        return later
    return b"%b %d %d" % (path.encode(), len(body), hash(body))


class Server:
    """One connection. `learns`: whether it learns heads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, learns: bool) -> None:
        limits = Limits(max_body_bytes=400, max_bytes_in_flight=3 * 256, max_in_flight=1, max_header_bytes=300)
        self.loop = loop
        self.responses: list[tuple[str, int]] = []
        self.app = WebhookApp(
            review, limits=limits, on_response=lambda path, status, _s: self.responses.append((path, status))
        )
        self.bodies = Bodies(limits, loop)
        self.connections = Connections()
        config = Config(self.app, interface="asgi3", lifespan="off", ws="none", log_config=None, access_log=False)
        config.load()
        self.protocol = ReviewProtocol(config, self.connections, limits, loop, begin=self.app.begin, bodies=self.bodies)
        if not learns:
            self.protocol._heads_to_learn = 0
        self.transport = Transport()
        self.protocol.connection_made(self.transport)

    def send(self, data: bytes, *, turns: int) -> None:
        self.protocol.data_received(data)
        for _ in range(turns):
            self.loop.run_until_complete(asyncio.sleep(0))

    def state(self) -> tuple[object, ...]:
        """Return what the rest of the process, and the client, can see."""
        protocol = self.protocol
        return (
            self.transport.written,
            self.transport.is_closed,
            self.transport.is_paused,
            self.responses,
            self.app.in_flight,
            self.bodies.held_bytes,
            self.bodies.are_none,
            self.bodies.refusals,
            self.connections.total_requests,
            len(self.connections.idle),
            len(self.connections.unproven),
            len(self.connections.tasks),
            protocol._is_deaf or protocol._phase,
            protocol._timer.is_set,
            protocol._keep_alive.is_set,
        )


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


BODIES = [b"{}", b"x", b"refuse", b"later", b"y" * 50, b"z" * 300, b"w" * 400, b"v" * 401, b""]
PATHS = ["/validate", "/mutate", "/validate/observe", "/validate?timeout=5s", "/validate/x", "/"]
WHOLE = [
    *(request(body, path) for body in BODIES for path in PATHS),
    *(request(b"{}", Connection=value) for value in ("close", "keep-alive")),
    request(b"{}", Content_Type="text/plain"),
    request(b"{}", Content_Type="Application/JSON; a=b"),
    request(b"{}", Expect="100-continue"),
    request(b"{}", X="y" * 180),
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    HEAD.replace(b"POST", b"GET") + b"\r\n",
    b"\r\n",
    b"\r\n" + request(b"{}"),
    b"garbage\r\n\r\n",
]


@given(
    requests=st.lists(st.one_of(st.sampled_from(WHOLE[:6]), st.sampled_from(WHOLE)), min_size=2, max_size=8),
    cuts=st.lists(st.integers(0, 1500), max_size=8),
    turns=st.integers(0, 2),
    drains=st.booleans(),
    pauses=st.booleans(),
)
def test_a_connection_that_learns_answers_as_one_that_does_not(
    loop: asyncio.AbstractEventLoop,
    requests: Sequence[bytes],
    cuts: Sequence[int],
    turns: int,
    *,
    drains: bool,
    pauses: bool,
) -> None:
    """For each way to cut the same bytes into pieces, with and without turns of the loop between them.

    Meanwhile a drain may begin, and the client may leave answers unread for some time.
    """
    data = request(b"{}") + b"".join(requests)
    ends = sorted({len(request(b"{}")), *cuts, *_boundaries(requests)[:: 1 + len(cuts) % 3]})
    servers = [Server(loop, learns=True), Server(loop, learns=False)]
    start = 0
    for number, end in enumerate((*ends, len(data))):
        piece, start = data[start:end], end
        for server in servers:
            if drains and number == len(ends) // 2 + 1:
                server.connections.default_headers.append((b"connection", b"close"))
            if pauses and number in {1, 3}:
                (server.protocol.pause_writing if number == 1 else server.protocol.resume_writing)()
            if piece:
                server.send(piece, turns=turns)
        assert servers[0].state() == servers[1].state()
    for server in servers:
        server.send(b"\r\n", turns=9)
        server.protocol.connection_lost(None)
    assert servers[0].state() == servers[1].state()


def _boundaries(requests: Sequence[bytes]) -> list[int]:
    size = len(request(b"{}"))
    ends = []
    for one in requests:
        size += len(one)
        ends.append(size)
    return ends


def test_the_second_request_passes_by_the_parser(loop: asyncio.AbstractEventLoop) -> None:
    server = Server(loop, learns=True)
    server.send(request(b"first"), turns=0)
    server.protocol.parser = cast(Any, SimpleNamespace(should_upgrade=lambda: False))  # it reads nothing
    server.send(request(b"the second"), turns=0)
    whole = request(b"the third one")
    server.send(whole[:-5], turns=0)
    server.send(whole[-5:], turns=0)
    assert server.responses == [("/validate", 200)] * 3


def test_a_connection_learns_few_heads(loop: asyncio.AbstractEventLoop) -> None:
    server = Server(loop, learns=True)
    for number in range(3 * KNOWN_MAX):
        server.send(request(b"{}", X=str(number)), turns=0)
    assert len(server.protocol._known) == KNOWN_MAX
    assert len(server.responses) == 3 * KNOWN_MAX


def test_a_token_that_is_taken_back(pki: Path, context: ssl.SSLContext) -> None:
    tokens = ["0123456789abcdef"]
    path = f"/validate/{tokens[0]}"
    with running(pki, tokens=tokens) as server, Client(server.addresses.webhook, context) as client:
        assert [client.post(path=path).status for _ in range(3)] == [200, 200, 200]
        tokens[0] = "fedcba9876543210"
        assert client.post(path=path).status == 404


def test_the_body_behind_a_known_head_has_a_time(pki: Path, context: ssl.SSLContext) -> None:
    path = "/validate?timeout=100ms"
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        assert client.post(b"{}", path).status == 200
        client.send(request(b"{} ", path)[:-2])
        answer = client.read()
        assert (answer.status, answer.closes) == (408, True)
        assert answer.text.startswith("request body: not complete after 0.05 s")
        assert client.is_at_end()


def test_a_client_that_leaves_behind_a_known_head(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server:
        with Client(server.addresses.webhook, context) as client:
            assert client.post().status == 200
            client.send(request(b"{} ")[:-2])
            assert client.sock.fileno() >= 0
        deadline = time.monotonic() + 5
        while len(server.responses) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.responses == [("/validate", 200), ("/validate", 499)]


def test_each_answer_moves_the_end_of_keep_alive(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, keep_alive_s=0.2) as server, Client(server.addresses.webhook, context) as client:
        for _ in range(3):
            assert client.post().status == 200
            time.sleep(0.1)
        started = time.monotonic()
        assert client.post().status == 200
        assert client.is_at_end()
        assert 0.19 <= time.monotonic() - started < 2
