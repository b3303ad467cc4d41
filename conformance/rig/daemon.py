"""A process that runs beside the plugin, or that is the webhook: started, awaited, ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

from conformance.placeholders import fill
from conformance.subject import Daemon

_LOOK_S = 0.02
_END_S = 5.0
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks this machine, without the proxy of the environment."""


def dying_with_parent(words: Sequence[str]) -> list[str]:
    """Return a command that the kernel kills when the process that starts it has ended, however it ended.

    Without setpriv, of util-linux, it is the command alone.
    """
    return ["setpriv", "--pdeathsig", "KILL", *words] if shutil.which("setpriv") else list(words)


class DaemonError(Exception):
    """The daemon did not start; the text has the end of its log."""


class RunningDaemon:
    """The daemon of a subject. `values` are the placeholders."""

    def __init__(self, daemon: Daemon, values: Mapping[str, Any], log: Path) -> None:
        self.daemon = daemon
        self.values = values
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Write its files, start it, and wait until it is ready. Raises DaemonError."""
        for path, content in fill(dict(self.daemon.files), self.values).items():
            target = Path(fill(path, self.values))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        environ = {"PATH": os.environ["PATH"], **fill(dict(self.daemon.environment), self.values)}
        words = [str(word) for word in fill(list(self.daemon.command), self.values)]
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                dying_with_parent(words),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environ,
                start_new_session=True,
            )
        self._wait()

    def is_running(self) -> bool:
        """Say whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def wait_for_end(self, within_s: float) -> None:
        """Wait for the end of a process that was killed; one that still runs then was not meant."""
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(within_s)

    def stop(self) -> None:
        """End the process and what it has started."""
        if self.process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_S if number == signal.SIGTERM else None)
        self.process = None

    def restart(self) -> None:
        """Start again after an end; a socket of the process before is removed first."""
        self.stop()
        if "socket" in self.daemon.ready:
            Path(fill(self.daemon.ready["socket"], self.values)).unlink(missing_ok=True)
        self.start()

    def _wait(self) -> None:
        deadline = time.monotonic() + self.daemon.timeout_s
        while not self._is_ready():
            if not self.is_running() or time.monotonic() > deadline:
                self.stop()
                tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
                program = Path(fill(self.daemon.command[0], self.values)).name
                raise DaemonError(f"the daemon {program} is not ready: {' | '.join(tail)}")
            time.sleep(_LOOK_S)

    def _is_ready(self) -> bool:
        ((kind, text),) = fill(dict(self.daemon.ready), self.values).items()
        if kind == "file":
            return Path(text).exists()
        if kind == "url":
            return _is_ok(str(text))
        if kind == "socket":
            return _answers(socket.AF_UNIX, str(text))
        return _answers(socket.AF_INET, ("127.0.0.1", int(text)))


def _is_ok(url: str) -> bool:
    try:
        with _opener.open(url, timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, HTTPException):
        return False


def _answers(family: int, address: Any) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
    return True
