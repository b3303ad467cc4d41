"""Events about the ConfigMap: that its text is refused, and that it is good again.

The name of an event follows from the object, from what is in force and from what was refused. So replicas that see the
same write one event, and who comes second is told that it exists (409). The same mistake again within the hour that
events live makes no second one; the log and the metrics tell of it all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cniplugin.access.judging.reasons import cut

CONTROLLER = "config.nadmit.io/reload"
NOTE_BYTES_MAX, INSTANCE_MAX, NAME_MAX = 1024, 128, 253
"""Of events.k8s.io/v1: `note` and `reportingInstance`; of any object: its name."""

PROBLEM_BYTES_MAX = 512
"""Leaves room for what to do."""

Object = dict[str, Any]


class About(NamedTuple):
    """The ConfigMap as it was read."""

    namespace: str
    name: str
    uid: str
    version: str


class Event(NamedTuple):
    """What happened; `identity` is the same for all replicas. `type` is Normal or Warning."""

    type: str
    reason: str
    note: str
    identity: str


def refused(about: About, problems: Sequence[str], *, in_force: str, sha256: str) -> Event:
    """Return the event of a text that is refused. `in_force`: what stays."""
    first, *others = problems
    more = f"; {len(others)} more, see the log" if others else ""
    note = (
        f"refused: {cut(first, PROBLEM_BYTES_MAX)}{more}; in force: {in_force}; "
        f"kubectl -n {about.namespace} edit configmap {about.name} corrects it"
    )
    return Event("Warning", "ConfigurationRefused", cut(note, NOTE_BYTES_MAX), f"refused/{sha256}")


def accepted(*, in_force: str, refused_sha256: str) -> Event:
    """Return the event of the end of a refusal."""
    return Event("Normal", "ConfigurationAccepted", f"in force: {in_force}", f"accepted/{refused_sha256}")


def body(event: Event, about: About, *, now: str, instance: str) -> Mapping[str, Any]:
    """Return the object of an event. `now`: RFC 3339 with microseconds. `instance`: which process says so."""
    digest = hashlib.sha256(f"{about.uid}/{event.identity}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": about.namespace, "name": f"{about.name[: NAME_MAX - 17].rstrip('.-')}.{digest}"},
        "eventTime": now,
        "type": event.type,
        "reason": event.reason,
        "action": "Reload",
        "note": event.note,
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:INSTANCE_MAX],
        "regarding": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
            "resourceVersion": about.version,
        },
    }
