"""The packages of the system from which a bundle was made, for the bill of materials of its image (images/sbom.py)."""

from __future__ import annotations

import platform
import shutil
import subprocess
from typing import NamedTuple

_FORMAT = "${Package}\\t${Version}\\t${Architecture}\\n"


class Owner(NamedTuple):
    """A package, and the file with its notice in the bundle."""

    name: str
    version: str
    architecture: str
    notice: str
    sha256: str = ""
    """Of the package file; empty for a package that is installed here, whose file is not kept."""

    def fields(self) -> dict[str, str]:
        """Return the fields as nadmit-bundle.json has them."""
        return {key: value for key, value in self._asdict().items() if value}


def owner(name: str) -> Owner:
    """Return an installed package. NB: on a system with foreign architectures it may be installed for several."""
    command = ["dpkg-query", "--show", f"--showformat={_FORMAT}", name]
    rows = [line.split("\t") for line in _run(*command).splitlines()]
    own = {_run("dpkg", "--print-architecture").strip(), "all"}
    found, version, architecture = next((row for row in rows if row[2] in own), rows[0])
    return Owner(found, version, architecture, f"{found}.txt")


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def contents(licences: dict[str, str]) -> dict[str, object]:
    """Return the packages whose notices a bundle has, and their distribution. Without dpkg both are empty."""
    if not shutil.which("dpkg-query"):
        return {"distribution": "", "packages": []}
    names = sorted({name.removesuffix(".txt") for name in licences.values()} - {"python"})
    return {"distribution": distribution(), "packages": [owner(name).fields() for name in names]}


def distribution() -> str:
    """Return the distribution as package URLs name it, such as `debian-12`."""
    found = platform.freedesktop_os_release()
    return f"{found['ID']}-{found.get('VERSION_ID', 'rolling')}"
