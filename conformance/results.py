"""The result of a test, as the pytest plugin writes it and the report reads it: a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from .clauses import Clause, level_of

PASSED = "passed"
FAILED = "failed"
DEVIATED = "deviated"
"""It failed, and the subject file says so."""
STALE = "stale"
"""It passed, and the subject file says that it fails."""
SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`test` is folder, module and function with its parameters; `reason` says why it did not pass."""

    test: str
    profile: str
    clauses: tuple[Clause, ...]
    title: str
    outcome: str
    reason: str
    took_s: float

    @property
    def level(self) -> str:
        """The most binding level of its clauses."""
        return level_of(self.clauses)


def append_result(path: Path, result: Result) -> None:
    """Write a result to the end of a file, in one call, so that several processes can write."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def read_results(paths: Iterable[Path]) -> list[Result]:
    """Read the results of some files, in order of profile and test. The last result of a test counts."""
    lines = [line for path in paths if path.exists() for line in path.read_text(encoding="utf-8").splitlines()]
    found = [json.loads(line) for line in lines]
    results = [Result(**{**one, "clauses": tuple(Clause(*each) for each in one["clauses"])}) for one in found]
    return sorted({one.test: one for one in results}.values(), key=lambda one: (one.profile, one.test))
