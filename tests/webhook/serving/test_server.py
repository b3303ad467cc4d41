"""Listening, draining and stopping, in a thread or in a process that gets real signals."""

from __future__ import annotations

import re
import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from webhook.serving.server import ListenError, bind

from .harness import PATIENCE_S, Answer, Client, client_context, request, running, server_process

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


def readyz(address: tuple[str, int]) -> Answer:
    with Client(address, None) as probe:
        probe.send(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        return probe.read()


def test_a_drain_closes_after_each_answer_and_accepts_new_clients(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, drain_s=PATIENCE_S) as server, Client(server.addresses.webhook, context) as old:
        assert not old.post().closes
        assert readyz(server.addresses.probes).status == 200
        server.request_stop()
        while (answer := readyz(server.addresses.probes)).status == 200:
            pass
        assert (answer.status, answer.body) == (503, b"shutting down")
        answer = old.post()
        assert (answer.status, answer.closes) == (200, True)
        assert old.is_at_end()
        with Client(server.addresses.webhook, context) as new:
            answer = new.post()
            assert (answer.status, answer.closes) == (200, True)


def test_request_in_flight_is_answered_after_the_drain(pki: Path, context: ssl.SSLContext) -> None:
    with (
        running(pki, shutdown_s=PATIENCE_S) as server,
        Client(server.addresses.webhook, context) as idle,
        Client(server.addresses.webhook, context) as busy,
        Client(server.addresses.webhook, context) as begun,
    ):
        assert idle.post().status == 200
        assert begun.post().status == 200
        begun.send(request()[:20])
        busy.send(request(Content_Length="3", Expect="100-continue")[: -len(b"{}")])
        assert busy.read().status == 100
        server.request_stop()
        goodbye = idle.read()
        assert (goodbye.status, goodbye.headers["retry-after"], goodbye.closes) == (503, "0", True)
        idle.send(request())  # too late: the server reads and drops it
        assert idle.is_at_end()
        idle.close()
        with pytest.raises(ConnectionRefusedError):
            Client(server.addresses.webhook, context)
        busy.send(b"abc")
        begun.send(request()[20:])
        for client in (busy, begun):
            answer = client.read()
            assert (answer.status, answer.closes) == (200, True)
            client.close()
        assert server.ended.result(PATIENCE_S) == 0


def test_a_request_that_does_not_end_is_cut_off(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, shutdown_s=0.05) as server, Client(server.addresses.webhook, context) as client:
        client.send(request(Content_Length="3", Expect="100-continue"))
        assert client.read().status == 100
        server.request_stop()
        assert client.is_at_end()
        assert server.ended.result(PATIENCE_S) == 1


def test_second_request_to_stop_ends_the_drain(pki: Path) -> None:
    with running(pki, drain_s=60) as server:
        server.request_stop()
        server.request_stop()
        assert server.ended.result(PATIENCE_S) == 0  # nothing was in flight


def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            bind(("127.0.0.1", port))
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: address already in use; stop the other process or choose another port"
    )


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("192.0.2.1", 8443), "192.0.2.1:8443: not an address of this machine; choose one of its own, 0.0.0.0 or ::"),
        (("127.0.0.1", 70000), "127.0.0.1:70000: no such port; allowed: 0 to 65535"),
        (("no-such-host.invalid", 1), "no-such-host.invalid:1: the host name is unknown; give an IP address"),
    ],
)
def test_bad_address(address: tuple[str, int], text: str) -> None:
    with pytest.raises(ListenError) as caught:
        bind(address)
    assert str(caught.value) == f"cannot listen on {text}"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
@pytest.mark.parametrize("caller", ["127.0.0.1", "::1"])
def test_every_address(caller: str) -> None:
    """The manifests listen so, because pods have addresses of IPv4, of IPv6, or of both."""
    with bind(("", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection((caller, port), timeout=PATIENCE_S) as connection:
            assert connection.getpeername()[1] == port


def test_every_address_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with bind(("", 0)) as listening:
        assert listening.family is socket.AF_INET


def test_port_can_be_bound_again_after_a_restart(pki: Path, context: ssl.SSLContext) -> None:
    """SO_REUSEADDR: connections of the last process are in TIME_WAIT."""
    with running(pki, max_connections=1) as server:
        address = server.addresses.webhook
        with Client(address, context) as closed_by_server, Client(address, context) as second:
            assert second.post().status == 200
            assert closed_by_server.is_at_end()
    bind(address).close()


class Caller(threading.Thread):
    """The connection of an API server: kept alive, and opened again when the server asks to close it."""

    def __init__(self, addresses: list[tuple[str, int]], context: ssl.SSLContext, done: threading.Event) -> None:
        super().__init__()
        self._addresses = addresses
        self._context = context
        self._done = done
        self.written = 0
        self.answered = 0
        self.failure: Exception | None = None
        self.has_moved = threading.Event()
        self.has_begun = threading.Event()

    def run(self) -> None:
        try:
            for address in self._addresses:
                with Client(address, self._context) as client:
                    self._call(client)
                self.has_moved.set()
        except Exception as error:  # noqa: BLE001 - the test shows it
            self.failure = error

    def _call(self, client: Client) -> None:
        while not self._done.is_set():
            self.written += 1
            answer = client.post(b"x" * 5000)
            assert (answer.status, len(answer.body)) == (200, 5000)
            self.answered += 1
            self.has_begun.set()
            if answer.closes:
                return


@pytest.mark.slow
def test_sigterm_under_load_loses_no_request(pki: Path) -> None:
    context = client_context(pki)
    done = threading.Event()
    with (
        server_process(pki, drain_s=0.5) as (leaving, first),
        server_process(pki, drain_s=0) as (staying, second),
    ):
        callers = [Caller([first.webhook, second.webhook], context, done) for _ in range(6)]
        for caller in callers:
            caller.start()
        for caller in callers:
            assert caller.has_begun.wait(PATIENCE_S)
        leaving.send_signal(signal.SIGTERM)
        for caller in callers:
            assert caller.has_moved.wait(PATIENCE_S)
        assert leaving.wait(PATIENCE_S) == 0
        done.set()
        for caller in callers:
            caller.join(PATIENCE_S)
        staying.send_signal(signal.SIGINT)
        assert staying.wait(PATIENCE_S) == 0
        assert leaving.stderr
        assert leaving.stderr.read() == ""
    assert [caller.failure for caller in callers] == [None] * 6
    written, answered = sum(c.written for c in callers), sum(c.answered for c in callers)
    assert written == answered > 100
    print(f"{answered} of {written} requests answered")


@pytest.mark.slow
def test_second_signal_exits_at_once(pki: Path) -> None:
    with server_process(pki, drain_s=60) as (process, addresses):
        with Client(addresses.webhook, client_context(pki)) as busy:
            busy.send(request(Content_Length="99", Expect="100-continue"))
            assert busy.read().status == 100
            process.send_signal(signal.SIGTERM)
            while readyz(addresses.probes).status == 200:
                pass
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 1  # a request was cut off
        assert process.stderr
        assert re.fullmatch(r"drain ended: requests were cut off after \d\.\d s, 0 answered\n", process.stderr.read())
