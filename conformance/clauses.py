"""The clauses that tests cite: `@clause("npwg-1.3", "4.1.2.1.5", MUST)` above a test.

A level says how binding the clause is. MUST and SHOULD are the words of a standard. PRACTICE is what operators need and
no standard says; its section is a name of `STANDARDS["practice"]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from .standards import STANDARDS

if TYPE_CHECKING:
    import pytest

MUST = "MUST"
SHOULD = "SHOULD"
PRACTICE = "PRACTICE"
LEVELS = (MUST, SHOULD, PRACTICE)

MARKER = "clause"


class Clause(NamedTuple):
    """A section of a standard, and how binding it is."""

    standard: str
    section: str
    level: str

    def __str__(self) -> str:
        return f"{self.standard} {self.section}"


def clause(standard: str, section: str, level: str) -> pytest.MarkDecorator:
    """Mark a test with the clause that it tests. Raises ValueError for a section or a level that does not exist."""
    if section not in STANDARDS.get(standard, {}):
        raise ValueError(f"conformance/standards.py has no section {section} of {standard}")
    if level not in LEVELS:
        raise ValueError(f"the level is {level}; allowed: {', '.join(LEVELS)}")
    import pytest  # noqa: PLC0415 - the command reads reports with this module, and reports a missing pytest itself

    return pytest.mark.clause(Clause(standard, section, level))


def clauses_of(marks: list[pytest.Mark]) -> list[Clause]:
    """Return the clauses of a test, the nearest to the function first."""
    return [mark.args[0] for mark in marks if mark.name == MARKER]


def level_of(clauses: Iterable[Clause]) -> str:
    """Return the most binding level of some clauses."""
    return min((each.level for each in clauses), key=LEVELS.index)
