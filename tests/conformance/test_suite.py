"""The suite passes our plugin: each profile, as root. What deviates is in conformance/subjects/nadmit.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from conformance.profilelist import NODE, PROFILES
from conformance.subject import load_subject

from .running import NADMIT, SUBJECTS, run_suite, skip_unless_possible

pytestmark = [pytest.mark.root, pytest.mark.slow]

CLAIMED = load_subject(NADMIT).profiles


@pytest.mark.parametrize(
    "profile", [profile.name for profile in PROFILES if profile.kind == NODE and profile.name in CLAIMED]
)
def test_nadmit(profile: str, tmp_path: Path) -> None:
    skip_unless_possible()
    done = run_suite(
        "--subject", NADMIT, "--profile", profile, "--strict", "--report", tmp_path, pytest_words=("-q", "--tb=short")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = yaml.safe_load((tmp_path / "report.yaml").read_text())["profiles"]
    assert found["name"] == profile
    assert "failedTests" not in found
    assert "skippedTests" not in found


def test_as_it_is_installed() -> None:
    """The subject without `strict` differs in requests alone, and its deviations are still true."""
    skip_unless_possible()
    chosen = ("--test", "npwgcore/test_requests.py", "--test", "npwgcore/test_selection.py")
    subject = SUBJECTS / "nadmit-default.yaml"
    done = run_suite("--subject", subject, *chosen, "--strict", pytest_words=("-q", "--tb=short"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_program() -> None:
    """What the suite asks for is not what our plugin happens to do: a reference of its own passes the simplest cases."""
    skip_unless_possible()
    chosen = ("--test", "npwgcore/test_selection.py", "--test", "npwgcore/test_defaultnetwork.py")
    done = run_suite("--subject", SUBJECTS / "direct.yaml", *chosen, "--strict", pytest_words=("-q", "--tb=short"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
