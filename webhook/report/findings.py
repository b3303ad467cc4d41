"""Findings: what a lint has to say about a tree of manifests. Every format renders the same `Report`."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.trees.problems import Position

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem or warning. `subject` is the object, such as `pod blue/web-0`, "" when no object could be read.

    `field` is the path inside the object, "" when the finding is about all of it.
    """

    position: Position
    level: str
    rule: str
    message: str
    subject: str = ""
    field: str = ""

    @property
    def text(self) -> str:
        """Field and message, as kubectl prints a cause."""
        return f"{self.field}: {self.message}" if self.field else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings in the order of the files, and what was looked at.

    `judged` counts the objects that a webhook would be asked about.
    """

    findings: tuple[Finding, ...]
    files: int
    objects: int
    judged: int

    def count(self, level: str) -> int:
        """Return how many findings have a level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def summary(self) -> str:
        """The last line for people."""
        return (
            f"{_count(self.objects, 'object')} in {_count(self.files, 'file')} ({self.judged} judged), "
            f"{_count(self.count(ERROR), 'problem')}, {_count(self.count(WARNING), 'warning')}"
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
