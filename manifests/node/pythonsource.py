"""Fetch the sources that frozen.py compiles: `python manifests/node/pythonsource.py`, which `make packages` runs.

Debian's libpython.a contains the modules that are built into Debian's interpreter. It lacks `_ssl` and `_json`, which
Debian builds as shared objects only, and a static program cannot load these. Their sources are in the source package of
the interpreter. apt fetches it from the mirrors of this machine, and checks it by the signatures of Debian. The
sources need not be of the newest revision, but of the version of libpython.a, because they use its private headers.

Result: `build/python-source`, with the files in KEPT and the text `version`. It is kept until libpython.a has another
version.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from pathlib import Path

from buildtools import BundleError, run

SOURCES = Path(__file__).resolve().parents[2]
TREE = SOURCES / "build/python-source"
INCLUDE = Path("/usr/include/python3.11")
"""The only version with which the frozen form was tried; program.c uses private names of it."""
KEPT = (
    "Modules/_json.c",
    "Modules/_ssl.c",
    "Modules/_ssl.h",
    "Modules/_ssl",
    "Modules/_ssl_data.h",
    "Modules/_ssl_data_111.h",
    "Modules/_ssl_data_300.h",
    "Modules/clinic",
    "Modules/socketmodule.h",
)
VERSION = "version"
"""The file with the version of the source package, such as 3.11.2-6+deb12u6."""
_VERSION = re.compile(r'^#define\s+PY_VERSION\s+"([^"]+)"', re.MULTILINE)
_STANZA_KEY = re.compile(r"^([A-Za-z-]+):[ \t]*(.*)$", re.MULTILINE)


def main() -> int:
    """Fetch the sources, unless they are there."""
    try:
        said = fetch(TREE)
    except BundleError as error:
        sys.stderr.write(f"python source: {error}\n")
        return 1
    sys.stdout.write(f"python source: {said}\n")
    return 0


def fetch(tree: Path) -> str:
    """Write the sources into a directory; return what was done. Raises BundleError."""
    include = include_directory()
    wanted = header_version(include / "patchlevel.h")
    if source_version(tree).partition("-")[0] == wanted:
        return f"{tree} has {source_version(tree)}"
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        options = _prepare_apt(place)
        package = include.name
        reason = f"no mirror of this machine has the source package {package} {wanted}"
        for version in _versions(package, options, wanted):
            try:
                _keep(_download(package, version, options, place), version, tree)
            except BundleError as error:  # a mirror can have the list of a package without its files
                reason = str(error)
            else:
                return f"{tree} is {version}"
    raise BundleError(reason)


def include_directory() -> Path:
    """Return the directory of the headers. Raises BundleError without them."""
    if not (INCLUDE / "Python.h").is_file():
        raise BundleError(f"there is no {INCLUDE}/Python.h; on Debian 12: apt-get install libpython3-dev")
    return INCLUDE


def header_version(header: Path) -> str:
    """Return the version in a patchlevel.h."""
    found = _VERSION.search(header.read_text())
    if found is None:
        raise BundleError(f"{header}: it has no PY_VERSION")
    return found[1]


def source_version(tree: Path) -> str:
    """Return the version of the sources in a directory, "" if there are none."""
    path = tree / VERSION
    return path.read_text().strip() if path.is_file() else ""


def _prepare_apt(place: Path) -> list[str]:
    """Make lists of source packages in a directory of their own; return the options by which apt uses them."""
    for name in ("sources", "lists/partial", "cache/archives/partial", "download"):
        (place / name).mkdir(parents=True)
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    for path in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        if path.suffix in {".list", ".sources"} and path.is_file():
            (place / "sources" / path.name).write_text(_as_sources(path.read_text(), release))
    options = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": str(place / "sources"),
        "Dir::State::lists": str(place / "lists"),
        "Dir::Cache": str(place / "cache"),
        "Acquire::Retries": "0",
        "Acquire::http::Timeout": "20",
    }
    if os.geteuid() == 0:  # else apt warns that the user _apt cannot write here
        options["APT::Sandbox::User"] = "root"
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    run("apt-get", *words, "-qq", "update")
    return words


def _as_sources(text: str, release: str) -> str:
    """Return the entries of a list of binary packages that are of the distribution, as entries of source packages.

    Two forms (sources.list(5)): a line `deb [options] URI suite component...`, and a stanza of keys.
    """
    lines = [line for line in text.splitlines() if re.match(rf"deb\s.*\s{release}\S*(\s|$)", line)]
    if lines:
        return "".join(f"deb-src{line[3:]}\n" for line in lines)
    stanzas = []
    for stanza in re.split(r"\n\s*\n", text):
        keys = dict(_STANZA_KEY.findall(stanza))
        if any(suite.startswith(release) for suite in keys.get("Suites", "").split()):
            keys["Types"] = "deb-src"
            stanzas.append("".join(f"{key}: {value}\n" for key, value in keys.items()))
    return "\n".join(stanzas)


def _versions(package: str, options: list[str], wanted: str) -> list[str]:
    """Return the revisions of one version of a source package on the mirrors, the newest first."""
    out = run("apt-cache", *options, "showsrc", "--only-source", package)
    found = dict.fromkeys(re.findall(r"^Version: (\S+)$", out, re.MULTILINE))
    return [one for one in reversed(found) if one.partition("-")[0] == wanted]


def _download(package: str, version: str, options: list[str], place: Path) -> Path:
    """Return the unpacked and patched sources. Raises BundleError."""
    target = place / "download" / version
    target.mkdir()
    here = Path.cwd()
    os.chdir(target)  # apt-get writes into the current directory
    try:
        run("apt-get", *options, "-qq", "source", "--download-only", f"{package}={version}")
        (described,) = target.glob("*.dsc")
        # apt has compared the files with the signed list.
        run("dpkg-source", "--no-check", "--extract", described.name, "unpacked")
    finally:
        os.chdir(here)
    return target / "unpacked"


def _keep(found: Path, version: str, tree: Path) -> None:
    """Replace the kept sources. The version is written last."""
    shutil.rmtree(tree, ignore_errors=True)
    for name in KEPT:
        source, target = found / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    (tree / VERSION).write_text(f"{version}\n")


if __name__ == "__main__":
    sys.exit(main())
