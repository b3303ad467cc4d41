"""Node bundles in tests: the forms that can be built here, their archives, and the interpreter in them."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.builtonce import built_once
from tests.paths import MANIFESTS

PLACE = "some/where"
"""The directory of the bundle in a root of a test: a bundle runs from any directory."""


def build_script(name: str) -> Any:
    """Return a module of the scripts that build bundles."""
    folder = str(MANIFESTS / "node")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def missing_part() -> str:
    """Return the reason why the form `frozen` cannot be built here, "" if it can."""
    try:
        build_script("frozen").find_parts()
    except build_script("buildtools").BundleError as error:
        return str(error)
    return ""


SNAPSHOT = "snapshot"
"""The form `frozen`, whose verbs begin with a snapshot."""


def forms() -> list[str]:
    """Return the forms that can be built here."""
    return ["modules"] if missing_part() else ["frozen", "modules"]


def ways() -> list[str]:
    """Return the ways in which a verb can begin, here: the forms, and with a snapshot."""
    return forms() if missing_part() else [*forms(), SNAPSHOT]


def archive_of(form: str, built: Path, factory: pytest.TempPathFactory) -> Path:
    """Return an archive of a form. `built` is one that exists."""
    form = "frozen" if form == SNAPSHOT else form
    if about(built)["form"] == form:
        return built
    program = [sys.executable, str(MANIFESTS / "node/bundle.py")]
    directory = built_once(factory, f"node-bundle-{form}", lambda target: [*program, str(target), form])
    (archive,) = directory.iterdir()
    return archive


def about(archive: Path) -> dict[str, Any]:
    """Return what an archive says about itself."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile("nadmit/nadmit-bundle.json")
        assert member is not None
        return dict(json.load(member))


def extract(archive: Path, root: Path) -> Path:
    """Return a root directory with only the bundle in it."""
    with tarfile.open(archive) as tar:
        tar.extractall(root / PLACE, filter="tar")
    return root


def write_snapshot(root: Path) -> Path:
    """Have the frozen program in a root write its snapshot; return the file."""
    top = f"/{PLACE}/nadmit"
    command = ["/usr/sbin/chroot", str(root), f"{top}/bin/nadmit", "--write-snapshot", f"{top}.snapshot"]
    subprocess.run(command, env={}, check=True, timeout=60)
    return root / f"{top[1:]}.snapshot"


def python(root: Path, code: str, *, prefix: tuple[str, ...] = ()) -> str:
    """Run code in the interpreter of the bundle, in a chroot; return what it prints.

    The frozen program is an interpreter if its name is `python3`. The form `modules` needs its loader for that.
    """
    top = f"/{PLACE}/nadmit"
    start = [f"{top}/bin/python3"]
    if (root / PLACE / "nadmit/lib/ld.so").exists():
        start = [f"{top}/lib/ld.so", "--inhibit-cache", "--library-path", f"{top}/lib", "--argv0", *start, *start]
        start += ["-I", "-S"]
    elif not (root / start[0].lstrip("/")).is_symlink():
        (root / start[0].lstrip("/")).symlink_to("nadmit")
    command = [*prefix, "/usr/sbin/chroot", str(root), *start, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
