"""One connection of the review port: it answers a request in the call that reads the last byte.

Theory of operation. uvicorn makes a task for each request. The task reads the body, and sends head and body of the
answer separately: two more turns of the loop, and a second TLS record. A review is a pure function and has nothing to
wait for, so no task is made:

    head complete    `WebhookApp.begin` decides. An answer, such as 404, is written at once, and the body is dropped.
                     Otherwise the connection collects the body, and `bodies` counts it.
    body complete    the application answers it, and the answer is written at once. A task waits for a review that asks
                     the cluster first, and for a client that does not read.

The timer of the connection has one more meaning here: in phase BODY, when the body did not come with its head, it ends
the wait for the rest (408).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from .http import (
    CLIENT_LEFT,
    CLOSE_HEADER,
    JSON_HEADER,
    Answer,
    RequestError,
    error_answer,
    gave_way,
    send_answer,
    too_large,
    too_slow,
)
from .httpconnection import BoundedProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send
    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from .app import Exchange
    from .bodies import Bodies
    from .clients import ClientTrust
    from .http import Header, Limits
    from .httpconnection import Connections

    Begin = Callable[[Scope], Answer | Exchange]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ReviewProtocol(BoundedProtocol):
    """One connection. All connections share the head that `_good_head` has rendered."""

    _known_defaults: ClassVar[list[Header]] = []
    _known_head: ClassVar[bytes] = b""

    def __init__(
        self,
        config: Config,
        connections: Connections,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        *,
        begin: Begin,
        bodies: Bodies,
    ) -> None:
        super().__init__(config, connections, limits, loop)
        self._begin = begin
        self._bodies = bodies
        self._exchange: Exchange | None = None  # of the request whose body is being received
        self._waits_for_room = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, _app: ASGI3Application) -> None:
        """Begin a request: its head is complete, and all earlier ones are answered."""
        if self.parser.should_upgrade():
            cycle.keep_alive = False  # the parser reads nothing after it
        scope: Any = cycle.scope
        begun = self._begin(scope)
        if isinstance(begun, Answer) and begun.status == 503 and self._bodies.push_out():
            begun = self._begin(scope)  # a slow body has made room
        if isinstance(begun, Answer):
            self._bodies.count(begun.status)
            self._send(cycle, begun)
            return
        self._state.unproven.pop(self, None)
        self._exchange = begun
        self._bodies.begin(self)
        if cycle.body:  # the request waited in the pipeline with its body, or a part of it
            waited, cycle.body = bytes(cycle.body), bytearray()
            self._keep(waited)
        if not cycle.more_body and self._exchange is not None:
            self._judge(cycle)
        elif cycle.waiting_for_100_continue:
            cycle.waiting_for_100_continue = False
            self.transport.write(CONTINUE)

    def take_content(self, body: bytes) -> None:
        """Add content to the body that is being received."""
        cycle = self.cycle
        if cycle.response_complete:
            return
        if self._exchange is None or self.pipeline:
            super().take_content(body)  # it waits in the pipeline, and the server reads no further
            return
        self._keep(body)

    def _keep(self, body: bytes) -> None:
        if not self._bodies.add(self, body):
            self._fail(too_large(self._limits.max_body_bytes))

    def on_message_complete(self) -> None:
        """Answer the request."""
        super().on_message_complete()
        if self._exchange is not None and not self._is_deaf and not self.pipeline:
            self._disarm()
            self._judge(self.cycle)

    def _feed(self, data: bytes) -> None:
        """Bound the time of a body that is not complete."""
        super()._feed(data)
        if self._exchange is not None and self._timer is None and not self._is_deaf:
            self._arm(self._exchange.budget_s, self._on_body_timeout)

    def _judge(self, cycle: RequestResponseCycle) -> None:
        exchange, self._exchange = cast("Exchange", self._exchange), None
        answer = exchange.answer(self._bodies.complete(self))
        if isinstance(answer, Answer) and not self.flow.write_paused:
            self._bodies.release(self)
            exchange.end(answer.status)
            self._send(cycle, answer)
        else:
            super()._start_asgi_task(cycle, cast(Any, self._waiting(exchange, answer)))

    def _waiting(self, exchange: Exchange, made: Answer | Awaitable[Answer]) -> ASGIApp:
        """Return an application that waits for the answer, and for the client to read the one before."""

        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            status = CLIENT_LEFT
            try:
                try:
                    answer = made if isinstance(made, Answer) else await made
                finally:
                    self._bodies.release(self)  # sending may begin the next request
                status = answer.status
                await send_answer(send, answer)
            finally:
                exchange.end(status)

        return app

    def _send(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        if answer.status == 200 and cycle.keep_alive and CLOSE_HEADER not in cycle.default_headers:
            head = self._good_head(cycle.default_headers)
        else:
            head = _render_head(answer, cycle)
        cycle.response_started = cycle.response_complete = True
        body = b"" if cycle.scope["method"] == "HEAD" else answer.body
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(answer.body), body))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _good_head(self, defaults: list[Header]) -> bytes:
        """Return the head of an answer with nothing unusual. NB: uvicorn makes a new list of defaults each second."""
        if ReviewProtocol._known_defaults is not defaults:
            lines = b"".join(b"%b: %b\r\n" % header for header in (*defaults, JSON_HEADER))
            ReviewProtocol._known_defaults, ReviewProtocol._known_head = defaults, STATUS_LINE[200] + lines
        return ReviewProtocol._known_head

    # A body that is not complete

    def wait_for_room(self) -> None:
        """Stop reading: see `bodies`."""
        self._waits_for_room = True
        self.set_reading()

    def go_on(self) -> None:
        """Read again."""
        self._waits_for_room = False
        self.set_reading()

    def give_way(self) -> None:
        """Answer 503: another body needs the room."""
        self._fail(gave_way(self._limits))

    def set_reading(self) -> None:
        """Read unless there is no room."""
        if self._waits_for_room and not self._is_leaving:
            self.flow.pause_reading()
        else:
            super().set_reading()

    def _on_body_timeout(self) -> None:
        if self._exchange is not None:
            error = gave_way(self._limits) if self._waits_for_room else too_slow(self._exchange.budget_s)
            self._fail(error)

    def _fail(self, error: RequestError) -> None:
        self._waits_for_room = False
        self._refuse(error)

    def _refuse(self, error: RequestError) -> None:
        """Give up the body that is being received, and the connection."""
        super()._refuse(error)
        self._give_up(error.status)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up the body that is being received."""
        super().connection_lost(exc)
        self._give_up(CLIENT_LEFT)

    def _give_up(self, status: int) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._bodies.release(self)
            exchange.end(status)


class NamedProtocol(ReviewProtocol):
    """One connection of a port where callers need certain names; any other caller gets 403 and a close.

    The server reads the name when the connection is made. The answer waits for a request, because Go's client takes an
    answer without a request for another kind of error and does not show it. A good caller's requests cost nothing more.
    """

    def __init__(self, *of_review: Any, clients: ClientTrust, **more: Any) -> None:
        super().__init__(*of_review, **more)
        self._clients = clients

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Read the name, and give a wrong one an application that refuses."""
        refusal = self._clients.refusal(transport.get_extra_info("peercert") or {})
        if refusal is not None:
            answer = error_answer(RequestError(403, refusal, CLOSE_HEADER))
            self._begin = lambda _scope: answer
        super().connection_made(transport)


def _render_head(answer: Answer, cycle: RequestResponseCycle) -> bytes:
    """Return the head of any answer. If the connection closes, note that in the head and in the cycle."""
    headers = [*cycle.default_headers, *answer.headers]
    if CLOSE_HEADER in headers:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        headers.append(CLOSE_HEADER)
    return STATUS_LINE[answer.status] + b"".join(b"%b: %b\r\n" % header for header in headers)
