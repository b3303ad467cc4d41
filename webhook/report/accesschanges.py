"""The changes that `nadmit diff` finds, as text, Markdown for a pull request, and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `added`, `removed`, `warning`, `place`."""

YES, NO, WITHIN_LIMITS, NONE = "yes", "no", "within limits", "none"
"""Whether a pod may attach. `within limits`: if it asks for something, such as a bandwidth; NONE: no such network."""

GAINS, LOSES, CHANGES = "gains", "loses", "changes"

NAMES_SHOWN = 12
"""Pods and networks that one row names."""


class Access(NamedTuple):
    """What a pod may do with a network. `asks`: what it may ask for, by grant; `but_not`: requests that are refused."""

    state: str
    decided: str = ""
    asks: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()

    @property
    def permits(self) -> tuple[Any, ...]:
        """What counts as a change: who decides does not."""
        return () if self.state in {NO, NONE} else (self.state, self.asks, self.but_not)

    @property
    def text(self) -> str:
        """The access as one line."""
        if self.state == NONE:
            return "no such network"
        by = f": {self.decided}" if self.decided else ""
        asks = f"; may ask for {' or '.join(self.asks)}" if self.asks else ""
        but_not = f"; but not {' and '.join(self.but_not)}" if self.but_not else ""
        return f"{self.state}{by}{asks}{but_not}"


ABSENT = Access(NONE)


def described_pod(account: str, labels: Iterable[tuple[str, str]]) -> str:
    """Return what distinguishes a pod of a namespace from others; "" for the plain one."""
    more = [f"account {account}"] if account != "default" else []
    return ", ".join([*more, *(f"{key}={value}" for key, value in labels)])


class AccessChange(NamedTuple):
    """One pod and one network whose access changes. `exceptions`: pods of the namespace whose access does not."""

    namespace: str
    account: str
    labels: tuple[tuple[str, str], ...]
    network: str
    before: Access
    after: Access
    exceptions: tuple[str, ...] = ()

    @property
    def direction(self) -> str:
        """GAINS, LOSES or CHANGES."""
        had, has = (one.state in {YES, WITHIN_LIMITS} for one in (self.before, self.after))
        return CHANGES if had and has else GAINS if has else LOSES

    @property
    def pod(self) -> str:
        """The pod as a row names it."""
        more = described_pod(self.account, self.labels) or "; ".join(f"except {one}" for one in self.exceptions)
        return f"{self.namespace} ({more})" if more else self.namespace


class ObjectChange(NamedTuple):
    """An object that is refused on one side alone, with the reason; `is_refused`: on the new side."""

    kind: str
    namespace: str
    name: str
    reason: str
    is_refused: bool

    @property
    def title(self) -> str:
        """The object in messages: `deployment blue/web`."""
        return f"{self.kind.lower()} {self.namespace or 'default'}/{self.name}"


