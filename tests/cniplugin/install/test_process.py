"""The real process: changes of files are seen at once, and SIGTERM ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cniplugin.install.dirchanges import DirectoryChanges
from tests.cniplugin.attach.test_confdir import network
from tests.paths import ROOT

from .scratchnode import CONF, OURS, Node

LONG = "3600"
"""`--every` in seconds: what happens sooner was not noticed by looking."""


@contextmanager
def running(node: Node, *options: str) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-u", "-m", "cniplugin", "install", "--root", str(node.root), "--every", LONG, *options]
    words += ["--bundle", str(node.program), "--service-account", str(node.account)]
    words += ["--api-server", "https://10.96.0.1:443"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(process, "installed around")
            yield process
        finally:
            process.terminate()


def until(process: subprocess.Popen[str], start: str) -> None:
    """Read what the process prints until a line begins so. A process that never prints it fails by the test's timeout."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith(start):
            return
    raise AssertionError(said)


def replace(path: Path, text: str) -> None:
    """Replace a file as careful programs do."""
    other = path.with_name(f".{path.name}.new")
    other.write_text(text)
    other.rename(path)


@pytest.mark.timeout(60)
def test_changes_are_seen_at_once(node: Node) -> None:
    with running(node) as process:
        replace(node.root / CONF / "10-bridge.conflist", json.dumps(network("newer", "ptp")))
        until(process, "installed around")
        assert node.conf()["plugins"][0]["delegates"][0]["name"] == "newer"
        # The kubelet replaces a link beside the token.
        replace(node.account / "token", "second\n")
        until(process, "placed /etc/cni/net.d/nadmit.d/token")
        until(process, "installed around")
        assert node.token == "second"
        (node.root / OURS).unlink()
        until(process, "placed /etc/cni/net.d/00-nadmit.conflist")
    assert process.returncode == 0


@pytest.mark.timeout(60)
def test_sigterm_restores_with_the_option(node: Node) -> None:
    with running(node, "--cleanup-on-exit") as process:
        process.send_signal(signal.SIGTERM)
        until(process, "the configuration is restored")
        assert process.wait() == 0
    assert not (node.root / OURS).exists()


@contextmanager
def changes(said: list[str]) -> Iterator[DirectoryChanges]:
    made = DirectoryChanges(said.append)
    try:
        yield made
    finally:
        made.close()


def test_what_cannot_be_watched_is_reported_once_and_slept_for(tmp_path: Path) -> None:
    said: list[str] = []
    with changes(said) as waiting:
        assert [waiting.wait(0.01, ["/proc/version", str(tmp_path / "missing")]) for _ in range(2)] == [False, False]
    assert said == ["/proc/version: changes are noticed only every --every seconds: Not a directory"]


def test_a_change_between_two_waits_is_not_lost(tmp_path: Path) -> None:
    said: list[str] = []
    with changes(said) as waiting:
        assert waiting.wait(0.01, [str(tmp_path)]) is False
        (tmp_path / "a").write_text("")
        assert waiting.wait(30, [str(tmp_path)]) is True
    assert said == []


def test_a_directory_that_was_replaced_is_watched(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with changes([]) as waiting:
        assert waiting.wait(0.01, [str(tmp_path / "d")]) is False
        (tmp_path / "d").rmdir()
        (tmp_path / "d").mkdir()
        assert waiting.wait(0.01, [str(tmp_path / "d")]) is False
        (tmp_path / "d/a").write_text("")
        assert waiting.wait(30, [str(tmp_path / "d")]) is True


def test_show_ends_quietly_when_nobody_reads_it(node: Node) -> None:
    """As in `show | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "cniplugin", "show", "--root", str(node.root)]
    done = subprocess.run(words, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")
