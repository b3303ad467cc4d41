"""The console scripts of pyproject.toml in a folder of their own, as an installer would write them, for this tree."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def install_scripts(folder: Path) -> Path:
    """Write each console script into a folder."""
    folder.mkdir(exist_ok=True)
    for name, target in PROJECT["scripts"].items():
        module, _, function = target.partition(":")
        script = folder / name
        script.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        script.chmod(0o755)
    return folder


def environment(*folders: Path, **more: str) -> dict[str, str]:
    """Return an environment whose PATH begins with some folders, without settings of completions and of kubectl.

    There is no home directory, so that no program reads or leaves files in one.
    """
    path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    return {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": "/dev/null", "LC_ALL": "C.UTF-8"} | more


def run(words: list[str], folder: Path, environ: dict[str, str], text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program in a folder."""
    return subprocess.run(
        words, cwd=folder, env=environ, input=text, capture_output=True, text=True, timeout=60, check=False
    )
