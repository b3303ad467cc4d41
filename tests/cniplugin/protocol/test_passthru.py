"""Multus' plugin `passthru`: nadmit's program under another name, in its requests and as the head of a chain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.paths import ROOT

PROGRAM = """\
#!{python} -IS
import sys
sys.path.insert(0, {root!r})
from cniplugin.__main__ import main
sys.exit(main())
"""
PREVIOUS = {"cniVersion": "0.4.0", "ips": [{"address": "10.1.1.2/24", "version": "4"}]}


@pytest.fixture
def passthru(tmp_path: Path) -> Path:
    """A link beside the program, as the installer places it."""
    program = tmp_path / "nadmit"
    program.write_text(PROGRAM.format(python=sys.executable, root=str(ROOT)))
    program.chmod(0o755)
    (tmp_path / "passthru").symlink_to("nadmit")
    return tmp_path / "passthru"


def call(program: Path, verb: str, conf: object) -> tuple[int, Any]:
    environ = {"PATH": os.environ["PATH"], "CNI_COMMAND": verb, "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0"}
    environ |= {"CNI_NETNS": "/nonexistent", "CNI_PATH": str(program.parent)}
    text = conf if isinstance(conf, str) else json.dumps(conf)
    done = subprocess.run([program], input=text, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None


@pytest.mark.parametrize("version", ["0.1.0", "0.3.1", "1.1.0"])
def test_add_without_a_result_before_is_empty(passthru: Path, version: str) -> None:
    conf = {"cniVersion": version, "name": "chain", "type": "passthru"}
    assert call(passthru, "ADD", conf) == (0, {"cniVersion": version})


def test_add_hands_on_the_result_before(passthru: Path) -> None:
    conf = {"cniVersion": "0.4.0", "name": "chain", "type": "passthru", "prevResult": PREVIOUS}
    assert call(passthru, "ADD", conf) == (0, PREVIOUS)


@pytest.mark.parametrize("verb", ["DEL", "CHECK", "GC", "STATUS"])
def test_the_other_verbs_succeed(passthru: Path, verb: str) -> None:
    assert call(passthru, verb, {"cniVersion": "1.1.0", "name": "chain", "type": "passthru"}) == (0, None)


def test_version(passthru: Path) -> None:
    code, answer = call(passthru, "VERSION", {"cniVersion": "1.0.0"})
    assert (code, answer["cniVersion"], answer["supportedVersions"][-1]) == (0, "1.0.0", "1.1.0")


@pytest.mark.parametrize(
    ("verb", "conf", "code", "text"),
    [
        ("ADD", "{", 6, "stdin"),
        ("ADD", "[]", 6, "not an object"),
        ("JOIN", {"cniVersion": "1.0.0"}, 4, "unknown CNI_COMMAND: JOIN"),
    ],
)
def test_what_it_refuses(passthru: Path, verb: str, conf: object, code: int, text: str) -> None:
    exit_code, error = call(passthru, verb, conf)
    assert (exit_code, error["code"]) == (1, code)
    assert text in error["msg"]


def test_another_name_is_not_passthru(passthru: Path) -> None:
    (passthru.parent / "my-passthru").symlink_to("nadmit")
    conf = {"cniVersion": "1.1.0", "name": "n", "logFile": ""}
    exit_code, error = call(passthru.parent / "my-passthru", "STATUS", conf)
    assert (exit_code, error["code"]) == (1, 7), "nadmit itself, which needs a default network"
