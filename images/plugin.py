"""Build the archive of `kubectl nadmit`: `python -m images.plugin MACHINE...`, which `make kubectl-plugin` runs.

The archive is for machines that have Python and nothing else: a package manager such as krew unpacks it and links
`kubectl-nadmit`. It has the commands of the project, and beside them in `lib` the project and the wheels of
requirements/plugin.txt for each interpreter of PLUGIN_PYTHONS. These can lie in one directory, because the names of
extension modules carry the version of their interpreter (PEP 3149), and all other files are the same for all.

Not for macOS and Windows: their wheels cannot be tried here. `pipx install` is the way there.
"""

from __future__ import annotations

import argparse
import gzip
import io
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from requirements.image import PLUGIN, PLUGIN_PYTHONS, ROOT

from . import release, wheels
from .layers import GZIP_LEVEL, bare
from .machines import BuildError, Machine, machine
from .parts import PARTS, folder_of
from .projectwheel import build_plain, unpack_own
from .webhook import commands

TITLE = "kubectl-nadmit"
COMMAND = """\
#!/usr/bin/env python3
import os
import sys

if not {oldest} <= sys.version_info[:2] <= {newest}:
    sys.exit(
        "{name}: %s is Python %d.%d; allowed: {pythons}; put one of these first on PATH as python3"
        % (sys.executable, sys.version_info[0], sys.version_info[1])
    )
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))
from {module} import {function}

sys.exit({function}())
"""
"""NB: older interpreters must be able to read it, so that they print the message."""


def main() -> int:
    """Build the archives, and print their paths."""
    parser = argparse.ArgumentParser(prog="images.plugin")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--parts", type=Path, default=PARTS)
    parser.add_argument("machines", nargs="+", metavar="MACHINE")
    given = parser.parse_args()
    try:
        written = build([machine(name) for name in given.machines], given.output, given.parts)
    except BuildError as error:
        sys.stderr.write(f"kubectl plugin: {error}\n")
        return 1
    sys.stdout.write("".join(f"{path}: {path.stat().st_size / 1e6:.1f} MB\n" for path in written))
    return 0


def build(machines: list[Machine], directory: Path, parts: Path = PARTS) -> list[Path]:
    """Write the archive for some architectures. Raises BuildError if parts are missing."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory() as scratch:
        own = build_plain(Path(scratch))
        for one in machines:
            tree = Path(scratch) / one.name
            _fill(tree, own, wheels.read_wheels(folder_of("plugin", one, parts), PLUGIN))
            written.append(directory / file_name(one))
            written[-1].write_bytes(_pack(tree))
    return written


def file_name(machine: Machine) -> str:
    """Return the name of the archive for an architecture, which .krew.yaml makes of the tag of a release."""
    return f"{TITLE}-v{release.version()}-linux-{machine.oci}.tar.gz"


def _fill(tree: Path, own: Path, found: list[wheels.Wheel]) -> None:
    for wheel in found:
        wheels.unpack(wheel.path, tree / "lib")
    unpack_own(own, tree / "lib")
    shutil.copy(ROOT / "LICENSE", tree)
    pythons = f"{PLUGIN_PYTHONS[0]} to {PLUGIN_PYTHONS[-1]}"
    oldest, newest = (tuple(map(int, python.split("."))) for python in (PLUGIN_PYTHONS[0], PLUGIN_PYTHONS[-1]))
    for name, module, function in commands():
        text = COMMAND.format(
            name=name, module=module, function=function, pythons=pythons, oldest=oldest, newest=newest
        )
        (tree / name).write_text(text)
        (tree / name).chmod(0o755)


def _pack(tree: Path) -> bytes:
    """Return the archive: the same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(tree.rglob("*")):
            tar.add(path, str(path.relative_to(tree)), recursive=False, filter=bare)
    return gzip.compress(buffer.getvalue(), GZIP_LEVEL, mtime=0)


if __name__ == "__main__":
    sys.exit(main())
