"""Findings as SARIF 2.1.0 (OASIS), which the code scanning of GitHub, GitLab and Azure DevOps reads.

Sections: §3.13 sarifLog, §3.14 run, §3.19 toolComponent, §3.49 reportingDescriptor, §3.27 result, §3.30 region,
§3.33 logicalLocation.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from urllib.parse import quote

from cniplugin.netspec.attachers import MULTUS
from webhook.admission.plugins.findings import SEVERITIES
from webhook.plugindata.codes import load_codes

from . import effects
from .lint import ERROR, NOTE, WARNING, Finding, Report
from .ruletexts import load_rules
from .scan.finding import INFO
from .stockrules import STOCK_RULES
from .titles import TITLES, page_of

INFORMATION_URI = "https://nadmit.io/"
"""The domain of the API groups."""
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(report: Report, *, version: str) -> str:
    """Return the log. `version`: of the program. Relative files become relative URIs, §3.4.4."""
    rules = list(dict.fromkeys(finding.rule for finding in report.findings))
    driver: dict[str, object] = {
        "name": "nadmit",
        "informationUri": INFORMATION_URI,
        "version": version,
        "rules": [_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, rules.index(finding.rule)) for finding in report.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _rule(rule: str) -> dict[str, object]:
    """NB: the code scanning of GitHub requires all three texts; SARIF requires only `id`."""
    if rule in SEVERITIES:
        code = load_codes()[rule]
        title, cause, fix, level = code.title, code.meaning, code.fix, SEVERITIES[rule]
        example = json.dumps(code.pod or code.example, ensure_ascii=False)
    else:
        text = load_rules()[rule]
        title, cause, fix, example = TITLES[rule], text.cause, text.fix, text.example or text.says
        level = _level(rule)
    page = page_of(rule) or "docs/messages.md"
    more = f"`nadmit explain {rule}` says more, and {page}."
    block = f"```\n{example.rstrip()}\n```"
    return {
        "id": rule,
        "name": rule,
        "shortDescription": {"text": title},
        "fullDescription": {"text": cause},
        "help": {
            "text": f"{cause} {fix} {more}",
            "markdown": f"{cause}\n\n**Example**\n\n{block}\n\n**Fix:** {fix}\n\n{more}",
        },
        **({"defaultConfiguration": {"level": level}} if level else {}),
    }


def _level(rule: str) -> str:
    if rule in STOCK_RULES:
        level = STOCK_RULES[rule].levels[0]
        return NOTE if level == INFO else level
    levels = {one.severities[MULTUS] for one in effects.judged(rule)}
    return (ERROR if ERROR in levels else WARNING) if levels else ""


def _result(finding: Finding, rule_index: int) -> dict[str, object]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.level,
        "message": {"text": f"{finding.head}{finding.text}"},
        "locations": [{"physicalLocation": _location(finding), **_logical(finding)}],
    }


def _logical(finding: Finding) -> dict[str, object]:
    """Return the object itself for one that is in no file, §3.28.4 and §3.33."""
    if finding.position.line or not finding.subject:
        return {}
    return {"logicalLocations": [{"fullyQualifiedName": finding.subject, "kind": "resource"}]}


def _location(finding: Finding) -> dict[str, object]:
    position = finding.position
    location: dict[str, object] = {"artifactLocation": {"uri": _uri(position.file)}}
    if position.line:
        location["region"] = {"startLine": position.line, "startColumn": position.column}
    return location


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
