"""Write requirements/image.txt: the packages of the webhook's image, with the hashes of their wheels.

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
from collections.abc import Iterator, Mapping
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


def platform_options(machine: str) -> list[str]:
    """Return the options with which pip chooses the wheels for the image on an architecture."""
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS]
    wheels = ["--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp"]
    return [*wheels, *platforms, f"--platform=manylinux2014_{machine}"]


def hashes(pinned: Mapping[str, str], machine: str) -> dict[str, str]:
    """Return the hash of the wheel that pip would install on a machine's platform, by canonical name."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder) / "wanted.txt", Path(folder) / "report.json"
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in pinned.items()))
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps",
            f"--target={folder}/none", f"--report={report}", f"--requirement={wanted}", *platform_options(machine),
        ]  # fmt: skip
        subprocess.run(command, check=True)
        installed = json.loads(report.read_text())["install"]
    return {
        canonicalize_name(one["metadata"]["name"]): one["download_info"]["archive_info"]["hashes"]["sha256"]
        for one in installed
    }


def render(pinned: Mapping[str, str], found: Mapping[str, list[str]]) -> str:
    """Return the text of image.txt."""
    lines = [f"# What the webhook's image installs, for CPython {PYTHON} on {' and '.join(PLATFORMS)}."]
    lines.append("# Written by `make image-requirements` from pyproject.toml and constraints.txt; do not edit.")
    for name, version in pinned.items():
        wheels = [f"--hash=sha256:{digest}" for digest in found[name]]
        lines.append(" \\\n    ".join([f"{name}=={version}", *wheels]))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write image.txt."""
    known = versions()
    pinned = {name: known[name] for name in closure()}
    by_platform = [hashes(pinned, machine) for machine in PLATFORMS]
    found = {name: sorted({of_one[name] for of_one in by_platform}) for name in pinned}
    OUTPUT.write_text(render(pinned, found))
    print(f"{OUTPUT.relative_to(ROOT)}: {len(pinned)} packages, {sum(map(len, found.values()))} wheels")


if __name__ == "__main__":
    main()
