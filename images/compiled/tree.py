"""Make a tree in which tests run on the compiled form: `python -m images.compiled.tree`; `make test-compiled` does.

The tree is a copy of all files that git knows, with the compiled modules beside their sources. The tests of the tree
import its packages, because pytest runs there, so the tree of the work stays plain.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from images.machines import BuildError
from requirements.image import ROOT

from .wheel import build

SUFFIX = ".so"


def main(arguments: list[str] | None = None) -> int:
    """Make the tree, and print its path."""
    parser = argparse.ArgumentParser(prog="images.compiled.tree", description="Make a tree with compiled modules.")
    parser.add_argument("directory", type=Path, help="the tree; what is there is replaced")
    given = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            make(given.directory, build(Path(scratch)))
    except BuildError as error:
        sys.stderr.write(f"compiled tree: {error}\n")
        return 1
    sys.stdout.write(f"{given.directory}\n")
    return 0


def make(directory: Path, wheel: Path) -> None:
    """Copy the files that git knows, and put the compiled modules of a wheel beside their sources."""
    if directory.exists():
        shutil.rmtree(directory)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # a removed file is listed until it is committed
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory, [name for name in archive.namelist() if name.endswith(SUFFIX)])


if __name__ == "__main__":
    sys.exit(main())
