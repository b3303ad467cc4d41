"""Wheels as parts: fetched for any architecture by the hashes in requirements, and unpacked (PEP 427).

Only wheels: the hash of a source archive does not cover what its build downloads. The hashes are checked when a wheel
is fetched and again when it is unpacked, because days may lie between these.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from requirements import image as requirements

from .machines import BuildError, Machine


@dataclass(frozen=True)
class Wheel:
    """A wheel, with what its file name and its metadata say."""

    path: Path
    name: str
    version: str
    licence: str
    """An SPDX expression (PEP 639); empty if the metadata have none."""
    sha256: str


def fetch(folder: Path, machine: Machine) -> None:
    """Put the wheels of requirements/image.txt for an architecture into a folder, and remove others.

    Raises BuildError if pip does not find one, or finds one with another hash.
    """
    _fetch(folder, requirements.OUTPUT, [requirements.platform_options(machine.name)])


def fetch_for_plugin(folder: Path, machine: Machine) -> None:
    """Do the same with requirements/plugin.txt, for each interpreter that the archive is for."""
    options = [
        requirements.platform_options(machine.name, python, requirements.PLUGIN_GLIBC_MINORS)
        for python in requirements.PLUGIN_PYTHONS
    ]
    _fetch(folder, requirements.PLUGIN, options)


def _fetch(folder: Path, listed: Path, options: list[list[str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for chosen in options:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
        ]
        command += ["--no-deps", f"--dest={folder}", f"--requirement={listed}", *chosen]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(f"pip download: {done.stderr.strip()}")
    known = _known(listed)
    for path in folder.iterdir():
        if hashlib.sha256(path.read_bytes()).hexdigest() not in known:
            path.unlink()


def read_wheels(folder: Path, listed: Path = requirements.OUTPUT) -> list[Wheel]:
    """Return the wheels of a folder, sorted by name.

    Raises BuildError if a package of a file of requirements is missing, or if a wheel is not one of them.
    """
    wheels = [_read(path) for path in sorted(folder.glob("*.whl"))]
    known = _known(listed)
    for wheel in wheels:
        if known.get(wheel.sha256) != wheel.name:
            raise BuildError(f"{wheel.path}: its hash is not in {listed.name}: make image-parts")
    missing = set(known.values()) - {wheel.name for wheel in wheels}
    if missing:
        raise BuildError(f"{folder}: these wheels are missing: {', '.join(sorted(missing))}: make image-parts")
    return sorted(wheels, key=lambda wheel: wheel.name)


def _known(listed: Path) -> dict[str, str]:
    """Return the name of the package for each hash of a file of requirements."""
    text = listed.read_text().replace("\\\n", " ")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {
        word.removeprefix("--hash=sha256:"): canonicalize_name(pin.partition("==")[0])
        for pin, *words in lines
        for word in words
    }


def _read(path: Path) -> Wheel:
    name, version, _, _ = parse_wheel_filename(path.name)
    with zipfile.ZipFile(path) as archive:
        (metadata,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA") and one.count("/") == 1)
        headers = HeaderParser().parsestr(archive.read(metadata).decode())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(path, name, str(version), headers.get("License-Expression", ""), digest)


def unpack(path: Path, target: Path) -> None:
    """Unpack a wheel into a directory of packages.

    The directory `<name>.data` has parts for other places. Those for directories of packages are put there. Commands,
    headers and data files of the packages are left out, because the image runs only the command of the project.
    """
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            top, _, rest = info.filename.partition("/")
            scheme, _, inner = rest.partition("/")
            is_data = top.endswith(".data")
            name = inner if is_data else info.filename
            if info.is_dir() or (is_data and scheme not in {"purelib", "platlib"}):
                continue
            place = (target / name).resolve()
            if not place.is_relative_to(target.resolve()):
                raise BuildError(f"{path}: {info.filename!r} is outside of its directory")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.read(info))
