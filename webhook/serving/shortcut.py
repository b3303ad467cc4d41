"""The short way of a review: a POST that came in one piece is answered in the call that read it.

Theory of operation. uvicorn makes a task for each request, which reads the body and sends head and body of the answer
apart: two more turns of the loop, and a second TLS record. An API server's review usually arrives whole, and a review
is a pure function, so there is nothing to wait for. Hence: the task of a POST to a review path is held back until the
slice that brought its head is parsed. If the message is complete by then, the application is asked for its answer and
that is written at once; if not, or if anything is unusual (an earlier answer is due, the client does not read, wants
`100 Continue` or an upgrade), the task starts as always; so it does for a review that has to ask the cluster first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from .http import CLOSE_HEADER, JSON_HEADER, REVIEW_PATHS
from .protocol import BoundedProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from starlette.types import Scope
    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from .http import Answer, Header, Limits
    from .protocol import Connections

    AnswerAtOnce = Callable[[Scope, bytes], Answer | None]


class ReviewProtocol(BoundedProtocol):
    """One connection that knows the short way. What `_good_head` knows is every connection's."""

    _known_defaults: ClassVar[list[Header]] = []
    _known_head: ClassVar[bytes] = b""

    def __init__(
        self,
        config: Config,
        connections: Connections,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        *,
        answer_at_once: AnswerAtOnce,
    ) -> None:
        super().__init__(config, connections, limits, loop)
        self._answer_at_once = answer_at_once
        self._held: RequestResponseCycle | None = None
        self._is_in_head = False

    def on_headers_complete(self) -> None:
        """Start the request, unless it may take the short way."""
        self._is_in_head = True
        super().on_headers_complete()
        self._is_in_head = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self._is_in_head and self._may_be_short(cycle):
            self._held = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def _may_be_short(self, cycle: RequestResponseCycle) -> bool:
        return (
            cycle.scope["method"] == "POST"
            and cycle.scope["path"] in REVIEW_PATHS
            and not cycle.waiting_for_100_continue
            and not self.flow.write_paused
            and not self.parser.should_upgrade()
        )

    def on_message_complete(self) -> None:
        """Answer a held request: it is whole."""
        super().on_message_complete()
        held, self._held = self._held, None
        if held is not None:
            self._answer(held)

    def _feed(self, data: bytes) -> None:
        """Let a request that is still held, because its body is not here, go the long way."""
        super()._feed(data)
        held, self._held = self._held, None
        if held is not None and not held.disconnected:
            super()._start_asgi_task(held, self.app)

    def _answer(self, cycle: RequestResponseCycle) -> None:
        answer = self._answer_at_once(cast(Any, cycle.scope), bytes(cycle.body))
        if answer is None:
            super()._start_asgi_task(cycle, self.app)
            return
        if answer.status == 200 and cycle.keep_alive and CLOSE_HEADER not in cycle.default_headers:
            head = self._good_head(cycle.default_headers)
        else:
            head = _render_head(answer, cycle)
        cycle.response_started = cycle.response_complete = True
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(answer.body), answer.body))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _good_head(self, defaults: list[Header]) -> bytes:
        """Return the head of an answer with nothing unusual. NB: uvicorn makes a new list of defaults each second."""
        if ReviewProtocol._known_defaults is not defaults:
            lines = b"".join(b"%b: %b\r\n" % header for header in (*defaults, JSON_HEADER))
            ReviewProtocol._known_defaults, ReviewProtocol._known_head = defaults, STATUS_LINE[200] + lines
        return ReviewProtocol._known_head


def _render_head(answer: Answer, cycle: RequestResponseCycle) -> bytes:
    """Return the head of any answer; says in it, and to the cycle, when the connection is to be closed."""
    headers = [*cycle.default_headers, *answer.headers]
    if CLOSE_HEADER in headers:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        headers.append(CLOSE_HEADER)
    return STATUS_LINE[answer.status] + b"".join(b"%b: %b\r\n" % header for header in headers)
