"""One HTTP/1.1 connection with bounds: uvicorn's httptools protocol, and limits that it does not have.

Theory of operation. uvicorn bounds neither the size nor the time of a head, arms its keep-alive timer only after a
response, and closes over unread bytes. So this subclass follows the parser through three phases:

    IDLE   between messages           on_message_begin    -> HEAD
    HEAD   request line and headers   on_headers_complete -> BODY
    BODY   body, trailers             on_message_complete -> IDLE

One timer guards a connection; at any time it has one meaning:

    phase       | armed                                       | expires
    IDLE, HEAD  | at connect, and by the first byte of a head | 408 and close; close when nothing was received
    BODY        | when the answer is out before the body is   | close
    closing     | while the client may still be sending       | close

A second one is that of keep-alive. Neither is started or stopped for each request: see `deadline`.

`shortcut` bounds the time and the size of a body. A request that the parser cannot read gets one line of text, unless
the answer to an earlier request is due, and then the connection is deaf: it drops everything that the client still
sends. A client's mistakes are logged at debug only, because a port scanner must not fill the log.

Memory. TLS buffers data for a connection that does not read: uvloop up to 256 KiB, and the kernel as much again. So the
read buffer has a limit of a little more than one TLS record, and the server does not read from a client that does not
read its answers. Above the cap of connections the one that has been idle longest makes room for the new one, and before
it those that have never sent an accepted request.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from .deadline import Deadline
from .http import Limits, RequestError, render_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

logger = logging.getLogger("nadmit.serving")

GOODBYE = render_error(RequestError(503, "shutting down; try again", (b"retry-after", b"0")))
"""The last bytes to an idle connection; see `BoundedProtocol.shutdown`."""

READ_HIGH_BYTES, READ_LOW_BYTES = 40 * 1024, 20 * 1024
"""When TLS stops reading for a connection that does not read, and when it reads again. NB: a record has up to 18 KiB,
and the first part of a record must not keep the rest of it out: `low` exceeds one record, `high` exceeds two."""


class Connections(ServerState):
    """The connections and tasks of one listener.

    `none_left`: there is no connection. `unproven`: connections without an accepted request so far. `idle`: connections
    that wait for the next request. Both have the oldest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.none_left = asyncio.Event()
        self.none_left.set()
        self.unproven: dict[BoundedProtocol, None] = {}
        self.idle: dict[BoundedProtocol, None] = {}
        self.refusals: Counter[str] = Counter()

    def make_room(self) -> bool:
        """Close the connection that is needed least; return whether there was one."""
        self.refusals["connections"] += 1
        for among in (self.unproven, self.idle):
            for connection in among:
                connection.make_room()
                return True
        return False


class Phase(enum.Enum):
    """Which part of a request the parser expects next."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


class _PoliteTransport:
    """The transport that uvicorn's code gets: `close` lets the client finish sending first."""

    def __init__(
        self, transport: asyncio.Transport, *, close: Callable[[], None], is_closing: Callable[[], bool]
    ) -> None:
        self.write = transport.write
        self.close = close
        self.is_closing = is_closing


