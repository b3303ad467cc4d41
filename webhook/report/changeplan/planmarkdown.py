"""A plan as Markdown for a comment of a pull request: a short table on top, details folded, and never too long."""

from __future__ import annotations

import re
from collections.abc import Iterator

from webhook.report.plaintext import printable

from .applying import SAME
from .planned import ChangePlan, ObjectChange, Row, counted_of, rows_of, summary_of
from .planwords import SECTIONS, WHAT, field_line, lines_of, names_of, shown_first
from .podeffects import BLOCKED, FREED, LOST, NEW, NEW_REFUSED, OTHER, STILL, WARNED

COMMENT_MAX = 65_536
"""Characters of a comment on GitHub. NB: it is also kept in bytes, which are more."""
_REST = 400
"""Bytes that are kept free for the last line."""
LINE_MAX = 600
"""Characters of one line of the details."""
NOTES_MAX = 20

_SIGNS = {LOST: "❌", BLOCKED: "❌", NEW_REFUSED: "❌", OTHER: "⚠️", FREED: "✅", WARNED: "⚠️", NEW: "⚠️", STILL: "💤"}
_SPECIAL = re.compile(r"[\\`*_\[\]<>|@&#~!]|://|www\.", re.IGNORECASE)
_BREAK = "&#8203;"
"""A space of no width. NB: GitHub looks for mentions in what Markdown has become, so an entity is not enough. It also
makes links of addresses that have no marks."""


def render_markdown(plan: ChangePlan) -> str:
    """Return the comment. Its first part says everything in numbers; what does not fit is counted."""
    made = "\n".join(_head(plan))
    blocks = list(_blocks(plan))
    for number, block in enumerate(blocks):
        if len(f"{made}\n\n{block}".encode()) > COMMENT_MAX - _REST:
            left = counted_of(len(blocks) - number, "part")
            return f"{made}\n\n{left} of the details did not fit into a comment: `nadmit plan -o json` has all.\n"
        made = f"{made}\n\n{block}"
    return f"{made}\n"


def _head(plan: ChangePlan) -> Iterator[str]:
    yield f"### Networks of pods: {_safe(summary_of(plan))}"
    rows = []
    if plan.refused_changes:
        rows.append(("❌", "Refused by the webhook itself", f"{len(plan.refused_changes):,}", ""))
    for kind, heading in SECTIONS.items():
        makers, pods = plan.number_of(kind)
        if makers:
            rows.append((_SIGNS[kind], heading, f"{makers:,}", f"{pods:,}"))
    if plan.kept:
        rows.append(("✅", "As before", f"{plan.kept:,}", f"{plan.kept_pods:,}"))
    if new := plan.new - plan.number_of(NEW)[0]:
        rows.append(("✅", "New, and admitted", f"{new:,}", ""))
    if rows:
        yield from ("", "| | | workloads | pods |", "| --- | --- | ---: | ---: |")
        yield from (f"| {' | '.join(row)} |" for row in rows)


def _blocks(plan: ChangePlan) -> Iterator[str]:
    """Yield the parts of the details in the order of their weight."""
    changes = shown_first(plan.changes)
    refused = [one for one in changes if one.refusals]
    if refused:
        yield _folded("Refused by the webhook itself, so these stay as they are", map(_refused, refused), is_open=True)
    for kind, heading in SECTIONS.items():
        rows = rows_of(plan.effects, kind)
        for number in range(0, len(rows), 10):
            title = heading if len(rows) <= 10 else f"{heading}, {number + 1} to {min(number + 10, len(rows))}"
            yield _folded(title, map(_row, rows[number : number + 10]))
    others = [one for one in changes if not one.refusals and one.what != SAME]
    for number in range(0, len(others), 20):
        yield _folded("The change", map(_changed, others[number : number + 20]))
    notes = [*plan.notes, *plan.unread][:NOTES_MAX]
    if notes:
        yield _folded("What is uncertain", (f"- {_safe(one)}" for one in notes), is_open=True)


def _folded(title: str, lines: Iterator[str] | map[str], *, is_open: bool = False) -> str:
    body = "\n".join(lines)
    return f"<details{' open' if is_open else ''}><summary>{_safe(title)}</summary>\n\n{body}\n\n</details>"


def _row(row: Row) -> str:
    details = "\n".join(f"  - {_safe(line)}" for line in lines_of(row.effect))
    return f"- **{_safe(names_of(row.makers))}**\n{details}"


def _refused(one: ObjectChange) -> str:
    where = f" ({_safe(one.where)})" if one.where else ""
    details = "\n".join(f"  - {_safe(text)}" for text in one.refusals)
    return f"- **{_safe(one.title)}**{where}\n{details}"


def _changed(one: ObjectChange) -> str:
    details = "".join(f"\n  - {_safe(field_line(field))}" for field in one.fields[:10])
    warnings = "".join(f"\n  - warning: {_safe(text)}" for text in one.warnings)
    return f"- {_safe(one.title)} {WHAT[one.what]}{details}{warnings}"


def _safe(text: str) -> str:
    """Return a text without marks of Markdown and HTML. NB: GitHub would notify the owner of a name after @."""
    short = text if len(text) <= LINE_MAX else f"{text[: LINE_MAX - 3]}..."
    return _SPECIAL.sub(_escaped, printable(short))


def _escaped(mark: re.Match[str]) -> str:
    text = mark[0]
    if len(text) > 1:  # of an address
        return f":{_BREAK}//" if text == "://" else f"{text[:-1]}{_BREAK}."
    return f"&#{ord(text)};{_BREAK if text in '@#' else ''}"
