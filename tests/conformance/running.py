"""Runs of the suite against the plugin of this project."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from conformance.isolation import missing
from tests.paths import ROOT

SUBJECTS = ROOT / "conformance" / "subjects"
NADMIT = SUBJECTS / "nadmit.yaml"


def skip_unless_possible() -> None:
    lacking = missing()
    if lacking:
        pytest.skip("; ".join(lacking))


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "conformance", *map(str, words)]


def run_suite(*words: str | Path, pytest_words: Sequence[str] = ("-q",)) -> subprocess.CompletedProcess[str]:
    given = command(*words, "--workers", "1", "--", *pytest_words)
    return subprocess.run(given, cwd=ROOT, capture_output=True, text=True, check=False)
