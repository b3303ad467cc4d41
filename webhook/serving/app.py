"""The webhook's application: POST /validate and POST /mutate, and a clear line for everything else.

FastAPI holds the routes, but a review does not pay for its per-request machinery (middleware stack, routing,
exit stacks): `__call__` hands a POST to a known path straight to the endpoint that the route names.

What is checked, in this order: content type (415), declared length (413), requests in flight (503 with
Retry-After, which the API server retries), body within the time (408) and the size (413), empty body (400).
Then the review.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from .http import (
    BODY_IS_HERE,
    CLIENT_LEFT,
    JSON_HEADER,
    REVIEW_PATHS,
    Answer,
    Limits,
    RequestError,
    error_answer,
    parse_budget_s,
    send_answer,
)

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import Receive, Scope, Send

    from .http import Header, Later, OnResponse, Review

logger = logging.getLogger("nadmit.serving")

_CLOSE = (("connection", "close"),)


class ClientLeftError(Exception):
    """The client closed the connection before its body was complete; there is nobody to answer."""


class WebhookApp(FastAPI):
    """FastAPI with a short way for reviews. Made by `create_app`."""

    def __init__(self, endpoint: ReviewEndpoint) -> None:
        super().__init__(
            title="nadmit",
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            redirect_slashes=False,
            exception_handlers={HTTPException: _answer_http_exception},
        )
        self._endpoint = endpoint
        self.answer_at_once = endpoint.answer_at_once
        for path in REVIEW_PATHS:
            self.add_route(path, endpoint, methods=["POST"])  # type: ignore[arg-type] # an ASGI app is an endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a POST to a review path goes past FastAPI."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in REVIEW_PATHS:
            await self._endpoint(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(review: Review, *, limits: Limits, on_response: OnResponse) -> WebhookApp:
    """Return the application that answers each POST to a review path with what `review` returns.

    `on_response` is called once per such POST. An exception of `review` other than RequestError is a bug: the
    client gets 500 with an id, the log has the same id and the traceback.
    """
    return WebhookApp(ReviewEndpoint(review, limits, on_response))


class ReviewEndpoint:
    """The raw ASGI application behind both review paths; counts what is in flight."""

    def __init__(self, review: Review, limits: Limits, on_response: OnResponse) -> None:
        self._review = review
        self._limits = limits
        self._on_response = on_response
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one POST."""
        started = time.perf_counter()
        self._in_flight += 1
        status = CLIENT_LEFT
        try:
            answer = await self._read_and_answer(scope, receive)
            status = answer.status
            await send_answer(send, answer)
        except ClientLeftError:
            pass
        finally:
            self._in_flight -= 1
            self._on_response(scope["path"], status, time.perf_counter() - started)

    def answer_at_once(self, scope: Scope, body: bytes) -> Answer | None:
        """Answer one POST whose body is here already: the same checks, without waiting for anything.

        None for a review that wants to wait: it is to be called as an ASGI application, and has not been counted yet.
        """
        started = time.perf_counter()
        self._in_flight += 1
        try:
            self._check(scope)
            made = self._review_body(scope, body)
            if not isinstance(made, bytes):
                return None
            answer = Answer(200, [JSON_HEADER], made)
        except RequestError as error:
            answer = error_answer(error)
        finally:
            self._in_flight -= 1
        self._on_response(scope["path"], answer.status, time.perf_counter() - started)
        return answer

    async def _read_and_answer(self, scope: Scope, receive: Receive) -> Answer:
        started = time.perf_counter()
        try:
            self._check(scope)
            made = self._review_body(scope, await self._read_body(scope, receive))
            if not isinstance(made, bytes):
                budget_s = parse_budget_s(scope["query_string"], self._limits.default_timeout_s)
                made = await _wait_for_review(made, scope["path"], started + budget_s - time.perf_counter())
            return Answer(200, [JSON_HEADER], made)
        except RequestError as error:
            return error_answer(error)

    def _check(self, scope: Scope) -> None:
        """Refuse what need not be read."""
        _check_headers(scope["headers"], self._limits)
        if self._in_flight > self._limits.max_in_flight:
            raise _overloaded(self._limits)

    def _review_body(self, scope: Scope, body: bytes) -> bytes | Later:
        if not body:
            raise RequestError(400, "request body: empty; allowed: one AdmissionReview as JSON")
        return _run_review(self._review, scope["path"], body)

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the whole body; raises RequestError (408, 413) or ClientLeftError."""
        max_bytes = self._limits.max_body_bytes
        if BODY_IS_HERE in scope:
            return await _receive_all(receive, max_bytes)
        budget_s = parse_budget_s(scope["query_string"], self._limits.default_timeout_s)
        try:
            async with asyncio.timeout(budget_s):
                return await _receive_all(receive, max_bytes)
        except TimeoutError:
            text = f"request body: not complete after {budget_s:g} s; send it faster, or raise timeoutSeconds"
            raise RequestError(408, text, _CLOSE) from None


def _run_review(review: Review, path: str, body: bytes) -> bytes | Later:
    """NB: runs on the event loop; a review is a pure function of a few hundred microseconds."""
    try:
        return review(path, body)
    except RequestError:
        raise
    except Exception as bug:
        raise _internal_error(path, bug) from bug


async def _wait_for_review(later: Later, path: str, seconds_left: float) -> bytes:
    try:
        return await later(seconds_left)
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
            raise _too_large(limits.max_body_bytes)
    if content_type != b"application/json" and content_type.split(b";")[0].strip().lower() != b"application/json":
        shown = content_type[:80].decode("latin-1")
        raise RequestError(415, f'Content-Type: not JSON: "{shown}"; allowed: application/json')


async def _receive_all(receive: Receive, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    is_complete = False
    while not is_complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        chunks.append(message["body"])
        size += len(message["body"])
        if size > max_bytes:
            raise _too_large(max_bytes)
        is_complete = not message["more_body"]
    return b"".join(chunks)


def _too_large(max_bytes: int) -> RequestError:
    return RequestError(413, f"request body: too large; allowed: at most {max_bytes} bytes", _CLOSE)


def _overloaded(limits: Limits) -> RequestError:
    text = f"overloaded: {limits.max_in_flight} requests are in flight already; try again in 1 s"
    return RequestError(503, text, (("retry-after", "1"),))


async def _answer_http_exception(request: Request, error: Exception) -> PlainTextResponse:
    """Answer what FastAPI's router refuses (404, 405) in one line of text."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    allowed = "POST " + ", POST ".join(REVIEW_PATHS)
    shown = f"{request.method} {request.scope['path'][:80]!r}"
    problem = "no such path" if status == 404 else "wrong method"
    return PlainTextResponse(f"{shown}: {problem}; allowed: {allowed}", status, headers)
