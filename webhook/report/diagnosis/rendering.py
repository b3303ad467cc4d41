"""A diagnosis as text for people, and as JSON for programs. docs/why.schema.json is the schema of the JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from webhook.report.plaintext import fact_lines

from .causes import CAUSES, FINE, UNKNOWN, Attachment, Diagnosis, Evidence, Failure, Said

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `allowed`, `refused`, `warning`, `note`, `place`."""

EVIDENCE_MAX = 5
EXPLAINED_MAX = 6


def render_text(found: Diagnosis, paint: Paint) -> str:
    """Return the answer: a line with the cause, then the facts, one below the other, then the pods."""
    return "\n".join([*_lines(found, paint), *_parts(found, paint)])


def _lines(found: Diagnosis, paint: Paint) -> Iterator[str]:
    role = {FINE: "allowed", UNKNOWN: "warning"}.get(found.stage, "refused")
    yield f"{paint(object_name(found), 'place')}: {paint(f'{found.stage}: {found.title}', role)}"
    yield from _what(found)
    yield from _who_says_so(found)
    facts = [
        *(("note", note) for note in found.notes),
        *(("unread", right) for right in found.unread),
        ("fix", found.fix),
        ("more", f"nadmit explain {' '.join(found.explain[:EXPLAINED_MAX])}" if found.explain else ""),
        ("cause", "" if found.is_fine else found.cause),
    ]
    for head, text in facts:
        if text:
            yield from fact_lines(head, text)


def _what(found: Diagnosis) -> Iterator[str]:
    if found.failure is not None:
        yield from fact_lines("network", _failed_network(found.failure))
        yield from fact_lines("says", found.failure.text)
        return
    for one in found.attachments:
        yield from fact_lines("network", _attachment(one))


def _who_says_so(found: Diagnosis) -> Iterator[str]:
    """NB: the text of an event is not repeated after `says` and `then`, which have the part of it that matters."""
    is_told = found.failure is not None or bool(found.then)
    for one in found.evidence[:EVIDENCE_MAX]:
        yield from fact_lines(_SOURCES.get(one.source, one.source), _evidence(one, shows_text=not is_told))
    if found.then:
        yield from fact_lines("then", found.then)
    if found.now is not None:
        yield from fact_lines("now", _now(found.now, found.then))


def _parts(found: Diagnosis, paint: Paint) -> Iterator[str]:
    """Yield the names of the pods that have the cause of the whole, then the others, each with its own."""
    same = [f"{one.namespace}/{one.name}" for one in found.parts if one.cause == found.cause]
    if same:
        yield from fact_lines("pods", ", ".join(same))
    for one in found.parts:
        if one.cause != found.cause:
            yield f"  {object_name(one)}: {paint(one.cause, 'note')}: {one.title}"


_SOURCES = {"event": "seen", "condition": "seen"}


def _now(now: Said, then: str) -> str:
    """Return what the webhook says now; only that it is the same, if all but the name of the pod is."""
    if now.is_allowed:
        return f"the webhook allows {now.of}"
    is_same = now.text.splitlines()[1:] == then.splitlines()[1:] != []
    return f"the webhook refuses {now.of}: {'for the same reasons' if is_same else now.text}"


def object_name(found: Diagnosis) -> str:
    """Return the object as refusals name it: `pod blue/web-0`."""
    place = f"{found.namespace}/{found.name}" if found.namespace else found.name
    return f"{_KINDS.get(found.kind, found.kind.lower())} {place}"


_KINDS = {"NetworkAttachmentDefinition": "network"}


def _failed_network(failure: Failure) -> str:
    if failure.is_default and not failure.item:
        name = failure.network or "the cluster's default network"
        return f"{name}{f', plugin {failure.plugin}' if failure.plugin else ''}"
    place = ", ".join(filter(None, (f"item {failure.item}" if failure.item else "", failure.interface)))
    parts = [f"{failure.network}{f' ({place})' if place else ''}" if failure.network else "", failure.plugin]
    return ", plugin ".join(filter(None, parts)) or "not named"


def _attachment(one: Attachment) -> str:
    place = f" (item {one.item})" if one.item else ""
    if not one.is_attached:
        return f"{one.reference}{place}: not attached"
    return f"{one.reference}{place}: {' '.join((one.interface, *one.addresses))}"


def _evidence(one: Evidence, *, shows_text: bool) -> str:
    if one.source not in _SOURCES:
        return f"{one.reason}: {one.text}" if one.source == "status" else one.text
    by = f" of {one.by}" if one.by else ""
    times = f", {one.times} times" if one.times > 1 else ""
    last = f", last at {one.last[:19]}Z" if one.last else ""
    shown = f": {one.text}" if shows_text else ""
    return f"{one.source} {one.reason}{by} about {one.about}{times}{last}{shown}"


def render_json(found: Diagnosis) -> str:
    """Return the diagnosis as one object."""
    return json.dumps(to_json(found), indent=2, ensure_ascii=False)


def to_json(found: Diagnosis) -> dict[str, Any]:
    """Return the diagnosis as plain JSON; a part that does not apply is null or an empty list."""
    return {
        "kind": found.kind,
        "namespace": found.namespace,
        "name": found.name,
        "stage": found.stage,
        "fine": found.is_fine,
        "known": found.is_known,
        "cause": found.cause,
        "aboutNetworks": CAUSES[found.cause].is_about_networks,
        "message": found.title,
        "fix": found.fix,
        "failure": None if found.failure is None else _failure_json(found.failure),
        "networks": [
            {
                "network": one.reference,
                "item": one.item or None,
                "interface": one.interface,
                "addresses": list(one.addresses),
                "attached": one.is_attached,
            }
            for one in found.attachments
        ],
        "evidence": [
            {
                "source": one.source,
                "about": one.about,
                "reason": one.reason,
                "by": one.by,
                "count": one.times,
                "last": one.last,
                "text": one.text,
            }
            for one in found.evidence
        ],
        "webhookThen": found.then,
        "webhookNow": None
        if found.now is None
        else {
            "object": found.now.of,
            "allowed": found.now.is_allowed,
            "rules": list(found.now.rules),
            "message": found.now.text,
        },
        "explain": list(found.explain),
        "notes": list(found.notes),
        "unread": list(found.unread),
        "pods": [to_json(one) for one in found.parts],
    }


def _failure_json(failure: Failure) -> dict[str, Any]:
    return {
        "attacher": failure.attacher,
        "network": failure.network,
        "item": failure.item or None,
        "interface": failure.interface,
        "plugin": failure.plugin,
        "defaultNetwork": failure.is_default,
        "text": failure.text,
    }
