"""The problems of files of Kubernetes objects: positions, problems, and the error that carries them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file. Line and column count from 1, in characters; line 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a file or an object in it cannot be read: a stable rule id, what is wrong, and what to do."""

    position: Position
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.position}: {self.text}"


class ManifestError(Exception):
    """Files of Kubernetes objects cannot be used; `problems` has every reason, in the order of the files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
