"""The wheel has exactly the files of the three packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = [pattern.removesuffix("*") for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
NOT_SHIPPED = shutil.ignore_patterns("__pycache__", "*.pyc")


@pytest.mark.slow
@pytest.mark.skipif(int(version("setuptools").split(".")[0]) < 77, reason="setuptools reads no SPDX licence: make venv")
def test_the_wheel_has_the_files_of_the_packages(tmp_path: Path) -> None:
    sources, target = tmp_path / "sources", tmp_path / "wheel"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, sources / package, ignore=NOT_SHIPPED)
    for name in ("pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]):
        shutil.copy(ROOT / name, sources)
    there = {path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.is_file()}
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", target)
    subprocess.run([sys.executable, "-m", "pip", "wheel", *offline, sources], check=True, capture_output=True)
    (wheel,) = target.iterdir()
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert shipped == {path for path in there if "/" in path}
    assert {"webhook/plugindata/bridge.json", "certs/py.typed", "webhook/commands/ui/page/index.html"} <= shipped
