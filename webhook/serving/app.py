"""The webhook's application: POST /validate and POST /mutate, and a clear line for everything else.

FastAPI holds the routes, but a review does not pay for its per-request machinery (middleware stack, routing,
exit stacks): `begin` says what the head of a request alone decides, before anything of the body is read, and an
`Exchange` answers the body. Our own server calls these two; `__call__` does the same for any ASGI server.

What is checked, in this order: path (404), method (405), content type (415), declared length (413), requests in
flight (503 with Retry-After, which the API server retries); then, of the body, time (408) and size (413), which are
the server's, and that it is not empty (400). Then the review.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING

from fastapi import FastAPI

from .http import (
    CLIENT_LEFT,
    JSON_HEADER,
    REVIEW_PATHS,
    Answer,
    Limits,
    RequestError,
    error_answer,
    parse_budget_s,
    send_answer,
    too_large,
    too_slow,
)
from .paths import PLAIN

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Receive, Scope, Send

    from .http import Header, Later, OnResponse, Review
    from .paths import ReviewPaths

logger = logging.getLogger("nadmit.serving")


class ClientLeftError(Exception):
    """The client closed the connection before its body was complete; there is nobody to answer."""


class WebhookApp(FastAPI):
    """FastAPI with a short way for reviews. Made by `create_app`."""

    def __init__(self, endpoint: ReviewEndpoint) -> None:
        super().__init__(title="nadmit", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
        self._endpoint = endpoint
        self.begin = endpoint.begin
        for path in REVIEW_PATHS:
            self.add_route(path, endpoint, methods=["POST"])  # type: ignore[arg-type] # an ASGI app is an endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; requests go past FastAPI's own machinery."""
        if scope["type"] == "http":
            await self._endpoint(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    review: Review, *, limits: Limits, on_response: OnResponse, paths: ReviewPaths | None = None
) -> WebhookApp:
    """Return the application that answers each POST to a review path with what `review` returns.

    `on_response` is called once per such POST. An exception of `review` other than RequestError is a bug: the
    client gets 500 with an id, the log has the same id and the traceback. `paths`: where reviews come in; None: at
    /validate and /mutate.
    """
    return WebhookApp(ReviewEndpoint(review, limits, on_response, paths or PLAIN))


class ReviewEndpoint:
    """The raw ASGI application behind both review paths; counts what is in flight."""

    def __init__(self, review: Review, limits: Limits, on_response: OnResponse, paths: ReviewPaths) -> None:
        self.review = review
        self.limits = limits
        self.paths = paths
        self.on_response = on_response
        self.in_flight = 0

    def begin(self, scope: Scope) -> Answer | Exchange:
        """Return the answer that the head of a request decides, or the exchange that is to get its body.

        Replaces the path of the scope by the review path that it is, so that no token of it gets any further.
        """
        path = self.paths.resolve(scope["path"])
        if path is None:
            return error_answer(RequestError(404, self.paths.describe_unknown(scope["method"], scope["path"])))
        scope["path"], scope["raw_path"] = path, path.encode()
        if scope["method"] != "POST":
            return error_answer(
                RequestError(405, self.paths.describe_method(scope["method"], path), (("allow", "POST"),))
            )
        exchange = Exchange(self, path, scope["query_string"])
        try:
            _check_headers(scope["headers"], self.limits)
            if self.in_flight > self.limits.max_in_flight:
                raise _overloaded(self.limits)
        except RequestError as error:
            exchange.end(error.status)
            return error_answer(error)
        return exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of any ASGI server."""
        begun = self.begin(scope)
        if isinstance(begun, Answer):
            await send_answer(send, begun)
            return
        status = CLIENT_LEFT
        try:
            answer = await _read_and_answer(begun, receive, self.limits.max_body_bytes)
            status = answer.status
            await send_answer(send, answer)
        except ClientLeftError:
            pass
        finally:
            begun.end(status)


class Exchange:
    """A review in flight: `answer` its body, or give it up; and `end` it, once."""

    __slots__ = ("_endpoint", "_query", "_started", "path")

    def __init__(self, endpoint: ReviewEndpoint, path: str, query: bytes) -> None:
        self.path = path
        self._endpoint = endpoint
        self._query = query
        self._started = time.perf_counter()
        endpoint.in_flight += 1

    @property
    def budget_s(self) -> float:
        """How long the body may take, and the review with it."""
        return parse_budget_s(self._query, self._endpoint.limits.default_timeout_s)

    def answer(self, body: bytes) -> Answer | Awaitable[Answer]:
        """Return the answer to a whole body, or the wait for it when the review has to ask the cluster."""
        try:
            if not body:
                raise RequestError(400, "request body: empty; allowed: one AdmissionReview as JSON")  # noqa: TRY301 - one place answers
            made = _run_review(self._endpoint.review, self.path, body)
        except RequestError as error:
            return error_answer(error)
        return Answer(200, [JSON_HEADER], made) if isinstance(made, bytes) else self._wait(made)

    def end(self, status: int) -> None:
        """Count the answer."""
        self._endpoint.in_flight -= 1
        self._endpoint.on_response(self.path, status, time.perf_counter() - self._started)

    async def _wait(self, later: Later) -> Answer:
        seconds_left = self._started + self.budget_s - time.perf_counter()
        try:
            return Answer(200, [JSON_HEADER], await later(seconds_left))
        except RequestError as error:
            return error_answer(error)
        except Exception as bug:  # noqa: BLE001 - logged with its traceback
            return error_answer(_internal_error(self.path, bug))


async def _read_and_answer(exchange: Exchange, receive: Receive, max_bytes: int) -> Answer:
    """Answer the body that an ASGI server hands over. Raises ClientLeftError."""
    try:
        async with asyncio.timeout(exchange.budget_s):
            body = await _receive_all(receive, max_bytes)
    except TimeoutError:
        return error_answer(too_slow(exchange.budget_s))
    except RequestError as error:
        return error_answer(error)
    made = exchange.answer(body)
    return made if isinstance(made, Answer) else await made


def _run_review(review: Review, path: str, body: bytes) -> bytes | Later:
    """NB: runs on the event loop; a review is a pure function of a few hundred microseconds."""
    try:
        return review(path, body)
    except RequestError:
        raise
    except Exception as bug:
        raise _internal_error(path, bug) from bug


def _internal_error(path: str, bug: Exception) -> RequestError:
    """Log a bug, and return the answer with the same id."""
    error_id = secrets.token_hex(6)
    logger.error("internal error, id %s, path %s", error_id, path, exc_info=bug)
    return RequestError(500, f"internal error, id {error_id}; the log of nadmit has the same id")


def _check_headers(headers: list[Header], limits: Limits) -> None:
    """Raise RequestError for a content type that is not JSON or a declared length above the limit."""
    content_type = b""
    for name, value in headers:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length" and int(value) > limits.max_body_bytes:
            raise too_large(limits.max_body_bytes)
    if content_type != b"application/json" and content_type.split(b";")[0].strip().lower() != b"application/json":
        shown = content_type[:80].decode("latin-1")
        raise RequestError(415, f'Content-Type: not JSON: "{shown}"; allowed: application/json')


async def _receive_all(receive: Receive, max_bytes: int) -> bytes:
    body = bytearray()
    is_complete = False
    while not is_complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise too_large(max_bytes)
        is_complete = not message.get("more_body", False)
    return bytes(body)


def _overloaded(limits: Limits) -> RequestError:
    text = f"overloaded: {limits.max_in_flight} requests are in flight already; try again in 1 s"
    return RequestError(503, text, (("retry-after", "1"),))
