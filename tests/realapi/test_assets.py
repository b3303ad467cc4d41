from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

from . import assets
from .assets import HOW_TO, NEEDED, USUAL_PLACE, VARIABLE, AssetsError, find_assets


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The usual place is an empty directory, and the variable is not set."""
    monkeypatch.setattr(assets, "USUAL_PLACE", tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path


def fill(directory: Path, *names: str) -> None:
    directory.mkdir(exist_ok=True)
    for name in names:
        (directory / name).touch(mode=0o755)


def test_an_empty_usual_place(usual: Path) -> None:
    fill(usual, "etcd")
    assert find_assets() is None


def test_the_usual_place(usual: Path) -> None:
    fill(usual, *NEEDED, "kubectl")
    assert find_assets() == (usual / "kube-apiserver", usual / "etcd", usual / "kubectl")


def test_a_directory_that_was_named(usual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(usual / "own", *NEEDED)
    monkeypatch.chdir(usual)
    monkeypatch.setenv(VARIABLE, "own")
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_assets() == (usual / "own" / "kube-apiserver", usual / "own" / "etcd", None)


def test_a_named_directory_without_the_programs_is_an_error(usual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(usual, *NEEDED)
    (usual / "etcd").chmod(0o644)
    monkeypatch.setenv(VARIABLE, str(usual))
    with pytest.raises(AssetsError, match=f"^{VARIABLE}={usual}: it has no etcd that can be run"):
        find_assets()


def run(**environ: str) -> subprocess.CompletedProcess[str]:
    """Run tests that need a real API server, as CI does."""
    inherited = {key: value for key, value in os.environ.items() if key != VARIABLE}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/node/api/test_account.py"],
        env={**inherited, "NADMIT_NO_SKIPS": "1", **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif((USUAL_PLACE / "etcd").exists(), reason=f"there is one in {USUAL_PLACE}")
def test_without_one_its_tests_are_skipped_in_one_line_even_in_ci() -> None:
    done = run()
    told = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert (done.returncode, len(told)) == (0, 1), done.stdout
    assert told[0].endswith(HOW_TO)
    assert " skipped in " in done.stdout


@pytest.mark.slow
def test_a_wrong_directory_fails_the_tests() -> None:
    done = run(**{VARIABLE: "/nowhere"})
    assert done.returncode == 1
    assert f"{VARIABLE}=/nowhere: it has no kube-apiserver and no etcd" in done.stdout
    assert " skipped" not in done.stdout
