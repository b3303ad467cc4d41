"""What is read of a list's pages and of a watch's events.

msgspec skips what is not named here while it decodes, so managedFields, status and the like never become objects; the
items of a page stay text until each is looked at, so that one that is malformed does not spoil the others.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")

Key = tuple[str, str]
"""Namespace and name; the namespace of a cluster-scoped object is ""."""


class MalformedError(ValueError):
    """Not what an API server answers."""


class Metadata(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """What is read of an object's metadata. A bookmark's has a resourceVersion only."""

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


class ListMetadata(msgspec.Struct, rename={"resource_version": "resourceVersion", "token": "continue"}, gc=False):
    """`token` asks for the next page; "" on the last one."""

    resource_version: str = ""
    token: str = ""


class Page(msgspec.Struct, gc=False):
    """One page of a list."""

    metadata: ListMetadata
    items: list[msgspec.Raw] | None


class WatchEvent(msgspec.Struct, gc=False):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR; the object of the last is a Status."""

    type: str
    object: msgspec.Raw


class Status(msgspec.Struct, gc=False):
    """Why the API server does not go on."""

    code: int = 500
    message: str = ""


_page = msgspec.json.Decoder(Page)
_event = msgspec.json.Decoder(WatchEvent)
_item = msgspec.json.Decoder(Item)
_status = msgspec.json.Decoder(Status)


def parse_page(data: bytes) -> Page:
    """Return a page. Raises MalformedError."""
    return _parse(_page, data)


def parse_event(line: bytes) -> WatchEvent:
    """Return an event. Raises MalformedError."""
    return _parse(_event, line)


def parse_item(data: msgspec.Raw) -> Item:
    """Return an object. Raises MalformedError."""
    return _parse(_item, data)


def parse_object(data: bytes) -> Item:
    """Return an object that came alone. Raises MalformedError."""
    return _parse(_item, data)


def parse_status(data: bytes | msgspec.Raw) -> Status:
    """Return a Status; of what is none, as much as can be read."""
    try:
        return _parse(_status, data)
    except MalformedError:
        return Status(message=bytes(data).decode("utf-8", "replace"))


def _parse(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(str(error)) from error
