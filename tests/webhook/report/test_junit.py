"""JUnit XML: its structure, what fails, and texts that XML cannot hold."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from webhook.report import junit
from webhook.report.lint import ERROR, NOTE, WARNING, Finding, Report
from webhook.trees.problems import Position

SUBJECTS = tuple(
    (Position("a.yaml", line, 1), f"pod blue/{name}") for line, name in ((1, "good"), (9, "bad"), (19, "odd"))
)
FINDINGS = (
    Finding(Position("a.yaml", 10, 3), ERROR, "mac-value", 'no <MAC> & "address"\nmore', "pod blue/bad", "spec"),
    Finding(Position("a.yaml", 11, 3), ERROR, "ips-value", "no address", "pod blue/bad"),
    Finding(Position("a.yaml", 20, 3), WARNING, "config-name", "odd", "pod blue/odd"),
    Finding(Position("b.yaml", 2, 1), ERROR, "yaml-syntax", "not YAML: \x00\x1b\ud800 end"),
    Finding(Position("c/Chart.yaml"), NOTE, "helm-chart", "passed over"),
)
REPORT = Report(findings=FINDINGS, files=3, objects=3, judged=3, subjects=SUBJECTS)
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped"},
    "testcase": {"name", "classname"},
    "failure": {"message", "type"},
    "skipped": {"message"},
    "system-out": set(),
}
"""What junit-10.xsd of Jenkins' xunit plugin allows of each element, as far as it is used here."""


def tree(*, is_strict: bool = False) -> ET.Element:
    return ET.fromstring(junit.render(REPORT, failing=(ERROR, WARNING) if is_strict else (ERROR,)))  # noqa: S314 - our own text


def verdicts(root: ET.Element) -> dict[str, list[str]]:
    return {str(case.get("name")): [child.tag for child in case] for case in root.iter("testcase")}


def test_elements_and_attributes_are_those_of_the_schema() -> None:
    for element in tree().iter():
        assert set(element.attrib) == ATTRIBUTES[element.tag], element.tag


def test_each_object_is_a_case() -> None:
    assert verdicts(tree()) == {
        "pod blue/good": [],
        "pod blue/bad": ["failure"],
        "pod blue/odd": ["system-out"],
        "yaml-syntax": ["failure"],
        "helm-chart": ["skipped"],
    }


def test_warnings_fail_if_they_count() -> None:
    assert verdicts(tree(is_strict=True))["pod blue/odd"] == ["failure"]
    assert verdicts(tree(is_strict=True))["helm-chart"] == ["skipped"]


def test_counts() -> None:
    root = tree()
    assert (root.get("tests"), root.get("failures")) == ("5", "2")
    counts = [(suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in root]
    assert counts == [("a.yaml", "3", "1", "0"), ("b.yaml", "1", "1", "0"), ("c/Chart.yaml", "1", "0", "1")]


def test_texts_are_whole_and_characters_that_xml_cannot_hold_are_replaced() -> None:
    failures = [case.find("failure") for case in tree().iter("testcase")]
    first, second = (one for one in failures if one is not None)
    assert first.get("message") == 'spec: no <MAC> & "address"'
    assert first.get("type") == "mac-value, ips-value"
    assert first.text == (
        'a.yaml:10:3: error: spec: no <MAC> & "address"\nmore [mac-value]\na.yaml:11:3: error: no address [ips-value]'
    )
    assert (
        second.get("message")
        == "not YAML: \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} end"
    )


def test_nothing_is_a_report_too() -> None:
    empty = ET.fromstring(junit.render(Report(findings=(), files=0, objects=0, judged=0)))  # noqa: S314 - as above
    assert (empty.get("tests"), empty.get("failures"), list(empty)) == ("0", "0", [])
