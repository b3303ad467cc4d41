"""A plan as text for a terminal: the change itself, then the effects, the worst first, then what is uncertain."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.report.plaintext import fact_lines, printable

from .applying import SAME
from .planned import ChangePlan, ObjectChange, Paint, Row, rows_of, summary_of, who_of
from .planwords import SECTIONS, WHAT, field_line, lines_of, names_of, shown_first, unchanged_of
from .podeffects import BREAKING, FREED

ROWS_MAX = 40
"""Rows of one heading in the text; the JSON has all."""
FIELDS_MAX = 8
OBJECTS_MAX = 40


def render_text(plan: ChangePlan, paint: Paint) -> str:
    """Return the summary, a block for each heading, and the notes."""
    return "\n".join(_lines(plan, paint))


def _lines(plan: ChangePlan, paint: Paint) -> Iterator[str]:
    yield paint(summary_of(plan), "removed" if plan.is_breaking else "place")
    changes = [one for one in shown_first(plan.changes) if one.what != SAME or one.refusals]
    for change in changes[:OBJECTS_MAX]:
        yield from _change(change, paint)
    if len(changes) > OBJECTS_MAX:
        yield f"and {len(changes) - OBJECTS_MAX} more objects of the change; -o json has all"
    for kind, heading in SECTIONS.items():
        rows = rows_of(plan.effects, kind)
        if rows:
            role = "removed" if kind in BREAKING else "added" if kind == FREED else "warning"
            yield ""
            yield f"{paint(heading, role)}: {who_of(*plan.number_of(kind))}"
            yield from (line for row in rows[:ROWS_MAX] for line in _row(row, paint))
        if len(rows) > ROWS_MAX:
            yield f"  and {len(rows) - ROWS_MAX} more; -o json has all"
    rest = unchanged_of(plan)
    if rest:
        yield from ("", *rest)
    for head, texts in (("note", plan.notes), ("unread", plan.unread)):
        yield from (line for one in texts for line in fact_lines(head, printable(one)))


def _change(one: ObjectChange, paint: Paint) -> Iterator[str]:
    where = f" ({one.where})" if one.where else ""
    if one.refusals:
        yield f"{paint(f'{one.title} would be refused', 'removed')}{where}, so it stays as it is:"
        yield from (f"    {printable(text)}" for text in one.refusals)
        return
    yield f"{paint(one.title, 'place')} {WHAT[one.what]}{where}"
    yield from (f"    {printable(field_line(field))}" for field in one.fields[:FIELDS_MAX])
    if len(one.fields) > FIELDS_MAX:
        yield f"    and {len(one.fields) - FIELDS_MAX} more fields"
    yield from (f"    {paint('warning:', 'warning')} {printable(text)}" for text in one.warnings)


def _row(row: Row, paint: Paint) -> Iterator[str]:
    yield f"  {paint(printable(names_of(row.makers)), 'place')}"
    yield from (f"    {printable(line)}" for line in lines_of(row.effect))
