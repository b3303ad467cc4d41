"""Answers of `nadmit who` as text, and as JSON for programs, of which docs/who.schema.json is the schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from webhook.report.plaintext import counted, fact_lines, printable

from .freeaddresses import Free, Span
from .graph import Claim
from .lookup import NAMED, Answer, HandedOut, Holder, Kept
from .segments import DEFINITION, Segment

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `allowed`, `refused`, `warning`, `note`, `place`."""

SHOWN_MAX = 20
"""Lines of one kind in the text; the JSON has all."""


def render_text(answer: Answer, paint: Paint) -> str:
    """Return who has it, then who asks for it, then what else is known."""
    return "\n".join(_lines(answer, paint))


def _lines(answer: Answer, paint: Paint) -> Iterator[str]:
    asked = paint(answer.asked.text, "place")
    in_pods = [one for one in answer.holders if not one.attachment.pod.is_on_host]
    if not answer.holders:
        yield f"{asked}: {paint(_nobody(answer), 'refused' if not answer.is_found else 'warning')}"
    for one in in_pods[:SHOWN_MAX]:
        pod = one.attachment.pod
        yield f"{asked}: {paint(f'pod {pod.namespace}/{pod.name}', 'allowed')}"
        yield from _holder(one)
    if len(in_pods) > SHOWN_MAX:
        yield f"{asked}: and {counted(len(in_pods) - SHOWN_MAX, 'pod')} more"
    for node, count in _hosts(answer.holders).items():
        host = paint(f"the host network of {node or _UNKNOWN_NODE}", "allowed")
        yield f"{asked}: {host}, with {counted(count, 'pod')}"
    named = [one for one in answer.claims if one.kind == "network"]
    asking = [one for one in answer.claims if one.kind != "network"]
    facts = [
        *_some("names", map(_claim, named), len(named)),
        *_some("asks", map(_claim, asking), len(asking)),
        *_some("kept", map(_kept, answer.kept), len(answer.kept)),
        *_some("range", map(_range, answer.ranges), len(answer.ranges)),
        *(("note", note) for note in answer.notes),
        *(("unread", right) for right in answer.unread),
    ]
    for head, text in facts:
        yield from _facts(head, text)


_UNKNOWN_NODE = "a node that is not known"


def _facts(head: str, text: str) -> Iterator[str]:
    return fact_lines(head, printable(text))


def _nobody(answer: Answer) -> str:
    if not answer.is_found:
        return "nobody has it, and nothing asks for it"
    if answer.kept:
        return "no pod has it, and a pool keeps it"
    verb = "asks for" if answer.asked.kind != NAMED else "names"
    count = len(answer.claims)
    return f"no pod has it, and {counted(count, 'object')} {verb if count == 1 else _PLURALS[verb]} it"


_PLURALS = {"asks for": "ask for", "names": "name"}


def _holder(one: Holder) -> Iterator[str]:
    attachment, pod = one.attachment, one.attachment.pod
    parts = [
        attachment.network or ("" if attachment.claimed else "the cluster's default network"),
        f"interface {attachment.interface}" if attachment.interface else "",
        f"addresses {' '.join(attachment.addresses)}" if attachment.addresses else "",
        f"MAC {attachment.mac}" if attachment.mac else "",
        f"device {' '.join(attachment.devices)}" if attachment.devices else "",
    ]
    yield from _facts("network", ", ".join(filter(None, parts)))
    if attachment.claimed is not None:
        device = attachment.claimed
        yield from _facts("claim", f"{device.claim}, device {device.driver} {device.pool} {device.name}")
    if one.segment.kind != DEFINITION:
        yield from _facts("segment", one.segment.title)
    life = [
        pod.node or "no node",
        f"since {pod.since}" if pod.since else "",
        f"being deleted since {pod.leaving}" if pod.leaving else "",
        pod.phase if pod.phase != "Running" else "",
    ]
    yield from _facts("node", ", ".join(filter(None, life)))
    if pod.owner:
        yield from _facts("owner", pod.owner)
    if one.pool:
        yield from _facts("pool", f"whereabouts keeps it for this pod in {one.pool}")


def _hosts(holders: Iterable[Holder]) -> dict[str, int]:
    """Return how many pods on the host network have it, by node."""
    found: dict[str, int] = {}
    for one in holders:
        if one.attachment.pod.is_on_host:
            found[one.attachment.pod.node] = found.get(one.attachment.pod.node, 0) + 1
    return found


