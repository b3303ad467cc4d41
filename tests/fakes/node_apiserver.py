"""A small API server over TLS: objects by path, a PATCH of pods/status, events, and answers as a test scripts them."""

from __future__ import annotations

import gc
import json
import socket
import ssl
import threading
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qsl

from certs import authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.x509 import Certificate

Object = dict[str, Any]

CUT = -1
"""Instead of a status: the connection ends in the middle of the body."""
DROP = -2
"""Instead of a status: the connection ends without a word."""
RAW = -3
"""Instead of a status: the body is all that is sent."""


@dataclass(frozen=True)
class Answer:
    """What one request gets instead of the truth; without a status the truth, later."""

    status: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Keys(NamedTuple):
    """PEM texts of a server: its authority, its certificate, its key."""

    ca: str
    certificate: str
    key: str


@cache
def make_keys(name: str = "127.0.0.1", *, age_days: int = 0) -> Keys:
    """Issue a certificate that was fresh some days ago."""
    now = datetime.now(UTC) - timedelta(days=age_days)
    ca_key, key = authority.make_key(), authority.make_key()
    ca = authority.issue_ca(ca_key, now=now)
    leaf = authority.issue_leaf(authority.Pair(ca, ca_key), key, [authority.parse_name(name)], now=now)
    return Keys(_text(ca), _text(leaf), authority.render_key(key).decode())


def _text(certificate: Certificate) -> str:
    return authority.render_certificate(certificate).decode()


REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid"}


def status(code: int, message: str, reason: str = "") -> bytes:
    value = {"status": "Failure", "message": message, "reason": reason or REASONS.get(code, ""), "code": code}
    return json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, **value}).encode()


def failure(code: int, message: str = "etcd has a bad day", *, reason: str = "", **headers: str) -> Answer:
    return Answer(code, status(code, message, reason), {key.replace("_", "-"): value for key, value in headers.items()})


