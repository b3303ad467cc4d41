"""docs/conformance/webhooks.md shows what the reports of the shipped subjects say, and these belong to the subject files."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from conformance.subject import Subject, load_subject
from tests.paths import ROOT

PAGE = ROOT / "docs" / "conformance" / "webhooks.md"
REPORTS = PAGE.parent
SUBJECTS = ("nadmit-webhook", "nadmit-webhook-multus", "nadac", "nri")
LEVELS = ("must", "should", "practice")


def load_report(name: str) -> dict[str, Any]:
    report: dict[str, Any] = yaml.safe_load((REPORTS / f"{name}.yaml").read_text())
    return report


def shown(name: str, report: dict[str, Any], profile: dict[str, Any]) -> str:
    """Return the row of the page for a profile of a report."""
    counts = [profile["statistics"][level] for level in LEVELS]
    passed = [f"{count.get('passed', 0)} of {sum(count.values())}" for count in counts]
    implementation = report["implementation"]
    link = f"[{implementation['project']}]({name}.md)"
    return f"| {' | '.join([link, implementation['version'], profile['name'], *passed])} |"


def subject_of(name: str, monkeypatch: pytest.MonkeyPatch) -> Subject:
    for variable in ("NADAC", "NADAC_VERSION", "NRI", "NRI_VERSION"):
        monkeypatch.setenv(variable, "x")
    return load_subject(ROOT / "conformance" / "subjects" / f"{name}.yaml")


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_page_has_the_figures(name: str) -> None:
    report = load_report(name)
    rows = PAGE.read_text().splitlines()
    assert [row for each in report["profiles"] if (row := shown(name, report, each)) not in rows] == []


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_failure_is_named_in_the_subject_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    report, subject = load_report(name), subject_of(name, monkeypatch)
    assert [each["name"] for each in report["profiles"]] == list(subject.profiles)
    named = {each.tests for each in subject.deviations}
    found = set()
    for profile in report["profiles"]:
        assert "failedTests" not in profile
        assert "staleTests" not in profile
        found |= {each["test"] for each in profile.get("deviatingTests", ())}
    assert found == named


@pytest.mark.parametrize("name", SUBJECTS)
def test_both_forms_are_of_one_run(name: str) -> None:
    report = load_report(name)
    text = (REPORTS / f"{name}.md").read_text()
    assert f"# Conformance of {report['implementation']['project']} {report['implementation']['version']}\n" in text
    for profile in report["profiles"]:
        assert f"| {profile['name']} | {profile['result']} |" in text
