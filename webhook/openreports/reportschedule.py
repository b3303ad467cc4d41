"""The part of a server that has the reports written: a pass from time to time, in a process of its own.

Theory of operation. A thread looks once a second. While this replica leads, it starts `nadmit scan --write-reports`
soon after it has begun to lead, and then in fixed intervals, one process at a time. A pass takes seconds of computing
and much memory, so it gets the lowest priority, and at most half of the memory that the container may use. Beyond it
the pass fails. NB: without that bound the kernel would kill all of the container, as the kubelet asks it to do. A pass
judges by the options and by the configuration of the server, which it gets in a file in memory.

| meanwhile | then |
| --- | --- |
| the pass ends | its counts become metrics, its notes lines of the log |
| it fails, or takes longer than allowed | a line of the log; the next pass comes in its time |
| this replica leads no more, or the server stops | the pass is ended; the next one writes the rest |

Two passes at once, of an old leader and of a new one, do no harm: each change names the version of the report that it
is for. Nothing here has an effect on readiness.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import IO, NamedTuple

import webhook
from cniplugin.access.judging.reasons import cut
from webhook.kube.retry import OnceLog
from webhook.report.plaintext import printable
from webhook.telemetry.metrics import ReportMetrics

from .passresult import parse_result

logger = logging.getLogger("nadmit.reports")

HOME = Path(webhook.__file__).parents[1]
"""Where Python finds the modules of this program."""
LOWEST_PRIORITY = 19
MEMORY_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""The container's limit of memory: of cgroup v2, and of v1."""
UNLIMITED = 1 << 50
"""Above it a limit of cgroup v1 means none."""
OUTPUT_MAX = 1 << 20
"""Bytes of the output of a pass that are read. A result has less than 64 KiB."""
REASON_MAX = 500
"""Bytes of the last line of its errors that the log quotes."""
STOP_S = 0.9
TERM_S = 0.5
"""How long a pass may take to end after SIGTERM."""


class PassCommand(NamedTuple):
    """How a pass is started: the words after `nadmit`, and the text of the configuration, None for the defaults.

    `home`: where Python looks for modules first. `memory_files`: where the limit of memory may be.
    """

    words: Sequence[str]
    configuration: bytes | None
    home: Path = HOME
    memory_files: Sequence[Path] = MEMORY_FILES


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleTiming:
    """In seconds. `every_s`: from the beginning of a pass to that of the next one, and `rest_s` at least in between."""

    every_s: float
    look_s: float = 1.0
    first_s: float = 5.0
    rest_s: float = 5.0
    longest_s: float = 3600.0


