"""What several tests need and what takes seconds to build: built by the first worker, awaited by the others."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


def built_once(
    factory: pytest.TempPathFactory, name: str, command: Callable[[Path], list[str]], **environ: str
) -> Path:
    """Return the directory that a command has filled. `command` gets the directory to fill."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    directory = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            building = factory.mktemp(name)
            done = subprocess.run(
                command(building), env={**os.environ, **environ}, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            building.rename(directory)
    return directory
