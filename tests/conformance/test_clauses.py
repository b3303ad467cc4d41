"""Each test has a clause that exists, each section has a test or a reason, and the page says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.clauses import MUST, clause
from conformance.clausetable import PAGE, collect, render, untested
from conformance.profilelist import PROFILES
from conformance.standards import CNI, NPWG, STANDARDS, UNTESTED
from tests.paths import ROOT

TESTS = collect()


def test_there_are_tests() -> None:
    assert len(TESTS) > 130


def test_each_test_has_a_clause_and_a_title() -> None:
    assert [test.name for test in TESTS if not test.clauses or not test.title] == []


def test_each_section_has_a_test_or_a_reason() -> None:
    assert [key for key in untested(TESTS) if key[0] in {NPWG, CNI}] == []


def test_a_reason_is_for_a_section_without_tests() -> None:
    cited = {(clause.standard, clause.section) for test in TESTS for clause in test.clauses}
    assert cited & UNTESTED.keys() == set()
    assert all(section in STANDARDS[standard] for standard, section in UNTESTED)


def test_the_page_is_written_from_the_tests() -> None:
    assert PAGE.read_text() == render(TESTS), "run python -m conformance.clausetable"


def test_a_clause_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match=r"no section 9\.9"):
        clause(NPWG, "9.9", MUST)
    with pytest.raises(ValueError, match="the level is MAY"):
        clause(NPWG, "4", "MAY")


def test_each_profile_has_a_folder() -> None:
    folders = {path.parent.name for path in (ROOT / "conformance" / "profiles").glob("*/__init__.py")}
    assert folders == {profile.folder for profile in PROFILES}


def test_names_of_tests_are_unique_in_a_module() -> None:
    """A second function of the same name would hide the first."""
    for path in sorted((ROOT / "conformance" / "profiles").rglob("test_*.py")):
        names = [line for line in path.read_text().splitlines() if line.startswith("def test_")]
        assert len(names) == len({name.partition("(")[0] for name in names}), Path(path).name
