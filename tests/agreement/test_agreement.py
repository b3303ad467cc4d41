"""No pod and no definition is judged otherwise than the node treats it, but for those of `known.yaml`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.paths import ROOT

from .__main__ import problem


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_every_disagreement_is_known() -> None:
    lacking = problem()
    if lacking:
        pytest.skip(lacking)
    words = [sys.executable, "-m", "tests.agreement", "--brief"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}"
