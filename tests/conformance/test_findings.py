"""The reports in docs/conformance: of this version's tests, and in agreement with what was known of Multus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.clausetable import collect
from conformance.conformancereport import render_markdown
from conformance.subject import load_subject
from tests.paths import ROOT

from .running import NADMIT

REPORTS = ROOT / "docs" / "conformance"
NAMES = sorted(path.stem for path in REPORTS.glob("*.yaml"))
FINDINGS = yaml.safe_load((Path(__file__).parent / "findings.yaml").read_text())
NOT_PASSED = ("failedTests", "staleTests", "deviatingTests", "skippedTests")


def report(name: str) -> dict[str, Any]:
    found = yaml.safe_load((REPORTS / f"{name}.yaml").read_text())
    assert isinstance(found, dict)
    return found


def listed_in(name: str, *kinds: str) -> set[str]:
    return {one["test"] for profile in report(name)["profiles"] for kind in kinds for one in profile.get(kind, [])}


def vectors(file: str) -> dict[str, dict[str, Any]]:
    cases = json.loads((ROOT / "tests" / "vectors" / file).read_text())["cases"]
    return {case["id"]: case for case in cases}


def test_there_are_reports() -> None:
    assert {"nadmit", "multus-thin", "multus-thick"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_of_tests_that_exist(name: str) -> None:
    known = {test.name for test in collect()}
    assert {test.partition("[")[0] for test in listed_in(name, *NOT_PASSED)} <= known


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_that_of_the_report(name: str) -> None:
    assert (REPORTS / f"{name}.md").read_text() == render_markdown(report(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_report_has_a_version(name: str) -> None:
    assert report(name)["implementation"]["version"] not in {"", "unknown"}


def test_nadmit_has_no_failure_and_names_its_deviations() -> None:
    assert listed_in("nadmit", "failedTests", "staleTests", "skippedTests") == set()
    subject = load_subject(NADMIT)
    assert {profile["name"] for profile in report("nadmit")["profiles"]} <= set(subject.profiles)
    assert [test for test in listed_in("nadmit", "deviatingTests") if subject.deviation_of(test) is None] == []


@pytest.mark.parametrize("name", ["multus-thin", "multus-thick"])
@pytest.mark.parametrize("row", FINDINGS["selections"], ids=lambda row: row["vector"])
def test_a_selection_that_multus_takes(name: str, row: dict[str, Any]) -> None:
    vector = vectors("annotation.json")[row["vector"]]
    is_taken = vector["multus"] == "ok" and "although" not in row
    assert (row["test"] in listed_in(name, "failedTests")) == is_taken, vector


@pytest.mark.parametrize("name", ["multus-thin", "multus-thick"])
@pytest.mark.parametrize("row", FINDINGS["statuses"], ids=lambda row: row["vector"])
def test_a_status_that_multus_writes(name: str, row: dict[str, Any]) -> None:
    vector = vectors("network_status.json")[row["vector"]]
    assert (row["test"] in listed_in(name, "failedTests")) == (vector["multus"] is None), vector
