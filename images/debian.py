"""Packages of Debian as parts: fetched for any architecture, and unpacked without being installed.

apt gets directories of its own, so that it neither reads nor changes what is installed on this machine. It checks the
signatures and hashes as always. The sources and keys are those of this machine, so they decide the release. Only
Debian 12 has the Python of PACKAGES. Which versions were used is in the bill of materials. To build again from the
same packages later, let apt's sources name a snapshot of the archive.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from requirements.image import PYTHON

from .machines import BuildError, Machine

PACKAGES = (
    "base-files",  # os-release, by which scanners know the distribution, and the texts of common licences
    "libc6",
    "libgcc-s1",  # for compiled wheels
    "libstdc++6",  # for compiled wheels
    "gcc-12-base",  # the notice of these two
    "libbz2-1.0",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "liblzma5",
    "libssl3",
    "libuuid1",
    "zlib1g",
    f"libpython{PYTHON}-minimal",
    f"libpython{PYTHON}-stdlib",
    f"python{PYTHON}-minimal",
)
"""The interpreter, and the libraries of those of its modules that the images use."""
EMULATOR = ("qemu-user-static",)
"""Only for the tests: it runs programs of another architecture."""


@dataclass(frozen=True)
class Package:
    """A package file, with the fields of its control file that are used here."""

    path: Path
    name: str
    version: str
    architecture: str
    sha256: str
    """Of the package file."""


def fetch(folder: Path, machine: Machine, names: tuple[str, ...] = PACKAGES) -> None:
    """Put the newest versions of packages for an architecture into a folder, and remove what was there.

    Raises BuildError without apt, or if it fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        options = _own_directories(Path(scratch), machine)
        _apt(Path(scratch), *options, "update", "--error-on=any")
        downloads = Path(scratch) / "downloads"
        downloads.mkdir()
        _apt(downloads, *options, "download", *names)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(downloads, folder)


def _own_directories(scratch: Path, machine: Machine) -> list[str]:
    """Return the options that let apt look at another architecture, without the state of this machine."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (scratch / name).mkdir(parents=True)
    status = scratch / "status"
    status.touch()
    values = {
        "APT::Architecture": machine.debian,
        "APT::Architectures": machine.debian,
        "APT::Sandbox::User": "root",  # the user _apt cannot write here
        "Acquire::Languages": "none",
        "Dir::State": str(scratch / "state"),
        "Dir::State::status": str(status),
        "Dir::Cache": str(scratch / "cache"),
    }
    return ["--quiet", "--quiet", *(f"--option={key}={value}" for key, value in values.items())]


def _apt(where: Path, *arguments: str) -> None:
    try:
        done = subprocess.run(["apt-get", *arguments], cwd=where, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BuildError("apt-get is not there; build on Debian 12, for example in a container") from error
    if done.returncode:
        raise BuildError(f"apt-get: {done.stderr.strip() or done.stdout.strip()}")


def read_packages(folder: Path) -> list[Package]:
    """Return the packages of a folder, sorted by name. Raises BuildError unless they are exactly PACKAGES."""
    found = [_read(path) for path in sorted(folder.glob("*.deb"))]
    if sorted(package.name for package in found) != sorted(PACKAGES):
        raise BuildError(f"{folder}: these are not the needed packages: make image-parts")
    return found


def _read(path: Path) -> Package:
    control = control_of(path)
    fields = dict(line.split(": ", 1) for line in control.splitlines() if ": " in line and not line.startswith(" "))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Package(path, fields["Package"], fields["Version"], fields["Architecture"], digest)


def control_of(path: Path) -> str:
    """Return the control file of a package file."""
    return _dpkg_deb("--field", str(path))


def unpack(package: Package, root: Path) -> None:
    """Unpack the files of a package below a directory; run none of its scripts."""
    root.mkdir(parents=True, exist_ok=True)
    _dpkg_deb("--extract", str(package.path), str(root))


def _dpkg_deb(*arguments: str) -> str:
    environ = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["dpkg-deb", *arguments], env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"dpkg-deb {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
