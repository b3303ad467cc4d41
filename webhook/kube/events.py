"""Events of `events.k8s.io/v1`, whose fields the API server checks; core/v1 takes anything. kubectl shows both alike.

The name of an event follows from the object that it is about and from `identity`. A process that posts an event again,
after a crash or on another replica, gets 409. So each event exists once.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

NOTE_BYTES_MAX, INSTANCE_MAX, NAME_MAX = 1024, 128, 253
"""Of events.k8s.io/v1: `note` and `reportingInstance`; of any object: its name."""


class ObjectReference(NamedTuple):
    """The object that an event is about. `namespace` is "" for a cluster-scoped object."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str


class Event(NamedTuple):
    """One occurrence, for people.

    `type` is Normal or Warning. `note` has at most NOTE_BYTES_MAX bytes. `identity`: equal for all replicas that see
    the same.
    """

    type: str
    reason: str
    action: str
    note: str
    identity: str


def render_event(
    event: Event, about: ObjectReference, *, namespace: str, controller: str, now: str, instance: str
) -> dict[str, Any]:
    """Return the object to create in a namespace.

    `controller` and `instance`: which program reports it, and which process. `now`: RFC 3339 with microseconds.
    """
    digest = hashlib.sha256(f"{about.uid}/{event.identity}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": namespace, "name": f"{about.name[: NAME_MAX - 17].rstrip('.-')}.{digest}"},
        "eventTime": now,
        "type": event.type,
        "reason": event.reason,
        "action": event.action,
        "note": event.note,
        "reportingController": controller,
        "reportingInstance": instance[:INSTANCE_MAX],
        "regarding": {
            "apiVersion": about.api_version,
            "kind": about.kind,
            **({"namespace": about.namespace} if about.namespace else {}),
            "name": about.name,
            "uid": about.uid,
            "resourceVersion": about.resource_version,
        },
    }
