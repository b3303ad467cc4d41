"""The outline as a tree for terminals, as JSON (docs/map.schema.json), and as a picture in DOT or Mermaid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from webhook.report.plaintext import counted, printable

from .outline import NetworkOutline, SegmentOutline, User, is_alone
from .segments import Segment

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `note`, `place`, `warning`."""

Outline = Sequence[SegmentOutline]

_Item = TypeVar("_Item")

SHOWN_MAX = 20
"""Workloads of one network in the tree; the other forms have all."""


def render_tree(outline: Outline, paint: Paint) -> str:
    """Return a tree: a segment, the networks on it, the workloads that are attached."""
    return "\n".join(line for one in outline for line in _segment_lines(one, paint))


def _segment_lines(one: SegmentOutline, paint: Paint) -> Iterator[str]:
    if is_alone(one.segment):
        for network in one.networks:
            yield from _network_lines(network, "", paint)
        return
    yield paint(printable(one.segment.title), "note")
    for network, (branch, stem) in _branches(one.networks):
        first, *rest = _network_lines(network, stem, paint)
        yield f"{branch}{first}"
        yield from rest


def _network_lines(one: NetworkOutline, stem: str, paint: Paint) -> Iterator[str]:
    what = "no such definition" if one.is_defined is False else ", ".join((*one.types, *one.ipam))
    suffix = "" if one.users else ": no pod"
    yield f"{paint(printable(one.network), 'place')}{f' ({printable(what)})' if what else ''}{suffix}"
    lines = [_user(user) for user in one.users[:SHOWN_MAX]]
    if len(one.users) > SHOWN_MAX:
        lines.append(f"and {counted(len(one.users) - SHOWN_MAX, 'workload')} more; -o json has all")
    yield from (f"{stem}{branch}{line}" for line, (branch, _) in _branches(lines))


def _branches(items: Sequence[_Item]) -> Iterator[tuple[_Item, tuple[str, str]]]:
    """Yield each item with its branch, and the stem of what hangs on it."""
    for number, item in enumerate(items, 1):
        yield item, ("└─ ", "   ") if number == len(items) else ("├─ ", "│  ")


def _user(one: User) -> str:
    if one.workload.startswith("pod/") and one.pods:
        return printable(f"{one.namespace} {one.workload}")
    nodes = f" on {counted(one.nodes, 'node')}" if one.nodes > 1 else ""
    return printable(f"{one.namespace} {one.workload}: {one.words}{nodes}")


def render_json(outline: Outline, notes: Sequence[str], unread: Sequence[str]) -> str:
    """Return the outline as one JSON object."""
    return json.dumps(to_json(outline, notes, unread), indent=2, ensure_ascii=False)


def to_json(outline: Outline, notes: Sequence[str], unread: Sequence[str]) -> dict[str, Any]:
    """Return the outline as plain JSON."""
    return {
        "segments": [
            {
                "segment": segment_json(one.segment),
                "networks": [_network_json(network) for network in one.networks],
            }
            for one in outline
        ],
        "notes": list(notes),
        "unread": list(unread),
    }


def segment_json(one: Segment) -> dict[str, str]:
    """Return a segment as plain JSON."""
    return {"kind": one.kind, "name": one.name, "vlan": one.vlan, "title": one.title}


def _network_json(one: NetworkOutline) -> dict[str, Any]:
    return {
        "network": one.network,
        "types": list(one.types),
        "ipam": list(one.ipam),
        "defined": one.is_defined,
        "users": [user._asdict() for user in one.users],
    }


class _Picture(NamedTuple):
    """Groups of nodes with their title, nodes in no group, and edges; a node is an id and its text."""

    groups: list[tuple[str, list[tuple[str, str]]]]
    workloads: list[tuple[str, str]]
    edges: list[tuple[str, str, User]]


def _picture(outline: Outline) -> _Picture:
    """Return the picture: a workload is one node, also if it is on several networks."""
    found = _Picture([], [], [])
    ids: dict[tuple[str, str], str] = {}
    number = 0
    for segment in outline:
        nodes = []
        for network in segment.networks:
            number += 1
            nodes.append((f"n{number}", network.network))
            for user in network.users:
                key = user.namespace, user.workload
                if key not in ids:
                    ids[key] = f"w{len(ids) + 1}"
                    found.workloads.append((ids[key], f"{user.namespace} {user.workload}"))
                found.edges.append((ids[key], f"n{number}", user))
        found.groups.append(("" if is_alone(segment.segment) else segment.segment.title, nodes))
    return found


def render_dot(outline: Outline) -> str:
    """Return a graph in the language of Graphviz."""
    picture = _picture(outline)
    lines = ["graph networks {", "  rankdir=LR;", "  node [shape=box];"]
    for number, (title, nodes) in enumerate(picture.groups, 1):
        named = [f"{node} [label={_dot(text)}, style=bold];" for node, text in nodes]
        if title:
            lines += [f"  subgraph cluster{number} {{", f"    label={_dot(title)};"]
            lines += [*(f"    {line}" for line in named), "  }"]
        else:
            lines += [f"  {line}" for line in named]
    lines += [f"  {node} [label={_dot(text)}];" for node, text in picture.workloads]
    for one, other, user in picture.edges:
        style = "" if user.pods else ", style=dashed"
        lines.append(f"  {one} -- {other} [label={_dot(user.words)}{style}];")
    return "\n".join([*lines, "}"])


def _dot(text: str) -> str:
    """Return a quoted string: in one, a backslash and a quotation mark need a backslash."""
    escaped = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def render_mermaid(outline: Outline) -> str:
    """Return a flow chart in the language of Mermaid, as Markdown pages show it."""
    picture = _picture(outline)
    lines = ["flowchart LR"]
    for number, (title, nodes) in enumerate(picture.groups, 1):
        named = [f"{node}[{_mermaid(text)}]" for node, text in nodes]
        if title:
            lines += [f"  subgraph s{number}[{_mermaid(title)}]", *(f"    {line}" for line in named), "  end"]
        else:
            lines += [f"  {line}" for line in named]
    lines += [f"  {node}([{_mermaid(text)}])" for node, text in picture.workloads]
    for one, other, user in picture.edges:
        start, end = ("--", "---") if user.pods else ("-.", ".-")
        lines.append(f"  {one} {start} {_mermaid(user.words)} {end} {other}")
    return "\n".join(lines)


_MERMAID = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"}


def _mermaid(text: str) -> str:
    """Return a quoted string: in one, letters that mean something are written as entities."""
    return f'"{"".join(_MERMAID.get(letter, letter) for letter in printable(text))}"'
