"""The small API server of `tests.webhook.snapshot`, which also patches ConfigMaps and takes events, and refuses as told."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.webhook.snapshot.api_server import ApiServer, Object, _Handler, status

CONFIG_MAPS = "/api/v1/configmaps"
NAMESPACE, NAME = "nadmit-system", "nadmit-webhook"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"


class ConfigMapServer(ApiServer):
    """Use as a context. `refuse` gets method and path, and returns the status of a refusal, or 0."""

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port)
        self.objects[CONFIG_MAPS] = {}
        self.events: dict[str, Object] = {}
        self.event_tries = 0
        self.patches: list[int] = []
        """The status of each patch."""
        self.refuse: Callable[[str, str], int] = lambda _method, _path: 0
        handler: type[BaseHTTPRequestHandler] = type("Handler", (_WritingHandler,), {"server_state": self})
        self._server.RequestHandlerClass = handler

    def write(self, **data: bytes) -> None:
        """Replace the ConfigMap's texts; a name such as `last_good` means `last-good.yaml`."""
        texts = {f"{key.replace('_', '-')}.yaml": text.decode() for key, text in data.items()}
        metadata = {"namespace": NAMESPACE, "name": NAME, "uid": "uid-1"}
        self.put(CONFIG_MAPS, {"metadata": metadata, **({"data": texts} if texts else {})})

    def edit(self, **data: bytes | None) -> None:
        """Change keys of the ConfigMap, as kubectl does; other keys stay."""
        kept = {key.removesuffix(".yaml").replace("-", "_"): text.encode() for key, text in self.texts().items()}
        changed: dict[str, bytes | None] = {**kept, **data}
        self.write(**{key: text for key, text in changed.items() if text is not None})

    def remove(self) -> None:
        self.delete(CONFIG_MAPS, NAMESPACE, NAME)

    def texts(self) -> dict[str, str]:
        """Return the data that is stored."""
        return dict(self.objects[CONFIG_MAPS][NAMESPACE, NAME].get("data") or {})

    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.events.values()]

    # For the handler

    def take(self, method: str, path: str, body: Object) -> tuple[int, object]:
        with self.changed:
            code = self.refuse(method, path)
            answer: object = json.loads(status(code, "as the test says"))
            if not code:
                code, answer = self._store_event(body) if path == EVENTS else self._patch(path, body)
            if method == "PATCH":
                self.patches.append(code)
            elif path == EVENTS:
                self.event_tries += 1
            self.changed.notify_all()
            return code, answer

    def _store_event(self, body: Object) -> tuple[int, object]:
        name = body["metadata"]["name"]
        if name in self.events:
            return 409, json.loads(status(409, "already exists"))
        self.events[name] = body
        return 201, body

    def _patch(self, path: str, body: Object) -> tuple[int, object]:
        known = self.objects[CONFIG_MAPS].get((NAMESPACE, NAME))
        if path != PATH or known is None:
            return 404, json.loads(status(404, "not found"))
        if any(known["metadata"][key] != body["metadata"][key] for key in ("uid", "resourceVersion")):
            return 409, json.loads(status(409, "it has changed"))
        data = {**(known.get("data") or {}), **body["data"]}
        merged = {**known, "data": {key: text for key, text in data.items() if text is not None}}
        stored = self.objects[CONFIG_MAPS][NAMESPACE, NAME] = self._change(CONFIG_MAPS, "MODIFIED", merged)
        return 200, stored


class _WritingHandler(_Handler, BaseHTTPRequestHandler):
    server_state: ConfigMapServer

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        code = self.server_state.refuse("GET", path)
        if code:
            self._send(code, status(code, "as the test says"))
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
