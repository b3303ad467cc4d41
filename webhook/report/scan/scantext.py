"""Findings of a scan as text, as JSON (docs/scan.schema.json), and as the report of which SARIF and JUnit are made."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from webhook.report import lint
from webhook.report.plaintext import counted, fact_lines, printable
from webhook.report.stockrules import StockRule
from webhook.trees.problems import Position

from .finding import ERROR, INFO, LEVELS, WARNING, Finding, ObjectName

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `error`, `warning`, `note`, `place`."""

SHOWN_MAX = 20
"""Findings of one rule in the text; the other forms have all."""

_ROLES = {ERROR: "error", WARNING: "warning", INFO: "note"}


class Scan(NamedTuple):
    """What a scan has found. `objects`: how many were read, by kind. `skipped`: findings that options kept out.

    `notes`: what the answer does not know. `unread`: the rights that are missing.
    """

    findings: tuple[Finding, ...]
    objects: Mapping[str, int]
    skipped: int = 0
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def number_of(self, level: str) -> int:
        """Return how many findings have a level."""
        return sum(one.level == level for one in self.findings)

    def has_at_least(self, level: str) -> bool:
        """Say whether a finding is as bad as a level, or worse."""
        worst = LEVELS[: LEVELS.index(level) + 1]
        return any(one.level in worst for one in self.findings)

    @property
    def summary(self) -> str:
        """The last line for people."""
        read = ", ".join(f"{number} {_noun(kind, number)}" for kind, number in self.objects.items() if number)
        levels = ", ".join(counted(self.number_of(level), level) for level in (ERROR, WARNING))
        skipped = f"; {counted(self.skipped, 'finding')} left out by --skip" if self.skipped else ""
        return f"{read or 'no objects'}: {levels}, {self.number_of(INFO)} for information{skipped}"


DEFINITIONS, PODS, WORKLOADS, POLICIES = "definitions", "pods", "workloads", "policies"
"""Kinds of objects that a scan counts."""

_ONE = {DEFINITIONS: "definition", PODS: "pod", WORKLOADS: "workload", POLICIES: "policy"}


def _noun(kind: str, number: int) -> str:
    return _ONE[kind] if number == 1 else kind


def render_text(scan: Scan, titles: Mapping[str, str], paint: Paint) -> str:
    """Return the findings by rule, the worst first, each with what to do; then the summary."""
    lines = [line for of in _groups(scan.findings) for line in _group(of, titles, paint)]
    facts = [*(("note", note) for note in scan.notes), *(("unread", right) for right in scan.unread)]
    lines += [line for head, text in facts for line in fact_lines(head, printable(text))]
    return "\n".join([*lines, scan.summary])


def _groups(findings: Sequence[Finding]) -> Iterator[list[Finding]]:
    for _, of in groupby(findings, key=lambda one: (one.level, one.rule)):
        yield list(of)


def _group(of: Sequence[Finding], titles: Mapping[str, str], paint: Paint) -> Iterator[str]:
    first, number = of[0], f" ({len(of)})" if len(of) > 1 else ""
    head = paint(f"{first.level}:", _ROLES[first.level])
    yield f"{head} {titles.get(first.rule, first.rule)}{number} [{first.rule}]"
    fixes = dict.fromkeys(one.fix for one in of if one.fix)
    for one in of[:SHOWN_MAX]:
        fix = f"; {printable(one.fix)}" if one.fix and len(fixes) > 1 else ""
        yield f"  {paint(printable(one.subject.title), 'place')}: {printable(one.message)}{fix}"
    if len(of) > SHOWN_MAX:
        yield f"  and {len(of) - SHOWN_MAX} more; -o json has all"
    if len(fixes) == 1:
        yield f"  to do: {printable(next(iter(fixes)))}"


def render_json(scan: Scan) -> str:
    """Return the scan as one JSON object."""
    levels = Counter(one.level for one in scan.findings)
    value = {
        "findings": [finding_json(one) for one in scan.findings],
        "summary": {
            "objects": dict(scan.objects),
            **{f"{level}s": levels[level] for level in LEVELS},
            "skipped": scan.skipped,
        },
        "notes": list(scan.notes),
        "unread": list(scan.unread),
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def finding_json(one: Finding) -> dict[str, Any]:
    """Return a finding as plain JSON."""
    return {
        "rule": one.rule,
        "level": one.level,
        "object": _name_json(one.subject),
        "field": one.field,
        "message": one.message,
        "fix": one.fix,
        "others": [_name_json(other) for other in one.others],
        "properties": dict(one.properties),
    }


def _name_json(name: ObjectName) -> dict[str, str]:
    return {
        "apiVersion": name.api_version,
        "kind": name.kind,
        "namespace": name.namespace,
        "name": name.name,
        "uid": name.uid,
    }


PLACE = Position("cluster")

_LINT_LEVELS = {INFO: lint.NOTE}


def report_of(scan: Scan, rules: Mapping[str, StockRule]) -> lint.Report:
    """Return the scan as a report of `nadmit check`. Its subjects are the rules that have found nothing.

    So a clean cluster has cases of JUnit as well. There are no subjects if not all was read, or something was skipped:
    then it is not known that a rule would find nothing.
    """
    found = {one.rule for one in scan.findings}
    is_whole = not (scan.unread or scan.notes or scan.skipped)
    clean = tuple((PLACE, f"{rule}: {one.title}") for rule, one in rules.items() if is_whole and rule not in found)
    findings = tuple(map(_linted, scan.findings))
    number = sum(scan.objects.values())
    return lint.Report(findings, files=0, objects=number, judged=number, by_rule=True, subjects=clean)


def _linted(one: Finding) -> lint.Finding:
    message = f"{one.message}; {one.fix}" if one.fix else one.message
    return lint.Finding(PLACE, _LINT_LEVELS.get(one.level, one.level), one.rule, message, one.subject.title)


def failing(fail_on: str) -> tuple[str, ...]:
    """Return the levels of the report that fail."""
    return tuple(_LINT_LEVELS.get(level, level) for level in LEVELS[: LEVELS.index(fail_on) + 1])
