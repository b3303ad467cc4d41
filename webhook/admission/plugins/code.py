"""One code of a finding: what it is called, how certain it is, what it means."""

from __future__ import annotations

from dataclasses import dataclass

ERROR = "error"
"""It fails on every node: the object is refused."""
WARNING = "warning"
"""It works, or fails somewhere else: the object is allowed with a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One code. `example`: the text of a configuration that has exactly this finding. `fix`: what to do about it."""

    title: str
    severity: str
    meaning: str
    example: str
    fix: str