class ReportSchedule:
    """Implements `compose.Part`. `counts` are its metrics. Only its own thread calls the private methods."""

    def __init__(
        self,
        command: Callable[[], PassCommand],
        *,
        is_leader: Callable[[], bool],
        timing: ScheduleTiming,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`is_leader`: says whether this replica writes. `wall`: Unix seconds."""
        self.counts = ReportMetrics()
        self._command = command
        self._is_leader = is_leader
        self._timing = timing
        self._clock = clock
        self._wall = wall
        self._log = OnceLog(logger, again_s=3600.0, clock=clock)
        self._stopping = Signal()
        self._thread = Thread(target=self._run, name="nadmit-reports", daemon=True)
        self._child: _Child | None = None
        self._due: float | None = None

    def start(self) -> None:
        """Begin in a daemon thread."""
        self._thread.start()

    def stop(self) -> None:
        """End, and end a pass that runs."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def problem(self) -> str | None:
        """Return None: reviews do not need the reports."""
        return None

    def _run(self) -> None:
        while not self._stopping.wait(self._timing.look_s):
            try:
                self._look()
            except Exception:
                logger.exception("internal error; the next pass comes in its time")
                self._end_child("error")
        self._end_child("ended")

    def _look(self) -> None:
        now, leads = self._clock(), self._is_leader()
        if self._child is not None:
            self._watch(self._child, now, leads=leads)
        elif not leads:
            self._due = None
        elif self._due is None:
            self._due = now + self._timing.first_s
        elif now >= self._due:
            self._begin(now)

    def _begin(self, now: float) -> None:
        self._due = now + self._timing.every_s
        try:
            self._child = _Child(self._command(), now)
        except OSError as error:
            self._fail(f"it cannot be started: {(error.strerror or str(error)).lower()}")

    def _watch(self, child: _Child, now: float, *, leads: bool) -> None:
        """Take the result of a pass that has ended; end one that must not go on."""
        code = child.process.poll()
        if code is not None:
            self._child = None
            self._due = max(self._due or 0.0, now + self._timing.rest_s)
            self._take(child, code, now)
        elif not leads:
            self._end_child("ended")
            self._due = None
            self._say(logging.INFO, "the pass is ended: another replica writes now")
        elif now >= child.began + self._timing.longest_s:
            self._end_child("error")
            self._say(logging.WARNING, f"the pass is ended: it has taken {self._timing.longest_s:.0f} s")

    def _take(self, child: _Child, code: int, now: float) -> None:
        with closing(child):
            result = parse_result(child.output()) if code in {0, 1} else None
            reason = child.last_error()
        if result is None:
            self._fail(_ended_as(code, reason))
            return
        self.counts.take(result, seconds=now - child.began, at=self._wall())
        for note in result.notes:
            self._say(logging.WARNING, note)
        if result.has_written:
            logger.info("reports: %s", result.line())

    def _fail(self, text: str) -> None:
        self.counts.passes["error"] += 1
        self._say(logging.WARNING, f"the pass failed: {text}")

    def _end_child(self, outcome: str) -> None:
        child, self._child = self._child, None
        if child is not None:
            with closing(child):
                child.end()
            self.counts.passes[outcome] += 1

    def _say(self, level: int, text: str) -> None:
        self._log.log(level, f"reports: {printable(text)}")


def _ended_as(code: int, last_line: str) -> str:
    """Return how a pass has ended that gave no result."""
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{last_line or 'it wrote no reason'} ({how})"


class _Child:
    """A running pass. Its output goes to files in memory, so nobody has to read it while it runs."""

    def __init__(self, command: PassCommand, began: float) -> None:
        """Raises OSError."""
        self.began = began
        self._output, self._errors = _memory_file("output"), _memory_file("errors")
        try:
            self.process = _start(command, self._output, self._errors)
        except OSError:
            self.close()
            raise

    def output(self) -> bytes:
        """Return what it has written to standard output."""
        self._output.seek(0)
        return self._output.read(OUTPUT_MAX)

    def last_error(self) -> str:
        """Return the last line that it has written to standard error, "" for none."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - OUTPUT_MAX))
        lines = self._errors.read().decode(errors="replace").splitlines()
        return cut(next((line.strip() for line in reversed(lines) if line.strip()), ""), REASON_MAX)

    def close(self) -> None:
        """Close its files."""
        self._output.close()
        self._errors.close()

    def end(self) -> None:
        """End it, and the programs that it has started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(TERM_S)
                return


def _start(command: PassCommand, output: IO[bytes], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a pass with the code of this program. Raises OSError."""
    words = [sys.executable, "-P", "-m", "webhook", *command.words]
    with _memory_file("configuration") as file:
        if command.configuration is not None:
            file.write(command.configuration)
            file.flush()
            words += ["--config", f"/proc/self/fd/{file.fileno()}"]
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=_environment(command.home),
            pass_fds=(file.fileno(),),
            start_new_session=True,  # the signals of a terminal are for the server
        )
    try:
        _bound(process.pid, memory_share(command.memory_files))
    except ProcessLookupError:  # it has ended
        return process
    except OSError:
        process.kill()
        process.wait()
        raise
    return process


def _bound(pid: int, memory: int | None) -> None:
    """Give a process the lowest priority, and a bound on its memory in bytes. Raises OSError."""
    os.setpriority(os.PRIO_PROCESS, pid, LOWEST_PRIORITY)
    if memory is not None:
        resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))


def _memory_file(name: str) -> IO[bytes]:
    return os.fdopen(os.memfd_create(name), "w+b")


def _environment(home: Path) -> dict[str, str]:
    """Return the environment in which Python looks for modules in `home` first."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(home), os.environ.get("PYTHONPATH"))))}


def memory_share(files: Iterable[Path]) -> int | None:
    """Return half of the container's limit of memory, in bytes; None if it has no limit. `files`: where it may be."""
    for file in files:
        try:
            text = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        return int(text) // 2 if text.isdecimal() and int(text) < UNLIMITED else None
    return None
