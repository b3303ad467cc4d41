"""The interface to the review, the limits, the form of error answers, and the `timeout` parameter.

The client is an API server (Kubernetes 1.36). Its review has an object and an oldObject of at most 3 MiB each, and its
URL has `?timeout=Ns`. It keeps idle connections for 90 s, sends a request again after a 503 with an integer
`Retry-After`, and quotes only a `text/*` body of a failed call to the user. So every error here is one line of
text/plain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Later = Callable[[float], Awaitable[bytes]]
    """Seconds that are left -> the AdmissionReview response as JSON."""

    Review = Callable[[str, bytes], bytes | Later]
    """(path, body) -> the AdmissionReview response as JSON, or how to wait for it. May raise RequestError; any other
    exception is a bug."""

    OnResponse = Callable[[str, int, float], None]
    """(path, status, seconds), once per POST to a review path. Status 499: the client left before the answer."""

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

OBSERVED = {"/validate/observe": "/validate", "/mutate/observe": "/mutate"}
"""The paths of stage Observe, whose answers refuse nothing, and where their reviews are judged."""

REVIEW_PATHS = (*OBSERVED, "/validate", "/mutate")
"""A path comes before the path that it begins with."""

CLIENT_LEFT = 499
"""nginx's number for a request whose client closed the connection. It is counted and never sent."""

MIB = 1024 * 1024


Header = tuple[bytes, bytes]

TEXT_HEADER: Header = (b"content-type", b"text/plain; charset=utf-8")
JSON_HEADER: Header = (b"content-type", b"application/json")
CLOSE_HEADER: Header = (b"connection", b"close")
RETRY_HEADER: Header = (b"retry-after", b"1")
"""Makes an API server send the request again after a second, to another replica if there is one."""


class RequestError(Exception):
    """An error in the caller's envelope, or a review that cannot be made now: the HTTP status and one line of text."""

    def __init__(self, status: int, text: str, *headers: Header) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one client, and all of them together, may take from this process. Times are in seconds."""

    max_body_bytes: int = 8 * MIB
    """Above 2 x 3 MiB (object and oldObject at the API server's request limit) plus the envelope."""

    max_header_bytes: int = 64 * 1024
    """Of the request line and headers; the API server sends about 500 bytes. Also of the framing in a chunked body."""

    max_in_flight: int = 256
    max_bytes_in_flight: int = 64 * MIB
    """Of all bodies together; see `bodies`. At least twice `max_body_bytes`, or the server could not read the largest
    body while there is any other."""

    slow_body_s: float = 0.5
    """A body that is not complete after this time gives way when another body needs its place. The API server sends a
    body at once."""

    max_connections: int = 1024
    """Per listener; four times `max_in_flight`. Above it the server closes the connection that has been idle longest.
    A connection costs about 25 KiB when it is idle, and 120 KiB when it has sent much (measured)."""

    max_handshakes: int = 256
    """Above it the server ends the oldest handshake. One takes a few milliseconds on the network of a cluster."""

    max_pipelined: int = 64
    """Requests that wait for the answer to an earlier one; the API server sends none."""

    handshake_timeout_s: float = 10
    header_timeout_s: float = 10
    default_timeout_s: float = 10
    """Budget of a request without a readable `?timeout=`; also the API server's default timeoutSeconds."""

    write_timeout_s: float = 10
    """How long a client may leave a full send buffer unread; without a limit such clients hold places in flight."""

    keep_alive_s: float = 120
    """Above the API server's 90 s: the client must close first, because it never sends a POST again after an EOF."""

    linger_s: float = 1
    """How long the server reads and drops the rest of a request that it answered early. Closing over unread bytes sends
    a TCP reset, which may destroy the answer before the client reads it. Also the wait for TLS close_notify."""

    drain_s: float = 10
    """After the first signal: endpoints lag, so new connections come for this long."""

    shutdown_s: float = 10
    """After the drain, for requests in flight. terminationGracePeriodSeconds must exceed both together."""


def render_error(error: RequestError) -> bytes:
    """Return a whole HTTP/1.1 answer that closes the connection, for errors below the ASGI application."""
    body = error.text.encode()
    headers = (TEXT_HEADER, (b"content-length", b"%d" % len(body)), CLOSE_HEADER, *error.headers)
    lines = b"".join(b"%b: %b\r\n" % header for header in dict.fromkeys(headers))
    return f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n".encode() + lines + b"\r\n" + body


class Answer(NamedTuple):
    """A whole response, but for its content-length."""

    status: int
    headers: list[Header]
    body: bytes


def error_answer(error: RequestError) -> Answer:
    """Return a RequestError as text/plain."""
    return Answer(error.status, [TEXT_HEADER, *error.headers], error.text.encode())


async def send_answer(send: Send, answer: Answer) -> None:
    """Send one whole response with its content-length."""
    headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TERM = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_TERMS = re.compile(_TERM)
_DURATION = re.compile(rf"(?:{_TERM})+")


def parse_duration_s(text: str) -> float | None:
    """Return the seconds of a positive Go duration, or None for any other text.

    Grammar (Go `time.ParseDuration`): `duration = 1*(decimal unit)`, `unit = ns | us | ms | s | m | h`. A sign and a
    bare `0` are refused: neither can be a budget.
    """
    if len(text) > 40 or not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in _TERMS.findall(text)) or None


@lru_cache(maxsize=64)
def parse_budget_s(query: bytes, default_s: float) -> float:
    """Return how long reading a request may take, from its query string.

    That is `?timeout=` minus half a second, which the answer needs to get back in time, or half of a timeout below one
    second. `default_s` replaces a timeout that is missing or unreadable. At most 30 s, the longest timeoutSeconds.
    """
    texts = parse_qs(query.decode("latin-1"), max_num_fields=20).get("timeout") if query.count(b"&") < 20 else None
    timeout_s = min((texts and parse_duration_s(texts[0])) or default_s, 30.0)
    return max(timeout_s - 0.5, timeout_s / 2)


def too_large(max_bytes: int) -> RequestError:
    """Return the error of a body above the limit."""
    return RequestError(413, f"request body: too large; allowed: at most {max_bytes} bytes", CLOSE_HEADER)


def too_slow(budget_s: float) -> RequestError:
    """Return the error of a body that was not complete in time."""
    text = f"request body: not complete after {budget_s:g} s; send it faster, or raise timeoutSeconds"
    return RequestError(408, text, CLOSE_HEADER)


def gave_way(limits: Limits) -> RequestError:
    """Return the error of a body whose place another body needs."""
    text = (
        f"overloaded: request bodies hold {limits.max_bytes_in_flight} bytes already (--max-bytes-in-flight), and this "
        "one is not complete; try again in 1 s"
    )
    return RequestError(503, text, CLOSE_HEADER, RETRY_HEADER)
