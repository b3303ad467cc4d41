"""The findings of `nadmit check` in a tree of manifests, and their formats: text, JSON, the commands of GitHub Actions.

Text is as compilers write it: `file:line:column: error: pod blue/web-0: message [rule]`. `sarif` and `junit` are apart.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from webhook.admission.plugins.findings import SEVERITIES
from webhook.report.plaintext import counted
from webhook.trees import passedover
from webhook.trees.passedover import PassedOver
from webhook.trees.problems import Position

ERROR = "error"
WARNING = "warning"
NOTE = "note"
"""What the user should know of the run; nothing is wrong, and no option makes it count."""

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `error`, `warning`, `note`, `place`."""

SUPPRESSORS = {"comment": "by comments", "baseline": "by the baseline", "skip": "by --skip"}
"""What keeps a finding out of the report, as the summary names it."""


class Finding(NamedTuple):
    """One problem or warning. `subject` is the object, such as `pod blue/web-0`, "" when no object could be read.

    `field` is the path inside the object, "" when the finding is about all of it. `environment`: the one in which it
    is a problem, if it is none in the others. `more`: further objects with the same finding, such as `2 more of its
    controller`. `is_unreadable`: something could not be read, so it was not judged. `because`: access policies with
    mistakes of their own that decided, as subjects.
    """

    position: Position
    level: str
    rule: str
    message: str
    subject: str = ""
    field: str = ""
    environment: str = ""
    more: str = ""
    is_unreadable: bool = False
    because: tuple[str, ...] = ()

    @property
    def objects(self) -> str:
        """The object with those that `more` names."""
        return f"{self.subject} and {self.more}" if self.more else self.subject

    @property
    def head(self) -> str:
        """The object, as the beginning of a line; "" when no object could be read."""
        if not self.subject:
            return ""
        where = f" (with {self.environment})" if self.environment else ""
        return f"{self.objects}{where}: "

    @property
    def text(self) -> str:
        """Field and message, as kubectl prints a cause."""
        return f"{self.field}: {self.message}" if self.field else self.message


class Report(NamedTuple):
    """All findings in the order of the files, and how much was read.

    `judged` counts the objects that a webhook would be asked about; `subjects` are these objects. `by_rule`: the
    objects are those of a cluster, and the findings are in the order of their rules. `environments`: of the tree.
    `suppressed`: how many findings each of SUPPRESSORS has kept out.
    """

    findings: tuple[Finding, ...]
    files: int
    objects: int
    judged: int
    by_rule: bool = False
    environments: int = 1
    subjects: tuple[tuple[Position, str], ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    suppressed: Mapping[str, int] = MappingProxyType({})

    def number_of(self, level: str) -> int:
        """Return how many findings have a level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def summary(self) -> str:
        """The last line for people."""
        side_by_side = f" in {self.environments} environments" if self.environments > 1 else ""
        line = (
            f"{counted(self.objects, 'object')} in {self._where} ({self.judged} judged{side_by_side}), "
            f"{counted(self.number_of(ERROR), 'problem')}, {counted(self.number_of(WARNING), 'warning')}"
        )
        suppressed = [f"{number} {SUPPRESSORS[by]}" for by, number in self.suppressed.items() if number]
        line += f"; suppressed: {', '.join(suppressed)}" if suppressed else ""
        passed = passedover.count(self.passed_over) if self.passed_over else []
        return line + (f"; passed over: {', '.join(passed)} (-v lists them)" if passed else "")

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
    place = paint(f"{finding.position}:", "place")
    rule = "" if finding.rule in SEVERITIES else f" [{finding.rule}]"
    head = f"{place} {paint(f'{finding.level}:', finding.level)} {finding.head}{first}{rule}"
    return "\n".join([head, *(f"    {line}" for line in more)])


def render_json(report: Report) -> str:
    """Return an object with `findings`, `summary` and `passedOver`."""
    value = {
        "findings": [_finding_json(finding) for finding in report.findings],
        "summary": {
            "files": report.files,
            "objects": report.objects,
            "judged": report.judged,
            "problems": report.number_of(ERROR),
            "warnings": report.number_of(WARNING),
            "environments": report.environments,
            "suppressed": {by: report.suppressed.get(by, 0) for by in SUPPRESSORS},
        },
        "passedOver": [{"kind": one.kind, "path": one.where, "reason": one.why} for one in report.passed_over],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "file": finding.position.file,
        "line": finding.position.line,
        "column": finding.position.column,
        "level": finding.level,
        "rule": finding.rule,
        "object": finding.objects,
        "field": finding.field,
        "message": finding.message,
        **({"environment": finding.environment} if finding.environment else {}),
    }


def render_github(report: Report) -> str:
    """Return workflow commands (docs.github.com, "Workflow commands", setting an error message) and the summary."""
    return "\n".join([*(_workflow_command(finding) for finding in report.findings), report.summary])


def _workflow_command(finding: Finding) -> str:
    position = finding.position
    place = {"line": position.line, "col": position.column} if position.line else {}
    properties = {"file": position.file, **place, "title": finding.objects or finding.rule}
    written = ",".join(f"{key}={_escape_property(str(value))}" for key, value in properties.items())
    command = "notice" if finding.level == NOTE else finding.level
    return f"::{command} {written}::{_escape(f'{finding.text} [{finding.rule}]')}"


def _escape(text: str) -> str:
    """Escape the data of a command (actions/toolkit packages/core/src/command.ts, escapeData)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    """Escape a property (the same file, escapeProperty)."""
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