def _some(head: str, lines: Iterable[str], count: int) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        if number == SHOWN_MAX:
            yield head, f"and {count - SHOWN_MAX} more; -o json has all"
            return
        yield head, line


def _claim(one: Claim) -> str:
    who = f"{one.kind} {one.namespace}/{one.name}"
    if one.kind == "network":
        return f"{who}, spec.config: {one.path}: {one.value}"
    place = f"item {one.item}" if one.item else "its default network"
    return f"{who}, {place}, of {one.network}: {one.path}: {one.value}"


def _kept(one: Kept) -> str:
    about = "does not have it" if one.has_pod else "was not found"
    return f"whereabouts pool {one.allocation.pool}, for pod {one.allocation.pod or '(not named)'}, which {about}"


def _range(one: HandedOut) -> str:
    what = "hands it out" if one.is_given else "never hands it out: it is a gateway, an edge or excluded"
    return f"{one.network} {what} ({one.ipam}, {one.first}-{one.last})"


def render_json(answer: Answer) -> str:
    """Return the answer as one JSON object."""
    asked = answer.asked
    value = {
        "asked": {"kind": asked.kind, "text": asked.text, "normal": asked.key},
        "found": answer.is_found,
        "holders": [_holder_json(one) for one in answer.holders],
        "claims": [_claim_json(one) for one in answer.claims],
        "kept": [
            {
                "pool": one.allocation.pool,
                "pod": one.allocation.pod,
                "interface": one.allocation.interface,
                "podFound": one.has_pod,
            }
            for one in answer.kept
        ],
        "ranges": [
            {
                "network": one.network,
                "ipam": one.ipam,
                "first": str(one.first),
                "last": str(one.last),
                "handsOut": one.is_given,
            }
            for one in answer.ranges
        ],
        "notes": list(answer.notes),
        "unread": list(answer.unread),
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _holder_json(one: Holder) -> dict[str, Any]:
    attachment, pod = one.attachment, one.attachment.pod
    return {
        "namespace": pod.namespace,
        "pod": pod.name,
        "phase": pod.phase,
        "node": pod.node,
        "since": pod.since,
        "deletedSince": pod.leaving,
        "owner": pod.owner,
        "hostNetwork": pod.is_on_host,
        "network": attachment.network,
        "interface": attachment.interface,
        "addresses": list(attachment.addresses),
        "mac": attachment.mac,
        "devices": list(attachment.devices),
        "claimed": attachment.claimed._asdict() if attachment.claimed is not None else None,
        "segment": _segment_json(one.segment),
        "pool": one.pool,
    }


def _segment_json(one: Segment) -> dict[str, str]:
    return {"kind": one.kind, "name": one.name, "vlan": one.vlan}


def _claim_json(one: Claim) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "namespace": one.namespace,
        "name": one.name,
        "network": one.network,
        "item": one.item,
        "path": one.path,
        "value": one.value,
    }


def render_free_text(one: Free, paint: Paint) -> str:
    """Return how many addresses are free, which, and who has the others."""
    words = f"{counted_addresses(one.size)} free" if one.size else "no address is free"
    lines = [f"{paint(one.network, 'place')}: {paint(words, 'allowed' if one.size else 'refused')}"]
    facts = [
        ("segment", one.segment.title if one.segment.kind != DEFINITION else ""),
        ("ipam", f"{one.ipam}, {', '.join(map(_span, one.ranges))}"),
        *_some("free", map(_span, one.free), len(one.free)),
        *_some("used", (f"{used.address} {used.by}" for used in one.used), len(one.used)),
        *(("note", note) for note in one.notes),
        *(("unread", right) for right in one.unread),
    ]
    lines += [line for head, text in facts if text for line in _facts(head, text)]
    return "\n".join(lines)


def counted_addresses(count: int) -> str:
    """Return a number of addresses as a text."""
    return f"{count} address" if count == 1 else f"{count} addresses"


def _span(one: Span) -> str:
    return str(one.first) if one.size == 1 else f"{one.first}-{one.last}"


def render_free_json(one: Free) -> str:
    """Return the free addresses as one JSON object."""
    value = {
        "network": one.network,
        "segment": _segment_json(one.segment),
        "ipam": one.ipam,
        "count": one.size,
        "ranges": [_span_json(span) for span in one.ranges],
        "free": [_span_json(span) for span in one.free],
        "used": [{"address": str(used.address), "by": used.by} for used in one.used],
        "notes": list(one.notes),
        "unread": list(one.unread),
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _span_json(one: Span) -> dict[str, Any]:
    return {"first": str(one.first), "last": str(one.last)}
