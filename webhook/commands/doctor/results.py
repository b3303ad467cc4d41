"""What a check says: one line, and the commands that repair what is not right (pure)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad a result is, the best first. UNKNOWN: the question could not be asked."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


class Result(NamedTuple):
    """One line of the report. `check`: one of a closed list. `fixes`: commands and steps, each in a line."""

    check: str
    level: Level
    text: str
    fixes: tuple[str, ...] = ()


def ok(check: str, text: str) -> Result:
    """Return a result that asks for nothing."""
    return Result(check, Level.OK, text)


def warning(check: str, text: str, *fixes: str) -> Result:
    """Return a result about something that works, and is probably not as it should be."""
    return Result(check, Level.WARNING, text, fixes)


def error(check: str, text: str, *fixes: str) -> Result:
    """Return a result about something that does not work."""
    return Result(check, Level.ERROR, text, fixes)


def unknown(check: str, text: str, *fixes: str) -> Result:
    """Return a result about a question that could not be asked."""
    return Result(check, Level.UNKNOWN, text, fixes)


SHOWN_MAX = 5
"""Names that one line lists."""


def listed(names: list[str]) -> str:
    """Return names in one line, the first few of many."""
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return f"{', '.join(names[:SHOWN_MAX])}{more}"
