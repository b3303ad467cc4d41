"""The images and the foreign bundle, built once for all tests."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

import pytest

from images.machines import MACHINES
from images.parts import PARTS, folder_of
from tests.builtonce import built_once
from tests.paths import MANIFESTS, ROOT

HERE = MACHINES[platform.machine()]
(FOREIGN,) = (machine for machine in MACHINES.values() if machine is not HERE)


def _need_parts(kind: str, *machines: str) -> None:
    for name in machines:
        if not folder_of(kind, MACHINES[name]).exists():
            pytest.skip(f"needs the parts of images in {PARTS.relative_to(ROOT)}: make image-parts")


def foreign_command(directory: Path) -> list[str]:
    return [sys.executable, str(MANIFESTS / "node/foreign.py"), FOREIGN.name, str(directory)]


def webhook_command(directory: Path) -> list[str]:
    return [sys.executable, "-m", "images.webhook", f"--output={directory}", HERE.name]


@pytest.fixture(scope="session")
def foreign_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the node bundle for the other architecture."""
    _need_parts("debian", FOREIGN.name)
    if shutil.which(f"{FOREIGN.triplet}-gcc") is None:
        pytest.skip(f"needs {FOREIGN.triplet}-gcc")
    directory = built_once(tmp_path_factory, "foreign-bundle", foreign_command, PYTHONPATH=str(ROOT))
    (archive,) = directory.iterdir()
    return archive


@pytest.fixture(scope="session")
def webhook_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the archive of the webhook's image and its bill of materials."""
    _need_parts("debian", HERE.name)
    _need_parts("wheels", HERE.name)
    return built_once(tmp_path_factory, "webhook-image", webhook_command, PYTHONPATH=str(ROOT))


@pytest.fixture(scope="session")
def node_image(node_bundle: Path, foreign_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the archive of the node image for both architectures, and its bills of materials."""
    bundles = [str(node_bundle), str(foreign_bundle)]
    return built_once(
        tmp_path_factory,
        "node-image",
        lambda directory: [sys.executable, "-m", "images.node", f"--output={directory}", *bundles],
        PYTHONPATH=str(ROOT),
    )


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of qemu's user emulation of the other architecture: installed, or from its package without installing it."""
    name = f"qemu-{FOREIGN.name}-static"
    installed = shutil.which(name)
    if installed:
        return installed
    _need_parts("emulator", HERE.name)
    (package,) = folder_of("emulator", HERE).iterdir()
    script = f'dpkg-deb --fsys-tarfile "$0" | tar --extract --directory "$1" ./usr/bin/{name}'
    directory = built_once(tmp_path_factory, "emulator", lambda target: ["sh", "-c", script, str(package), str(target)])
    return str(directory / "usr/bin" / name)
