"""What all images of a build say about themselves: version, time and revision.

The time is SOURCE_DATE_EPOCH (reproducible-builds.org), else that of the commit. So it is the same in each build of the
same sources. Without both it is 1970. The revision is left out if the work tree has changes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from requirements.image import PYTHON, ROOT

from .machines import BuildError
from .oci import Image, Label, full_reference, write_archive
from .sbom import Document, Part, render


def version() -> str:
    """Return the version of the project."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def check_interpreter() -> None:
    """Raise BuildError unless this interpreter compiles to the bytecode of the interpreter in the images."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here != PYTHON:
        fix = f"make clean, then make PYTHON=python{PYTHON}"
        raise BuildError(f"this is Python {here}; images have {PYTHON}, whose bytecode is another: {fix}")


def label(reference: str, title: str) -> Label:
    """Return the label of an image. Raises BuildError for a time or a name that cannot be read."""
    full_reference(reference)
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct") or "0"
    if not epoch.isdecimal():
        raise BuildError(f"SOURCE_DATE_EPOCH {epoch!r}: this is not a number of seconds")
    annotations = {
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.version": version(),
        "org.opencontainers.image.licenses": "Apache-2.0",
    }
    if not _git("status", "--porcelain"):
        revision = _git("rev-parse", "HEAD")
        annotations |= {"org.opencontainers.image.revision": revision} if revision else {}
    return Label(reference, int(epoch), annotations)


def write(directory: Path, label: Label, images: list[Image], parts: list[list[Part]]) -> list[Path]:
    """Write the archive and, beside it, the bill of materials for each architecture; return their paths."""
    title = label.annotations["org.opencontainers.image.title"]
    stem = directory / f"{title}-{version()}"
    contents = {image.machine: of_image for image, of_image in zip(images, parts, strict=True)}

    def describe(image: Image, digest: str) -> str:
        return render(Document(title, version(), image.machine, digest, label.created), contents[image.machine])

    written = [Path(f"{stem}.oci.tar")]
    bills = write_archive(written[0], label, images, describe)
    for image, bill in zip(images, bills, strict=True):
        written.append(Path(f"{stem}-{image.machine.name}.spdx.json"))
        written[-1].write_text(bill)
    return written


def _git(*arguments: str) -> str:
    """Return what git prints; nothing without git, or outside of a work tree."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
