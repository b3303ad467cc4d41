"""Which programs of Multus the bench finds at a path, and what it says about the missing ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from .multus import MultusError, find


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("name", ["", "multus", "multus-shim", "multus-daemon"])
def test_a_directory_or_any_program_of_it(tmp_path: Path, name: str) -> None:
    put(tmp_path, "multus", "multus-shim", "multus-daemon")
    found = find(str(tmp_path / name))
    assert found.thin == tmp_path / "multus"
    assert found.thick == (tmp_path / "multus-daemon", tmp_path / "multus-shim")
    assert found.missing == ""


def test_the_thin_plugin_under_another_name(tmp_path: Path) -> None:
    found = find(str(put(tmp_path, "multus-4.3") / "multus-4.3"))
    assert (found.thin, found.thick) == (tmp_path / "multus-4.3", None)
    assert found.missing == f"there is no program {tmp_path}/multus-daemon, {tmp_path}/multus-shim"


def test_a_daemon_without_its_shim(tmp_path: Path) -> None:
    found = find(str(put(tmp_path, "multus", "multus-daemon")))
    assert (found.thick, found.missing) == (None, f"there is no program {tmp_path}/multus-shim")


def test_the_thick_form_alone(tmp_path: Path) -> None:
    found = find(str(put(tmp_path, "multus-shim", "multus-daemon")))
    assert (found.thin, found.thick is not None) == (None, True)


@pytest.mark.parametrize(
    ("path", "why"), [("nowhere", "there is no such file or directory"), (".", "name a directory with multus, or with")]
)
def test_nothing_of_multus(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "multus").mkdir()
    (tmp_path / "multus-daemon").write_text("not a program")
    with pytest.raises(MultusError, match=why):
        find(str(tmp_path / path))
