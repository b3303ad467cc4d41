"""Requests to a webhook: the certificate is checked, for the name that the caller expects."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from conformance.hooks.calls import Caller, NoAnswerError
from conformance.rig.certificates import make_keys

NAME = "127.0.0.2"
"""In the certificate of the server, which listens on 127.0.0.1."""


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"end":
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


class Quiet(ThreadingHTTPServer):
    def handle_error(self, *args: object) -> None:
        """Ignore clients that go away."""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    keys = make_keys(NAME)
    (tmp_path / "pair.pem").write_text(keys.certificate + keys.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    with Quiet(("127.0.0.1", 0), Echo) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def test_an_answer(port: int) -> None:
    answer = Caller(port, make_keys(NAME).ca, name=NAME).send("/validate", b"hello")
    assert (answer.status, answer.body) == (200, b"hello")


def test_another_name(port: int) -> None:
    with pytest.raises(NoAnswerError, match="certificate"):
        Caller(port, make_keys(NAME).ca).send("/validate", b"hello")


def test_another_authority(port: int) -> None:
    with pytest.raises(NoAnswerError, match="certificate"):
        Caller(port, make_keys().ca, name=NAME).send("/validate", b"hello")


def test_a_connection_that_ends(port: int) -> None:
    with pytest.raises(NoAnswerError, match="POST /validate: no answer"):
        Caller(port, make_keys(NAME).ca, name=NAME).send("/validate", b"end")
