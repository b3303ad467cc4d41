"""The suite notices seeded faults: each test named in mutants.yaml fails for a plugin with the fault beside it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.paths import ROOT

from .running import NADMIT, run_suite, skip_unless_possible

MUTANTS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "mutants.yaml").read_text())
PLUGIN = ROOT / "cniplugin"
IN_SOURCE_TREE = "{here}/../.."
CACHE = "-Xpycache_prefix={work}/pycache"
"""A copy has the compiled files of the source tree beside it, so that only the module with the fault is compiled."""


def edits(mutant: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return file, old text and new text of each edit."""
    also = mutant.get("also", [])
    every = [mutant, *(also if isinstance(also, list) else [also])]
    return [(edit.get("file", mutant["file"]), edit["old"], edit["new"]) for edit in every]


def mutate(folder: Path, mutant: dict[str, Any]) -> Path:
    """Copy the plugin with a fault, and return the subject file of the copy."""
    shutil.copytree(PLUGIN, folder / "cniplugin")
    for name, old, new in edits(mutant):
        path = folder / "cniplugin" / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name}: {old!r} must be there once"
        path.write_text(text.replace(old, new))
    subject = folder / "subject.yaml"
    text = NADMIT.read_text()
    assert IN_SOURCE_TREE in text
    assert CACHE in text
    subject.write_text(text.replace(IN_SOURCE_TREE, str(folder)).replace(CACHE, "-Xutf8"))
    return subject


def test_there_are_enough() -> None:
    assert len(MUTANTS) >= 40
    assert len({str(edits(mutant)) for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize(
    "mutant", [pytest.param(mutant, id=f"{number}-{mutant['file']}") for number, mutant in enumerate(MUTANTS)]
)
def test_a_fault_is_noticed(mutant: dict[str, Any], tmp_path: Path) -> None:
    skip_unless_possible()
    done = run_suite(
        "--subject",
        mutate(tmp_path, mutant),
        "--test",
        mutant["test"],
        "--strict",
        pytest_words=("-x", "-q", "--tb=no"),
    )
    assert (done.returncode, bool(re.search(r"\b1 failed\b", done.stdout))) == (1, True), done.stdout + done.stderr
