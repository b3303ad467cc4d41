"""A small API server: lists in pages, watches with history and bookmarks, and fails as it is told to. Plain HTTP.

Objects live by the path of their list. Each change gets the next resourceVersion of one counter, like in etcd, and
stays in a history until `compact`.
"""

from __future__ import annotations

import json
import socket
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NETWORKS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
NAMESPACES = "/api/v1/namespaces"
POLICIES = "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicies"
CONFIGS = "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicyconfigs"
PODS = "/api/v1/pods"
PATHS = (NETWORKS, NAMESPACES, POLICIES, CONFIGS, PODS)
SELECTED = "status.phase!=Succeeded,status.phase!=Failed"
"""The one field selector that is known; of the other pods there is nothing."""
METADATA_ONLY = ";as=PartialObjectMetadata"
PATIENCE_S = 5.0
"""Upper bound of every wait. No test that passes comes near it."""

CUT = 0
"""Instead of a status: the body breaks off."""

Object = dict[str, Any]


class Change(NamedTuple):
    """A line of a watch."""

    version: int
    path: str
    type: str
    object: Object


@dataclass
class Cursor:
    """What a watch has sent, and what it saw when it began."""

    path: str
    position: int
    sent: int
    cuts: int
    ends: int

    def has_news(self, api: ApiServer) -> bool:
        is_over = (api.cuts, api.ends) != (self.cuts, self.ends)
        return is_over or len(api.raw_events[self.path]) > self.sent or api.changes_after(self.position)

    def take(self, api: ApiServer) -> list[bytes]:
        lines = list(api.raw_events[self.path])[self.sent :]
        for change in api.history:
            if change.path == self.path and change.version > self.position:
                lines.append(json.dumps({"type": change.type, "object": change.object}).encode())
        self.position, self.sent = max(self.position, api.version), len(api.raw_events[self.path])
        return lines


class Request(NamedTuple):
    """A request as it came in."""

    path: str
    query: dict[str, str]
    authorization: str
    accept: str = ""

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query

    @property
    def one(self) -> tuple[str, tuple[str, str]] | None:
        """The path of the list, namespace and name, if one object is asked for."""
        head, found, tail = self.path.partition("/namespaces/")
        parts = tail.split("/")
        if found and len(parts) == 1:
            return NAMESPACES, ("", parts[0])
        if self.path.rpartition("/")[0].endswith("/deviceclasses"):  # of no namespace
            collection, _, name = self.path.rpartition("/")
            return collection, ("", name)
        return (f"{head}/{parts[1]}", (parts[0], parts[2])) if found and len(parts) == 3 else None


