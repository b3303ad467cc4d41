"""Which statuses and events to write: those that follow from the policies in use and differ from the stored ones.

An object is judged as this process uses it. If the API server has another generation of it, the plan waits, because a
watch lags a moment. When the caller says that it is late, the stored object is judged, and its status says that it is
not loaded. The NetworkAttachmentPolicyConfig in use has no generation: it is loaded if reading the stored object gives
the one in use.

Events are written only when something changes, each once:

| condition | becomes | event |
| --- | --- | --- |
| Accepted | False | Warning `PolicyUnreadable`: the first problem, and what to do |
| | True, after False | Normal `PolicyReadable` |
| Enforced | Loaded | Normal `PolicyEnforced` |
| | ModeWarn, ModeAudit | Normal `PolicyOnTrial` |
| | NotLoaded | Warning `PolicyNotLoaded` |

The identity of an event is the generation and the reason, so one generation of an object has at most five.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cniplugin.access.compile import Policies
from cniplugin.access.judging.reasons import cut
from cniplugin.access.lints.policystatus import config_status, statuses
from cniplugin.access.model.decision import Config
from cniplugin.access.model.policyrules import CONFIG_KIND, CONFIG_NAME, GROUP, POLICY_KIND, VERSION, Policy
from cniplugin.access.reading.policies import read_policy
from cniplugin.access.reading.policyconfig import read_config
from cniplugin.netspec.attachers import MULTUS
from webhook.kube.events import NOTE_BYTES_MAX, Event, ObjectReference

Key = tuple[str, str]
"""Kind and name."""

Conditions = Mapping[str, Mapping[str, Any]]
"""Conditions of a status by type."""

CONDITIONS_MAX = 8
"""The limit of the CRDs."""

PROBLEM_BYTES_MAX = 640
"""Bytes of a problem in an event. The rest of the note says what to do."""


class Stored(NamedTuple):
    """An object as the API server has it. `version` is its resourceVersion, `value` the input of `read_policy`."""

    kind: str
    name: str
    uid: str
    version: str
    generation: int
    status: Mapping[str, Any]
    value: Mapping[str, Any]


class Write(NamedTuple):
    """A status that differs from the stored one, and the events of the change."""

    stored: Stored
    status: Mapping[str, Any]
    events: tuple[Event, ...]


class Plan(NamedTuple):
    """`waiting`: the objects whose stored generation this process does not use yet, and which are not late."""

    writes: tuple[Write, ...]
    waiting: frozenset[Key]


def plan(
    in_use: Policies,
    namespaces: Mapping[str, Mapping[str, str]],
    stored: Mapping[Key, Stored],
    *,
    late: frozenset[Key],
    now: str,
    attached_by: str = MULTUS,
) -> Plan:
    """Return the writes, ordered by kind and name.

    `in_use`: the policies that decide now. `namespaces`: labels by name. `stored`: the objects of the API server.
    `late`: objects for which the caller has waited long enough. `now`: RFC 3339. `attached_by`: who attaches,
    as this process judges. Once a plan is written, the next plan is empty.
    """
    policies = {key: policy for key, policy in stored.items() if key[0] == POLICY_KIND}
    loaded = {policy.name: policy.generation for policy in in_use.policies}
    waiting = {key for key, policy in policies.items() if loaded.get(policy.name) != policy.generation} - late
    judged = _judged(in_use.policies, (policy for key, policy in policies.items() if key in late), loaded)
    previous = {policy.name: policy.status for policy in policies.values()}
    desired: dict[Key, Mapping[str, Any]] = {
        (POLICY_KIND, name): status
        for name, status in statuses(judged, namespaces, loaded=loaded, previous=previous, now=now).items()
    }
    config = stored.get(_CONFIG)
    if config is not None:
        given = _of_config(config, in_use, namespaces, is_late=_CONFIG in late, now=now, attached_by=attached_by)
        desired |= given
        waiting |= {_CONFIG} - set(desired)
    writes = _differing(stored, {key: status for key, status in desired.items() if key not in waiting})
    return Plan(tuple(writes), frozenset(waiting))


_CONFIG: Key = (CONFIG_KIND, CONFIG_NAME)


def _judged(policies: Iterable[Policy], late: Iterable[Stored], loaded: Mapping[str, int]) -> list[Policy]:
    """Return the policies in use, with the late ones as they are stored: the status of each depends on all others."""
    judged = {policy.name: policy for policy in policies}
    for stored in late:
        if loaded.get(stored.name) != stored.generation:
            judged[stored.name] = read_policy(stored.value)
    return [judged[name] for name in sorted(judged)]


def _of_config(
    stored: Stored,
    in_use: Policies,
    namespaces: Mapping[str, Mapping[str, str]],
    *,
    is_late: bool,
    now: str,
    attached_by: str,
) -> dict[Key, Mapping[str, Any]]:
    config, problems = read_config(stored.value)
    is_loaded = (config, problems) == (in_use.config, in_use.config_problems)
    if not is_loaded and not is_late:
        return {}
    status = config_status(
        problems,
        generation=stored.generation,
        is_loaded=is_loaded,
        levels=(in_use.config or Config()).levels,
        namespaces=namespaces,
        previous=stored.status,
        now=now,
    )
    return {_CONFIG: {**status, "attachedBy": attached_by}}


def _differing(stored: Mapping[Key, Stored], desired: Mapping[Key, Mapping[str, Any]]) -> Iterator[Write]:
    for key, status in sorted(desired.items()):
        if key not in stored:  # deleted meanwhile
            continue
        known = stored[key]
        whole = {**status, "conditions": _with_foreign(status["conditions"], known.status)}
        if any(known.status.get(field) != value for field, value in whole.items()):
            yield Write(known, whole, events_of(known, whole))


def _with_foreign(own: list[dict[str, Any]], previous: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return our conditions and those of others: a merge patch replaces the whole list."""
    ours = {condition["type"] for condition in own}
    foreign = [condition for kind, condition in conditions_of(previous).items() if kind not in ours]
    return [*own, *foreign][:CONDITIONS_MAX]


# Events


def events_of(stored: Stored, status: Mapping[str, Any]) -> tuple[Event, ...]:
    """Return the events of the change from an object's stored status to a new one."""
    before, after = conditions_of(stored.status), conditions_of(status)
    events = (*_of_accepted(stored, before, after["Accepted"]), *_of_enforced(before, after["Enforced"]))
    return tuple(Event(*event, identity=f"{stored.generation}/{event[1]}") for event in events)


def conditions_of(status: Mapping[str, Any]) -> Conditions:
    """Return the conditions of a status by type."""
    return {condition.get("type", ""): condition for condition in status.get("conditions") or ()}


def _of_accepted(stored: Stored, before: Conditions, now: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield type, reason, action and note."""
    was = before.get("Accepted", {}).get("status")
    if now["status"] == "False" and was != "False":
        yield "Warning", "PolicyUnreadable", "Read", _unreadable(stored, str(now["message"]))
    if now["status"] == "True" and was == "False":
        note = f"everything of generation {stored.generation} can be read again"
        yield "Normal", "PolicyReadable", "Read", note


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


def _of_enforced(before: Conditions, now: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    reason = str(now["reason"])
    if before.get("Enforced", {}).get("reason") == reason:
        return
    kind, name = _ENFORCED[reason]
    yield kind, name, "Enforce", cut(str(now["message"]), NOTE_BYTES_MAX)


def reference_of(stored: Stored) -> ObjectReference:
    """Return the reference of an event to an object."""
    return ObjectReference(f"{GROUP}/{VERSION}", stored.kind, "", stored.name, stored.uid, stored.version)
