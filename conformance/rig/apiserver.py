"""An API server in this process: an `ObjectStore` behind HTTP/1.1, plain or over TLS.

It lists in pages, watches with history and bookmarks, creates, replaces and patches. A test scripts what it answers
instead to the next requests (`next_answers`), to those of a path (`answers`, `answer_always`), or to any (`instead`).
"""

from __future__ import annotations

import json
import ssl
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from threading import Event, Thread
from types import MappingProxyType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from .certificates import Keys
from .objectstore import NAMESPACES, PODS, Line, Object, ObjectStore, Place, RefusedError, locate

SELECTED = "status.phase!=Succeeded,status.phase!=Failed"
"""The field selector of pods. It refuses a list of pods without this selector, or of more than metadata."""
METADATA_ONLY = ";as=PartialObjectMetadata"

CUT = -1
"""Instead of a status: the connection ends in the middle of the body."""
DROP = -2
"""Instead of a status: the connection ends before the answer."""
RAW = -3
"""Instead of a status: the body is all that is sent."""

REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid"}


class Answer(NamedTuple):
    """An answer. Without a status it is the answer from the store, after `after_s` seconds."""

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    after_s: float = 0.0


def status(code: int, message: str, reason: str = "") -> bytes:
    """Return the body of a failure."""
    value = {"status": "Failure", "message": message, "reason": reason or REASONS.get(code, ""), "code": code}
    return json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, **value}).encode()


def failure(code: int, message: str = "etcd has a bad day", *, reason: str = "", **headers: str) -> Answer:
    """Return a failure; `Retry_After` is the header Retry-After."""
    return Answer(code, status(code, message, reason), {key.replace("_", "-"): value for key, value in headers.items()})


