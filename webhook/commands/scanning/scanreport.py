"""Findings of a scan as the report of `nadmit check`, of which SARIF and JUnit are made."""

from __future__ import annotations

from collections.abc import Mapping

from webhook.report import lint
from webhook.report.scan.finding import INFO, LEVELS, Finding
from webhook.report.scan.scantext import Scan
from webhook.report.stockrules import StockRule
from webhook.trees.problems import Position

PLACE = Position("cluster")

_LEVELS = {INFO: lint.NOTE}


def report_of(scan: Scan, rules: Mapping[str, StockRule]) -> lint.Report:
    """Return the report. Its subjects are the rules that have found nothing, so that a clean cluster has cases too.

    There are none if not all was read, or something was skipped: then it is not known that a rule would find nothing.
    """
    found = {one.rule for one in scan.findings}
    is_whole = not (scan.unread or scan.notes or scan.skipped)
    clean = tuple((PLACE, f"{rule}: {one.title}") for rule, one in rules.items() if is_whole and rule not in found)
    findings = tuple(map(_finding, scan.findings))
    number = sum(scan.objects.values())
    return lint.Report(findings, files=0, objects=number, judged=number, by_rule=True, subjects=clean)


def _finding(one: Finding) -> lint.Finding:
    message = f"{one.message}; {one.fix}" if one.fix else one.message
    return lint.Finding(PLACE, _LEVELS.get(one.level, one.level), one.rule, message, one.subject.title)


def failing(fail_on: str) -> tuple[str, ...]:
    """Return the levels of the report that fail."""
    return tuple(_LEVELS.get(level, level) for level in LEVELS[: LEVELS.index(fail_on) + 1])
