"""The page's server: files of the page, answers as JSON, and a stream that says when something has changed.

`Guard` decides what is answered at all. An answer is computed in a thread, so the stream goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from webhook.kube.apierrors import ClusterError

from . import clusteranswers, networkanswer, peer, podanswer
from .clusterview import ClusterView, Origin, Settings
from .findingsanswer import Findings
from .guard import HEADERS, Guard

PAGE = Path(__file__).with_name("page")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEARTBEAT_S = 15.0
"""How often the stream says something without a change: a right or a connection may be lost without an object."""
PACE_S = 1.0
"""The shortest time between two changes in the stream."""

Answer = Callable[[clusteranswers.Question], Any]


class Changes:
    """Tells streams that something has changed. Any thread may call `note`; the rest belongs to the event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Event] = set()

    def note(self) -> None:
        """Say that something has changed."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()

    async def follow(self, state: Callable[[], str]) -> AsyncIterator[str]:
        """Yield the state now, after each change, and after a time without one."""
        self._loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield state()
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), HEARTBEAT_S)
                event.clear()
                yield state()
                await asyncio.sleep(PACE_S)
        finally:
            self._waiting.discard(event)


class Application:
    """An ASGI application. `files`: what it serves besides answers, by path."""

    def __init__(self, guard: Guard, origin: Origin, settings: Settings, changes: Changes) -> None:
        self._guard = guard
        self._origin = origin
        self._settings = settings
        self._changes = changes
        self._lock = Lock()
        self._view: ClusterView | None = None
        self._findings = Findings(origin)
        self._files = {path.relative_to(PAGE).as_posix(): path for path in PAGE.rglob("*") if path.is_file()}
        self._answers: Mapping[str, Answer] = {
            "api/map": lambda _question: clusteranswers.overview(self.view(), origin.title, is_live=origin.is_live),
            "api/search": lambda question: clusteranswers.find(self.view(), question),
            "api/workload": lambda question: clusteranswers.workload(self.view(), question),
            "api/namespace": lambda question: clusteranswers.namespace(self.view(), question),
            "api/findings": lambda question: self._findings.answer(self.view(), question),
            "api/network": lambda question: networkanswer.network(self.view(), question, self._findings),
            "api/pod": lambda question: podanswer.pod(self.view(), question, origin),
            "api/can-attach": lambda question: clusteranswers.can_attach(self.view(), question),
        }

    def view(self) -> ClusterView:
        """Return the cluster as it is now. One moment is computed once for all questions about it."""
        with self._lock:
            version, moment = self._origin.version, self._origin.moment()
            if self._view is None or self._view.version != version or self._view.moment is not moment:
                self._view = ClusterView(version, moment, self._settings)
            return self._view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; other kinds of connections, such as WebSockets, are not accepted."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = await self._respond(request)
        for name, value in HEADERS.items():
            response.headers[name] = value
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        refused = self._guard.refuse(request.method, request.headers)
        if refused is not None:
            status, text = refused
            return PlainTextResponse(f"{text}\n", status)
        path = str(request.scope["path"])
        if self._guard.is_first_visit(path) and not self._is_own(request):
            return PlainTextResponse("this address is for another user of this machine\n", 403)
        if self._guard.take_once(path):
            return RedirectResponse(f"/{self._guard.token}/", 303)
        inner = self._guard.inner_path(path)
        if inner is None:
            return PlainTextResponse(
                "the address has no token, or an old one; open the one that nadmit ui printed\n", 404
            )
        if inner == "events":
            return StreamingResponse(self._events(), media_type="text/event-stream")
        if inner in self._answers:
            return await run_in_threadpool(partial(self._answer, inner, dict(request.query_params)))
        return self._file(inner or "index.html")

    def _is_own(self, request: Request) -> bool:
        return request.client is not None and peer.is_own(request.client.port, server_port=self._guard.port)

    def _answer(self, name: str, question: clusteranswers.Question) -> Response:
        try:
            return JSONResponse(self._answers[name](question))
        except clusteranswers.QuestionError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except ClusterError as error:
            return JSONResponse({"error": str(error)}, 502)

    def _file(self, name: str) -> Response:
        path = self._files.get(name)
        if path is None:
            return PlainTextResponse("there is no such file\n", 404)
        return Response(path.read_bytes(), media_type=TYPES.get(path.suffix, "text/plain; charset=utf-8"))

    async def _events(self) -> AsyncIterator[str]:
        async for state in self._changes.follow(lambda: self._origin.state):
            yield f"data: {json.dumps({'state': state})}\n\n"
