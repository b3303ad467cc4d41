"""The results of policy tests (`nadmit test`) as text, JSON and JUnit XML."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from webhook.report.plaintext import counted
from webhook.trees.problems import Position

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `allowed`, `refused`, `place`, `warning`."""


class CaseResult(NamedTuple):
    """The result of one test.

    `expected_decider`: "" for anybody. `decided`: the verdict and who decided. `answer`: what the webhook says, line by
    line. `failure`: "" for a test that passes.
    """

    name: str
    position: Position
    expected: str
    expected_decider: str
    verdict: str
    decided: str
    answer: tuple[str, ...]
    failure: str


class CaseReport(NamedTuple):
    """All results in the order of the files. `idle`: rules that decided no test; None if nobody asks for them."""

    results: Sequence[CaseResult]
    idle: Sequence[str] | None = None

    @property
    def failed(self) -> int:
        """The number of tests that failed."""
        return sum(bool(one.failure) for one in self.results)

    @property
    def summary(self) -> str:
        """The last line for people."""
        files = len({one.position.file for one in self.results})
        return f"{counted(len(self.results), 'test')} in {counted(files, 'file')}, {self.failed} failed"


def render_text(report: CaseReport, paint: Paint, *, shows_all: bool) -> str:
    """Return a block for each test that failed, the idle rules, and the summary. `shows_all`: passed ones as well."""
    lines: list[str] = []
    for one in report.results:
        if one.failure:
            lines += [f"{paint(f'{one.position}:', 'place')} {paint('FAIL', 'refused')} {one.name}"]
            lines += [f"    {one.failure}", f"    got {one.decided}", *(f"      {line}" for line in one.answer)]
        elif shows_all:
            lines += [f"{paint(f'{one.position}:', 'place')} {paint('ok', 'allowed')} {one.name}: {one.decided}"]
    if report.idle:
        lines += [f"{paint('no test is decided by', 'warning')} {rule}" for rule in report.idle]
    return "\n".join([*lines, report.summary])


def render_json(report: CaseReport) -> str:
    """Return an object with `tests`, `summary` and, if they are asked for, `idleRules`."""
    value = {
        "tests": [
            {
                "file": one.position.file,
                "line": one.position.line,
                "name": one.name,
                "passed": not one.failure,
                "expected": one.expected,
                "expectedDecider": one.expected_decider,
                "verdict": one.verdict,
                "decided": one.decided,
                "failure": one.failure,
                "answer": list(one.answer),
            }
            for one in report.results
        ],
        **({} if report.idle is None else {"idleRules": list(report.idle)}),
        "summary": {"tests": len(report.results), "failed": report.failed},
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def render_junit(report: CaseReport) -> str:
    """Return JUnit XML: a `testsuite` for each file."""
    root = ET.Element("testsuites", name="nadmit test", tests=str(len(report.results)), failures=str(report.failed))
    for file, results in _by_file(report.results):
        failed = sum(bool(one.failure) for one in results)
        suite = ET.SubElement(root, "testsuite", name=file, tests=str(len(results)), failures=str(failed))
        for one in results:
            case = ET.SubElement(
                suite, "testcase", name=one.name, classname=file, file=file, line=str(one.position.line)
            )
            if one.failure:
                text = "\n".join([f"got {one.decided}", *one.answer])
                ET.SubElement(case, "failure", message=_printable(one.failure)).text = _printable(text)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _by_file(results: Sequence[CaseResult]) -> Iterator[tuple[str, list[CaseResult]]]:
    for file, group in groupby(results, key=lambda one: one.position.file):
        yield file, list(group)


def _printable(text: str) -> str:
    """Return a text without the characters that XML 1.0 cannot have."""
    return "".join(char for char in text if char.isprintable() or char in "\n\t")