class AccessChanges(NamedTuple):
    """Everything that changes. `settings`: name, before, after. `definitions`: what happened, and the rule.

    `remarks`: the place and the text of lints that the old side does not have.
    """

    access: tuple[AccessChange, ...] = ()
    objects: tuple[ObjectChange, ...] = ()
    settings: tuple[tuple[str, str, str], ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()

    def count(self, direction: str) -> int:
        """Return how many rows have a direction."""
        return sum(row.direction == direction for row in rows_of(self.access))

    @property
    def summary(self) -> str:
        """The first line."""
        nouns = {
            GAINS: ("gain", "gains"),
            LOSES: ("loss", "losses"),
            CHANGES: ("change of limits", "changes of limits"),
        }
        counts = {direction: self.count(direction) for direction in nouns}
        return ", ".join(f"{counts[direction]} {forms[counts[direction] != 1]}" for direction, forms in nouns.items())


class Row(NamedTuple):
    """Pods and networks that change alike."""

    direction: str
    networks: tuple[str, ...]
    before: Access
    after: Access
    pods: tuple[str, ...]


def rows_of(changes: Iterable[AccessChange]) -> list[Row]:
    """Return the changes with all that is alike in one row: gains, then losses, then changes of limits."""
    pods: dict[tuple[str, Access, Access, str], list[str]] = {}
    for one in changes:
        pods.setdefault((one.direction, one.before, one.after, one.network), []).append(one.pod)
    networks: dict[tuple[str, Access, Access, tuple[str, ...]], list[str]] = {}
    for (direction, before, after, network), names in pods.items():
        networks.setdefault((direction, before, after, tuple(names)), []).append(network)
    rows = [Row(key[0], tuple(sorted(names)), key[1], key[2], key[3]) for key, names in networks.items()]
    return sorted(rows, key=lambda row: (ORDER.index(row.direction), row.networks, row.pods))


ORDER = (GAINS, LOSES, CHANGES)


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def render_text(changes: AccessChanges, paint: Paint) -> str:
    """Return the summary, and a block for each row."""
    lines = [changes.summary]
    for row in rows_of(changes.access):
        role = {GAINS: "added", LOSES: "removed"}.get(row.direction, "warning")
        lines += [
            f"{paint(row.direction, role)} {_named(row.networks)}: pods of {_named(row.pods)}",
            f"    before: {row.before.text}",
            f"    after:  {row.after.text}",
        ]
    for one in changes.objects:
        what = paint("is refused now", "removed") if one.is_refused else paint("is admitted now", "added")
        lines.append(f"{one.title} {what}: {one.reason}")
    lines += [f"setting {name}: {before} -> {after}" for name, before, after in changes.settings]
    lines += [f"rule about who may write networks {what}: {rule}" for what, rule in changes.definitions]
    lines += [f"{paint('remark:', 'warning')} {place}: {text}" for place, text in changes.remarks]
    return "\n".join(lines)


def render_markdown(changes: AccessChanges) -> str:
    """Return a comment for a pull request."""
    return "\n".join(_markdown(changes))


def _markdown(changes: AccessChanges) -> Iterator[str]:
    yield f"### Network access: {changes.summary}"
    rows = rows_of(changes.access)
    if rows:
        yield from ("", "| | pods of | networks | before | after |", "| --- | --- | --- | --- | --- |")
        for row in rows:
            cells = (f"**{row.direction}**", _named(row.pods), _named(row.networks), row.before.text, row.after.text)
            yield f"| {' | '.join(map(_cell, cells))} |"
    refused = [one for one in changes.objects if one.is_refused]
    admitted = [one for one in changes.objects if not one.is_refused]
    for title, objects in (("Refused from now on", refused), ("Admitted from now on", admitted)):
        if objects:
            yield from ("", f"**{title}**", "", *(f"- {one.title}: {_cell(one.reason)}" for one in objects))
    if changes.settings or changes.definitions:
        yield from ("", "**Settings, and rules about who may write networks**", "")
        yield from (f"- `{name}`: {_cell(before)} → {_cell(after)}" for name, before, after in changes.settings)
        yield from (f"- rule `{rule}` {what}" for what, rule in changes.definitions)
    if changes.remarks:
        yield from ("", "**Remarks**", "", *(f"- {_cell(place)}: {_cell(text)}" for place, text in changes.remarks))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def render_json(changes: AccessChanges) -> str:
    """Return an object with everything; `access` has one item for each pod and network."""
    value = {
        "summary": {direction: changes.count(direction) for direction in (GAINS, LOSES, CHANGES)},
        "access": [
            {
                "direction": one.direction,
                "namespace": one.namespace,
                "serviceAccount": one.account,
                "labels": dict(one.labels),
                "network": one.network,
                "before": _access_json(one.before),
                "after": _access_json(one.after),
            }
            for one in changes.access
        ],
        "objects": [{"object": one.title, "refused": one.is_refused, "reason": one.reason} for one in changes.objects],
        "settings": [{"name": name, "before": before, "after": after} for name, before, after in changes.settings],
        "definitionRules": [{"rule": rule, "change": what} for what, rule in changes.definitions],
        "remarks": [{"place": place, "text": text} for place, text in changes.remarks],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _access_json(access: Access) -> dict[str, Any]:
    return {
        "state": access.state,
        "decided": access.decided,
        "mayAskFor": list(access.asks),
        "mayNotAskFor": list(access.but_not),
    }


def has(changes: AccessChanges, directions: Sequence[str]) -> bool:
    """Say whether access changes in one of these directions."""
    return any(one.direction in directions for one in changes.access)
