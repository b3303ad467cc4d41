"""What an operator reads about one call of the plugin: a line per fact, on stderr and in `logFile` (docs/node.md).

    line = time SP level SP verb SP container SP pod SP text LF
    time = UTC with milliseconds, as 2026-01-31T12:00:00.123Z
    pod  = namespace "/" name; what is not known, or does not apply, is "-"

On stderr, which runtimes mix with their own lines, "nadmit: " stands in front. Levels, from the gravest: `panic` a bug
of ours; `error` what was refused, failed or could not be told; `verbose` one line at the end of a verb; `debug` each
call of a delegate and each request to the API server. No line has a token, a request's body or a configuration.

One process serves one call, so there is one log, `LOG`, and a line needs its text alone. Nothing here fails a verb.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .logfile import LogFile

PANIC, ERROR, VERBOSE, DEBUG = range(4)
LEVELS = ("panic", "error", "verbose", "debug")
"""By number. Their names, and the default, are Multus' (docs/node.md, "Log")."""

UNKNOWN = "-"


class Log:
    """The lines about one call. `attachments`: how many the verb dealt with, None if that says nothing."""

    def __init__(self) -> None:
        self.begin()

    def begin(self, verb: str = "", container_id: str = "") -> None:
        """Start with a new call; until `set_up`, lines go to stderr, those of level `verbose` and graver."""
        self.started = time.monotonic()
        self.attachments: int | None = None
        self.is_on_stderr = True
        self._verb = verb
        self._level = VERBOSE
        self._file: LogFile | None = None
        self.tell_of(container_id)

    def tell_of(self, container_id: str = "", pod: str = "") -> None:
        """Say which container the next lines are about; `pod` is `namespace/name`, or "" if it is not known."""
        self._container_id = container_id
        self._pod = pod

    def set_up(self, *, file: str, level: str, to_stderr: bool, options: Mapping[str, object]) -> None:
        """Take what the configuration says: its keys logFile, logLevel, logToStderr, logOptions, already checked."""
        self._level = LEVELS.index(level)
        self.is_on_stderr = to_stderr
        if file:
            from .logfile import LogFile  # noqa: PLC0415  # who has no log file does not pay for it

            self._file = LogFile(file, options)

    def panic(self, text: str) -> None:
        """Tell of a bug of this plugin."""
        self._say(PANIC, text)

    def error(self, text: str) -> None:
        """Tell what was refused or went wrong, the pod's working or not."""
        self._say(ERROR, text)

    def verbose(self, text: str) -> None:
        """Tell what an operator wants to see of every call."""
        self._say(VERBOSE, text)

    def debug(self, text: str) -> None:
        """Tell a step."""
        self._say(DEBUG, text)

    def done(self) -> None:
        """Say that the verb is done."""
        count = "" if self.attachments is None else f" attachments={self.attachments}"
        self.verbose(f"done ms={self.ms_since(self.started)}{count}")

    def end(self) -> None:
        """Tidy up after a rotation, if there was one. NB: compressing takes seconds, so the answer goes out first."""
        if self._file is not None:
            self._complain(self._file.tidy())

    def ms_since(self, moment: float) -> int:
        """Return the milliseconds since a moment of `time.monotonic`."""
        return round((time.monotonic() - moment) * 1000)

    def _say(self, level: int, text: str) -> None:
        if level > self._level or not (self.is_on_stderr or self._file):
            return
        ns = time.time_ns()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 1_000_000_000))
        about = (self._verb, self._container_id, self._pod)
        words = " ".join(_printable(word).replace(" ", "\\x20") or UNKNOWN for word in about)
        line = f"{moment}.{ns // 1_000_000 % 1000:03d}Z {LEVELS[level]} {words} {_printable(text)}\n"
        if self.is_on_stderr:
            _write_stderr(line)
        if self._file is not None:
            self._complain(self._file.append(line.encode("utf-8", "backslashreplace")))

    def _complain(self, problem: str) -> None:
        """Say once, whatever `logToStderr` is, that the log file is not written; there is nobody else to tell."""
        if problem:
            self._file = None
            _write_stderr(f"{problem}; the pod's networks do not suffer\n")


def _write_stderr(line: str) -> None:
    """Write a line; a runtime may have closed its end, or all of it."""
    try:
        if sys.stderr is not None:
            sys.stderr.write(f"nadmit: {line}")
            sys.stderr.flush()
    except (OSError, ValueError):
        return


def _printable(text: str) -> str:
    """Return a text in which nothing ends the line or moves a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


LOG = Log()
"""The log of this process."""
