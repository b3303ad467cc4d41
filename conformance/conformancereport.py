"""Results as a report: YAML in the shape of Gateway API's ConformanceReport, JUnit, and a table in Markdown."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from .clauses import LEVELS, MUST
from .profilelist import BY_NAME
from .results import DEVIATED, FAILED, PASSED, SKIPPED, STALE, Result

API_VERSION = "conformance.nadmit.io/v1alpha1"
KIND = "ConformanceReport"
OUTCOMES = (PASSED, FAILED, DEVIATED, STALE, SKIPPED)
_SHOWN_MAX = 240
"""Characters of a reason in the table; report.yaml has more."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Json = dict[str, Any]


def make_report(
    results: Sequence[Result], *, implementation: Json, date: str, suite: str, environment: Mapping[str, str]
) -> Json:
    """Return the report as a value."""
    profiles = [name for name in BY_NAME if any(one.profile == name for one in results)]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "date": date,
        "implementation": implementation,
        "suite": {"project": "nadmit", "version": suite},
        "environment": dict(environment),
        "profiles": [_profile(name, [one for one in results if one.profile == name]) for name in profiles],
    }


def _profile(name: str, results: Sequence[Result]) -> Json:
    verdict = verdict_of(results)
    counts = {level: _counts([one for one in results if one.level == level]) for level in LEVELS}
    return {
        "name": name,
        "result": verdict,
        "summary": _summary(verdict, results),
        "statistics": {level.lower(): count for level, count in counts.items() if count},
        **{
            f"{key}Tests": [_line(one) for one in results if one.outcome == outcome]
            for key, outcome in (("failed", FAILED), ("stale", STALE), ("deviating", DEVIATED), ("skipped", SKIPPED))
            if any(one.outcome == outcome for one in results)
        },
    }


def verdict_of(results: Sequence[Result]) -> str:
    """Return `success` if each MUST passed, `partial` if the others are known or skipped, else `failure`."""
    binding = {one.outcome for one in results if one.level == MUST}
    if binding & {FAILED, STALE}:
        return "failure"
    return "success" if binding <= {PASSED} else "partial"


def _summary(verdict: str, results: Sequence[Result]) -> str:
    binding = [one for one in results if one.level == MUST]
    passed = sum(one.outcome == PASSED for one in binding)
    total = sum(one.outcome == PASSED for one in results)
    return f"{verdict}: {passed} of {len(binding)} MUST, {total} of {len(results)} in all"


def _counts(results: Sequence[Result]) -> dict[str, int]:
    count = Counter(one.outcome for one in results)
    return {outcome: count[outcome] for outcome in OUTCOMES if count[outcome]}


def _line(one: Result) -> Json:
    clauses = [str(each) for each in one.clauses]
    return {"test": one.test, "level": one.level, "clauses": clauses, "title": one.title, "reason": one.reason}


def render_yaml(report: Json) -> str:
    """Return the report as YAML."""
    return str(yaml.safe_dump(report, sort_keys=False, allow_unicode=True, width=120))


def render_junit(results: Sequence[Result]) -> str:
    """Return the results as JUnit XML, a suite for each profile. A known deviation is a skipped test."""
    root = ET.Element("testsuites", name="nadmit-conformance")
    for profile in dict.fromkeys(one.profile for one in results):
        _add_suite(root, profile, [one for one in results if one.profile == profile])
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_suite(root: ET.Element, profile: str, results: Sequence[Result]) -> None:
    failed = sum(one.outcome in {FAILED, STALE} for one in results)
    skipped = sum(one.outcome in {DEVIATED, SKIPPED} for one in results)
    numbers = {"tests": str(len(results)), "failures": str(failed), "errors": "0", "skipped": str(skipped)}
    suite = ET.SubElement(root, "testsuite", {"name": profile, **numbers})
    for one in results:
        module, _, name = one.test.partition("::")
        test = ET.SubElement(suite, "testcase", classname=module, name=name, time=f"{one.took_s:.3f}")
        clauses = f"[{', '.join(map(str, one.clauses))}, {one.level}]"
        if one.outcome in {FAILED, STALE}:
            ET.SubElement(test, "failure", message=_text(one.title or name)).text = _text(f"{one.reason} {clauses}")
        elif one.outcome in {DEVIATED, SKIPPED}:
            ET.SubElement(test, "skipped", message=_text(f"{one.reason} {clauses}"))


def _text(text: str) -> str:
    return _NOT_XML.sub("?", text)


def render_markdown(report: Json) -> str:
    """Return the report as a page: who and what, a table of the profiles, and what did not pass."""
    who = report["implementation"]
    machine = ", ".join(f"{key} {text}" for key, text in report["environment"].items())
    lines = [
        f"# Conformance of {who['project']} {who['version']}",
        "",
        f"{who['url']}, tested {report['date']} by nadmit-conformance {report['suite']['version']}, {machine}.",
        "",
        "| profile | result | MUST | SHOULD | practice |",
        "| --- | --- | --- | --- | --- |",
    ]
    for profile in report["profiles"]:
        counts = [_cell(profile["statistics"].get(level.lower(), {})) for level in LEVELS]
        lines.append(f"| {profile['name']} | {profile['result']} | {' | '.join(counts)} |")
    for profile in report["profiles"]:
        rows = [
            (key, one) for key in ("failed", "stale", "deviating", "skipped") for one in profile.get(f"{key}Tests", [])
        ]
        if rows:
            lines += ["", f"## {profile['name']}", "", "| test | clause | | why |", "| --- | --- | --- | --- |"]
            lines += [_row(key, one) for key, one in rows]
    return "\n".join(lines) + "\n"


def _cell(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    if not total:
        return "-"
    others = [f"{number} {outcome}" for outcome, number in counts.items() if outcome != PASSED]
    return f"{counts.get(PASSED, 0)} of {total}{''.join(f', {text}' for text in others)}"


def _row(key: str, one: Json) -> str:
    title = one["title"] or one["test"].partition("::")[2]
    text = " ".join(one["reason"].split())
    shown = text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]} ..."
    reason = shown.replace("|", "\\|").replace("<", "&lt;")
    return f"| {title} (`{one['test']}`) | {', '.join(one['clauses'])}, {one['level']} | {key} | {reason} |"
