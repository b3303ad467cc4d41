"""No program outlives the process that started the guard, however that process ends."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.waiting import wait_until
from tests.paths import ROOT

PATIENCE_S = 10.0

# Writes its process id to a file.
SLEEPER = [sys.executable, "-c", "import os, time; open('pid', 'w').write(str(os.getpid()) + '.'); time.sleep(60)"]


class Guarded:
    """A guard of one sleeper."""

    def __init__(self, directory: Path, *commands: list[str]) -> None:
        self.directory = directory
        directory.mkdir()
        self.guard = subprocess.Popen(
            [sys.executable, "-m", "tests.realapi.guard", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self.guard.stdin is not None
        self.guard.stdin.write(json.dumps([SLEEPER, *commands]).encode() + b"\n")
        self.guard.stdin.flush()
        self.sleeper = os.pidfd_open(self._number())

    def _number(self) -> int:
        file = self.directory / "pid"
        wait_until(lambda: file.exists() and file.read_text().endswith("."))
        return int(file.read_text().rstrip("."))

    def is_sleeping(self, *, within_s: float) -> bool:
        return not select.select([self.sleeper], [], [], within_s)[0]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[..., Guarded]]:
    made: list[Guarded] = []

    def start(*commands: list[str]) -> Guarded:
        made.append(Guarded(tmp_path / "guarded", *commands))
        return made[-1]

    yield start
    for guarded in made:
        guarded.guard.kill()
        with guarded.guard:  # closes the pipes
            pass
        os.close(guarded.sleeper)


@pytest.mark.slow
def test_the_end_of_the_input(keep: Callable[..., Guarded]) -> None:
    """The input also ends when its writer is killed, because the kernel closes the pipe."""
    guarded = keep()
    assert guarded.is_sleeping(within_s=0.1)
    assert guarded.guard.stdin is not None
    guarded.guard.stdin.close()
    assert guarded.guard.wait(PATIENCE_S) == 0
    assert not guarded.is_sleeping(within_s=0)
    assert not guarded.directory.exists()


@pytest.mark.slow
def test_a_guard_that_is_ended(keep: Callable[..., Guarded]) -> None:
    guarded = keep()
    guarded.guard.send_signal(signal.SIGTERM)
    assert guarded.guard.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert not guarded.is_sleeping(within_s=0)
    assert not guarded.directory.exists()


@pytest.mark.slow
def test_a_guard_that_is_killed(keep: Callable[..., Guarded]) -> None:
    """The kernel kills the programs; the files stay."""
    guarded = keep()
    guarded.guard.kill()
    assert not guarded.is_sleeping(within_s=PATIENCE_S)


@pytest.mark.slow
def test_a_program_that_ends_ends_the_others(keep: Callable[..., Guarded]) -> None:
    guarded = keep([sys.executable, "-c", "import time; time.sleep(0.5); print('no space'); raise SystemExit(3)"])
    assert guarded.guard.stdout is not None
    assert guarded.guard.stdout.readline().decode() == f"{Path(sys.executable).name} ended with 3\n"
    assert not guarded.is_sleeping(within_s=0)
    assert (guarded.directory / f"{Path(sys.executable).name}.log").read_text() == "no space\n"
    assert guarded.guard.poll() is None  # the logs stay until the input ends


@pytest.mark.slow
def test_a_program_that_is_run_again(keep: Callable[..., Guarded]) -> None:
    guarded = keep()
    (guarded.directory / "pid").unlink()
    assert guarded.guard.stdin is not None
    assert guarded.guard.stdout is not None
    guarded.guard.stdin.write(b"0\n")
    guarded.guard.stdin.flush()
    assert guarded.guard.stdout.readline() == b"restarted\n"
    assert not guarded.is_sleeping(within_s=0)
    again = os.pidfd_open(guarded._number())
    guarded.guard.stdin.close()
    assert guarded.guard.wait(PATIENCE_S) == 0
    assert select.select([again], [], [], 0)[0]
    os.close(again)
