"""Findings for people and editors, as compilers write: `file:line:column: error: pod blue/web-0: what [rule]`.

A rule that the text names itself, as the codes of plugins, is not named twice.
"""

from __future__ import annotations

from collections.abc import Callable

from .findings import Finding, Report

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `error`, `warning`, `place`."""


def render(report: Report, paint: Paint) -> str:
    """Return one line per finding, further lines indented, and the summary."""
    return "\n".join([*(_render_finding(finding, paint) for finding in report.findings), report.summary])


def _render_finding(finding: Finding, paint: Paint) -> str:
    first, *more = finding.text.splitlines() or [""]
    subject = f"{finding.subject}: " if finding.subject else ""
    place = paint(f"{finding.position}:", "place")
    rule = "" if f"{finding.rule}: " in first else f" [{finding.rule}]"
    head = f"{place} {paint(f'{finding.level}:', finding.level)} {subject}{first}{rule}"
    return "\n".join([head, *(f"    {line}" for line in more)])