class ApiServer:
    """Use as a context. `changed` guards everything; watches wait on it."""

    def __init__(self, *, port: int = 0) -> None:
        self.changed = Condition()
        self.version = 100
        self.objects: dict[str, dict[tuple[str, str], Object]] = {path: {} for path in PATHS}
        self.history: list[Change] = []
        self.compacted = 0
        self.requests: list[Request] = []
        self.answers: defaultdict[str, deque[tuple[int, bytes]]] = defaultdict(deque)
        """What the next requests of a path get instead of the truth."""
        self.answer_always: dict[str, tuple[int, bytes]] = {}
        self.token: str | None = None
        self.cuts = 0
        self.ends = 0
        self.watches = dict.fromkeys(PATHS, 0)
        self.on_page: Callable[[], None] = lambda: None
        self.on_get: Callable[[], None] = lambda: None
        """Called before one object is answered, outside the lock."""
        self.raw_events: dict[str, deque[bytes]] = {path: deque() for path in PATHS}
        self.is_closing = False
        self._sockets: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", port), _handler_of(self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="api-server")

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Break all connections and join all threads."""
        with self.changed:
            self.is_closing = True
            self.changed.notify_all()
        self._server.shutdown()
        for connection in tuple(self._sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    # What a test does

    def serve(self, *paths: str) -> None:
        """Serve more collections, from now on; what is not served is 404."""
        with self.changed:
            for path in paths:
                self.raw_events[path] = deque()
                self.watches[path] = 0
                self.objects[path] = {}

    def put(self, path: str, *objects: Object) -> None:
        with self.changed:
            for value in objects:
                key = (value["metadata"].get("namespace", ""), value["metadata"]["name"])
                if path == PODS and value["status"]["phase"] in {"Succeeded", "Failed"}:
                    self._change(path, "DELETED", self.objects[path].pop(key, value))
                    continue
                kind = "MODIFIED" if key in self.objects[path] else "ADDED"
                self.objects[path][key] = self._change(path, kind, value)
            self.changed.notify_all()

    def delete(self, path: str, namespace: str, name: str) -> None:
        with self.changed:
            self._change(path, "DELETED", self.objects[path].pop((namespace, name)))
            self.changed.notify_all()

    def send(self, path: str, line: bytes | Object) -> None:
        """Send a line to each watch of a path."""
        with self.changed:
            data = line if isinstance(line, bytes) else json.dumps(line).encode()
            self.raw_events[path].append(data)
            self.changed.notify_all()

    def bookmark(self, path: str) -> int:
        """Move the counter, tell the watches of a path, and return the version."""
        with self.changed:
            self.version += 1
            made = {"kind": "Whatever", "metadata": {"resourceVersion": str(self.version)}}
            self.raw_events[path].append(json.dumps({"type": "BOOKMARK", "object": made}).encode())
            self.changed.notify_all()
            return self.version

    def compact(self) -> None:
        """Forget the history, as etcd does after five minutes."""
        with self.changed:
            self.compacted = self.version
            self.history.clear()

    def cut_watches(self) -> None:
        """Break off the watches in the middle of their body."""
        with self.changed:
            self.cuts += 1
            self.changed.notify_all()

    def end_watches(self) -> None:
        """End the watches as if their time was over."""
        with self.changed:
            self.ends += 1
            self.changed.notify_all()

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until requests have made a condition true."""
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S), self.requests[-5:]

    def watch_requests(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path and request.is_watch]

    def list_requests(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path and not request.is_watch]

    def get_requests(self) -> list[Request]:
        """The requests for one object."""
        return [request for request in self.requests if request.one is not None]

    def changes_after(self, position: int) -> bool:
        return bool(self.history) and self.history[-1].version > position

    def follow(self, cursor: Cursor, send: Callable[[bytes], None]) -> bool:
        """Wait for news of a watch and send them; False when it is to end. What comes with a cut is not sent."""
        with self.changed:
            self.changed.wait_for(lambda: self.is_closing or cursor.has_news(self))
            if self.is_closing or self.cuts != cursor.cuts:
                return False
            lines = cursor.take(self)
        for line in lines:
            send(line)
        return self.ends == cursor.ends

    def _change(self, path: str, kind: str, value: Object) -> Object:
        self.version += 1
        stored = {**value, "metadata": {**value["metadata"], "resourceVersion": str(self.version)}}
        self.history.append(Change(self.version, path, kind, stored))
        return stored


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def handle_error(self, *args: object) -> None:
        """Clients that go away are no news."""


