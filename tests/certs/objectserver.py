"""A small API server for single objects, plain HTTP: GET, POST, PUT with a resourceVersion, JSON patches with `test`."""

from __future__ import annotations

import copy
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self

Object = dict[str, Any]


class ObjectServer:
    """Use as a context. `objects` is by path; `refused` has the requests, as `VERB path`, that get a status instead."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.refused: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.lock = Lock()
        self.version = 100
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, verb: str, path: str, body: Any) -> tuple[int, Object]:
        """Return status and object."""
        with self.lock:
            if verb == "POST":
                path = f"{path}/{body['metadata']['name']}"
                return (409, {"message": "already exists"}) if path in self.objects else (201, self.store(path, body))
            stored = self.objects.get(path)
            if stored is None:
                return 404, {"message": "not found"}
            if verb == "GET":
                return 200, stored
            if verb == "PUT":
                is_old = body["metadata"].get("resourceVersion") != stored["metadata"]["resourceVersion"]
                return (409, {"message": "the object has been modified"}) if is_old else (200, self.store(path, body))
            patched = apply_patch(stored, body)
            return (422, {"message": "testing value failed"}) if patched is None else (200, self.store(path, patched))

    def store(self, path: str, value: Object) -> Object:
        """Keep an object, with the next version."""
        self.version += 1
        made = {**value, "metadata": {**value["metadata"], "resourceVersion": str(self.version)}}
        self.objects[path] = made
        return made


def apply_patch(value: Object, operations: list[Object]) -> Object | None:
    """Apply `test`, and `add` to a member of an object; None if a test failed (RFC 6902 §5)."""
    made = copy.deepcopy(value)
    for operation in operations:
        *parents, last = operation["path"].split("/")[1:]
        place: Any = made
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place[parent]
        if operation["op"] == "test":
            if place.get(last) != operation["value"]:
                return None
        else:
            assert operation["op"] == "add"
            place[last] = operation["value"]
    return made


class _Handler(BaseHTTPRequestHandler):
    api: ObjectServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_PATCH(self) -> None:
        assert self.headers["Content-Type"] == "application/json-patch+json"
        self._answer("PATCH")

    def _answer(self, verb: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        asked = f"{verb} {path}"
        self.api.asked.append(asked)
        if asked in self.api.refused:
            status, text = self.api.refused[asked]
        else:
            status, value = self.api.answer(verb, path, json.loads(body) if body else None)
            text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)
