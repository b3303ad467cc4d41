from __future__ import annotations

from pathlib import Path

import pytest

from cniplugin.install import desired

from .scratchnode import PROGRAM, Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    directory = tmp_path / "nadmit"
    (directory / "bin").mkdir(parents=True)
    (directory / "lib").mkdir()
    (directory / desired.BUNDLE_MARK).write_text('{"form": "frozen"}')
    (directory / "lib/libc.so.6").write_bytes(b"libc")
    (directory / "lib/libc.so").symlink_to("libc.so.6")
    (directory / "bin/nadmit").write_text(PROGRAM)
    (directory / "bin/nadmit").chmod(0o755)
    return directory