def _handler_of(api: ApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        server_state = api

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one segment per flush
    server_state: ApiServer

    def setup(self) -> None:
        super().setup()
        self.server_state._sockets.add(self.connection)

    def finish(self) -> None:
        self.server_state._sockets.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, *args: object) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        api = self.server_state
        split = urlsplit(self.path)
        query = dict(parse_qsl(split.query))
        request = Request(split.path, query, self.headers.get("Authorization", ""), self.headers.get("Accept", ""))
        with api.changed:
            api.requests.append(request)
            planned = self._planned(request)
            api.changed.notify_all()
        if request.one is not None:
            api.on_get()
        if planned is not None:
            self._send(*planned)
        elif (request.one[0] if request.one else request.path) not in api.objects:
            self._send(404, status(404, "the server could not find the requested resource"))
        elif request.one is not None:
            self._get(*request.one)
        elif request.is_watch:
            self._watch(request)
        else:
            self._list(request)

    def _planned(self, request: Request) -> tuple[int, bytes] | None:
        api = self.server_state
        if api.token is not None and request.authorization != f"Bearer {api.token}":
            return 401, status(401, "Unauthorized")
        if request.path == PODS and (
            request.query.get("fieldSelector") != SELECTED or METADATA_ONLY not in request.accept
        ):
            return 400, status(400, "all of the pods is more than anybody should want")
        if api.answers[request.path]:
            return api.answers[request.path].popleft()
        return api.answer_always.get(request.path)

    def _send(self, code: int, body: bytes) -> None:
        if code == CUT:
            self._begin()
            self._line(body)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _get(self, path: str, key: tuple[str, str]) -> None:
        api = self.server_state
        with api.changed:
            found = api.objects[path].get(key)
        self._send(*((200, json.dumps(found).encode()) if found else (404, status(404, f"{key[1]} not found"))))

    def _list(self, request: Request) -> None:
        api = self.server_state
        with api.changed:
            items = list(api.objects[request.path].values())
            version = str(api.version)
        offset, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", len(items) + 1))
        metadata = {"resourceVersion": version}
        if offset + limit < len(items):
            metadata |= {"continue": str(offset + limit), "remainingItemCount": len(items) - offset - limit}  # type: ignore[dict-item]
        self._send(200, json.dumps({"metadata": metadata, "items": items[offset : offset + limit]}).encode())
        api.on_page()

    def _watch(self, request: Request) -> None:
        api = self.server_state
        position = int(request.query["resourceVersion"])
        if position < api.compacted:
            gone = json.loads(status(410, f"too old resource version: {position}"))
            self._begin()
            self._line(json.dumps({"type": "ERROR", "object": gone}).encode())
            self._end()
            return
        self._begin()
        with api.changed:
            cursor = Cursor(request.path, position, len(api.raw_events[request.path]), api.cuts, api.ends)
            api.watches[request.path] += 1
            api.changed.notify_all()
        try:
            while api.follow(cursor, self._line):
                pass
            if api.ends != cursor.ends:
                self._end()
            else:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
        finally:
            with api.changed:
                api.watches[request.path] -= 1
                api.changed.notify_all()

    def _begin(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def _line(self, line: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\n\r\n" % (len(line) + 1, line))
        self.wfile.flush()

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


def status(code: int, message: str) -> bytes:
    return json.dumps(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
    ).encode()


def network(name: str, namespace: str = "team-a", config: object = '{"type": "bridge"}', **metadata: Any) -> Object:
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"namespace": namespace, "name": name, "uid": "1-2-3", "managedFields": [{"a": {}}], **metadata},
        "spec": {"config": config},
    }


def pod(name: str, networks: str | None = None, namespace: str = "team-a", phase: str = "Running") -> Object:
    """A pod; what is more than metadata is not sent to those who want the metadata only."""
    annotations = {} if networks is None else {"k8s.v1.cni.cncf.io/networks": networks}
    metadata = {"namespace": namespace, "name": name, "annotations": annotations, "labels": {"app": "x"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": phase}}


def namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}, "status": {}}


def policy(name: str, *attachments: Object, generation: int = 1, **spec: Any) -> Object:
    """An access policy with rules about attachments."""
    return {
        "apiVersion": "access.nadmit.io/v1alpha1",
        "kind": "NetworkAttachmentPolicy",
        "metadata": {"name": name, "generation": generation},
        "spec": {"attachments": list(attachments), **spec},
    }


def policy_config(name: str = "cluster", *, generation: int = 1, **spec: Any) -> Object:
    return {
        "apiVersion": "access.nadmit.io/v1alpha1",
        "kind": "NetworkAttachmentPolicyConfig",
        "metadata": {"name": name, "generation": generation},
        "spec": spec,
    }


def write_kubeconfig(path: Path, url: str, user: Object | None = None) -> Path:
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "clusters": [{"name": "test", "cluster": {"server": url}}],
                "users": [{"name": "test", "user": user or {}}],
            }
        ),
        encoding="utf-8",
    )
    return path
