"""The notices for the files of a node bundle: Python's licence, and the `copyright` of each Debian package with a file.

    licences/nadmit.txt            the licence of this project
    licences/python.txt            the licence of the interpreter, if no package of the system owns it
    licences/<package>.txt         /usr/share/doc/<package>/copyright
    licences/common-licenses/...   the texts of /usr/share/common-licenses to which these refer

The launcher is linked statically, so the packages of libc.a and libgcc.a count as well. A file without a notice is an
error. On a system without dpkg it is a warning: before you pass the bundle on, add the missing notices.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

DOCUMENTS = Path("/usr/share/doc")
COMMON = Path("/usr/share/common-licenses")
_REFERENCE = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*)")
_OWNER = re.compile(r"^([a-z0-9][a-z0-9.+-]*)(?::[a-z0-9]+)?(?:, [^:/]+(?::[a-z0-9]+)?)*: (/.*)$", re.MULTILINE)


class LicenceError(Exception):
    """One line that says which file has no notice."""


def add_licences(own: Path, shipped: list[Path], target: Path) -> dict[str, str]:
    """Write the notices of the shipped files into a directory; return the name of each file's notice.

    `own` is the licence of this project. Raises LicenceError for the first file without a notice. On a system without
    dpkg it warns on stderr for each such file instead.
    """
    target.mkdir()
    shutil.copy(own, target / "nadmit.txt")
    owners = _owners(shipped)
    names: dict[str, str] = {}
    for path in sorted(set(shipped)):
        found = _notice(path, owners.get(path, ""))
        if found is None:
            _complain(f"{path}: no notice is found for this file; a bundle must not be passed on without it")
            continue
        name, text = found
        (target / name).write_text(text)
        names[str(path)] = name
        add_common_licences(text, target, name)
    return names


def add_common_licences(text: str, target: Path, notice: str) -> None:
    """Copy the common licences to which a notice refers into a directory. `notice` is its name, for errors."""
    for reference in sorted(set(_REFERENCE.findall(text))):
        _add_common(reference, target, notice)


def static_libraries(compiler: str = "gcc") -> list[Path]:
    """Return the libraries that a compiler links into a static program."""
    words = [compiler, "-print-file-name=libc.a"], [compiler, "-print-libgcc-file-name"]
    found = (subprocess.run(word, capture_output=True, text=True, check=True).stdout.strip() for word in words)
    return [Path(path).resolve() for path in found]


def _notice(path: Path, package: str) -> tuple[str, str] | None:
    """Return the name and text of a file's notice; None without one."""
    if package:
        document = DOCUMENTS / package / "copyright"
        return (f"{package}.txt", document.read_text(errors="replace")) if document.is_file() else None
    stdlib = Path(sysconfig.get_path("stdlib"))
    is_python = path.is_relative_to(stdlib) or path.name.startswith(("python", "libpython"))
    places = (stdlib / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE")
    text = next((place.read_text() for place in places if place.is_file()), None)
    return ("python.txt", text) if is_python and text else None


def _owners(paths: list[Path]) -> dict[Path, str]:
    """Return the package of each file. NB: dpkg has the paths from before /lib became a link to /usr/lib."""
    if not shutil.which("dpkg"):
        return {}
    names: dict[str, Path] = {}
    for path in paths:
        for name in (path, path.resolve(), path.parent.resolve() / path.name):
            names |= {str(name): path, str(name).removeprefix("/usr"): path}
    out = subprocess.run(["dpkg", "-S", *names], capture_output=True, text=True, check=False).stdout
    return {names[name]: package for package, name in _OWNER.findall(out) if name in names}


def _add_common(name: str, target: Path, notice: str) -> None:
    source = COMMON / name
    if not source.is_file():
        _complain(f"{source}: {notice} refers to this text, and it is not there")
        return
    directory = target / COMMON.name
    directory.mkdir(exist_ok=True)
    shutil.copy(source, directory / name)


def _complain(text: str) -> None:
    if shutil.which("dpkg"):
        raise LicenceError(f"{text}; on Debian: apt-get install --reinstall the package that owns it")
    sys.stderr.write(f"bundle: warning: {text}; there is no dpkg to ask\n")
