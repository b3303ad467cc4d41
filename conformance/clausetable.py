"""docs/conformance/clauses.md, written from the markers: `python -m conformance.clausetable`.

A section is in the table with its tests, or with the reason why no test is about it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from . import profiles
from .clauses import LEVELS, MUST, Clause, clauses_of, level_of
from .profilelist import BY_FOLDER, PROFILES
from .standards import STANDARDS, TITLES, UNTESTED

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conformance" / "clauses.md"
HEAD = """\
# Clauses and their tests
```console
$ python -m conformance.clausetable      # writes this page from the tests
$ python -m conformance --list           # the tests, without a run
```

Each test cites the clauses that it tests. This page has all sections of the standards that the suite covers, with
their tests, or why a section has none. After the name of a test is its level: nothing for MUST, SHOULD, and PRACTICE
for what no standard asks. A test counts once here, though it may run with several values.
Sections of examples, and of the requirements of one key (4.1.2.1.3.2, 5.3.3.1), are with the section above them.
"""


class Listed(NamedTuple):
    """A test function, as reports name it."""

    name: str
    profile: str
    title: str
    clauses: tuple[Clause, ...]


def collect() -> list[Listed]:
    """Return all tests, by name."""
    names = [module.name for module in pkgutil.walk_packages(profiles.__path__, f"{profiles.__name__}.")]
    modules = [importlib.import_module(name) for name in names if name.rpartition(".")[2].startswith("test_")]
    found = [
        _test(module.__name__, name, function)
        for module in modules
        for name, function in vars(module).items()
        if name.startswith("test_") and callable(function)
    ]
    return sorted(found)


def _test(module: str, name: str, function: object) -> Listed:
    *_, folder, file = module.split(".")
    marks: list[pytest.Mark] = list(getattr(function, "pytestmark", ()))
    title = (function.__doc__ or "").strip().partition("\n")[0]
    clauses = [*clauses_of(marks), *(clause for mark in marks for clause in _of_parameters(mark))]
    return Listed(f"{folder}/{file}.py::{name}", BY_FOLDER[folder].name, title, tuple(dict.fromkeys(clauses)))


def _of_parameters(mark: pytest.Mark) -> list[Clause]:
    """Return the clauses of the values of a parametrized test."""
    if mark.name != "parametrize":
        return []
    return [clause for value in mark.args[1] for clause in clauses_of(list(_marks_of(value)))]


def _marks_of(value: object) -> list[pytest.Mark]:
    return [getattr(mark, "mark", mark) for mark in getattr(value, "marks", ())]


def render(tests: list[Listed]) -> str:
    """Return the page."""
    lines = [HEAD, *_counts(tests)]
    for standard, sections in STANDARDS.items():
        lines += [f"\n## {TITLES[standard]}\n", "| section | tests |", "| --- | --- |"]
        lines += [_row(standard, section, title, tests) for section, title in sections.items()]
    return "\n".join(lines) + "\n"


def _counts(tests: list[Listed]) -> list[str]:
    lines = ["| profile | tests | MUST | SHOULD | PRACTICE |", "| --- | --- | --- | --- | --- |"]
    for profile in PROFILES:
        own = [test for test in tests if test.profile == profile.name]
        levels = [level_of(test.clauses) for test in own]
        counts = " | ".join(str(levels.count(level)) for level in LEVELS)
        lines.append(f"| {profile.name}: {profile.summary} | {len(own)} | {counts} |")
    return lines


def _row(standard: str, section: str, title: str, tests: list[Listed]) -> str:
    cells = [
        f"{test.title} (`{test.name}`{'' if clause.level == MUST else f', {clause.level}'})"
        for test in tests
        for clause in test.clauses
        if (clause.standard, clause.section) == (standard, section)
    ]
    text = "<br/>".join(cells) or f"not tested: {UNTESTED.get((standard, section), '')}"
    return f"| {section} {title} | {text.replace('|', chr(92) + '|')} |"


def untested(tests: list[Listed], missing: Mapping[tuple[str, str], str] = UNTESTED) -> list[tuple[str, str]]:
    """Return the sections that have neither a test nor a reason."""
    cited = {(clause.standard, clause.section) for test in tests for clause in test.clauses}
    every = [(standard, section) for standard, sections in STANDARDS.items() for section in sections]
    return [key for key in every if key not in cited and key not in missing]


if __name__ == "__main__":
    PAGE.write_text(render(collect()), encoding="utf-8")
