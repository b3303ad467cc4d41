"""A real server in a thread or in its own process, and a client that may misbehave byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import uvloop

from tests.paths import ROOT
from webhook.serving.app import WebhookApp
from webhook.serving.bodies import Bodies
from webhook.serving.http import Limits
from webhook.serving.probes import create_probes
from webhook.serving.reviewpaths import NO_TOKEN, ReviewPaths
from webhook.serving.server import Addresses, Stop, serve
from webhook.serving.tls import ServerTls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from webhook.serving.clients import ClientTrust
    from webhook.serving.http import Review

PATIENCE_S = 5.0
"""Upper bound of every wait. No test that passes comes near it."""

ANYWHERE = Addresses(webhook=("127.0.0.1", 0), probes=("127.0.0.1", 0))


def echo(path: str, body: bytes) -> bytes:
    return json.dumps({"path": path, "size": len(body)}).encode()


@dataclass
class Running:
    """A running server."""

    addresses: Addresses
    loop: asyncio.AbstractEventLoop
    stop: Stop
    tls: ServerTls
    ended: Future[int]
    bodies: Bodies
    responses: list[tuple[str, int]] = field(default_factory=list)

    def request_stop(self) -> None:
        self.loop.call_soon_threadsafe(self.stop.request)

    def reload(self) -> None:
        """Poll the certificate files now, on the loop."""

        async def poll() -> None:
            self.tls.poll()

        asyncio.run_coroutine_threadsafe(poll(), self.loop).result(PATIENCE_S)


@contextmanager
def running(
    pki: Path,
    *,
    review: Review = echo,
    is_ready: Callable[[], str | None] = lambda: None,
    clients: ClientTrust | None = None,
    tokens: Sequence[str] = (NO_TOKEN,),
    **limits: Any,
) -> Iterator[Running]:
    """Run a server in a thread; on leaving, end it at once and wait for the thread."""
    started: Future[Running] = Future()
    settings = Limits(**{"drain_s": 0, "shutdown_s": 1, "linger_s": 0.1, **limits})

    async def main(ended: Future[int]) -> int:
        tls = ServerTls(pki / "tls.crt", pki / "tls.key", now=time.time, clients=clients)
        tls.load()
        loop = asyncio.get_running_loop()
        server = Running(ANYWHERE, loop, Stop(), tls, ended, Bodies(settings, loop))

        def on_ready(bound: Addresses) -> None:
            server.addresses = bound
            started.set_result(server)

        app = WebhookApp(
            review,
            limits=settings,
            on_response=lambda path, status, _s: server.responses.append((path, status)),
            paths=ReviewPaths(lambda: tokens),
        )
        probes = create_probes(is_ready=is_ready, metrics=lambda: b"up 1\n", configuration=lambda: {"of": "tests"})
        return await serve(
            app,
            probes,
            tls=tls,
            addresses=ANYWHERE,
            limits=settings,
            on_ready=on_ready,
            stop=server.stop,
            bodies=server.bodies,
        )

    def run() -> None:
        ended: Future[int] = Future()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(main(ended))
        ended.set_result(code)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    server = started.result(PATIENCE_S)
    try:
        yield server
    finally:
        if thread.is_alive():
            server.loop.call_soon_threadsafe(server.stop.draining.set)
            server.loop.call_soon_threadsafe(server.stop.at_once.set)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        assert self.headers["content-type"].startswith("text/plain")
        assert "\n" not in self.body.decode()
        return self.body.decode()

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close"


def client_context(pki: Path) -> ssl.SSLContext:
    """Return the context of the strictest client: it checks host name, chain, and every rule of RFC 5280."""
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    return context


class Client:
    """One connection."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext | None, name: str = "localhost") -> None:
        raw = socket.create_connection(address, timeout=PATIENCE_S)
        try:
            self.sock = raw if context is None else context.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise
        self._reader = self.sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self.sock.close()

    @property
    def serial(self) -> str:
        assert isinstance(self.sock, ssl.SSLSocket)
        certificate = self.sock.getpeercert()
        assert certificate
        return str(certificate["serialNumber"])

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self) -> Answer:
        line = self._reader.readline()
        if not line:
            raise EOFError
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        while (line := self._reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = self._reader.read(int(headers.get("content-length", 0)))
        return Answer(status, headers, body)

    def post(self, body: bytes = b"{}", path: str = "/validate", **headers: str) -> Answer:
        self.send(request(body, path, **headers))
        return self.read()

    def is_at_end(self) -> bool:
        """Wait for the server to close; return False if it sends anything before that."""
        try:
            return self._reader.read(1) == b""
        except (ConnectionError, ssl.SSLError):
            return True


def request(body: bytes = b"{}", path: str = "/validate", **headers: str) -> bytes:
    fields = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@contextmanager
def server_process(pki: Path, **limits: float) -> Iterator[tuple[subprocess.Popen[str], Addresses]]:
    """Run `server_process.py`, and kill it at the end of the block."""
    command = [sys.executable, str(Path(__file__).with_name("server_process.py")), str(pki), json.dumps(limits)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            webhook, probes = json.loads(line)
            yield process, Addresses(webhook=("127.0.0.1", webhook), probes=("127.0.0.1", probes))
        finally:
            process.kill()
