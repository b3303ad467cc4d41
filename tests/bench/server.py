"""A server process on one core, and its memory and processor time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SERVER_CORE = 0
CLIENT_CORE = 1


@dataclass(eq=False)
class Server:
    """A running server. `ready_s`: from exec to the ready event."""

    process: subprocess.Popen[bytes]
    port: int
    ready_s: float

    def peak_mib(self) -> float:
        """Peak resident memory in MiB."""
        return self._memory_mib("VmHWM:")

    def resident_mib(self) -> float:
        """Resident memory in MiB."""
        return self._memory_mib("VmRSS:")

    def threads(self) -> int:
        """The number of its threads."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("Threads:")[2].split()[0])

    def cpu_s(self) -> float:
        """Processor time used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _memory_mib(self, key: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition(key)[2].split()[0]) / 1024


def nadmit(manifests: Path, certs: Path) -> list[str]:
    """Return the command line of the real server."""
    return [
        str(Path(sys.executable).with_name("nadmit")), "serve", "--manifests", str(manifests), "--cert-dir", str(certs),
        "--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0", "--drain-seconds", "0",
    ]  # fmt: skip


def cluster(kubeconfig: Path, certs: Path, *more: str) -> list[str]:
    """Return the command line of one replica in a cluster."""
    return [
        sys.executable, "-m", "webhook", "serve", "--cluster", "--kubeconfig", str(kubeconfig), "--cert-dir", str(certs),
        "--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0", "--drain-seconds", "0", *more,
    ]  # fmt: skip


def bare(certs: Path) -> list[str]:
    """Return the command line of the bare counterpart."""
    return [sys.executable, "-m", "tests.bench.bare", str(certs)]


@contextmanager
def running(command: list[str], log: Path, *, core: int = SERVER_CORE) -> Iterator[Server]:
    """Run a server pinned to one core; its standard output goes to a file, as a container's would."""
    started = time.perf_counter()
    with log.open("wb") as out, pinned(command, core, output=out) as process:
        yield _wait_ready(process, log, started)


@contextmanager
def pinned(
    command: list[str],
    core: int,
    *,
    output: BinaryIO,
    errors: BinaryIO | int = subprocess.DEVNULL,
    environ: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run any program on one core, and end it at the end of the context."""
    process = subprocess.Popen(
        command,
        stdout=output,
        stderr=errors,
        env=environ,
        preexec_fn=lambda: _pin(core),  # noqa: PLW1509
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _pin(core: int) -> None:
    os.sched_setaffinity(0, {min(core, (os.cpu_count() or 1) - 1)})


def _wait_ready(process: subprocess.Popen[bytes], log: Path, started: float) -> Server:
    port = 0
    while process.poll() is None:
        for line in log.read_bytes().splitlines():
            event = json.loads(line)
            if event["event"] == "listening":
                port = int(event["webhook"][1])
            elif event["event"] == "ready":
                return Server(process, port, time.perf_counter() - started)
        if time.perf_counter() - started > 120:
            break
        time.sleep(0.002)
    raise RuntimeError(f"the server did not start: {process.args!r}")
