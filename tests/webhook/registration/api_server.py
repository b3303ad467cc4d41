"""An API server for the webhook configurations of one name: GET, and JSON patches with a test of the resourceVersion. Plain HTTP."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any, Self

from webhook.registration.tables import KINDS, MUTATING_KIND, VALIDATING_KIND, Kind

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
NAME = "nadmit"
PATIENCE_S = 5.0

Object = dict[str, Any]


class Stored:
    """One configuration. `object`: None for none; everything is guarded by `changed`, which all of a server share."""

    def __init__(self, changed: Condition) -> None:
        self.object: Object | None = {"metadata": {"name": NAME, "resourceVersion": "1"}}
        self.gets = 0
        self.patches: list[list[Object]] = []
        self.before_patch: deque[Callable[[Object], None]] = deque()
        """What others do to the object between a get and the next patches."""
        self.answers: deque[tuple[int, str]] = deque()
        """Status and message for the next requests, instead of the truth."""
        self._changed = changed

    def edit(self, change: Callable[[Object], None]) -> None:
        """Change the object, as somebody else does."""
        with self._changed:
            assert self.object is not None
            change(self.object)
            self._grow()

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until something about the server is true."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_S)

    def wait_for_gets(self, more: int) -> None:
        """Wait until the object was read so many times again, so that each reader has come round."""
        with self._changed:
            wanted = self.gets + more
        self.wait(lambda: self.gets >= wanted)

    def hooks(self) -> list[Object]:
        with self._changed:
            assert self.object is not None
            return list(self.object.get("webhooks", []))

    def answer(self, method: str, body: bytes) -> tuple[int, Object]:
        """Answer one request; to be called with the lock."""
        if self.answers:
            status, said = self.answers.popleft()
            return status, {"kind": "Status", "message": said}
        if method == "GET":
            self.gets += 1
            self._changed.notify_all()
        if self.object is None:
            return 404, {"kind": "Status", "message": "not found"}
        if method == "PATCH":
            return self._patch(json.loads(body))
        return 200, json.loads(json.dumps(self.object))

    def _grow(self) -> None:
        assert self.object is not None
        self.object["metadata"]["resourceVersion"] = str(int(self.object["metadata"]["resourceVersion"]) + 1)
        self._changed.notify_all()

    def _patch(self, steps: list[Object]) -> tuple[int, Object]:
        assert self.object is not None
        if self.before_patch:
            self.before_patch.popleft()(self.object)
            self._grow()
        test, *rest = steps
        assert (test["op"], test["path"]) == ("test", "/metadata/resourceVersion")
        if test["value"] != self.object["metadata"]["resourceVersion"]:
            return 422, {"kind": "Status", "message": "the server rejected our request"}
        self.patches.append(steps)
        for step in rest:
            *parents, last = step["path"].strip("/").split("/")
            place: Any = self.object
            for parent in parents:
                place = place[int(parent) if parent.isdecimal() else parent]
            place[last] = step["value"]
        self._grow()
        return 200, json.loads(json.dumps(self.object))


class ApiServer:
    """Use as a context. It has a configuration of each kind."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.validating = Stored(self.changed)
        self.mutating = Stored(self.changed)
        self.order: list[str] = []
        """What was patched, in order."""
        self.probe: tuple[int, str] = (201, "")
        """What the creation of a network gets."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def stored(self, kind: Kind) -> Stored:
        return {MUTATING_KIND: self.mutating, VALIDATING_KIND: self.validating}[kind]

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Object]:
        with self.changed:
            if method == "POST":
                assert path.endswith("?dryRun=All")
                return self.probe[0], {"kind": "Status", "message": self.probe[1]}
            (kind,) = (kind for kind in KINDS if path == f"{REGISTRATION}/{kind.resource}/{NAME}")
            status, value = self.stored(kind).answer(method, body)
            if (method, status) == ("PATCH", 200):
                self.order.append(kind.name)
            return status, value


def _handler_of(api: ApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, value = api.answer(self.command, self.path, body)
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PATCH = do_POST = handle_one  # noqa: N815 - the library's names

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler
