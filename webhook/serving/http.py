"""The seam to the review, the limits, the form of error answers, and the `timeout` parameter.

Kubernetes 1.36 as the client: a review carries object and oldObject of at most 3 MiB each, the URL has
`?timeout=Ns`, idle connections are kept for 90 s, a 503 with an integer `Retry-After` is retried, and only a
`text/*` body of a failed call is quoted to the user. Hence every error here is one line of text/plain.
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
    """(path, body) -> the AdmissionReview response as JSON, or how to wait for it. May raise RequestError;
    anything else is a bug."""

    OnResponse = Callable[[str, int, float], None]
    """(path, status, seconds), once per POST to a review path. Status 499: the client left before the
    answer."""

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

REVIEW_PATHS = ("/validate", "/mutate")

CLIENT_LEFT = 499
"""nginx's number for a request whose client closed the connection; it is only counted, never sent."""

MIB = 1024 * 1024


class RequestError(Exception):
    """The caller's envelope is bad: the HTTP status and the one line of text it is answered with."""

    def __init__(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client, and all of them together, may take from this process. Times are in seconds."""

    max_body_bytes: int = 8 * MIB
    """Above 2 x 3 MiB (object and oldObject at the API server's request limit) plus the envelope."""

    max_header_bytes: int = 64 * 1024
    """Request line and headers; the API server sends about 500 bytes. Also the framing a chunked body may
    add."""

    max_in_flight: int = 256
    max_bytes_in_flight: int = 64 * MIB
    """Of all bodies together; see `bodies`. At least twice `max_body_bytes`, or the largest body could not be read
    while there is any other."""

    slow_body_s: float = 0.5
    """A body that is not complete after this time gives way when another one needs its place. The API server sends
    a body at once."""

    max_connections: int = 1024
    """Per listener; four times `max_in_flight`. Above it the connection that has been idle longest is closed. One
    costs about 25 KiB when it is idle, and 120 KiB when it has sent much (measured)."""

    max_handshakes: int = 256
    """Above it the oldest handshake is cut off. One takes a few milliseconds on the network of a cluster."""

    max_pipelined: int = 64
    """Requests that wait behind one whose answer is due; the API server sends none."""

    handshake_timeout_s: float = 10
    header_timeout_s: float = 10
    default_timeout_s: float = 10
    """Budget of a request without a readable `?timeout=`; also the API server's default timeoutSeconds."""

    write_timeout_s: float = 10
    """How long a client may leave a full send buffer unread; without it such clients hold places in
    flight."""

    keep_alive_s: float = 120
    """Above the API server's 90 s: who closes first must be the client, since it never retries a POST on
    EOF."""

    linger_s: float = 1
    """How long the rest of a request that was answered early is read and dropped. Closing over unread bytes
    sends a TCP reset, which may destroy the answer before the client reads it. Also the wait for TLS
    close_notify."""

    drain_s: float = 10
    """After the first signal: endpoints lag, so new connections keep coming for this long."""

    shutdown_s: float = 10
    """After the drain: what requests in flight get. terminationGracePeriodSeconds must exceed both
    together."""


Header = tuple[bytes, bytes]

TEXT_HEADER: Header = (b"content-type", b"text/plain; charset=utf-8")
JSON_HEADER: Header = (b"content-type", b"application/json")
CLOSE_HEADER: Header = (b"connection", b"close")


def render_error(status: int, text: str, *more: Header) -> bytes:
    """Return a whole HTTP/1.1 answer that closes the connection, for errors below the ASGI application."""
    body = text.encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(),
        b"%b: %b" % TEXT_HEADER,
        b"content-length: %d" % len(body),
        *(b"%b: %b" % header for header in (CLOSE_HEADER, *more)),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Answer(NamedTuple):
    """A whole response, but for its content-length."""

    status: int
    headers: list[Header]
    body: bytes


def error_answer(error: RequestError) -> Answer:
    """Return a RequestError as text/plain; a header of the error may be any, such as Retry-After."""
    extra = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.headers]
    return Answer(error.status, [TEXT_HEADER, *extra], error.text.encode())


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
    """Return the seconds of a positive Go duration, or None when it is not one.

    Grammar (Go `time.ParseDuration`): `duration = 1*(decimal unit)`, `unit = ns | us | ms | s | m | h`.
    A sign and the bare `0` are refused: neither can be a budget.
    """
    if len(text) > 40 or not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in _TERMS.findall(text)) or None


@lru_cache(maxsize=64)
def parse_budget_s(query: bytes, default_s: float) -> float:
    """Return how long reading a request may take, from its query string.

    `?timeout=` minus half a second, which the answer needs to get back in time; of a timeout below one
    second, half. Without a readable timeout, `default_s` stands for it. At most 30 s, the longest
    timeoutSeconds there is.
    """
    texts = parse_qs(query.decode("latin-1"), max_num_fields=20).get("timeout") if query.count(b"&") < 20 else None
    timeout_s = min((texts and parse_duration_s(texts[0])) or default_s, 30.0)
    return max(timeout_s - 0.5, timeout_s / 2)


_CLOSE = (("connection", "close"),)


def too_large(max_bytes: int) -> RequestError:
    """Return the error of a body above the limit."""
    return RequestError(413, f"request body: too large; allowed: at most {max_bytes} bytes", _CLOSE)


def too_slow(budget_s: float) -> RequestError:
    """Return the error of a body that did not come in time."""
    text = f"request body: not complete after {budget_s:g} s; send it faster, or raise timeoutSeconds"
    return RequestError(408, text, _CLOSE)


def gave_way(limits: Limits) -> RequestError:
    """Return the error of a body whose place another one needs."""
    text = (
        f"overloaded: request bodies hold {limits.max_bytes_in_flight} bytes already (--max-bytes-in-flight), and this "
        "one is not complete; try again in 1 s"
    )
    return RequestError(503, text, (*_CLOSE, ("retry-after", "1")))
