"""The heads that one connection has sent, so that the parser need not read them again.

An API server sends the same head for each review of a webhook, apart from the length of the body. So a head whose
request was accepted is kept as the bytes before and after that length. A later request with the same bytes has the same
method, path, query and headers, and the parser would take it in the same way.

Only a plain head is kept: `POST` and a path without escapes, each header as `Name: text`, one Content-Length, and none
of the headers that change how a connection goes on (SPECIAL). All others, and the first ones of each connection, go
through the parser. A connection compares only with what it has sent itself, so it learns nothing about a token.
"""

from __future__ import annotations

import re

KNOWN_MAX = 4
"""Heads of one connection that are examined: /validate and /mutate, each with and without stage Observe."""

HEAD_BYTES_MAX = 1024
"""The API server sends about 300 bytes. So a connection keeps at most 4 KiB."""

SPECIAL = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"upgrade", b"expect", b"transfer-encoding",
                     b"te", b"trailer"})  # fmt: skip

_HEAD = re.compile(
    rb"POST (?P<path>[A-Za-z0-9/_-]+)(?:\?(?P<query>[A-Za-z0-9=&._-]*))? HTTP/1\.1\r\n"
    rb"(?:[A-Za-z][A-Za-z0-9-]*: [!-~](?:[ -~]*[!-~])?\r\n)+\r\n"
)
_LENGTH = re.compile(rb"\r\ncontent-length: ([1-9][0-9]*)\r\n", re.IGNORECASE)
_NAME = re.compile(rb"\r\n([A-Za-z0-9-]+):")

DIGITS_MAX = 12


class KnownHead:
    """A head in two parts, with its path and its query as they were sent. NB: the path may have a token."""

    __slots__ = ("_after", "_before", "_digits_at", "path", "query")

    def __init__(self, before: bytes, after: bytes, path: str, query: bytes) -> None:
        self.path = path
        self.query = query
        self._before = before
        self._after = after
        self._digits_at = len(before)

    def match(self, data: bytes) -> tuple[int, int] | None:
        """Return where the body begins in `data`, and its length; None if `data` begins with another head."""
        if not data.startswith(self._before):
            return None
        start = self._digits_at
        stop = data.find(b"\r", start, start + DIGITS_MAX)
        if stop < 0 or not data.startswith(self._after, stop):
            return None
        digits = data[start:stop]
        if not digits.isdigit() or digits.startswith(b"0"):  # int() takes signs, spaces and underscores
            return None
        return stop + len(self._after), int(digits)


def learn_head(data: bytes) -> KnownHead | None:
    """Return the head with which `data` begins; None if it is not a plain one, or not complete.

    The parser has accepted this head.
    """
    head = _HEAD.match(data, 0, HEAD_BYTES_MAX)
    if head is None:
        return None
    text = head[0]
    lengths = list(_LENGTH.finditer(text))
    names = [name.lower() for name in _NAME.findall(text)]
    if len(lengths) != 1 or names.count(b"content-length") != 1 or not SPECIAL.isdisjoint(names):
        return None
    start, stop = lengths[0].span(1)
    return KnownHead(text[:start], text[stop:], head["path"].decode(), head["query"] or b"")
