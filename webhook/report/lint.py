"""The findings of `nadmit check` in a tree of manifests, and their formats: text, JSON, the commands of GitHub Actions.

Text is as compilers write it: `file:line:column: error: pod blue/web-0: message [rule]`. `sarif` is apart.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from webhook.admission.plugins.findings import SEVERITIES
from webhook.report.plaintext import counted
from webhook.trees.problems import Position

ERROR = "error"
WARNING = "warning"

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `error`, `warning`, `place`."""


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
    """All findings in the order of the files, and how much was read.

    `judged` counts the objects that a webhook would be asked about. `by_rule`: the objects are those of a cluster, and
    the findings are in the order of their rules.
    """

    findings: tuple[Finding, ...]
    files: int
    objects: int
    judged: int
    by_rule: bool = False

    def count(self, level: str) -> int:
        """Return how many findings have a level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def summary(self) -> str:
        """The last line for people."""
        return (
            f"{counted(self.objects, 'object')} in {self._where} ({self.judged} judged), "
            f"{counted(self.count(ERROR), 'problem')}, {counted(self.count(WARNING), 'warning')}"
        )

    @property
    def _where(self) -> str:
        return "the cluster" if self.by_rule else counted(self.files, "file")

    @property
    def totals(self) -> tuple[str, ...]:
        """A line for each rule of a cluster's problems, the most frequent first."""
        rules = Counter(finding.rule for finding in self.findings if finding.level == ERROR)
        return tuple(f"{rule}: {counted(number, 'problem')}" for rule, number in rules.most_common())


def render_text(report: Report, paint: Paint) -> str:
    """Return one line per finding, further lines indented, and the summary."""
    totals = report.totals if report.by_rule else ()
    return "\n".join([*(_render_finding(finding, paint) for finding in report.findings), *totals, report.summary])


def _render_finding(finding: Finding, paint: Paint) -> str:
    """NB: the message of a code such as NAD101 begins with the code, so its rule is not appended."""
    first, *more = finding.text.splitlines() or [""]
    subject = f"{finding.subject}: " if finding.subject else ""
    place = paint(f"{finding.position}:", "place")
    rule = "" if finding.rule in SEVERITIES else f" [{finding.rule}]"
    head = f"{place} {paint(f'{finding.level}:', finding.level)} {subject}{first}{rule}"
    return "\n".join([head, *(f"    {line}" for line in more)])


def render_json(report: Report) -> str:
    """Return an object with `findings` and `summary`."""
    value = {
        "findings": [_finding_json(finding) for finding in report.findings],
        "summary": {
            "files": report.files,
            "objects": report.objects,
            "judged": report.judged,
            "problems": report.count(ERROR),
            "warnings": report.count(WARNING),
        },
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "file": finding.position.file,
        "line": finding.position.line,
        "column": finding.position.column,
        "level": finding.level,
        "rule": finding.rule,
        "object": finding.subject,
        "field": finding.field,
        "message": finding.message,
    }


def render_github(report: Report) -> str:
    """Return workflow commands (docs.github.com, "Workflow commands", setting an error message) and the summary."""
    return "\n".join([*(_workflow_command(finding) for finding in report.findings), report.summary])


def _workflow_command(finding: Finding) -> str:
    position = finding.position
    place = {"line": position.line, "col": position.column} if position.line else {}
    properties = {"file": position.file, **place, "title": finding.subject or finding.rule}
    written = ",".join(f"{key}={_escape_property(str(value))}" for key, value in properties.items())
    return f"::{finding.level} {written}::{_escape(f'{finding.text} [{finding.rule}]')}"


def _escape(text: str) -> str:
    """Escape the data of a command (actions/toolkit packages/core/src/command.ts, escapeData)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    """Escape a property (the same file, escapeProperty)."""
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
