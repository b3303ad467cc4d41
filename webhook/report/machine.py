"""Findings for other programs: JSON, and the workflow commands of GitHub Actions."""

from __future__ import annotations

import json

from .findings import ERROR, WARNING, Finding, Report


def render_json(report: Report) -> str:
    """Return an object with `findings` and `summary`."""
    value = {
        "findings": [_to_json(finding) for finding in report.findings],
        "summary": {
            "files": report.files,
            "objects": report.objects,
            "judged": report.judged,
            "problems": report.count(ERROR),
            "warnings": report.count(WARNING),
        },
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _to_json(finding: Finding) -> dict[str, object]:
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
    return "\n".join([*(_command(finding) for finding in report.findings), report.summary])


def _command(finding: Finding) -> str:
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
