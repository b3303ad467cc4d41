"""The reports of plugins in docs/conformance: those of ours belong to their subject files, and all can be read."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from conformance.subject import load_subject
from tests.paths import ROOT

REPORTS = ROOT / "docs" / "conformance"
OURS = ("nadmit", "nadmit-default")
PLUGINS = (*OURS, "multus-thin", "multus-thick")
INTROSPECTION = re.compile(r"0x[0-9a-f]{6,}|<built-in|&lt;built-in| object at |\+ +where ")
"""What pytest says about how Python came to a value."""


def load_report(name: str) -> dict[str, Any]:
    report: dict[str, Any] = yaml.safe_load((REPORTS / f"{name}.yaml").read_text())
    return report


@pytest.mark.parametrize("name", OURS)
def test_each_deviation_is_of_the_subject_file(name: str) -> None:
    subject = load_subject(ROOT / "conformance" / "subjects" / f"{name}.yaml")
    report = load_report(name)
    assert [each["name"] for each in report["profiles"]] == list(subject.profiles)
    found = []
    for profile in report["profiles"]:
        assert profile.keys().isdisjoint({"failedTests", "staleTests", "skippedTests"})
        found += [each["test"] for each in profile.get("deviatingTests", ())]
    assert [test for test in found if subject.deviation_of(test) is None] == []
    assert [row.tests for row in subject.deviations if not any(map(row.matches, found))] == []


@pytest.mark.parametrize("name", PLUGINS)
def test_each_reason_is_a_line_for_readers(name: str) -> None:
    assert INTROSPECTION.findall((REPORTS / f"{name}.md").read_text()) == []
    rows = [row for profile in load_report(name)["profiles"] for row in profile.get("failedTests", ())]
    assert [row["test"] for row in rows if not row["reason"] or "\n" in row["reason"]] == []


def test_the_reports_are_of_the_same_tests() -> None:
    totals = set()
    for name in PLUGINS:
        counts = [
            profile["statistics"][level] for profile in load_report(name)["profiles"] for level in profile["statistics"]
        ]
        totals.add(sum(sum(count.values()) for count in counts))
    assert len(totals) == 1
