"""Answers of the API server: one that is read as it comes, one that is read whole, and why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException
from types import TracebackType
from typing import NamedTuple, Self

import urllib3
from urllib3.response import BaseHTTPResponse

from .apierrors import SAID_MAX, ClusterError
from .responses import parse_status

BLOCK = 65_536

BROKEN_CONNECTION = (urllib3.exceptions.HTTPError, HTTPException, OSError)
"""What sending and reading raise when there is no answer, or no whole one."""


def explain(error: BaseException) -> str:
    """Return the innermost reason in one line: urllib3 wraps it, and shows addresses of Python objects.

    NB: the client's own errors show whole entries of a kubeconfig, keys and tokens among them: these are left out.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, HTTPException | ConnectionResetError | urllib3.exceptions.ProtocolError):
        return "the connection was cut"
    said = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
    said, brace, _ = said.partition("{")
    return " ".join(said.split()) + ("..." if brace else "") or type(error).__name__


class Answer:
    """An answer 200, read as it comes. Any method may raise ClusterError, but `cut` and leaving the context do not."""

    def __init__(self, response: BaseHTTPResponse, where: str) -> None:
        self._response = response
        self._where = where

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep the connection for the next request if the answer was read to its end, else close it."""
        self._response.close() if error else self._response.release_conn()

    def read(self) -> bytes:
        """Return the whole body."""
        try:
            return self._response.read()
        except BROKEN_CONNECTION as error:
            raise ClusterError(f"{self._where}: {explain(error)}") from error

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of a body that does not end; a half one at its end is dropped."""
        parts: list[bytes] = []
        try:
            for block in self._response.stream(BLOCK):
                head, newline, tail = block.partition(b"\n")
                parts.append(head)
                if newline:
                    *lines, rest = tail.split(b"\n")
                    yield b"".join(parts)
                    yield from lines
                    parts = [rest]
        except BROKEN_CONNECTION as error:
            raise ClusterError(f"{self._where}: {explain(error)}") from error

    def cut(self) -> None:
        """End a read that another thread is blocked in."""
        try:
            self._response.shutdown()
        except (OSError, ValueError, RuntimeError):
            return  # it has ended by itself


class Reply(NamedTuple):
    """An answer of any status, whole. `said` is the message of a Status, as far as `data` is one."""

    status: int
    data: bytes

    @property
    def said(self) -> str:
        """Why the API server refuses, in its own words, in one line."""
        return " ".join(parse_status(self.data).message.split())[:SAID_MAX] or "no reason given"
