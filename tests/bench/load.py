"""An HTTPS client with some kept-alive connections, in one thread, so that it keeps up with a server on another core.

`run` measures throughput: each connection sends its next request when its answer has come. `run_paced` measures latency:
it sends at a fixed rate, however slow the server is. Connections go to the servers in turn, like those of an API server
to the endpoints of a Service. TLS is verified against the CA.
"""

from __future__ import annotations

import itertools
import json
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER_END = b"\r\n\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Report:
    """The result of one run. Latencies are in seconds. `sent` counts the requests of the warm-up too."""

    requests: int
    sent: int
    seconds: float
    latencies: tuple[float, ...]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def quantile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


class Connection:
    """One connection; its requests come from a common supply."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, messages: Iterator[bytes]) -> None:
        plain = socket.create_connection(address)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = context.wrap_socket(plain, server_hostname="localhost")
        self._messages = messages
        self.answer = b""
        self.sent_at = 0.0

    def send(self) -> None:
        """Send the next request."""
        self.answer = b""
        self.sent_at = time.perf_counter()
        self.sock.sendall(next(self._messages))

    def receive(self) -> bool:
        """Read from the socket; say whether the answer is complete."""
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection in the middle")
        self.answer += data
        return is_complete(self.answer)


def is_complete(answer: bytes) -> bool:
    """Say whether an answer has all of its bytes. Raises ConnectionError if it is not a success.

    Servers in Go send chunks if an answer is large: a chunk is not looked at, because an answer in JSON cannot contain
    the last one.
    """
    head, end, body = answer.partition(HEADER_END)
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"unexpected answer: {answer[:200]!r}")
    _, has_length, rest = head.lower().partition(b"content-length: ")
    return len(body) >= int(rest.split(b"\r\n")[0]) if has_length else body.endswith(LAST_CHUNK)


def value_of(answer: bytes) -> Any:
    """Return the JSON value of a complete answer."""
    head, _, body = answer.partition(HEADER_END)
    if b"content-length: " in head.lower():
        return json.loads(body)
    value = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        value, body = value + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return json.loads(value)


def request(path: str, body: bytes) -> bytes:
    """Return the bytes of a request like the API server's."""
    head = (
        f"POST {path}?timeout=10s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kube-apiserver-admission\r\n"
        f"Content-Length: {len(body)}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n\r\n"
    )
    return head.encode() + body


def connect(port: int, ca: Path, messages: Iterator[bytes]) -> Connection:
    """Return a connection to a server of this machine."""
    return Connection(("127.0.0.1", port), ssl.create_default_context(cafile=ca), messages)


def _open(ports: Sequence[int], ca: Path, messages: Sequence[bytes], count: int) -> list[Connection]:
    context = ssl.create_default_context(cafile=ca)
    turns = itertools.cycle(messages)
    return [Connection(("127.0.0.1", ports[number % len(ports)]), context, turns) for number in range(count)]


def run(ports: Sequence[int], ca: Path, messages: Sequence[bytes], *, connections: int, seconds: float) -> Report:
    """Send messages in turn for some seconds and return the result; the first fifth is warm-up."""
    selector = selectors.DefaultSelector()
    opened = _open(ports, ca, messages, connections)
    for connection in opened:
        selector.register(connection.sock, selectors.EVENT_READ, connection)
        connection.send()
    warm_until = time.perf_counter() + seconds / 5
    end = warm_until + seconds
    latencies: list[float] = []
    started = warm_until
    sent = 0
    now = 0.0
    while now < end:
        for key, _ in selector.select(timeout=1):
            connection = key.data
            if not connection.receive():
                continue
            now = time.perf_counter()
            sent += 1
            if now >= warm_until:
                latencies.append(now - connection.sent_at)
            connection.send()
    for connection in opened:
        connection.sock.close()
    selector.close()
    return Report(requests=len(latencies), sent=sent, seconds=now - started, latencies=tuple(sorted(latencies)))


def run_paced(
    ports: Sequence[int], ca: Path, messages: Sequence[bytes], *, connections: int, rate: float, seconds: float
) -> Report:
    """Send `rate` messages per second. A latency begins when the message is due, even if all connections are busy then."""
    selector = selectors.DefaultSelector()
    idle = deque(_open(ports, ca, messages, connections))
    for connection in idle:
        selector.register(connection.sock, selectors.EVENT_READ, connection)
    latencies: list[float] = []
    started, sent, total = time.perf_counter(), 0, int(rate * seconds)
    while len(latencies) < total:
        now = time.perf_counter()
        while idle and sent < total and started + sent / rate <= now:
            connection = idle.popleft()
            connection.send()
            connection.sent_at = started + sent / rate
            sent += 1
        due_s = max(0.0, started + sent / rate - now) if idle and sent < total else 1.0
        for key, _ in selector.select(timeout=due_s):
            connection = key.data
            if connection.receive():
                latencies.append(time.perf_counter() - connection.sent_at)
                idle.append(connection)
    seconds = time.perf_counter() - started
    for connection in idle:
        connection.sock.close()
    selector.close()
    return Report(requests=total, sent=total, seconds=seconds, latencies=tuple(sorted(latencies)))
