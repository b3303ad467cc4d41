"""The list of what would be refused: a row for each rule and namespace, merged and bounded (pure).

The bounds hold for any objects that tenants create. Rule ids are a closed list, so one namespace has at most as many
rows as there are rules. When the list is full, the namespace with the most rows loses its oldest one: a tenant with
many findings cannot push out those of others.

A pod is judged twice, by /mutate and by /validate. Each row counts both, and shows the larger number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from webhook.admission.model.requests import Decision, Request
from webhook.admission.model.ruleids import RULE_IDS

ROWS_MAX = 500
"""A row has at most 1.5 KiB, so the list has at most 750 KiB; a ConfigMap may have 1 MiB."""
TEXT_MAX = 128
"""Characters of a name or a field."""
COUNT_MAX = 10**12
OTHER = "other"
VERSION = 1

RowKey = tuple[str, str]
"""Rule id and namespace; "" for objects without a namespace."""


class Row(NamedTuple):
    """What one rule would refuse in one namespace. Times are texts of one form, so that they sort.

    `mutated`, `validated`: how often at each path. `kind`, `name`, `field`: the last object, and the field of its first
    problem.
    """

    mutated: int
    validated: int
    first: str
    last: str
    kind: str
    name: str
    field: str = ""

    @property
    def refusals(self) -> int:
        """How many objects."""
        return max(self.mutated, self.validated)


class Table(NamedTuple):
    """The list. `since`: the time of its first entry, "" for none. `dropped`: objects of rows that had to go."""

    rows: Mapping[RowKey, Row] = {}
    since: str = ""
    dropped: int = 0


EMPTY = Table()


def entries(path: str, request: Request, decision: Decision, now: str) -> Table:
    """Return the list of one observed refusal; `path` is that of the judgement, `now` a time."""
    at = (1, 0) if path == "/mutate" else (0, 1)
    field = decision.causes[0].field if decision.causes else ""
    row = Row(*at, now, now, _cut(request.kind.kind), _cut(request.object_name), _cut(field))
    rules = {rule if rule in RULE_IDS else OTHER for rule in decision.rules} or {OTHER}
    return Table({(rule, _cut(request.namespace)): row for rule in rules}, now)


def merge(older: Table, newer: Table) -> Table:
    """Return both lists as one, within the bounds."""
    rows = dict(older.rows)
    for key, row in newer.rows.items():
        rows[key] = _joined(rows[key], row) if key in rows else row
    since = min(filter(None, (older.since, newer.since)), default="")
    return _bounded(rows, since, _count(older.dropped + newer.dropped))


def select(table: Table, namespace: str | None) -> Table:
    """Return the rows of a namespace; None means all."""
    if namespace is None:
        return table
    return table._replace(rows={key: row for key, row in table.rows.items() if key[1] == namespace})


def render(table: Table) -> bytes:
    """Return the list as JSON."""
    rows = [{"rule": rule, "namespace": namespace, **row._asdict()} for (rule, namespace), row in table.rows.items()]
    value = {"version": VERSION, "since": table.since, "dropped": table.dropped, "rows": rows}
    return msgspec.json.encode(value)


def parse(data: bytes) -> Table:
    """Return the list of a JSON text. Raises ValueError for a text that is not one.

    NB: nadmit writes at most ROWS_MAX rows. Others may write more, and to choose among 10,000 rows takes seconds.
    """
    try:
        written = _DECODER.decode(data)
    except _UNREADABLE as error:
        raise ValueError(str(error)) from None
    if written.version != VERSION:
        raise ValueError(f"version {written.version}; allowed: {VERSION}")
    rows = {(_cut(row.rule), _cut(row.namespace)): _row_of(row) for row in written.rows[:ROWS_MAX]}
    return Table(rows, _cut(written.since), _count(written.dropped))


class _Written(msgspec.Struct):
    rule: str
    namespace: str
    mutated: int
    validated: int
    first: str
    last: str
    kind: str
    name: str
    field: str = ""


class _WrittenTable(msgspec.Struct):
    version: int
    since: str
    dropped: int
    rows: list[_Written]


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_DECODER = msgspec.json.Decoder(_WrittenTable)


def _row_of(row: _Written) -> Row:
    texts = map(_cut, (row.first, row.last, row.kind, row.name, row.field))
    return Row(_count(row.mutated), _count(row.validated), *texts)


def _count(number: int) -> int:
    return max(0, min(COUNT_MAX, number))


def _joined(one: Row, other: Row) -> Row:
    newest = max(one, other, key=lambda row: row.last)
    return newest._replace(
        mutated=_count(one.mutated + other.mutated),
        validated=_count(one.validated + other.validated),
        first=min(one.first, other.first),
    )


def _bounded(rows: dict[RowKey, Row], since: str, dropped: int) -> Table:
    while len(rows) > ROWS_MAX:
        oldest = _oldest_of(_fullest(rows), rows)
        dropped = _count(dropped + rows.pop(oldest).refusals)
    return Table(rows, since, dropped)


def _fullest(rows: Iterable[RowKey]) -> str:
    return Counter(namespace for _, namespace in rows).most_common(1)[0][0]


def _oldest_of(namespace: str, rows: Mapping[RowKey, Row]) -> RowKey:
    return min((key for key in rows if key[1] == namespace), key=lambda key: rows[key].last)


def _cut(text: str) -> str:
    """Return a text that a terminal can show, shortened."""
    line = text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
    return line if len(line) <= TEXT_MAX else f"{line[: TEXT_MAX - 3]}..."
