"""What `pip install .` reads, in a folder of its own: setuptools writes beside the sources."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.paths import ROOT

NOT_SHIPPED = shutil.ignore_patterns("__pycache__", "*.pyc")
PACKAGES = ("webhook", "cniplugin", "certs", "conformance")
FILES = ("pyproject.toml", "README.md", "LICENSE", "action.yml", ".pre-commit-hooks.yaml")


def copy_sources(target: Path) -> Path:
    """Copy the packages and the files that a package manager reads."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=NOT_SHIPPED)
    for name in FILES:
        shutil.copy(ROOT / name, target)
    (target / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "constraints.txt", target / "requirements")
    return target
