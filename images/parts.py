"""Fetch the parts of images: `python -m images.parts [--only KIND] MACHINE...`, which `make image-parts` runs.

This is the only program here that uses the network. The parts go to `build/parts`, where the other programs find them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from requirements.image import ROOT

from . import debian, wheels
from .machines import BuildError, Machine, machine

PARTS = ROOT / "build" / "parts"


def _fetch_emulator(folder: Path, machine: Machine) -> None:
    debian.fetch(folder, machine, debian.EMULATOR)


_FETCHERS: dict[str, Callable[[Path, Machine], None]] = {
    "debian": debian.fetch,
    "wheels": wheels.fetch,
    "emulator": _fetch_emulator,
    "plugin": wheels.fetch_for_plugin,
}
DEFAULT = ("debian", "wheels")


def folder_of(kind: str, machine: Machine, parts: Path = PARTS) -> Path:
    """Return the folder of one kind of parts."""
    return parts / kind / machine.name


def main() -> int:
    """Fetch parts, and print where they are."""
    parser = argparse.ArgumentParser(prog="images.parts")
    parser.add_argument("--only", choices=_FETCHERS, action="append")
    parser.add_argument("machines", nargs="+", metavar="MACHINE")
    given = parser.parse_args()
    try:
        for name in given.machines:
            for kind in given.only or DEFAULT:
                folder = folder_of(kind, machine(name))
                _FETCHERS[kind](folder, machine(name))
                sys.stdout.write(f"{folder}: {len(list(folder.iterdir()))} files\n")
    except BuildError as error:
        sys.stderr.write(f"parts: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
