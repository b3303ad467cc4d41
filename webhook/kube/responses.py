"""Responses of the API server, decoded: pages of a list, events of a watch, objects, reasons of a refusal.

msgspec skips all other fields while it decodes, so managedFields, status and the like never become objects. The
items of a page stay text until each is decoded, so that a malformed one does not spoil the others.

Nothing here imports the client: commands that read files use the same objects.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from .apierrors import ClusterError

T = TypeVar("T")

Key = tuple[str, str]
"""Namespace and name; the namespace of a cluster-scoped object is ""."""

Values = dict[str, dict[str, T]]
"""Values by namespace and name; the namespace of a cluster-scoped object is "". A list of 100,000 objects is gathered
like this, because a dict by `Key` would take 20 MiB more meanwhile."""


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
    """Return a decoded response. Raises ClusterError; `what` names the requested object."""
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
