"""Write requirements/image.txt and plugin.txt: the packages of the image and of the archive, with their wheels' hashes.

The names come from pyproject.toml and from the dependencies of the installed packages, the versions from
constraints.txt. The hashes come from the index that pip is configured for: one for each wheel that pip would install
on a platform of PLATFORMS. pip downloads only metadata. `make image-requirements` runs this program.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
OUTPUT = ROOT / "requirements" / "image.txt"
PYTHON = "3.11"
"""The version of the image's interpreter, which is that of Debian 12: images/debian.py."""
PLATFORMS = ("x86_64", "aarch64")
GLIBC_MINORS = (36, 34, 31, 28, 27, 26, 24, 17)
"""manylinux_2_N of each wheel that Debian 12 (glibc 2.36) can use; PEP 600."""
PLUGIN = ROOT / "requirements" / "plugin.txt"
PLUGIN_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""The interpreters of the archive kubectl-nadmit, which is unpacked on the machines of users (images/plugin.py)."""
PLUGIN_GLIBC_MINORS = (28, 27, 26, 24, 17)
"""The same for these machines: glibc 2.28 is that of RHEL 8 and Debian 10."""
_MARKERS = {"extra": "", "python_version": PYTHON, "python_full_version": f"{PYTHON}.0", "sys_platform": "linux"}


def versions() -> dict[str, str]:
    """Return the versions of constraints.txt by canonical name."""
    pairs = (line.partition("==") for line in CONSTRAINTS.read_text().splitlines() if line and line[0] != "#")
    return {canonicalize_name(name): version for name, _, version in pairs}


def closure() -> list[str]:
    """Return the canonical names of all packages that are needed to run the project, sorted."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting = [Requirement(text) for text in project["dependencies"]]
    found: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            waiting += list(_needed(name, requirement.extras))
    return sorted(found)


def _needed(name: str, extras: set[str]) -> Iterator[Requirement]:
    for text in requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(
            requirement.marker.evaluate({**_MARKERS, "extra": extra}) for extra in ("", *extras)
        ):
            yield requirement


def platform_options(machine: str, python: str = PYTHON, glibc_minors: Sequence[int] = GLIBC_MINORS) -> list[str]:
    """Return the options with which pip chooses the wheels for an architecture; else those of the image."""
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in glibc_minors]
    wheels = ["--only-binary=:all:", f"--python-version={python}", "--implementation=cp"]
    return [*wheels, *platforms, f"--platform=manylinux2014_{machine}"]


def hashes(pinned: Mapping[str, str], options: Sequence[str]) -> dict[str, str]:
    """Return the hash of the wheel that pip would install with `platform_options`, by canonical name."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder) / "wanted.txt", Path(folder) / "report.json"
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in pinned.items()))
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps",
            f"--target={folder}/none", f"--report={report}", f"--requirement={wanted}", *options,
        ]  # fmt: skip
        subprocess.run(command, check=True)
        installed = json.loads(report.read_text())["install"]
    return {
        canonicalize_name(one["metadata"]["name"]): one["download_info"]["archive_info"]["hashes"]["sha256"]
        for one in installed
    }


def render(pinned: Mapping[str, str], found: Mapping[str, list[str]], what: str) -> str:
    """Return the text of one of the files; `what` begins its first line."""
    lines = [f"# {what} on {' and '.join(PLATFORMS)}."]
    lines.append("# Written by `make image-requirements` from pyproject.toml and constraints.txt; do not edit.")
    for name, version in pinned.items():
        wheels = [f"--hash=sha256:{digest}" for digest in found[name]]
        lines.append(" \\\n    ".join([f"{name}=={version}", *wheels]))
    return "\n".join(lines) + "\n"


def write(file: Path, what: str, options: Sequence[list[str]]) -> None:
    """Write a file with the wheels that pip chooses with each of several options."""
    known = versions()
    pinned = {name: known[name] for name in closure()}
    chosen = [hashes(pinned, one) for one in options]
    found = {name: sorted({of_one[name] for of_one in chosen}) for name in pinned}
    file.write_text(render(pinned, found, what))
    print(f"{file.relative_to(ROOT)}: {len(pinned)} packages, {sum(map(len, found.values()))} wheels")


def main() -> None:
    """Write both files."""
    write(OUTPUT, f"What the webhook's image installs, for CPython {PYTHON}", list(map(platform_options, PLATFORMS)))
    pythons = f"{PLUGIN_PYTHONS[0]} to {PLUGIN_PYTHONS[-1]}"
    for_plugin = [
        platform_options(machine, python, PLUGIN_GLIBC_MINORS) for machine in PLATFORMS for python in PLUGIN_PYTHONS
    ]
    write(PLUGIN, f"What the archive kubectl-nadmit has, for CPython {pythons}", for_plugin)


if __name__ == "__main__":
    main()
