"""A process that keeps others for as long as somebody holds its standard input, and no longer.

`python -m tests.realapi.guard DIRECTORY`: reads one line, a JSON list of command lines; runs each with its output in
`DIRECTORY/<program>.log`; at the end of its input kills them and removes DIRECTORY. The input ends with the process
that writes it, however that dies, so nothing outlives a test run that crashed. A program that ends before is told on
the standard output, and so is everything else ended; DIRECTORY then stays until the input ends, for the logs. Another
line of the input is the place of a program in the list: it is killed and run again, and `restarted` is the answer.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None)


def main() -> None:
    directory = Path(sys.argv[1])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    children: list[subprocess.Popen[bytes]] = []
    try:
        commands = json.loads(sys.stdin.buffer.readline())
        for command in commands:
            children.append(_start(command, directory))  # noqa: PERF401 - one that fails must not hide the others
        while (ended := _wait(children)) is None and (line := sys.stdin.buffer.readline()):
            _kill([children[int(line)]])
            children[int(line)] = _start(commands[int(line)], directory)
            print("restarted", flush=True)
        _kill(children)
        if ended is not None:
            print(f"{Path(str(ended.args[0])).name} ended with {ended.returncode}", flush=True)  # type: ignore[index]
            sys.stdin.buffer.read()
    finally:
        _kill(children)
        shutil.rmtree(directory)


def _start(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    with (directory / f"{Path(command[0]).name}.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
        )


def _die_with_parent() -> None:
    """Even when the guard itself is killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait(children: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes] | None:
    """Return the first child that ends, None once there is input, or its end."""
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN | select.POLLHUP)
    for child in children:
        poller.register(os.pidfd_open(child.pid), select.POLLIN)
    poller.poll()
    return next((child for child in children if child.poll() is not None), None)


def _kill(children: list[subprocess.Popen[bytes]]) -> None:
    """End what still runs; there is nothing in it that anybody keeps."""
    for child in children:
        if child.poll() is None:
            child.kill()
            child.wait()


if __name__ == "__main__":
    main()