@dataclass
class Request:
    """A request. Header names are in lower case. `code` is the status of the answer, 0 before the answer."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any = None
    code: int = 0
    path: str = field(init=False)
    query: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        split = urlsplit(self.target)
        self.path, self.query = split.path, dict(parse_qsl(split.query))

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query

    @property
    def place(self) -> Place | None:
        return locate(self.path)

    @property
    def names_one(self) -> bool:
        """Whether it is about one object."""
        return self.place is not None and bool(self.place.name)


@dataclass
class Watch:
    """An open watch: it sends `backlog`, then the lines from `sent` on, until `cuts` or `ends` grow.

    `name`: of the only object whose lines it sends, "" for all.
    """

    path: str
    namespace: str
    name: str
    backlog: list[Line]
    sent: int
    cuts: int
    ends: int

    def wants(self, line: Line) -> bool:
        return line.key is None or not self.name or line.key == (self.namespace, self.name)


class ApiServer(ObjectStore):
    """Use as a context. With `keys` it speaks TLS; with `client_ca` it wants a certificate of the client."""

    def __init__(self, *, port: int = 0, keys: Keys | None = None, client_ca: str = "") -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.next_answers: deque[Answer] = deque()
        """The answers to the next requests of any path."""
        self.answers: defaultdict[str, deque[tuple[int, bytes] | Answer]] = defaultdict(deque)
        """The answers to the next requests of a path."""
        self.answer_always: dict[str, tuple[int, bytes] | Answer] = {}
        self.instead: Callable[[Request], Answer | None] = lambda _request: None
        """Called with the lock held; it returns None for the answer from the store."""
        self.on_page: Callable[[], None] = lambda: None
        """Called when a page of a list was sent."""
        self.flights: deque[int] = deque()
        """The numbers of requests that it reads from a connection before it answers the first of them; 1 at the end.

        A client that waits for that answer before it sends the others gets none."""
        self.bytes = 0
        """Of all requests, with their heads."""
        self.token: str | None = None
        self.has_strict_namespaces = False
        """Whether objects can be created only in existing namespaces, as at a real API server."""
        self.has_whole_pods = False
        """Whether a list of pods may ask for more than metadata."""
        self.has_any_list = False
        """Whether pods can be listed in any way, as at a real API server."""
        self.cuts = 0
        self.ends = 0
        self.watches: defaultdict[str, int] = defaultdict(int, dict.fromkeys(self.objects, 0))
        """The number of open watches by collection."""
        self.connections = 0
        self.peers: list[object] = []
        """The certificates of clients."""
        self.keys = keys
        self._sorted: dict[str, tuple[int, list[tuple[str, str]]]] = {}
        self.closing = Event()
        self._context = None if keys is None else _server_context(keys, client_ca)
        self._sockets: set[socket] = set()
        self._server = _Server(("127.0.0.1", port), _handler_of(self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="api-server")

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def is_tls(self) -> bool:
        return self.keys is not None

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def ca(self) -> str:
        """The authority of a server with TLS."""
        assert self.keys is not None
        return self.keys.ca

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Break all connections and join all threads."""
        with self.changed:
            self.closing.set()
            self.changed.notify_all()
        self._server.shutdown()
        for connection in tuple(self._sockets):
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    # Operations of a test on watches

    def serve(self, *paths: str) -> None:
        super().serve(*paths)
        for path in paths:
            self.watches[path] += 0

    def send(self, path: str, line: bytes | Object) -> None:
        """Send a line to each open watch of a collection."""
        with self.changed:
            self.lines[path].append(Line(0, line if isinstance(line, bytes) else json.dumps(line).encode()))
            self.changed.notify_all()

    def bookmark(self, path: str) -> int:
        """Raise the resourceVersion, send it to the watches of a collection as a bookmark, and return it."""
        with self.changed:
            self.version += 1
            made = {"kind": "Whatever", "metadata": {"resourceVersion": str(self.version)}}
            self.send(path, {"type": "BOOKMARK", "object": made})
            return self.version

    def bookmark_all(self) -> None:
        """Send a bookmark to each open watch, as an API server does each minute."""
        for path in [path for path, count in self.watches.items() if count]:
            self.bookmark(path)

    def cut_watches(self) -> None:
        """Break off the watches in the middle of their body; changes under the same lock are not sent before."""
        with self.changed:
            self.cuts += 1
            self.changed.notify_all()

    def end_watches(self) -> None:
        """End the watches as if their time was over."""
        with self.changed:
            self.ends += 1
            self.changed.notify_all()

    # Requests

    def asked(self) -> list[str]:
        return [f"{request.method} {request.target}" for request in self.requests]

    def watch_requests(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path and request.is_watch]

    def list_requests(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path and not request.is_watch]

    def get_requests(self) -> list[Request]:
        """The requests for one object."""
        return [request for request in self.requests if request.method == "GET" and request.names_one]

    def written(self) -> list[Request]:
        """The requests that would write."""
        return [request for request in self.requests if request.method != "GET"]

    # For the handler

    def decode(self, body: bytes, content_type: str) -> Any:
        """Return the value of a body; None without one, and for protobuf, which client-go sends."""
        return json.loads(body) if body and "protobuf" not in content_type else None

    def answer_to(self, request: Request) -> Answer | Watch:
        """Answer a request, with the lock held."""
        planned = self.next_answers.popleft() if self.next_answers else Answer()
        answer = planned if planned.status is not None else self._scripted(request) or self._from_store(request)
        request.code = answer.status or 0 if isinstance(answer, Answer) else HTTPStatus.OK
        return answer._replace(after_s=planned.after_s) if isinstance(answer, Answer) else answer

    def _scripted(self, request: Request) -> Answer | None:
        instead = self.instead(request)
        if instead is not None:
            return instead
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            return failure(401, "Unauthorized")
        if self.answers[request.path]:
            return Answer(*self.answers[request.path].popleft())
        always = self.answer_always.get(request.path)
        return None if always is None else Answer(*always)

    def _from_store(self, request: Request) -> Answer | Watch:
        place = request.place
        if place is None or (not place.name and place.collection not in self.objects and request.method == "GET"):
            return failure(404, "the server could not find the requested resource")
        try:
            if request.method == "GET" and not place.name:
                return self._watch(request, place) if request.is_watch else self._list(request, place)
            return self._one(request, place)
        except RefusedError as error:
            return failure(error.status, error.message, reason=error.reason)

    def _one(self, request: Request, place: Place) -> Answer:
        if request.method == "POST":
            if self.has_strict_namespaces:
                self.find(Place(NAMESPACES, name=place.namespace))
            return _render(self.create(place, request.body), HTTPStatus.CREATED)
        if request.method == "PUT":
            return _render(self.replace(place, request.body))
        if request.method == "PATCH":
            return _render(self.patch(place, request.body, request.headers.get("content-type", "")))
        return _render(self.find(place))

    def _list(self, request: Request, place: Place) -> Answer:
        """List by key, `limit` at a time; the token of `continue` says where the next page begins."""
        if not self.has_any_list:
            _check_selected(request, place, may_be_whole=self.has_whole_pods)
        found = self.objects[place.collection]
        keys = [key for key in self._sorted_keys(place.collection) if place.namespace in {"", key[0]}]
        if name := _selected_name(request):
            keys = [key for key in keys if key == (place.namespace, name)]
        if place.collection.endswith("/resourceslices"):
            keys = [key for key in keys if _is_selected_slice(request, found[key])]
        start = int(request.query.get("continue", "0").rpartition("/")[2])
        end = start + int(request.query.get("limit", len(keys) + 1))
        metadata: Object = {"resourceVersion": str(self.version)}
        if end < len(keys):
            metadata |= {"continue": f"a+b/{end}", "remainingItemCount": len(keys) - end}
        return _render({"metadata": metadata, "items": [found[key] for key in keys[start:end]]})

    def _sorted_keys(self, path: str) -> list[tuple[str, str]]:
        """Sort the keys of a collection once for all pages of a list."""
        version, keys = self._sorted.get(path, (0, []))
        if (version, len(keys)) != (self.version, len(self.objects[path])):
            keys = sorted(self.objects[path])
            self._sorted[path] = (self.version, keys)
        return keys

    def _watch(self, request: Request, place: Place) -> Answer | Watch:
        if not self.has_any_list:
            _check_selected(request, place, may_be_whole=self.has_whole_pods)
        position, lines = int(request.query["resourceVersion"]), self.lines[place.collection]
        backlog = [line for line in lines if line.version > position]
        if position < self.compacted:
            gone = json.loads(status(410, f"too old resource version: {position}"))
            return Answer(200, json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
        name = _selected_name(request)
        return Watch(place.collection, place.namespace, name, backlog, len(lines), self.cuts, self.ends)

    def follow(self, watch: Watch, send: Callable[[bytes], None]) -> bool:
        """Wait for lines of a watch and send them; False when it is to end."""
        with self.changed:
            self.changed.wait_for(lambda: self.closing.is_set() or self._has_news(watch))
            if self.closing.is_set() or self.cuts != watch.cuts:
                return False
            lines = watch.backlog + self.lines[watch.path][watch.sent :]
            watch.backlog, watch.sent = [], len(self.lines[watch.path])
        for line in filter(watch.wants, lines):
            send(line.data)
        return self.ends == watch.ends

    def _has_news(self, watch: Watch) -> bool:
        is_over = (self.cuts, self.ends) != (watch.cuts, watch.ends)
        return is_over or bool(watch.backlog) or len(self.lines[watch.path]) > watch.sent


def _check_selected(request: Request, place: Place, *, may_be_whole: bool) -> None:
    is_selected = request.query.get("fieldSelector") == SELECTED
    is_small = may_be_whole or METADATA_ONLY in request.headers.get("accept", "")
    if place.collection == PODS and not (is_selected and is_small):
        raise RefusedError(400, "list pods that run, and their metadata only: everything is too much")


def _selected_name(request: Request) -> str:
    """Return the name that a field selector is for, "" for another selector."""
    field, _, name = request.query.get("fieldSelector", "").partition("=")
    return name if field == "metadata.name" else ""


def _is_selected_slice(request: Request, value: Object) -> bool:
    """Say whether a ResourceSlice matches the field selector; the API server has these two fields, and no operators."""
    selector = request.query.get("fieldSelector", "")
    for part in filter(None, selector.split(",")):
        field, _, wanted = part.partition("=")
        if field not in {"spec.driver", "spec.nodeName"}:
            raise RefusedError(400, f"field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {field}")
        if value["spec"].get(field.partition(".")[2], "") != wanted:
            return False
    return True


def _render(value: Object, code: int = HTTPStatus.OK) -> Answer:
    return Answer(code, json.dumps(value).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def handle_error(self, *args: object) -> None:
        """Ignore clients that go away."""


def _server_context(keys: Keys, client_ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:  # `ssl` loads a certificate from a file only
        file.write(keys.certificate + keys.key)
        file.flush()
        context.load_cert_chain(file.name)
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
    wbufsize = -1  # one segment per flush
    disable_nagle_algorithm = True  # as in Go; else a TLS session ticket costs the first answer 40 ms
    server_state: ApiServer

    def setup(self) -> None:
        api = self.server_state
        api.connections += 1
        self.flight: list[Request] = []
        self.flight_size = 1
        self.is_cut = False
        """Whether an answer has ended the connection; a client may ask for the end as well, and gets its answer."""
        plain = self.request
        api._sockets.add(plain)
        if api._context is not None:
            try:
                self.request = api._context.wrap_socket(plain, server_side=True)
            finally:
                api._sockets.discard(plain)
            api._sockets.add(self.request)
            api.peers.append(self.request.getpeercert())
        super().setup()

    def finish(self) -> None:
        self.server_state._sockets.discard(self.request)
        with suppress(OSError):
            super().finish()
        self.request.close()

    def log_message(self, *args: object) -> None:
        """Log nothing."""

    def handle_request_of_any_method(self) -> None:
        api = self.server_state
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(self.command, self.path, headers, api.decode(body, headers.get("content-type", "")))
        with api.changed:
            api.requests.append(request)
            api.bytes += len(self.requestline) + len(bytes(self.headers)) + len(body)
            if not self.flight:
                self.flight_size = api.flights.popleft() if api.flights else 1
            self.flight.append(request)
        if len(self.flight) == self.flight_size:
            arrived, self.flight = self.flight, []
            for each in arrived:
                if not self.is_cut:
                    self._answer(each)

    def _answer(self, request: Request) -> None:
        api = self.server_state
        with api.changed:
            answer = api.answer_to(request)
            if isinstance(answer, Watch):
                api.watches[answer.path] += 1
            api.changed.notify_all()
        if isinstance(answer, Watch):
            self._watch(answer)
            return
        if answer.after_s:
            api.closing.wait(answer.after_s)
        self._send(answer)
        if request.method == "GET" and not request.names_one:
            api.on_page()

    do_GET = do_PATCH = do_POST = do_PUT = handle_request_of_any_method  # noqa: N815 - the names are those of the base

    def _send(self, answer: Answer) -> None:
        if answer.status in {CUT, DROP, RAW}:
            self.close_connection = self.is_cut = True
            if answer.status == CUT:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            self.wfile.write(answer.body)
            self.wfile.flush()
            return
        self.send_response(answer.status or HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body)))
        for key, value in answer.headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def _watch(self, watch: Watch) -> None:
        api = self.server_state
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            while api.follow(watch, self._send_line):
                pass
            if api.ends != watch.ends:
                self.wfile.write(b"0\r\n\r\n")
                self.wfile.flush()
            else:
                self.close_connection = True
                self.connection.shutdown(SHUT_RDWR)
        finally:
            with api.changed:
                api.watches[watch.path] -= 1
                api.changed.notify_all()

    def _send_line(self, line: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\n\r\n" % (len(line) + 1, line))
        self.wfile.flush()
