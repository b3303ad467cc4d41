"""What an image says about its build: the time, the revision, and which interpreter may build it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from images import release
from images.machines import BuildError
from tests.paths import ROOT


def test_the_time_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert release.label("one:1", "one").created == 86400
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(BuildError, match="SOURCE_DATE_EPOCH 'yesterday': this is not a number of seconds"):
        release.label("one:1", "one")


def test_the_time_is_else_that_of_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    command = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    expected = int(done.stdout) if done.returncode == 0 else 0
    found = release.label("one:1", "one")
    assert found.created == expected
    assert re.fullmatch("[0-9a-f]{40}", found.annotations.get("org.opencontainers.image.revision", "0" * 40))


def test_another_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "PYTHON", "3.99")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(BuildError, match=f"this is Python {here}; images have 3.99, whose bytecode is another"):
        release.check_interpreter()
