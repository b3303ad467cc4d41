"""A run that ends at any step, or finds a full disk, is repaired by the next one."""

from __future__ import annotations

import errno
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from cniplugin.install import defaultnetwork
from cniplugin.install.commandline import DONE, FAILED
from cniplugin.install.installer import run

from .scratchnode import BIN, CONF, IN_A_POD, OURS, Killed, Node, bare, copy

if TYPE_CHECKING:
    from pathlib import Path


def _scenes(node: Node, bundle: Path) -> dict[str, list[str]]:
    (node.root / OURS).write_text('{"name": "of another"}')
    (node.root / BIN / "nadmit").write_text("of another")
    return {"file": [], "bundle": ["--bundle", str(bundle), "--cni-bin-dir", "/usr/libexec/cni"]}


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["file", "bundle"])
@pytest.mark.parametrize("command", ["install", "upgrade", "uninstall"])
@pytest.mark.parametrize("repair", ["install", "uninstall"])
def test_a_run_interrupted_at_any_step_is_repaired(
    tmp_path: Path, bundle: Path, scene: str, command: str, repair: str
) -> None:
    node = Node(tmp_path)
    options = _scenes(node, bundle)[scene]
    pristine = node.tree()
    if command == "install":
        start = "install", options
    elif command == "upgrade":
        node.run("install")
        start = "install", options
        (node.account / "token").write_text("second-token\n")
    else:
        node.run("install", *options)
        start = "uninstall", []
    saved = tmp_path / "saved"
    copy(node.root, saved)
    steps = list[str]()
    node.run(start[0], *start[1], steps=steps)
    assert len(steps) > 5
    node.run("install", *options)
    installed = bare(node.tree())
    for kill_at in range(len(steps)):
        shutil.rmtree(node.root)
        copy(saved, node.root)
        with pytest.raises(Killed):
            node.run(start[0], *start[1], kill_at=kill_at)
        # The runtime must never read a configuration whose plugin is missing.
        if json.loads((node.root / OURS).read_text())["name"] == "nadmit":
            directory = node.conf()["plugins"][0]["binDir"].lstrip("/")
            assert (node.root / directory / "nadmit").exists(), steps[kill_at]
        assert not [
            path
            for path in (node.root / CONF).iterdir()
            if path.name.startswith(".") and path.name.endswith(defaultnetwork.SUFFIXES)
        ]
        assert node.run(repair, *(options if repair == "install" else [])) == DONE
        if repair == "install":
            assert bare(node.tree()) == installed, steps[kill_at]
            assert node.run("show") == DONE
            node.run("uninstall")
        assert bare(node.tree()) == bare(pristine), steps[kill_at]


@pytest.mark.parametrize("repair", ["install", "uninstall"])
def test_a_full_disk_at_any_write_is_a_line_and_is_repaired(
    node: Node, repair: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, steps = node.tree(), list[str]()
    node.run("install", steps=steps)
    installed = bare(node.tree())
    node.run("uninstall")
    words = ["install", "--root", str(node.root), "--bundle", str(node.program), "--service-account", str(node.account)]
    for full_at, step in enumerate(steps):
        if not step.startswith(("write", "mkdir")):
            continue
        heard = list[str]()

        def on_step(what: str, heard: list[str] = heard, full_at: int = full_at) -> None:
            heard.append(what)
            if len(heard) > full_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        assert run(words, environ=IN_A_POD, on_step=on_step) == FAILED
        assert capsys.readouterr().err == f"nadmit: {step}: No space left on device\n"
        assert node.run(repair) == DONE
        if repair == "install":
            assert bare(node.tree()) == installed
            node.run("uninstall")
        assert node.tree() == before
        capsys.readouterr()
