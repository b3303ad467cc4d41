"""Build the image of the node plugin: `python -m images.node BUNDLE...`, which `make node-image` runs.

The image has no base. Its only layer is the bundle, byte for byte: plugin, interpreter, libc and all notices. Each
bundle adds an architecture.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

from requirements.image import ROOT

from . import release
from .layers import packed_layer
from .machines import BuildError, machine
from .oci import Image
from .sbom import Part, debian_purl, project_part

TITLE = "nadmit-node"
MARK = "nadmit/nadmit-bundle.json"
CONFIG = {"Entrypoint": ["/nadmit/bin/nadmit"], "Cmd": ["--help"]}
"""As `manifests/node/daemonset.yaml` uses it: no user, because it runs as root."""


def main() -> int:
    """Build the archive, and print the paths of what was written."""
    parser = argparse.ArgumentParser(prog="images.node")
    parser.add_argument("--name", default=f"{TITLE}:{release.version()}")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    given = parser.parse_args()
    try:
        written = build(given.bundles, given.output, given.name)
    except BuildError as error:
        sys.stderr.write(f"node image: {error}\n")
        return 1
    sys.stdout.write("".join(f"{path}: {path.stat().st_size / 1e6:.1f} MB\n" for path in written))
    return 0


def build(bundles: list[Path], directory: Path, name: str) -> list[Path]:
    """Write the image of some bundles, each for another architecture. Raises BuildError for bundles that do not fit."""
    label = release.label(name, TITLE)
    abouts = [_about(bundle) for bundle in bundles]
    names = [about["arch"] for about in abouts]
    if len(set(names)) < len(names):
        raise BuildError(f"these bundles are for the same architecture: {', '.join(names)}")
    images = [
        Image(machine(about["arch"]), (packed_layer(bundle, "the node bundle"),), CONFIG)
        for bundle, about in zip(bundles, abouts, strict=True)
    ]
    return release.write(directory, label, images, [_parts(about) for about in abouts])


def _about(bundle: Path) -> dict[str, Any]:
    try:
        with tarfile.open(bundle) as tar:
            file = tar.extractfile(MARK)
            about: dict[str, Any] = json.load(file) if file else {}
    except (OSError, KeyError, tarfile.TarError) as error:
        raise BuildError(f"{bundle}: this is not a node bundle: make node-bundle") from error
    if about["version"] != release.version():
        raise BuildError(f"{bundle}: this bundle has version {about['version']}, not {release.version()}")
    return about


def _parts(about: dict[str, Any]) -> list[Part]:
    found = [project_part(about["version"])]
    for package in about["packages"]:
        purl = debian_purl(package["name"], package["version"], package["architecture"], about["distribution"])
        notice = f"/nadmit/licences/{package['notice']}"
        found.append(Part(package["name"], package["version"], purl, "", notice, sha256=package.get("sha256", "")))
    if "python.txt" in about["licences"].values():
        python = about["python"]
        found.append(Part("cpython", python, f"pkg:generic/cpython@{python}", "", "/nadmit/licences/python.txt"))
    return found


if __name__ == "__main__":
    sys.exit(main())
