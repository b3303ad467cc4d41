"""A process that runs programs until its standard input ends.

`python -m tests.realapi.guard DIRECTORY` reads one line, a JSON list of command lines, and runs each with its output in
`DIRECTORY/<program>.log`. When its input ends, it kills the programs and removes DIRECTORY. The kernel closes the input
when the writing process dies, so no program outlives a test run that crashed. When a program ends by itself, the guard
kills the others and prints a line; DIRECTORY stays until the input ends, for its logs. Each further line of the input
is the index of a program: the guard kills it, runs it again and prints `restarted`.
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
            children.append(_start(command, directory))  # noqa: PERF401 - if one fails, `finally` must see the others
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
    """Have the kernel kill the child when the guard dies, even by SIGKILL."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait(children: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes] | None:
    """Return the first child that ends; None when there is input, or the input has ended."""
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN | select.POLLHUP)
    for child in children:
        poller.register(os.pidfd_open(child.pid), select.POLLIN)
    poller.poll()
    return next((child for child in children if child.poll() is not None), None)


def _kill(children: list[subprocess.Popen[bytes]]) -> None:
    """Kill the children that still run; they hold no data that must be saved."""
    for child in children:
        if child.poll() is None:
            child.kill()
            child.wait()


if __name__ == "__main__":
    main()
