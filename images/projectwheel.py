"""The wheel of this project, built from copies, because setuptools leaves files beside its sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from requirements.image import ROOT

from .machines import BuildError
from .wheels import unpack

NOT_IN_ARCHIVES = "conformance"
"""The package that images and archives leave out: it tests programs, and needs pytest."""
OPTIONS = ("--no-index", "--no-deps", "--no-build-isolation", "--quiet")


def copy_sources(sources: Path) -> None:
    """Copy what the wheel is built from."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    for pattern in pyproject["tool"]["setuptools"]["packages"]["find"]["include"]:
        package = pattern.removesuffix("*")
        ignored = shutil.ignore_patterns("__pycache__", ".mypy_cache")
        shutil.copytree(ROOT / package, sources / package, ignore=ignored)
    for name in ("pyproject.toml", project["readme"], *project["license-files"]):
        shutil.copy(ROOT / name, sources)


def build_plain(scratch: Path) -> Path:
    """Build the wheel without compiled modules, which every architecture can use; return its path."""
    sources = scratch / "sources"
    copy_sources(sources)
    return build_from(sources, scratch / "own")


def unpack_own(wheel: Path, target: Path) -> None:
    """Unpack the wheel of this project without the package that images and archives leave out."""
    unpack(wheel, target)
    shutil.rmtree(target / NOT_IN_ARCHIVES)


def build_from(sources: Path, target: Path, **environ: str) -> Path:
    """Build the wheel of copied sources into a directory; return its path. Raises BuildError with pip's words."""
    command = [sys.executable, "-m", "pip", "wheel", *OPTIONS, f"--wheel-dir={target}", str(sources)]
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"pip wheel: {done.stderr.strip()}")
    (wheel,) = target.iterdir()
    return wheel
