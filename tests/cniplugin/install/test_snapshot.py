"""The snapshot that the program of a bundle writes when it is installed. tests/node/test_snapshot.py has the real program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cniplugin.install import desired
from cniplugin.install.commandline import DONE

from .scratchnode import BIN, PROGRAM, Node

SLOWER = "each call of the plugin takes some milliseconds longer"


def snapshots(node: Node) -> list[Path]:
    return sorted((node.root / BIN / ".nadmit").glob("*.snapshot"))


def install(node: Node, bundle: Path, capsys: pytest.CaptureFixture[str], program: str = PROGRAM) -> str:
    """Install with a program; return what is printed."""
    (bundle / "bin/nadmit").write_text(program)
    capsys.readouterr()
    assert node.run("install", "--bundle", str(bundle)) == DONE
    return capsys.readouterr().out


def test_it_is_beside_the_tree_and_has_no_environment(
    node: Node, bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    before = node.tree()
    assert "warning" not in install(node, bundle, capsys)
    (path,) = snapshots(node)
    assert path.with_suffix("") == (node.root / BIN / "nadmit").resolve().parents[1]
    assert "SECRET" not in path.read_text()
    assert node.run("show") == DONE
    assert "no snapshot" not in capsys.readouterr().out
    node.run("uninstall")
    assert node.tree() == before


def test_a_lost_one_is_shown_and_written_again(node: Node, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(node, bundle, capsys)
    (path,) = snapshots(node)
    path.unlink()
    assert node.run("show") == DONE, "the plugin does all it should"
    seen = path.relative_to(node.root)
    assert f"no snapshot   /{seen}: {SLOWER}\n" in capsys.readouterr().out
    install(node, bundle, capsys)
    assert snapshots(node) == [path]


def test_an_administrator_can_do_without(node: Node, bundle: Path) -> None:
    node.run("install", "--bundle", str(bundle))
    assert len(snapshots(node)) == 1
    assert node.run("install", "--bundle", str(bundle), "--no-snapshot") == DONE
    assert snapshots(node) == []
    assert node.run("show") == DONE


def test_a_program_that_cannot_write_it_is_installed(
    node: Node, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = PROGRAM.replace('exec env >"$2"', "{ echo >&2 nadmit: FILE: No space left on device; exit 1; }")
    out = install(node, bundle, capsys, failing)
    expected = f"warning: there is no startup snapshot, so {SLOWER}: nadmit: FILE: No space left on device\n"
    assert out.endswith(expected)
    assert snapshots(node) == []
    assert (node.root / BIN / "nadmit").exists()


def test_one_with_which_the_program_does_not_run_is_removed(
    node: Node, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trial has to see it, because the runtime would see it at the next pod."""
    broken = PROGRAM.replace(
        "#!/bin/sh\n", '#!/bin/sh\n[ -n "$CNI_COMMAND" ] && [ -e "${0%/bin/nadmit}.snapshot" ] && exit 3\n'
    )
    out = install(node, bundle, capsys, broken)
    assert f"warning: there is no startup snapshot, so {SLOWER}: " in out
    assert "exit status 3" in out
    assert snapshots(node) == []


def test_the_form_of_modules_has_none(node: Node, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / desired.BUNDLE_MARK).write_text(json.dumps({"form": "modules"}))
    install(node, bundle, capsys)
    assert snapshots(node) == []
    assert node.run("show") == DONE
    assert "no snapshot" not in capsys.readouterr().out