class BoundedProtocol(HttpToolsProtocol):
    """One connection. The docstring of the module has its phases and its timer."""

    def __init__(
        self, config: Config, connections: Connections, limits: Limits, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(config, connections, {}, loop)
        self._state = connections
        self._limits = limits
        self._raw: asyncio.Transport | None = None
        self._phase = Phase.IDLE
        self._is_deaf = False
        self._is_leaving = False
        self._timer = Deadline(loop)
        self._keep_alive = Deadline(loop)
        self._write_timer: asyncio.TimerHandle | None = None
        self._fed_bytes = 0  # in the slice that the parser has now
        self._head_bytes = 0  # fed since the last message ended; 0 in BODY
        self._surplus_bytes = 0  # of a body: bytes fed, minus twice the bytes of content

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Refuse a connection above the cap; else start the timer of its head."""
        self._raw = transport
        if len(self.connections) >= self._limits.max_connections and not self._state.make_room():
            self._is_deaf = True
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        if self.scheme == "https":
            # NB: only transports of TLS have this method.
            cast(Any, transport).set_read_buffer_limits(READ_HIGH_BYTES, READ_LOW_BYTES)
        self._state.unproven[self] = None
        self._state.none_left.clear()
        polite = _PoliteTransport(transport, close=self._close_politely, is_closing=self._is_closing)
        self.transport = cast(asyncio.Transport, polite)
        self._timer.set(self._limits.header_timeout_s, self._on_head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and its timers."""
        self._leave()
        self._state.unproven.pop(self, None)
        self._state.idle.pop(self, None)
        self._disarm_write()
        self._timer.close()
        self._keep_alive.close()
        if self._raw is not None:
            self.transport = self._raw
        super().connection_lost(exc)
        if not self.connections:
            self._state.none_left.set()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, never with more bytes than a head may still have."""
        self._keep_alive.lift()
        while data and not self._is_deaf:
            room = self._limits.max_header_bytes - self._head_bytes
            self._feed(data[:room])
            data = data[room:]

    def _feed(self, data: bytes) -> None:
        self._fed_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The server answers as if the client had not asked for it, but the parser reads no body (a POST gets 400).
            self._is_deaf = True
            self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            logger.debug("%s: not HTTP: %s", self.client, error)
            self._refuse(RequestError(400, "not an HTTP/1.1 request; use https and POST /validate or POST /mutate"))
        else:
            self._check_sizes()

    def _check_sizes(self) -> None:
        limit = self._limits.max_header_bytes
        if self._phase is Phase.BODY:
            self._surplus_bytes += self._fed_bytes
            if self._surplus_bytes > limit:
                self._refuse(RequestError(400, f"chunked body: more framing than content; allowed: {limit} bytes more"))
            return
        self._head_bytes += self._fed_bytes
        if self._head_bytes >= limit:
            self._refuse(RequestError(431, f"request headers: too large; allowed: at most {limit} bytes"))
        elif not self._timer.is_set and (self._head_bytes or self._phase is Phase.HEAD):
            self._timer.set(self._limits.header_timeout_s, self._on_head_timeout)

    def on_message_begin(self) -> None:
        """IDLE -> HEAD."""
        super().on_message_begin()
        self._state.idle.pop(self, None)
        self._phase = Phase.HEAD

    def on_headers_complete(self) -> None:
        """HEAD -> BODY: the head was in time. The answer may be written before this returns."""
        if self._is_deaf:
            return
        self._timer.lift()
        if len(self.pipeline) >= self._limits.max_pipelined:
            logger.debug("%s: more than %d requests in a pipeline", self.client, self._limits.max_pipelined)
            self._state.refusals["pipeline"] += 1
            self._is_deaf = True
            return
        self._phase = Phase.BODY
        self._head_bytes = 0
        self._surplus_bytes = -self._fed_bytes  # this slice has the head, so it does not count
        super().on_headers_complete()
        # The application has its list; trailers go to another one, which is never read.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Take content; each byte allows for one byte of framing."""
        if not self._is_deaf:
            self._surplus_bytes -= 2 * len(body)
            self.take_content(body)

    def take_content(self, body: bytes) -> None:
        """Keep content for the application."""
        super().on_body(body)

    def on_message_complete(self) -> None:
        """BODY -> IDLE. NB: the rest of this slice belongs to the next head; it is too small to be counted."""
        if self._is_deaf:
            return
        super().on_message_complete()
        self._phase = Phase.IDLE
        self._head_bytes = -self._fed_bytes
        if self.cycle.response_complete:
            self._timer.lift()
            self._arm_keep_alive()
            self._note_idle()

    def _note_idle(self) -> None:
        if self._phase is Phase.IDLE and not self._is_leaving and self._is_answered():
            self._state.idle[self] = None

    def note_answered(self) -> None:
        """Wait for the next request, after one that was read and answered in one call.

        It is what `on_response_complete` does when nothing else waits, nothing is paused and nothing is left to read.
        """
        self._state.total_requests += 1
        self._arm_keep_alive()
        self._state.idle[self] = None

    def on_response_complete(self) -> None:
        """Begin the request that waits, or wait for one; bound the rest of a request that was answered early."""
        self._state.total_requests += 1
        if not self.transport.is_closing():
            if self.pipeline:
                self.flow.resume_reading()
                self._start_asgi_task(*self.pipeline.pop())
            else:
                self._arm_keep_alive()
        self.set_reading()
        self._note_idle()
        if self._is_deaf and not self.pipeline:
            self._close_politely()
        elif self._phase is Phase.BODY and self.cycle.response_complete:
            self._timer.set(self._limits.linger_s, self._close)

    def make_room(self) -> None:
        """Close for a new connection; as `shutdown` does when a request of this one was ever accepted."""
        if self in self._state.idle and self not in self._state.unproven:
            self.shutdown()
        else:
            self.abort()
        self._state.unproven.pop(self, None)
        self._state.idle.pop(self, None)

    def shutdown(self) -> None:
        """Say goodbye to an idle connection. Any other closes after its answer, which has `Connection: close`.

        A request may be on its way. A bare close would lose it, because no client repeats a POST that it has written.
        So the server answers before it sees the request. An API server takes that for the answer to its request, and
        sends it again (client-go, `checkWait`), to another replica. No request is judged twice: the server reads and
        drops the rest. A client that has sent nothing closes; Go's logs an "Unsolicited response".
        """
        if self._phase is Phase.IDLE and self._head_bytes <= 0 and self._is_answered() and not self._is_closing():
            self.transport.write(GOODBYE)
            self._leave()
            self._timer.set(self._limits.linger_s, self._close)

    def _refuse(self, error: RequestError) -> None:
        """Stop reading from this client, and answer why, unless answers to earlier requests are due."""
        self._is_deaf = True
        broken = self.cycle if self._phase is Phase.BODY else None
        if broken is not None and self.pipeline:
            self.pipeline.popleft()  # the newest; the connection closes after the answers to the others
            return
        if broken is not None and not broken.response_complete:
            broken.disconnected = True
            broken.message_event.set()
        elif broken is None and not self._is_answered():
            return
        if broken is None or not broken.response_started:
            self.transport.write(render_error(error))
        self._close_politely()

    def _is_answered(self) -> bool:
        latest: RequestResponseCycle | None = self.cycle  # None before the first request, unlike its type
        return latest is None or latest.response_complete

    def _is_closing(self) -> bool:
        return self._is_leaving or (self._raw is not None and self._raw.is_closing())

    def _close_politely(self) -> None:
        """Close at once after a whole request; else read and drop for `linger_s` first."""
        if self._is_leaving:
            return
        if self._phase is Phase.IDLE and self._head_bytes <= 0:
            self._close()
            return
        self._leave()
        self.flow.resume_reading()
        self._timer.set(self._limits.linger_s, self._close)

    def _close(self) -> None:
        """Close; a client has `write_timeout_s` to read the last answer."""
        self._leave()
        if self._raw is not None and not self._raw.is_closing():
            self._raw.close()
            self._timer.set(self._limits.write_timeout_s, self.abort)

    def abort(self) -> None:
        """Close at once, and lose the content of the buffers."""
        self._leave()
        if self._raw is not None:
            self._raw.abort()

    def _leave(self) -> None:
        """Begin the end of the connection: it reads nothing and starts no request."""
        self._is_deaf = True
        self._is_leaving = True
        self._timer.lift()

    def pause_writing(self) -> None:
        """Give a client that does not read its answers `write_timeout_s` to do so."""
        super().pause_writing()
        self.set_reading()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self._limits.write_timeout_s, self.abort)

    def resume_writing(self) -> None:
        """Let the application go on."""
        self._disarm_write()
        super().resume_writing()
        self.set_reading()

    def set_reading(self) -> None:
        """Read unless answers wait for the client, or requests for their turn."""
        if (self.flow.write_paused or self.pipeline) and not self._is_leaving:
            self.flow.pause_reading()
        else:
            self.flow.resume_reading()

    def _disarm_write(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _on_head_timeout(self) -> None:
        if self._head_bytes > 0 or self._phase is Phase.HEAD:
            text = f"request headers: not complete after {self._limits.header_timeout_s:g} s; send them at once"
            self._refuse(RequestError(408, text))
        else:
            self._close()

    def _arm_keep_alive(self) -> None:
        self._keep_alive.set(self.timeout_keep_alive, self.timeout_keep_alive_handler)
