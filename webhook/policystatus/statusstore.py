"""The requests of the status writer: lists of policies, patches of their status, events.

A status is a merge patch that names the uid and the resourceVersion of the object from which it was computed. So it
ends in 409 if another client has replaced the status, if the object was deleted and created again, or if this process
was stopped for a while. A server-side apply would replace a newer status by an older one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND
from webhook.kube.apierrors import NotFoundError
from webhook.kube.connection import MERGE_PATCH, Connection
from webhook.kube.events import Event, render_event
from webhook.kube.resources import EVENTS, ObjectPath, Resource
from webhook.kube.responses import decode
from webhook.kube.singleobjects import ObjectMetadata
from webhook.snapshot.source import CONFIGS, POLICIES

from .statusplan import Stored, Write, reference_of

RESOURCES: Mapping[str, Resource] = {POLICY_KIND: POLICIES, CONFIG_KIND: CONFIGS}
"""The kinds that have a status."""

PAGE_SIZE = 100
CONTROLLER = "access.nadmit.io/status"
EVENTS_PATH = ObjectPath(EVENTS, "default")
"""The namespace for events about cluster-scoped objects (kubernetes, pkg/apis/core/validation/events.go)."""


class StatusStore:
    """Asks the API server. Every method raises ClusterError, and StatusError for a refusal."""

    def __init__(self, connection: Connection, *, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    def list(self, kind: str) -> Iterator[Stored]:
        """Yield the objects of a kind, page by page; nothing if the kind is not installed."""
        path = ObjectPath(RESOURCES[kind])
        try:
            for raw in self._connection.list_all(path, page_size=PAGE_SIZE, timeout_s=self._timeout_s):
                yield _parse(kind, raw)
        except NotFoundError:
            return

    def write_status(self, write: Write) -> Stored:
        """Patch the status of the object from which it was computed, and return the stored object."""
        stored = write.stored
        path = ObjectPath(RESOURCES[stored.kind], "", stored.name, "status")
        body = {"metadata": {"uid": stored.uid, "resourceVersion": stored.version}, "status": write.status}
        content = self._connection.write("patch", path, body, content_type=MERGE_PATCH, timeout_s=self._timeout_s)
        return _parse(stored.kind, content)

    def create_event(self, event: Event, about: Stored, *, now: str, instance: str) -> None:
        """Create an event. Raises ConflictError if it exists."""
        body = render_event(
            event,
            reference_of(about),
            namespace=EVENTS_PATH.namespace,
            controller=CONTROLLER,
            now=now,
            instance=instance,
        )
        self._connection.write("create", EVENTS_PATH, body, timeout_s=self._timeout_s)


class _Object(msgspec.Struct, gc=False):
    metadata: ObjectMetadata
    spec: Any = None
    status: Any = None


_OBJECT = msgspec.json.Decoder(_Object)


def _parse(kind: str, content: bytes | msgspec.Raw) -> Stored:
    value = decode(_OBJECT, content, kind)
    metadata = value.metadata
    return Stored(
        kind=kind,
        name=metadata.name,
        uid=metadata.uid,
        version=metadata.resource_version,
        generation=metadata.generation,
        status=value.status if isinstance(value.status, dict) else {},
        value={"metadata": {"name": metadata.name, "generation": metadata.generation}, "spec": value.spec},
    )
