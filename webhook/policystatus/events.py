"""Events about access policies: only when something changes, each once.

| condition | becomes | event |
| --- | --- | --- |
| Accepted | False | Warning `PolicyUnreadable`: the first problem, and what to do |
| | True, after False | Normal `PolicyReadable` |
| Enforced | Loaded | Normal `PolicyEnforced` |
| | ModeWarn, ModeAudit | Normal `PolicyOnTrial` |
| | NotLoaded | Warning `PolicyNotLoaded` |

The name of an event follows from the object's uid, its generation and the reason. Whoever writes it a second time,
after a crash or on another replica, is told that it exists (409): so each is there once, and one generation of an
object has at most five. They are `events.k8s.io/v1`, whose fields are checked, not core/v1, which takes anything;
kubectl shows both alike. Both kinds are cluster-scoped: their events belong into namespace `default`
(kubernetes, pkg/apis/core/validation/events.go).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from cniplugin.access.judging.reasons import cut
from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND

from .stored import API_VERSION, Event, Stored

Conditions = Mapping[str, Mapping[str, Any]]

NAMESPACE = "default"
PATH = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
CONTROLLER = "access.nadmit.io/status"
NOTE_BYTES_MAX, INSTANCE_MAX, NAME_MAX = 1024, 128, 253
"""Of events.k8s.io/v1: `note` and `reportingInstance`; of any object: its name."""

PROBLEM_BYTES_MAX = 640
"""Leaves room for what to do."""


def events_of(stored: Stored, status: Mapping[str, Any]) -> tuple[Event, ...]:
    """Return what a new status of an object means, compared with the stored one; () when nothing has changed."""
    before, after = conditions_of(stored.status), conditions_of(status)
    return (*_of_accepted(stored, before, after["Accepted"]), *_of_enforced(before, after["Enforced"]))


def conditions_of(status: Mapping[str, Any]) -> Conditions:
    """Return the conditions of a status by type."""
    return {condition.get("type", ""): condition for condition in status.get("conditions") or ()}


def _of_accepted(stored: Stored, before: Conditions, now: Mapping[str, Any]) -> Iterator[Event]:
    was = before.get("Accepted", {}).get("status")
    if now["status"] == "False" and was != "False":
        yield Event("Warning", "PolicyUnreadable", "Read", _unreadable(stored, str(now["message"])))
    if now["status"] == "True" and was == "False":
        note = f"everything of generation {stored.generation} can be read again"
        yield Event("Normal", "PolicyReadable", "Read", note)


def _unreadable(stored: Stored, message: str) -> str:
    first, *others = message.split("\n")
    more = f"; {len(others)} more in its status" if others else ""
    name = f"{stored.kind.lower()} {stored.name}"
    return cut(
        f"cannot be read: {cut(first, PROBLEM_BYTES_MAX)}{more}; until it is corrected, {_MEANINGS[stored.kind]}; "
        f"kubectl get {name} -o yaml shows the status, kubectl edit {name} corrects it",
        NOTE_BYTES_MAX,
    )


_MEANINGS = {
    POLICY_KIND: "Deny rules may cover more and Allow rules accept nothing",
    CONFIG_KIND: "what cannot be read counts as what grants nothing",
}


_ENFORCED = {
    "Loaded": ("Normal", "PolicyEnforced"),
    "ModeWarn": ("Normal", "PolicyOnTrial"),
    "ModeAudit": ("Normal", "PolicyOnTrial"),
    "NotLoaded": ("Warning", "PolicyNotLoaded"),
}


def _of_enforced(before: Conditions, now: Mapping[str, Any]) -> Iterator[Event]:
    reason = str(now["reason"])
    if before.get("Enforced", {}).get("reason") == reason:
        return
    kind, name = _ENFORCED[reason]
    yield Event(kind, name, "Enforce", cut(str(now["message"]), NOTE_BYTES_MAX))


def event_body(event: Event, stored: Stored, *, now: str, instance: str) -> dict[str, Any]:
    """Return the object of an event. `now`: RFC 3339 with microseconds. `instance`: which process says so."""
    identity = f"{stored.uid}/{stored.generation}/{event.reason}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": NAMESPACE, "name": f"{stored.name[: NAME_MAX - 17].rstrip('.-')}.{digest}"},
        "eventTime": now,
        "type": event.type,
        "reason": event.reason,
        "action": event.action,
        "note": event.note,
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:INSTANCE_MAX],
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": stored.kind,
            "name": stored.name,
            "uid": stored.uid,
            "resourceVersion": stored.version,
        },
    }