class ApiServer:
    """Use as a context. `answers` is taken from first, for any path; then the objects speak."""

    def __init__(
        self, directory: Path, *, keys: Keys | None = None, port: int = 0, client_ca: str = "", is_tls: bool = True
    ) -> None:
        self.keys = keys or make_keys()
        self.is_tls = is_tls
        self.lock = Lock()
        self.closing = Event()
        self.objects: dict[str, Object] = {}
        self.kinds = {"network-attachment-definitions"}
        """The collections that it lists; it knows no other."""
        self.answers: deque[Answer] = deque()
        self.requests: list[Request] = []
        self.connections = 0
        self.token: str | None = None
        self.peers: list[object] = []
        self._sockets: set[socket.socket] = set()
        self._context = _server_context(directory, self.keys, client_ca)
        self._server = _Server(("127.0.0.1", port), _handler_of(self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="api-server")

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._server.shutdown()
        for connection in tuple(self._sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def put(self, path: str, value: Object) -> None:
        self.objects[path] = value

    def asked(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    def answer_to(self, request: Request) -> Answer:
        """Say the truth."""
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            return failure(401, "Unauthorized")
        if request.method == "POST":
            return self._create(request.path, request.body)
        path, _, query = request.path.removesuffix("/status").partition("?")
        if request.method == "GET" and path.rpartition("/")[2] in self.kinds:
            return self._list(path, dict(parse_qsl(query)))
        found = self.objects.get(path)
        if found is None:
            return _missing(path)
        if request.method == "PATCH":
            return self._patch(found, request.body["metadata"])
        return Answer(200, json.dumps(found).encode())

    def _list(self, collection: str, options: dict[str, str]) -> Answer:
        """As the API server lists: by key, `limit` at a time; `continue` says where to go on."""
        kind = collection.rpartition("/")[2]
        group = collection.partition("/namespaces/")[0].removesuffix(f"/{kind}")
        home = f"{collection}/" if "/namespaces/" in collection else f"{group}/"
        paths = sorted(path for path in self.objects if path.startswith(home) and path.split("/")[-2] == kind)
        start, limit = int(options.get("continue", "0").rpartition("/")[2]), int(options["limit"])
        token = {"continue": f"a+b/{start + limit}"} if start + limit < len(paths) else {}
        items = [self.objects[path] for path in paths[start : start + limit]]
        return Answer(200, json.dumps({"metadata": {"resourceVersion": "9", **token}, "items": items}).encode())

    def _patch(self, found: Object, wanted: Object) -> Answer:
        metadata = found["metadata"]
        if wanted["uid"] != metadata["uid"]:
            what = f'metadata.uid: Invalid value: "{wanted["uid"]}": field is immutable'
            return failure(422, f'Pod "{metadata["name"]}" is invalid: {what}')
        metadata.setdefault("annotations", {}).update(wanted["annotations"])
        return Answer(200, json.dumps(found).encode())

    def _create(self, collection: str, value: Object) -> Answer:
        """As the API server checks a new event: its namespace is there, is the request's, and its name is new."""
        namespace, _, resource = collection.rpartition("/")
        name, about = value["metadata"]["name"], value["metadata"]["namespace"]
        if not any(path == namespace or path.startswith(f"{namespace}/") for path in self.objects):
            return _missing(namespace)
        if about != namespace.rpartition("/")[2]:
            return failure(400, "the namespace of the provided object does not match the namespace sent on the request")
        path = f"{collection}/{name}"
        if path in self.objects:
            return failure(409, f'{resource} "{name}" already exists', reason="AlreadyExists")
        self.objects[path] = value
        return Answer(201, json.dumps(value).encode())


def _missing(path: str) -> Answer:
    """`pods "web" not found`; with the group behind the resource if it has one."""
    steps = path.split("/")
    group = f".{steps[2]}" if steps[1] == "apis" else ""
    return failure(404, f'{steps[-2]}{group} "{steps[-1]}" not found')


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def handle_error(self, *args: object) -> None:
        """Clients that go away are no news."""


def _server_context(directory: Path, keys: Keys, client_ca: str) -> ssl.SSLContext:
    file = directory / "server.pem"
    file.write_text(keys.certificate + keys.key, encoding="ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca)
    return context


def _handler_of(api: ApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        server_state = api

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True  # as in Go; else a TLS session ticket costs the first answer 40 ms
    server_state: ApiServer

    def setup(self) -> None:
        api = self.server_state
        api.connections += 1
        plain = self.request
        api._sockets.add(plain)
        if api.is_tls:
            try:
                self.request = api._context.wrap_socket(plain, server_side=True)
            finally:
                api._sockets.discard(plain)
            api._sockets.add(self.request)
            api.peers.append(self.request.getpeercert())
        super().setup()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.server_state._sockets.discard(self.request)
        self.request.close()

    def log_message(self, *args: object) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        api = self.server_state
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(self.command, self.path, headers, json.loads(body) if body else None)
        with api.lock:
            api.requests.append(request)
            answer = api.answers.popleft() if api.answers else Answer()
            api_answer = api.answer_to(request) if answer.status is None else answer
        if answer.after_s:
            api.closing.wait(answer.after_s)
        self._send(api_answer)

    do_PATCH = do_POST = do_GET  # noqa: N815 - the names are those of the base

    def _send(self, answer: Answer) -> None:
        if answer.status in {CUT, DROP, RAW}:
            self.close_connection = True
            if answer.status == CUT:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            self.wfile.write(answer.body)
            self.wfile.flush()
            return
        self.send_response(answer.status or 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body)))
        for key, value in answer.headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds
        self.on_sleep()


@contextmanager
def nothing_left() -> Iterator[None]:
    """Every thread ends with its test, and every socket is closed: a ResourceWarning comes from the collection."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
    gc.collect(0)


def pod(name: str = "web", namespace: str = "team-a", uid: str = "uid-1", **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "uid": uid, **metadata},
        "spec": {"serviceAccountName": "builder"},
    }
