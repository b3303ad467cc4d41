"""The results as text for people, and as JSON (pure)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence

from webhook.report.plaintext import counted

from .results import Level, Result

Paint = Callable[[str, str], str]
"""A text and its role -> the text with colours."""

ROLES = {Level.OK: "allowed", Level.WARNING: "warning", Level.ERROR: "error", Level.UNKNOWN: "note"}
LEVEL_WIDTH = max(map(len, Level))
CHECK_WIDTH = 14


def lines_of(result: Result, paint: Paint) -> list[str]:
    """Return the line of a result, and an indented line for each of its fixes."""
    level = paint(result.level.ljust(LEVEL_WIDTH), ROLES[result.level])
    indent = " " * (LEVEL_WIDTH + 2 + CHECK_WIDTH + 2)
    first = f"{level}  {result.check.ljust(CHECK_WIDTH)}  {result.text}"
    return [first, *(f"{indent}fix: {fix}" for fix in result.fixes)]


def summary_of(results: Sequence[Result]) -> str:
    """Return how many results there are of each level, in one line."""
    counts = Counter(result.level for result in results)
    parts = (
        counted(counts[Level.ERROR], "error"),
        counted(counts[Level.WARNING], "warning"),
        f"{counts[Level.UNKNOWN]} unknown",
        f"{counts[Level.OK]} ok",
    )
    return ", ".join(parts)


def render_json(results: Sequence[Result], version: str) -> str:
    """Return one object with all results."""
    counts = Counter(result.level for result in results)
    value = {
        "version": version,
        "results": [
            {"check": one.check, "level": one.level, "text": one.text, "fixes": list(one.fixes)} for one in results
        ],
        "counts": {level: counts[level] for level in Level},
    }
    return json.dumps(value, indent=2, ensure_ascii=False)
