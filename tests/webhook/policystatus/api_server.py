"""The small API server of `tests.webhook.snapshot`, which also takes statuses, events and one Lease, and refuses as told.

Optimistic locking is real: a patch that names a uid or a resourceVersion that is not the stored one gets 409.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.webhook.snapshot.api_server import CONFIGS, POLICIES, ApiServer, Object, _Handler, status

LEASES = "/apis/coordination.k8s.io/v1/namespaces/nadmit-system/leases"
LEASE = f"{LEASES}/nadmit-status"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"


class Written(NamedTuple):
    """A request that would write. `writer` is the holder of the Lease at that moment, "" for none."""

    method: str
    path: str
    code: int
    body: Object
    writer: str


class WritableApiServer(ApiServer):
    """Use as a context. `refuse` gets method and path, and returns a status instead of the truth, or 0."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Written] = []
        self.events: dict[str, Object] = {}
        self.lease: Object | None = {"metadata": {"name": "nadmit-status", "resourceVersion": "1"}, "spec": {}}
        self.refuse: Callable[[str, str], int] = lambda _method, _path: 0
        self._uids = 0
        handler: type[BaseHTTPRequestHandler] = type("Handler", (_WritingHandler,), {"server_state": self})
        self._server.RequestHandlerClass = handler

    def put(self, path: str, *objects: Object) -> None:
        """As an API server: an object keeps its uid and its status."""
        whole = []
        with self.changed:
            for value in objects:
                known = self.objects[path].get((value["metadata"].get("namespace", ""), value["metadata"]["name"]))
                self._uids += 1
                uid = known["metadata"]["uid"] if known else f"uid-{self._uids}"
                kept = {"status": known["status"]} if known and "status" in known else {}
                whole.append({**value, **kept, "metadata": {**value["metadata"], "uid": uid}})
            super().put(path, *whole)

    @property
    def holder(self) -> str:
        return str((self.lease or {}).get("spec", {}).get("holderIdentity") or "")

    def statuses(self, path: str = POLICIES) -> dict[str, Object]:
        """Return the statuses that are stored, by name."""
        return {name: value["status"] for (_, name), value in self.objects[path].items() if "status" in value}

    def reasons(self) -> Counter[tuple[str, str]]:
        """Return the events that are stored, by object and reason."""
        return Counter((event["regarding"]["name"], event["reason"]) for event in self.events.values())

    def patches(self) -> list[Written]:
        """Return the patches of statuses."""
        return [written for written in self.written if written.path.endswith("/status")]

    # For the handler

    def take(self, method: str, path: str, body: Object) -> tuple[int, object]:
        with self.changed:
            writer = self.holder
            code = self.refuse(method, path)
            answer: object = json.loads(status(code, "as the test says"))
            if not code:
                code, answer = self._store(method, path, body)
            if method != "GET":
                self.written.append(Written(method, path, code, body, writer))
            self.changed.notify_all()
            return code, answer

    def _store(self, method: str, path: str, body: Object) -> tuple[int, object]:
        if path == EVENTS:
            return self._store_event(body)
        if path.startswith(LEASES):
            return self._store_lease(method, body)
        for kind in (POLICIES, CONFIGS):
            if path.startswith(f"{kind}/") and path.endswith("/status"):
                return self._store_status(kind, path.removeprefix(f"{kind}/").removesuffix("/status"), body)
        return 404, json.loads(status(404, "no such path"))

    def _store_event(self, body: Object) -> tuple[int, object]:
        name = body["metadata"]["name"]
        if name in self.events:
            return 409, json.loads(status(409, "already exists"))
        self.events[name] = body
        return 201, body

    def _store_lease(self, method: str, body: Object) -> tuple[int, object]:
        known = self.lease
        if method == "POST" and known is not None:
            return 409, json.loads(status(409, "already exists"))
        if method != "POST" and known is None:
            return 404, json.loads(status(404, "not found"))
        if method == "GET":
            return 200, known
        if known is not None and body["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
            return 409, json.loads(status(409, "it has changed"))
        self.version += 1
        self.lease = {"metadata": {"resourceVersion": str(self.version)}, "spec": body["spec"]}
        return 200, self.lease

    def _store_status(self, kind: str, name: str, body: Object) -> tuple[int, object]:
        known = self.objects[kind].get(("", name))
        if known is None:
            return 404, json.loads(status(404, "not found"))
        if any(known["metadata"][key] != body["metadata"][key] for key in ("uid", "resourceVersion")):
            return 409, json.loads(status(409, "it has changed"))
        merged = {**known, "status": {**known.get("status", {}), **body["status"]}}
        stored = self.objects[kind]["", name] = self._change(kind, "MODIFIED", merged)
        return 200, stored


class _WritingHandler(_Handler, BaseHTTPRequestHandler):
    server_state: WritableApiServer

    def do_GET(self) -> None:
        if self.path.startswith(LEASES):
            self._take("GET")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self._take("POST")

    def do_PATCH(self) -> None:
        self._take("PATCH")

    def _take(self, method: str) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body: Any = json.loads(text) if text else {}
        code, answer = self.server_state.take(method, urlsplit(self.path).path, body)
        self._send(code, json.dumps(answer).encode())
