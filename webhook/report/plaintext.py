"""Parts of reports for terminals: columns, facts, and numbers of things."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 110
INDENT = " " * 11


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, whose plural ends with "s"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row, with aligned columns and nothing behind the last one."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def listed(texts: Sequence[str], most: int) -> str:
    """Return the first texts, with commas, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return f"{', '.join(texts[:most])}{more}"


def printable(text: str) -> str:
    """Return a text without control characters: whoever creates a pod can write what its status has."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def fact_lines(head: str, text: str) -> Iterator[str]:
    """Yield the lines of one fact: a long line is wrapped, and the lines of a text with several stay as they are."""
    lines = text.splitlines() or [""]
    if len(lines) == 1:
        lines = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    first, *rest = lines
    label = f"{head}:"
    yield f"  {label:<9}{'' if len(label) < 9 else ' '}{first}".rstrip()
    yield from (f"{INDENT}{line}".rstrip() for line in rest)
