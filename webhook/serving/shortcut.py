"""One connection of the review port: it answers a request in the call that reads the last byte.

Theory of operation. uvicorn makes a task for each request. The task reads the body, and sends head and body of the
answer separately: two more turns of the loop, and a second TLS record. A review is a pure function and has nothing to
wait for, so no task is made:

    head complete    `WebhookApp.begin` decides. An answer, such as 404, is written at once, and the body is dropped.
                     Otherwise the connection collects the body, and `bodies` counts it.
    body complete    the application answers it, and the answer is written at once. A task waits for a review that asks
                     the cluster first, and for a client that does not read.

A request with a head that this connection has sent before (`knownheads`) passes by the parser:

    all in one piece   it is answered from these bytes
    else               the connection collects the body as above, and counts the bytes that are missing

Whatever is unusual about it goes through the parser as well: a refusal, an answer that the client does not read yet, a
request behind one that is not answered. The parser is between two messages then, and stays there.

The timer of the connection has one more meaning here: in phase BODY, when the body did not come with its head, it ends
the wait for the rest (408).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

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
from .httpconnection import BoundedProtocol, Phase
from .knownheads import KNOWN_MAX, KnownHead, learn_head

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send
    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config

    from .app import Exchange
    from .bodies import Bodies
    from .clients import ClientTrust
    from .http import Header, Limits
    from .httpconnection import Connections

    Begin = Callable[[Scope], Answer | Exchange]
    BeginKnown = Callable[[str, bytes, int], Exchange | None]

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
        self._known: list[KnownHead] = []
        self._begin_known: BeginKnown | None = None
        self._heads_to_learn = KNOWN_MAX
        self._learn_from = b""  # the slice that begins with the head that the parser reads now
        self._missing_bytes = 0  # of a body that passes by the parser

    def _start_asgi_task(self, cycle: RequestResponseCycle, _app: ASGI3Application) -> None:
        """Begin a request: its head is complete, and all earlier ones are answered."""
        if self.parser.should_upgrade():
            cycle.keep_alive = False  # the parser reads nothing after it
        scope: Any = cycle.scope
        learn_from, self._learn_from = self._learn_from, b""
        begun = self._begin(scope)
        if isinstance(begun, Answer) and begun.status == 503 and self._bodies.push_out():
            begun = self._begin(scope)  # a slow body has made room
        if isinstance(begun, Answer):
            self._bodies.count(begun.status)
            self._send(cycle, begun)
            return
        self._state.unproven.pop(self, None)
        self._exchange = begun
        if learn_from:
            self._learn(learn_from, begun)
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
            self._timer.lift()
            self._judge(self.cycle)

    def _feed(self, data: bytes) -> None:
        """Bound the time of a body that is not complete."""
        if self._missing_bytes:
            self._take_missing(data)
        elif self._phase is not Phase.IDLE or self._head_bytes or not self._pass_by(data):
            super()._feed(data)
            self._learn_from = b""
        if self._exchange is not None and not self._timer.is_set and not self._is_deaf:
            self._timer.set(self._exchange.budget_s, self._on_body_timeout)

    # A head that the connection has sent before

    def _learn(self, data: bytes, accepted: Exchange) -> None:
        """Keep the head of an accepted request, with which this slice begins."""
        self._heads_to_learn -= 1
        if (known := learn_head(data)) is not None:
            self._begin_known = accepted.app.begin_again
            self._known.append(known)

    def _pass_by(self, data: bytes) -> bool:
        """Take a request with a known head; return False, and change nothing, if the parser has to read it."""
        for known in self._known:
            found = known.match(data)
            if found is not None:
                start, length = found
                missing_bytes = start + length - len(data)
                return missing_bytes >= 0 and self._begin_again(known, data[start:], length, missing_bytes)
        if self._heads_to_learn and self._is_answered():
            self._learn_from = data
        return False

    def _begin_again(self, known: KnownHead, content: bytes, length: int, missing_bytes: int) -> bool:
        if not self.cycle.response_complete or self.flow.write_paused or self._begin_known is None:
            return False
        if not missing_bytes and length > self._bodies.share:
            return False
        exchange = self._begin_known(known.path, known.query, length)
        if exchange is None:
            return False
        self._state.idle.pop(self, None)
        if missing_bytes:
            self._begin_body(exchange, content, missing_bytes)
        else:
            self._answer_at_once(exchange, content)
        return True

    def _begin_body(self, exchange: Exchange, content: bytes, missing_bytes: int) -> None:
        self._timer.lift()
        self._phase = Phase.BODY
        self.cycle = self._new_cycle()
        self._exchange = exchange
        self._missing_bytes = missing_bytes
        self._bodies.begin(self)
        self._keep(content)

    def _take_missing(self, data: bytes) -> None:
        """Add to a body; the parser reads what comes after it."""
        content = data[: self._missing_bytes]
        self._missing_bytes -= len(content)
        self._keep(content)
        if not self._missing_bytes and not self._is_deaf:
            rest = data[len(content) :]
            self._fed_bytes = len(rest)
            self.on_message_complete()
            if rest and not self._is_deaf:
                super()._feed(rest)

    def _answer_at_once(self, exchange: Exchange, body: bytes) -> None:
        answer = exchange.answer(body)
        if not isinstance(answer, Answer):
            self._bodies.begin(self)
            self._bodies.add(self, body)
            self._bodies.complete(self)
            self.cycle = self._new_cycle()
            self.cycle.more_body = False
            self._wait(self.cycle, exchange, answer)
            return
        self._bodies.pass_through()
        exchange.end(answer.status)
        defaults = self._state.default_headers
        if answer.status != 200 or CLOSE_HEADER in defaults:
            self.cycle = self._new_cycle()
            self.cycle.more_body = False
            self._send(self.cycle, answer)
            return
        head = self._good_head(defaults)
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(answer.body), answer.body))
        self.note_answered()

    def _new_cycle(self) -> RequestResponseCycle:
        """Return the state of a request with a known head. NB: nothing reads more of its scope."""
        scope: Any = {"type": "http", "method": "POST"}
        return RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self._state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )

    def _judge(self, cycle: RequestResponseCycle) -> None:
        exchange, self._exchange = cast("Exchange", self._exchange), None
        answer = exchange.answer(self._bodies.complete(self))
        if isinstance(answer, Answer) and not self.flow.write_paused:
            self._bodies.release(self)
            exchange.end(answer.status)
            self._send(cycle, answer)
        else:
            self._wait(cycle, exchange, answer)

    def _wait(self, cycle: RequestResponseCycle, exchange: Exchange, made: Answer | Awaitable[Answer]) -> None:
        super()._start_asgi_task(cycle, cast(Any, self._waiting(exchange, made)))

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
