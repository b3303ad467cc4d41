"""A node's root directory for the real installer, and a service account beside it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cniplugin.install.installer import run
from cniplugin.records.journal import Entry, Journal, Store
from tests.cniplugin.attach.test_confdir import network
from tests.fakes.certificates import make_keys

IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
CONF, BIN = "etc/cni/net.d", "opt/cni/bin"
OURS = f"{CONF}/00-nadmit.conflist"
PROGRAM = """#!/bin/sh
[ "$1" = --write-snapshot ] && exec env >"$2"
[ "$CNI_COMMAND" = VERSION ] && echo '{"cniVersion": "1.1.0", "supportedVersions": ["1.1.0"]}'
exit 0
"""
"""A program that answers VERSION and STATUS; test_trial.py has the real plugin. Its snapshot is its environment."""


class Killed(BaseException):
    """As kill -9; no code can catch it."""


class Node:
    """A node's root directory, and a service account beside it."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "host"
        self.account = directory / "account"
        self.program = directory / "program"
        (self.root / CONF).mkdir(parents=True)
        (self.root / BIN).mkdir(parents=True)
        self.account.mkdir()
        (self.account / "token").write_text("first-token\n")
        (self.account / "ca.crt").write_text(make_keys().ca)
        self.program.write_text(PROGRAM)
        (self.root / BIN / "bridge").write_bytes(b"\x7fELF")
        self.default("10-bridge.conflist", network("mynet", "bridge", "portmap"))

    def default(self, name: str, conf: dict[str, Any]) -> None:
        if "plugins" in conf:
            conf["plugins"][-1]["capabilities"] = {"portMappings": True, "bandwidth": False}
        (self.root / CONF / name).write_text(json.dumps(conf))

    def run(self, command: str, *options: str, steps: list[str] | None = None, kill_at: int = -1) -> int:
        heard: list[str] = [] if steps is None else steps

        def on_step(what: str) -> None:
            if len(heard) == kill_at:
                raise Killed
            heard.append(what)

        given = ["--bundle", str(self.program), "--service-account", str(self.account)] if command == "install" else []
        words = [command, "--root", str(self.root), *given, *options]
        return run(words, environ=IN_A_POD, on_step=on_step, sleep=lambda _seconds: None)

    def stay(self, command: str, *options: str, rounds: Sequence[Callable[[], object]]) -> int | None:
        """Run a command with `--every`; do one thing in each pause. Return None if it still ran after the last one."""
        left = iter(rounds)

        def sleep(_seconds: float) -> None:
            change = next(left, None)
            if change is None:
                raise Killed
            change()

        given = ["--service-account", str(self.account), "--every", "60"]
        given += ["--bundle", str(self.program)] if command == "install" else []
        try:
            return run([command, "--root", str(self.root), *given, *options], environ=IN_A_POD, sleep=sleep)
        except Killed:
            return None

    def renew(self, token: str) -> None:
        (self.account / "token").write_text(f"{token}\n")

    @property
    def token(self) -> str:
        return (self.root / CONF / "nadmit.d/token").read_text().strip()

    def chain(self, *plugins: dict[str, Any], name: str = OURS) -> None:
        """Put plugins into our file as other programs do: in another form."""
        conf = self.conf(name)
        conf["plugins"] += plugins
        (self.root / name).write_text(json.dumps(dict(sorted(conf.items()))))

    def types(self, name: str = OURS) -> list[str]:
        return [plugin["type"] for plugin in self.conf(name)["plugins"]]

    def attach(self, container: str, *names: str, netns: str = "", directory: str = "var/lib/cni/nadmit") -> Path:
        """Write the record of a container with these networks; the first is the default one. Return its path."""
        records = self.root / directory
        records.mkdir(parents=True, exist_ok=True)
        entries = tuple(
            Entry(
                reference=name,
                ifname=f"net{index}" if index else "eth0",
                is_default=not index,
                config=json.dumps(network(name, "bridge")),
                capability_args={},
                state="attached",
            )
            for index, name in enumerate(names)
        )
        record = Journal(container_id=container, netns=netns, runtime_ifname="eth0", entries=entries)
        Store(str(records)).write(record)
        return records / f"{container}.journal"

    def tree(self) -> dict[str, tuple[int, bytes, int]]:
        """Return all files with mode, content and, for those that are not ours, inode."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            text = b"" if path.is_dir() and not path.is_symlink() else _content(path)
            found[str(path.relative_to(self.root))] = (status.st_mode, text, status.st_ino)
        return found

    def conf(self, name: str = OURS) -> dict[str, Any]:
        value = json.loads((self.root / name).read_text())
        assert isinstance(value, dict)
        return value


def _content(path: Path) -> bytes:
    return str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()


def copy(source: Path, target: Path) -> None:
    """Copy a tree and keep its hard links."""
    seen: dict[int, Path] = {}
    target.mkdir()
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        status = path.lstat()
        if path.is_dir() and not path.is_symlink():
            copy.mkdir()
            copy.chmod(status.st_mode)
        elif status.st_ino in seen:
            os.link(seen[status.st_ino], copy, follow_symlinks=False)
        else:
            shutil.copy2(path, copy, follow_symlinks=False)
            seen[status.st_ino] = copy


def bare(tree: dict[str, tuple[int, bytes, int]]) -> dict[str, tuple[int, bytes]]:
    """Return a tree without inodes."""
    return {name: (mode, text) for name, (mode, text, _) in tree.items()}
