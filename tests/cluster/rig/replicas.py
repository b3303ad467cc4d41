"""Replicas of `nadmit serve --cluster`: processes whose log is a file, like that of a container."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fakes.waiting import wait_until
from tests.paths import ROOT

from .service import Backend

PATIENCE_S = 60.0
DRAIN_S = 1.0
"""Long enough for the service to see an unready replica. The default is 10 s, for the endpoints of a real cluster."""


class Replica:
    """One process, which listens when the constructor returns. `options` are those of the cluster."""

    def __init__(self, folder: Path, name: str, options: Sequence[str]) -> None:
        self.log = folder / f"{name}.log"
        command = [
            sys.executable, "-m", "webhook", "serve", "--cluster", *options, "--drain-seconds", str(DRAIN_S),
            "--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0",
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        self.backend = self._wait_listening()

    def is_ready(self) -> bool:
        """Say whether it has logged that it is ready."""
        return any(event["event"] == "ready" for event in self.events())

    def terminate(self) -> None:
        """Send SIGTERM, as the kubelet does, and return at once."""
        self.process.terminate()

    def wait(self) -> int:
        """Return the exit code."""
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def events(self) -> list[dict[str, Any]]:
        """Return the events of its log."""
        lines = self.log.read_bytes().splitlines()
        return [json.loads(line) for line in lines if line.startswith((b'{"webhook', b'{"event', b'{"time'))]

    def text(self) -> str:
        """Return its messages."""
        lines = self.log.read_text().splitlines()
        return "\n".join(line for line in lines if line.startswith("nadmit: "))

    def _wait_listening(self) -> Backend:
        found: list[Backend] = []

        def is_listening() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            found.extend(
                Backend(tuple(event["webhook"]), tuple(event["probes"]))
                for event in self.events()
                if event["event"] == "listening"
            )
            return bool(found)

        wait_until(is_listening, self.log.read_text)
        return found[0]
