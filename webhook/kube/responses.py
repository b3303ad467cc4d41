"""Responses of the API server: read as they arrive, decoded, or the reason why there is none.

msgspec skips what is not named here while it decodes, so managedFields, status and the like never become objects. The
items of a page stay text until each is decoded, so that a malformed one does not spoil the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException
from types import TracebackType
from typing import Self, TypeVar

import msgspec
import urllib3
from urllib3.response import BaseHTTPResponse

from .apierrors import ClusterError

T = TypeVar("T")

Key = tuple[str, str]
"""Namespace and name; the namespace of a cluster-scoped object is ""."""

BLOCK = 65_536

BROKEN_CONNECTION = (urllib3.exceptions.HTTPError, HTTPException, OSError)
"""What sending and reading raise when there is no response, or only a part of one."""


def explain(error: BaseException) -> str:
    """Return the innermost cause in one line: urllib3 wraps it, and shows addresses of Python objects.

    NB: the client's own errors show whole entries of a kubeconfig, with keys and tokens. They are left out.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, HTTPException | ConnectionResetError | urllib3.exceptions.ProtocolError):
        return "the connection was cut"
    text = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
    text, brace, _ = text.partition("{")
    return " ".join(text.split()) + ("..." if brace else "") or type(error).__name__


class Stream:
    """A response 200 that is read as it arrives. `read` and `lines` raise ClusterError."""

    def __init__(self, response: BaseHTTPResponse, server: str) -> None:
        self._response = response
        self._server = server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep the connection for the next request if the response was read to its end, else close it."""
        self._response.close() if error else self._response.release_conn()

    def read(self) -> bytes:
        """Return the whole body."""
        try:
            return self._response.read()
        except BROKEN_CONNECTION as error:
            raise ClusterError(f"{self._server}: {explain(error)}") from error

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of an endless body. Half a line at its end is dropped."""
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
            raise ClusterError(f"{self._server}: {explain(error)}") from error

    def cut(self) -> None:
        """End a read that blocks another thread. Raises nothing."""
        try:
            self._response.shutdown()
        except (OSError, ValueError, RuntimeError):
            return  # it has ended by itself


# Decoding


class MalformedError(ValueError):
    """An API server does not send this."""


class Metadata(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The metadata of an object that is read. A bookmark has a resourceVersion only."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Item(msgspec.Struct, frozen=True, gc=False):
    """An object, its spec still as text."""

    metadata: Metadata = Metadata()
    spec: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.metadata.namespace, self.metadata.name


class ListMetadata(msgspec.Struct, rename={"resource_version": "resourceVersion", "token": "continue"}, gc=False):
    """`token` asks for the next page; "" on the last one."""

    resource_version: str = ""
    token: str = ""


class Page(msgspec.Struct, gc=False):
    """One page of a list."""

    metadata: ListMetadata
    items: list[msgspec.Raw] | None


class WatchEvent(msgspec.Struct, gc=False):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR. The object of an ERROR is a Status."""

    type: str
    object: msgspec.Raw


class Status(msgspec.Struct, gc=False):
    """Why the API server refuses."""

    code: int = 500
    message: str = ""


PAGE = msgspec.json.Decoder(Page)
WATCH_EVENT = msgspec.json.Decoder(WatchEvent)
ITEM = msgspec.json.Decoder(Item)
_STATUS = msgspec.json.Decoder(Status)


def decode(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw, what: str) -> T:
    """Return a decoded response. Raises ClusterError; `what` says what was asked for."""
    try:
        return _decode(decoder, data)
    except MalformedError as error:
        raise ClusterError(f"{what}: not what an API server answers: {error}") from error


def parse_item(data: msgspec.Raw) -> Item:
    """Return an object of a page or of a watch event. Raises MalformedError."""
    return _decode(ITEM, data)


def parse_status(data: bytes | msgspec.Raw) -> Status:
    """Return a Status. The message of anything else is its text."""
    try:
        return _decode(_STATUS, data)
    except MalformedError:
        return Status(message=bytes(data).decode("utf-8", "replace"))


def _decode(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(str(error)) from error
