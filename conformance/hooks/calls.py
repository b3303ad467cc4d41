"""Requests over HTTPS to a webhook, as the API server makes them: HTTP/1.1, one authority that it trusts, POST."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple

TIMEOUT_S = 20.0
"""A webhook has at most 30 s (timeoutSeconds), by default 10."""
JSON = "application/json"


class NoAnswerError(AssertionError):
    """The connection ended, or the time was over, before there was an answer."""


class Answer(NamedTuple):
    """An answer as it came. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        text = self.body[:300].decode(errors="replace")
        return f"HTTP {self.status}, {self.headers.get('content-type', 'no content type')}: {text}"


class Caller:
    """Sends requests to one address. `name` is in the certificate of the webhook; by default it is `host`."""

    def __init__(self, port: int, ca: str, *, host: str = "127.0.0.1", name: str = "") -> None:
        self.host, self.port, self.name = host, port, name or host
        self.context = ssl.create_default_context(cadata=ca)

    def open(self, *, timeout_s: float = TIMEOUT_S) -> ssl.SSLSocket:
        """Return a connection after its handshake. Raises OSError, also for a certificate that is not trusted."""
        plain = socket.create_connection((self.host, self.port), timeout=timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as Go; else a body waits 40 ms behind its head
        try:
            return self.context.wrap_socket(plain, server_hostname=self.name)
        except OSError:
            plain.close()
            raise

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection for requests, which opens with its first request."""
        return _Connection(self)

    def send(self, path: str, body: bytes, *, method: str = "POST", content_type: str = JSON) -> Answer:
        """Send one request over a connection of its own. Raises NoAnswerError."""
        connection = self.connect()
        try:
            return exchange(connection, path, body, method=method, content_type=content_type)
        finally:
            connection.close()


class _Connection(http.client.HTTPConnection):
    def __init__(self, caller: Caller) -> None:
        super().__init__(caller.name, caller.port, timeout=TIMEOUT_S)
        self._caller = caller

    def connect(self) -> None:
        self.sock = self._caller.open()


def exchange(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes,
    *,
    method: str = "POST",
    content_type: str = JSON,
) -> Answer:
    """Send a request over a connection and return the answer. Raises NoAnswerError."""
    headers = {"Accept": f"{JSON}, */*", "User-Agent": "kube-apiserver-admission"}
    if content_type:
        headers["Content-Type"] = content_type
    try:
        connection.request(method, path, body=body or None, headers=headers)
        got = connection.getresponse()
        return Answer(got.status, {key.lower(): value for key, value in got.getheaders()}, got.read())
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(f"{method} {path}: no answer: {type(error).__name__}: {error}") from error
