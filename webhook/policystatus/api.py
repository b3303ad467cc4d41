"""The requests of the writer: lists of policies, patches of their status, events.

All go through `cluster.kube.Connection`, with a time-out each. A status is a merge patch that names the uid and the
resourceVersion of the object it was computed from. So a status that somebody else has replaced, an object that was
deleted and made anew, and a process that was stopped for a while and goes on all end in 409, and never in a status
that is older than what it replaces. A server-side apply would not notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND
from webhook.kube.answers import Reply
from webhook.kube.apierrors import AbsentError, ClusterError
from webhook.kube.connection import JSON, MERGE_PATCH, Connection, Resource
from webhook.kube.lease import ConflictError
from webhook.kube.responses import MalformedError, Page, parse_page
from webhook.snapshot.source import CONFIGS, POLICIES

from .events import PATH as EVENTS
from .stored import Stored, Write

RESOURCES: Mapping[str, Resource] = {POLICY_KIND: POLICIES, CONFIG_KIND: CONFIGS}
"""The kinds that have a status, with their resources."""

PAGE_SIZE = 100
FIELD_MANAGER = "nadmit"


class RefusedError(ClusterError):
    """400, 413 or 422: the API server does not take this object, however often it is asked."""


class ForbiddenError(ClusterError):
    """403: the account may not do this; it may do other things."""


_CLASSES: Mapping[int, type[ClusterError]] = {
    403: ForbiddenError,
    404: AbsentError,
    409: ConflictError,
    400: RefusedError,
    413: RefusedError,
    422: RefusedError,
}

_HINTS: Mapping[int, str] = {
    401: "renew the token or the certificate of this account",
    403: "grant this verb to this account",
    422: "apply the CustomResourceDefinitions of this version of nadmit",
}


class Api:
    """Asks the API server. Every method raises ClusterError: AbsentError for 404, ConflictError, RefusedError."""

    def __init__(self, connection: Connection, *, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    def open(self) -> None:
        """Load the configuration; does not connect. Raises ClusterError if it cannot be used."""
        self._connection.open()

    def close(self) -> None:
        """Close the idle connections."""
        self._connection.close()

    def stored(self, kind: str) -> Iterator[Stored]:
        """Yield the objects of a kind, page by page; none if the kind is not installed."""
        resource = RESOURCES[kind]
        token = ""
        while True:
            query = {"limit": str(PAGE_SIZE)} | ({"continue": token} if token else {})
            try:
                page = self._page(f"{resource.path}?{urlencode(query)}", f"list {resource.title}")
            except AbsentError:
                return
            for raw in page.items or ():
                yield _parse(kind, raw)
            token = page.metadata.token
            if not token:
                return

    def _page(self, path: str, what: str) -> Page:
        try:
            return parse_page(self.ask("GET", path, what=what).data)
        except MalformedError as error:
            raise ClusterError(f"{what}: not what an API server answers: {error}") from error

    def write_status(self, write: Write) -> Stored:
        """Patch the status of the object that it was computed from, and return the object as it is now."""
        stored = write.stored
        resource = RESOURCES[stored.kind]
        body = {"metadata": {"uid": stored.uid, "resourceVersion": stored.version}, "status": write.status}
        path = f"{resource.path}/{stored.name}/status?fieldManager={FIELD_MANAGER}"
        what = f"patch {resource.title}/status {stored.name}"
        return _parse(stored.kind, self.ask("PATCH", path, body, what=what, content_type=MERGE_PATCH).data)

    def create_event(self, body: Mapping[str, Any]) -> None:
        """Create an event. Raises ConflictError if it is there."""
        self.ask("POST", f"{EVENTS}?fieldManager={FIELD_MANAGER}", body, what="create events.events.k8s.io")

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, what: str, content_type: str = JSON
    ) -> Reply:
        """Send one request; `what` is verb and resource as RBAC has them. Returns the answer of a success."""
        data = None if body is None else msgspec.json.encode(body)
        reply = self._connection.send(method, path, data, content_type=content_type, timeout_s=self._timeout_s)
        if reply.status in {200, 201, 202}:
            return reply
        hint = _HINTS.get(reply.status)
        text = f"{what}: refused with {reply.status}: {reply.said}{f'; {hint}' if hint else ''}"
        raise _CLASSES.get(reply.status, ClusterError)(text)


class _Metadata(msgspec.Struct, rename="camel", gc=False):
    name: str
    uid: str = ""
    resource_version: str = ""
    generation: int = 0


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: Any = None
    status: Any = None


_object = msgspec.json.Decoder(_Object)


def _parse(kind: str, data: bytes | msgspec.Raw) -> Stored:
    try:
        found = _object.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ClusterError(f"{kind}: not what an API server answers: {error}") from error
    metadata = found.metadata
    return Stored(
        kind=kind,
        name=metadata.name,
        uid=metadata.uid,
        version=metadata.resource_version,
        generation=metadata.generation,
        status=found.status if isinstance(found.status, dict) else {},
        value={"metadata": {"name": metadata.name, "generation": metadata.generation}, "spec": found.spec},
    )
