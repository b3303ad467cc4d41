"""Findings as JUnit XML, which Jenkins, GitLab and Azure DevOps show as test results.

Each file is a test suite and each judged object a test case: it fails if it has a problem, and warnings are its output.
A finding that is about no object is a test case with the name of its rule. The attributes are those of the schema of
Jenkins' xunit plugin (junit-10.xsd).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Sequence

from .lint import ERROR, NOTE, Finding, Report

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold (XML 1.0 §2.2)."""


def render(report: Report, *, failing: Collection[str] = (ERROR,), command: str = "check") -> str:
    """Return the document. `failing`: the levels of findings that fail. `command`: whose report it is."""
    cases: dict[str, dict[str, list[Finding]]] = {}
    for position, subject in report.subjects:
        cases.setdefault(position.file, {}).setdefault(subject, [])
    for finding in report.findings:
        cases.setdefault(finding.position.file, {}).setdefault(finding.subject or finding.rule, []).append(finding)
    root = ET.Element("testsuites")
    failures = sum(_add_suite(root, file, some, failing=failing) for file, some in cases.items())
    root.attrib |= {"name": f"nadmit {command}", "tests": str(sum(map(len, cases.values()))), "failures": str(failures)}
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}'


def _add_suite(root: ET.Element, file: str, cases: dict[str, list[Finding]], *, failing: Collection[str]) -> int:
    """Add the cases of a file, and return how many fail."""
    suite = ET.SubElement(root, "testsuite", name=_text(file))
    failures = skipped = 0
    for name, findings in cases.items():
        case = ET.SubElement(suite, "testcase", classname=_text(file), name=_text(name))
        failed = [one for one in findings if one.level in failing]
        notes = [one for one in findings if one.level == NOTE]
        if failed:
            kinds = ", ".join(dict.fromkeys(one.rule for one in failed))
            failure = ET.SubElement(
                case, "failure", message=_text(failed[0].text.partition("\n")[0]), type=_text(kinds)
            )
            failure.text = _lines(failed)
            failures += 1
        elif notes and len(notes) == len(findings):
            ET.SubElement(case, "skipped", message=_text(notes[0].text))
            skipped += 1
            continue
        if others := [one for one in findings if one not in failed]:
            ET.SubElement(case, "system-out").text = _lines(others)
    suite.attrib |= {"tests": str(len(cases)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    return failures


def _lines(findings: Sequence[Finding]) -> str:
    return _text("\n".join(f"{one.position}: {one.level}: {one.text} [{one.rule}]" for one in findings))


def _text(text: str) -> str:
    """Return a text without characters that XML cannot hold; annotations may have any."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
