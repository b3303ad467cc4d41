"""The webhook's application: POST /validate and POST /mutate, and a clear line for everything else.

`WebhookApp` is an ASGI application without a framework: a review does not pay for a middleware stack, routing and exit
stacks, nor the process for importing them. `webhook.asgi` puts it into a FastAPI application, for other servers.

`begin` makes the checks that need only the head of a request, before anything of the body is read, and an `Exchange`
answers the body. Our own server calls these two; `__call__` does the same for any ASGI server. `begin_again` is `begin`
for a head that was accepted before.

The checks, in this order: path (404), method (405), content type (415), declared length (413), requests in flight (503
with Retry-After, and the API server tries again); then, of the body, time (408) and size (413), which the server
checks, and that it is not empty (400). Then the review.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING

from .http import (
    CLIENT_LEFT,
    JSON_HEADER,
    RETRY_HEADER,
    Answer,
    Limits,
    RequestError,
    error_answer,
    parse_budget_s,
    send_answer,
    too_large,
    too_slow,
)
from .reviewpaths import PLAIN

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Receive, Scope, Send

    from .http import Header, Later, OnResponse, Review
    from .reviewpaths import ReviewPaths

logger = logging.getLogger("nadmit.serving")


class WebhookApp:
    """The application of reviews.

    It answers each POST to a review path with the result of `review`, and calls `on_response` once for each. An
    exception of `review` other than RequestError is a bug: the client gets 500 with an id, and the log has the same id
    and the traceback. `in_flight` is the number of reviews that have begun and are not answered yet.
    """

    def __init__(
        self, review: Review, *, limits: Limits, on_response: OnResponse, paths: ReviewPaths | None = None
    ) -> None:
        """`paths`: where reviews come in; None for /validate and /mutate."""
        self.review = review
        self.limits = limits
        self.on_response = on_response
        self.paths = paths or PLAIN
        self.in_flight = 0

    def begin(self, scope: Scope) -> Answer | Exchange:
        """Return the answer that the head of a request decides, or the exchange that is to get its body.

        Replaces the path of the scope by the review path that it is, so that nothing behind this sees a token.
        """
        method: str = scope["method"]
        path = self.paths.resolve(scope["path"])
        if path is None:
            return error_answer(RequestError(404, self.paths.describe_unknown(method, scope["path"])))
        scope["path"], scope["raw_path"] = path, path.encode()
        if method != "POST":
            return error_answer(RequestError(405, self.paths.describe_method(method, path), (b"allow", b"POST")))
        exchange = Exchange(self, path, scope["query_string"])
        error = _head_error(scope["headers"], self.limits)
        if error is None and self.in_flight > self.limits.max_in_flight:
            error = _overloaded(self.limits)
        if error is None:
            return exchange
        exchange.end(error.status)
        return error_answer(error)

    def begin_again(self, sent: str, query: bytes, length: int) -> Exchange | None:
        """Begin a request whose head is that of an accepted one, apart from its length: see `knownheads`.

        `sent` is the path as the client wrote it. Returns None if `begin` would refuse the request now.
        """
        path = self.paths.resolve(sent)
        limits = self.limits
        if path is None or length > limits.max_body_bytes or self.in_flight >= limits.max_in_flight:
            return None
        return Exchange(self, path, query)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request of any ASGI server."""
        if scope["type"] != "http":  # as ASGI wants it: a server takes this as "not supported"
            raise ValueError(f"ASGI scope {scope['type']}: only http is served here")
        begun = self.begin(scope)
        if isinstance(begun, Answer):
            await send_answer(send, begun)
            return
        answer: Answer | None = None
        try:
            body = await _receive(receive, begun.budget_s, self.limits.max_body_bytes)
            if body is not None:
                made = begun.answer(body)
                answer = made if isinstance(made, Answer) else await made
        except RequestError as error:
            answer = error_answer(error)
        finally:
            begun.end(CLIENT_LEFT if answer is None else answer.status)
        if answer is not None:
            await send_answer(send, answer)


class Exchange:
    """A review in flight: `answer` its body, or give it up; and `end` it, once."""

    __slots__ = ("_query", "_started", "app", "path")

    def __init__(self, app: WebhookApp, path: str, query: bytes) -> None:
        self.path = path
        self.app = app
        self._query = query
        self._started = time.perf_counter()
        app.in_flight += 1

    @property
    def budget_s(self) -> float:
        """How long the body may take, and the review with it."""
        return parse_budget_s(self._query, self.app.limits.default_timeout_s)

    def answer(self, body: bytes) -> Answer | Awaitable[Answer]:
        """Return the answer to a whole body, or the wait for it when the review has to ask the cluster.

        NB: runs on the event loop; a review is a pure function of a few hundred microseconds.
        """
        if not body:
            return error_answer(RequestError(400, "request body: empty; allowed: one AdmissionReview as JSON"))
        try:
            made = self.app.review(self.path, body)
        except RequestError as error:
            return error_answer(error)
        except Exception as bug:  # noqa: BLE001 - logged with its traceback
            return error_answer(_internal_error(self.path, bug))
        return Answer(200, [JSON_HEADER], made) if isinstance(made, bytes) else self._wait(made)

    def end(self, status: int) -> None:
        """Count the answer."""
        self.app.in_flight -= 1
        self.app.on_response(self.path, status, time.perf_counter() - self._started)

    async def _wait(self, later: Later) -> Answer:
        seconds_left = self._started + self.budget_s - time.perf_counter()
        try:
            return Answer(200, [JSON_HEADER], await later(seconds_left))
        except RequestError as error:
            return error_answer(error)
        except Exception as bug:  # noqa: BLE001 - as above
            return error_answer(_internal_error(self.path, bug))


def _internal_error(path: str, bug: Exception) -> RequestError:
    """Log a bug, and return the answer with the same id."""
    error_id = secrets.token_hex(6)
    logger.error("internal error, id %s, path %s", error_id, path, exc_info=bug)
    return RequestError(500, f"internal error, id {error_id}; the log of nadmit has the same id")


def _head_error(headers: list[Header], limits: Limits) -> RequestError | None:
    """Return the error of a content type that is not JSON, or of a declared length above the limit."""
    content_type = b""
    for name, value in headers:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length" and int(value) > limits.max_body_bytes:
            return too_large(limits.max_body_bytes)
    if content_type == b"application/json" or content_type.split(b";")[0].strip().lower() == b"application/json":
        return None
    shown = content_type[:80].decode("latin-1")
    return RequestError(415, f'Content-Type: not JSON: "{shown}"; allowed: application/json')


async def _receive(receive: Receive, budget_s: float, max_bytes: int) -> bytes | None:
    """Return the body that an ASGI server hands over; None if the client leaves. Raises RequestError."""
    body = bytearray()
    try:
        async with asyncio.timeout(budget_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > max_bytes:
                    raise too_large(max_bytes)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise too_slow(budget_s) from None


def _overloaded(limits: Limits) -> RequestError:
    text = f"overloaded: {limits.max_in_flight} requests are in flight already; try again in 1 s"
    return RequestError(503, text, RETRY_HEADER)
