"""Clients that are slow, silent, endless or do not speak HTTP. None may hold a connection or fill the log."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

from .harness import PATIENCE_S, Client, echo, request, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from webhook.serving.http import Later

HEAD = b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def _silent_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
    assert [record.message for record in caplog.records if record.levelno > logging.DEBUG] == []


@pytest.mark.parametrize("sent", [HEAD, b"P", b"\r\n", b"\r\n\r\n\r\n"])
def test_half_a_head_gets_408(pki: Path, context: ssl.SSLContext, sent: bytes) -> None:
    with running(pki, header_timeout_s=0.05) as server, Client(server.addresses.webhook, context) as client:
        client.send(sent)
        answer = client.read()
        assert (answer.status, answer.closes) == (408, True)
        assert answer.text == "request headers: not complete after 0.05 s; send them at once"
        assert client.is_at_end()


def test_drip_of_bytes_does_not_extend_the_header_timeout(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, header_timeout_s=0.05) as server, Client(server.addresses.webhook, context) as client:
        client.sock.settimeout(0.002)
        answer = b""
        started = time.monotonic()
        while not answer:
            client.send(b"P" if time.monotonic() == started else b"O")
            try:
                answer = client.sock.recv(9)
            except TimeoutError:
                assert time.monotonic() - started < PATIENCE_S
        assert answer == b"HTTP/1.1 "


def test_silence_without_handshake(pki: Path) -> None:
    with (
        running(pki, handshake_timeout_s=0.05) as server,
        socket.create_connection(server.addresses.webhook, PATIENCE_S) as sock,
        suppress(ConnectionResetError),
    ):
        assert sock.recv(1) == b""


def test_silence_after_handshake(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, header_timeout_s=0.05) as server, Client(server.addresses.webhook, context) as client:
        assert client.is_at_end()


def test_slow_second_request(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, header_timeout_s=0.05) as server, Client(server.addresses.webhook, context) as client:
        assert client.post().status == 200
        client.send(b"POST /vali")
        assert client.read().status == 408
        assert client.is_at_end()


def test_half_a_head_behind_a_request_in_one_packet(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, header_timeout_s=0.05) as server, Client(server.addresses.webhook, context) as client:
        client.send(request() + b"POST /vali")
        assert client.read().status == 200
        assert client.read().status == 408


def test_idle_longer_than_keep_alive_closes(pki: Path, context: ssl.SSLContext) -> None:
    # The header timeout is shorter, and must not run while a connection is idle.
    limits: dict[str, Any] = {"keep_alive_s": 0.15, "header_timeout_s": 0.05}
    with running(pki, **limits) as server, Client(server.addresses.webhook, context) as client:
        started = time.monotonic()
        assert client.post().status == 200
        assert client.is_at_end()
        assert time.monotonic() - started >= 0.15


def test_endless_chunked_body(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, max_body_bytes=100_000) as server, Client(server.addresses.webhook, context) as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        client.send(b"ffff\r\n" + b"x" * 65535 + b"\r\n")
        client.send(b"ffff\r\n" + b"x" * 65535 + b"\r\n")
        assert client.read().status == 413  # before the end of the body
        assert client.is_at_end()


def test_the_answer_reaches_a_client_that_still_sends_and_reads_late(pki: Path, context: ssl.SSLContext) -> None:
    limits: dict[str, Any] = {"max_body_bytes": 1000, "linger_s": PATIENCE_S}
    with running(pki, **limits) as server, Client(server.addresses.webhook, context) as client:
        client.send(request(b"x" * 3_000_000))
        assert client.read().status == 413


@pytest.mark.parametrize("line", ["GET /nowhere", "POST /validate"])
def test_slow_rest_of_a_request_that_was_answered_early(pki: Path, context: ssl.SSLContext, line: str) -> None:
    with running(pki, linger_s=0.05) as server, Client(server.addresses.webhook, context) as client:
        client.send(f"{line} HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nx".encode())
        assert client.read().status in {404, 415}
        assert client.is_at_end()


def test_rest_of_a_request_that_was_answered_early_keeps_the_connection(pki: Path, context: ssl.SSLContext) -> None:
    limits: dict[str, Any] = {"linger_s": PATIENCE_S, "keep_alive_s": 0.05}
    with running(pki, **limits) as server, Client(server.addresses.webhook, context) as client:
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nx")
        assert client.read().status == 404
        client.send(b"yz" + request())
        assert client.read().status == 200
        assert client.is_at_end()  # closed by keep-alive, not by the timer of the early answer


@pytest.mark.parametrize(
    "tail", [b"0\r\n" + b"T: v\r\n" * 40_000, b"0;" + b"x" * 200_000, b"0\r\nT: " + b"x" * 200_000]
)
def test_endless_trailers_and_chunk_extensions(pki: Path, context: ssl.SSLContext, tail: bytes) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" + tail)
        answer = client.read()
        assert (answer.status, answer.closes) == (400, True)
        assert answer.text == "chunked body: more framing than content; allowed: 65536 bytes more"


def test_ten_megabytes_of_header(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, linger_s=PATIENCE_S) as server, Client(server.addresses.webhook, context) as client:
        client.send(HEAD + b"X: " + b"x" * 10_000_000)
        answer = client.read()
        assert (answer.status, answer.closes) == (431, True)
        assert answer.text == "request headers: too large; allowed: at most 65536 bytes"


@pytest.mark.parametrize("piece", [1_000, 70_000])
@pytest.mark.parametrize(("size", "status"), [(65_536, 200), (65_537, 431), (66_560, 431)])
def test_header_at_the_limit(pki: Path, context: ssl.SSLContext, size: int, status: int, piece: int) -> None:
    end = b"\r\nContent-Length: 2\r\n\r\n"
    head = HEAD + b"X: " + b"x" * (size - len(HEAD) - 3 - len(end)) + end
    assert len(head) == size
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        for start in range(0, size, piece):
            client.send(head[start : start + piece])
        if status == 200:
            client.send(b"{}")
        assert client.read().status == status


def test_large_body_does_not_count_as_header_of_the_next(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(request(b"x" * 150_000) + request(b"y" * 150_000) + request(b"z"))
        assert [client.read().body for _ in range(3)] == [
            echo("/validate", b"x" * size) for size in (150_000, 150_000, 1)
        ]


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"SSH-2.0-x\r\n", b"CONNECT a:1 HTTP/1.1\r\n\r\n",
     b"POST /validate HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     b"POST /validate HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"\x00" * 100],
)  # fmt: skip
def test_garbage(pki: Path, context: ssl.SSLContext, garbage: bytes) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(garbage)
        answer = client.read()
        assert (answer.status, answer.closes) == (400, True)
        assert answer.text == "not an HTTP/1.1 request; use https and POST /validate or POST /mutate"
        assert client.is_at_end()


def test_garbage_instead_of_tls(pki: Path) -> None:
    with running(pki) as server, Client(server.addresses.webhook, None) as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        client.sock.settimeout(PATIENCE_S)
        with suppress(ConnectionResetError):
            while client.sock.recv(100):  # a TLS alert may come first
                pass


def test_garbage_in_a_chunked_body(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        client.send(b"no length\r\n")
        assert client.read().status == 400
        assert client.is_at_end()


def test_garbage_behind_pipelined_requests(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(request(b"1") + request(b"22") + b"\x00\x00\x00")
        assert [client.read().body for _ in range(2)] == [echo("/validate", b"1"), echo("/validate", b"22")]
        assert client.read().status == 400
        assert client.is_at_end()


def test_broken_request_behind_pipelined_ones(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        broken = HEAD + b"Transfer-Encoding: chunked\r\n\r\nno length\r\n"
        client.send(request(b"1") + request(b"22") + broken)
        assert [client.read().body for _ in range(2)] == [echo("/validate", b"1"), echo("/validate", b"22")]
        assert client.read().status == 400
        assert client.is_at_end()


def test_pipelined_requests_are_answered_in_order(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(b"".join(request(b"x" * size) for size in range(1, 51)))
        assert [client.read().body for _ in range(50)] == [echo("/validate", b"x" * size) for size in range(1, 51)]
        assert client.post().status == 200


def test_http_1_0(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(request().replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = client.read()
        assert (answer.status, answer.closes) == (200, True)
        assert client.is_at_end()


@pytest.mark.parametrize("head", [b"GET //[ HTTP/1.1\r\nHost: [", b"GET /x HTTP/1.1\r\nHost: :::a%"])
def test_odd_url(pki: Path, context: ssl.SSLContext, head: bytes) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(head + b"\r\n\r\n")
        assert client.read().status == 404


def test_an_upgrade_is_ignored(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        answer = client.read()
        assert (answer.status, answer.closes) == (404, True)
        assert client.is_at_end()


def test_client_that_leaves_in_the_middle_of_a_body(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as other:
        with Client(server.addresses.webhook, context) as client:
            client.send(request(Content_Length="99", Expect="100-continue"))
            assert client.read().status == 100
        while not server.responses:
            assert other.post(path="/nowhere").status == 404  # each answer takes a turn of the server's loop
        assert server.responses == [("/validate", 499)]


def test_client_that_does_not_read(pki: Path, context: ssl.SSLContext) -> None:
    size = 20_000_000  # more than the buffers of both ends

    with (
        running(pki, review=lambda _path, _body: b"x" * size, write_timeout_s=0.05) as server,
        Client(server.addresses.webhook, context) as client,
        Client(server.addresses.webhook, context) as other,
    ):
        started = time.monotonic()
        client.send(request() * 3)
        while len(server.responses) < 3:  # the third waits for the send buffer until the server cuts the connection
            assert other.post(path="/nowhere").status == 404
            assert time.monotonic() - started < PATIENCE_S
        assert is_cut_short(client, size)


def is_cut_short(client: Client, size: int) -> bool:
    try:
        return len(client.read().body) < size
    except (ConnectionError, ssl.SSLError, EOFError):
        return True


def test_above_the_cap_a_connection_without_a_request_is_closed(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, max_connections=3) as server:
        with (
            Client(server.addresses.webhook, context) as good,
            Client(server.addresses.webhook, context) as silent,
            Client(server.addresses.webhook, context) as lost,
        ):
            assert (good.post().status, lost.post(path="/nowhere").status) == (200, 404)
            with Client(server.addresses.webhook, context) as newest:
                assert newest.post().status == 200
                assert silent.is_at_end()  # the oldest connection without an accepted request
                assert good.post().status == 200
                assert lost.post(path="/nowhere").status == 404
        with Client(server.addresses.probes, None) as probe:  # the probe port has its own cap
            probe.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert probe.read().status == 200


def test_above_the_cap_the_connection_idle_for_longest_gets_503(pki: Path, context: ssl.SSLContext) -> None:
    with (
        running(pki, max_connections=2) as server,
        Client(server.addresses.webhook, context) as first,
        Client(server.addresses.webhook, context) as second,
    ):
        assert (first.post().status, second.post().status, first.post().status) == (200, 200, 200)
        with Client(server.addresses.webhook, context) as third:
            answer = second.read()
            assert (answer.status, answer.headers["retry-after"]) == (503, "0")
            assert second.is_at_end()
            assert (third.post().status, first.post().status) == (200, 200)


def test_a_connection_in_use_is_not_closed_for_a_new_one(pki: Path, context: ssl.SSLContext) -> None:
    with (
        running(pki, max_connections=1) as server,
        Client(server.addresses.webhook, context) as busy,
    ):
        busy.send(request(Content_Length="3", Expect="100-continue")[: -len(b"{}")])
        assert busy.read().status == 100
        with Client(server.addresses.webhook, context) as late:
            assert late.is_at_end()
        busy.send(b"abc")
        assert busy.read().status == 200


def test_handshakes_that_are_never_finished_do_not_keep_others_out(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, max_handshakes=4) as server, ExitStack() as opened:
        silent = [opened.enter_context(socket.create_connection(server.addresses.webhook, 5)) for _ in range(20)]
        with Client(server.addresses.webhook, context) as client:
            assert client.post().status == 200
        for sock in silent[:16]:  # the server has ended all but the newest
            with suppress(ConnectionResetError):
                assert sock.recv(1) == b""


def test_requests_in_a_pipeline_are_bounded(pki: Path, context: ssl.SSLContext) -> None:
    """At most 64 requests of any size wait behind a review that waits."""
    release = threading.Event()

    def review(_path: str, sent: bytes) -> bytes | Later:
        async def later(_seconds_left: float) -> bytes:
            await asyncio.to_thread(release.wait, PATIENCE_S)
            return b'"late"'

        return later if sent == b'"wait"' else sent

    with running(pki, review=review, max_pipelined=3) as server, Client(server.addresses.webhook, context) as client:
        client.send(request(b'"wait"') + b"".join(request(b"%d" % number) for number in range(1000)))
        release.set()
        assert [client.read().body for _ in range(4)] == [b'"late"', b"0", b"1", b"2"]
        assert client.is_at_end()


def test_a_client_that_does_not_read_is_not_read_from(pki: Path, context: ssl.SSLContext) -> None:
    """A 404 is longer than its request, so answers must not accumulate."""
    tiny = b"GET / HTTP/1.1\r\n\r\n"
    with running(pki, write_timeout_s=0.1) as server, Client(server.addresses.webhook, context) as client:
        with pytest.raises((ConnectionError, ssl.SSLError, TimeoutError)):
            client.send(tiny * 4_000_000)
        assert server.bodies.refusals["path"] < 200_000  # of four million


def test_small_answers_leave_at_once(pki: Path, context: ssl.SSLContext) -> None:
    """TCP_NODELAY: with Nagle, each request would wait for the client's delayed ACK of 40 ms."""
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        started = time.monotonic()
        for _ in range(50):
            assert client.post().status == 200
        assert time.monotonic() - started < 50 * 0.040 / 2
