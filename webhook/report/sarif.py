"""Findings as SARIF 2.1.0 (OASIS), which the code scanning of GitHub, GitLab and Azure DevOps reads.

Sections: §3.13 sarifLog, §3.14 run, §3.19 toolComponent, §3.49 reportingDescriptor, §3.27 result, §3.30 region.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from urllib.parse import quote

from cniplugin.netspec.attachers import MULTUS
from webhook.admission.plugins.findings import SEVERITIES
from webhook.plugindata.codes import load_codes

from . import effects
from .lint import ERROR, WARNING, Finding, Report
from .titles import TITLES, page_of

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(report: Report, *, version: str) -> str:
    """Return the log. `version`: of the program. Relative files become relative URIs, §3.4.4."""
    rules = list(dict.fromkeys(finding.rule for finding in report.findings))
    driver: dict[str, object] = {"name": "nadmit", "version": version, "rules": [_rule(rule) for rule in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, rules.index(finding.rule)) for finding in report.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _rule(rule: str) -> dict[str, object]:
    """NB: the code scanning of GitHub requires all three texts; SARIF requires only `id`."""
    if rule not in SEVERITIES:
        text, page = {"text": TITLES.get(rule, rule)}, page_of(rule)
        more = f"{TITLES.get(rule, rule)}{f'; {page} says more' if page else ''}"
        value: dict[str, object] = {
            "id": rule,
            "shortDescription": text,
            "fullDescription": text,
            "help": {"text": more},
        }
        levels = {one.severities[MULTUS] for one in effects.judged(rule)}
        return {**value, "defaultConfiguration": {"level": ERROR if ERROR in levels else WARNING}} if levels else value
    code = load_codes()[rule]
    return {
        "id": rule,
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": code.meaning},
        "help": {"text": f"{code.meaning} {code.fix} `nadmit explain {rule}` shows an example."},
        "defaultConfiguration": {"level": SEVERITIES[rule]},
    }


def _result(finding: Finding, rule_index: int) -> dict[str, object]:
    subject = f"{finding.subject}: " if finding.subject else ""
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.level,
        "message": {"text": f"{subject}{finding.text}"},
        "locations": [{"physicalLocation": _location(finding)}],
    }


def _location(finding: Finding) -> dict[str, object]:
    position = finding.position
    location: dict[str, object] = {"artifactLocation": {"uri": _uri(position.file)}}
    if position.line:
        location["region"] = {"startLine": position.line, "startColumn": position.column}
    return location


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
