"""The log of one call of the plugin, on stderr and in `logFile` (docs/node.md).

    line = time SP level SP verb SP container SP pod SP text LF
    time = UTC with milliseconds, as 2026-01-31T12:00:00.123Z
    pod  = namespace "/" name; "-" is an unknown value

On stderr, which runtimes mix with their own lines, each line begins with "nadmit: ". The levels, most severe first:
`panic` a bug of this plugin; `error` a refusal or a failure; `verbose` one line at the end of a verb; `debug` each call
of a delegate and each request to the API server. No line has a token, a request body or a configuration.

libcni drops what a plugin writes to stderr if the plugin fails. So without `logFile`, a call that fails leaves all its
lines in a file: they are kept until the first line of level `error` or `panic`. A call that succeeds does not touch
that file, and does not load its module.

One process serves one call, so there is one log, `LOG`. A failure to log never fails a verb.
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
"""By number. The names and the default are those of Multus (docs/node.md, "Log")."""

KEPT_LINES_MAX = 1_000
"""Of a call that has not failed yet; the first ones are dropped."""

UNKNOWN = "-"


class Log:
    """The log of one call. `attachments`: the number of attachments of the verb, None if it does not apply."""

    def __init__(self) -> None:
        self.begin()

    def begin(self, verb: str = "", container_id: str = "") -> None:
        """Start a new call. Until `set_up`, lines of level `verbose` and more severe go to stderr."""
        self.started = time.monotonic()
        self.attachments: int | None = None
        self.is_on_stderr = True
        self._verb = verb
        self._level = VERBOSE
        self._file: LogFile | None = None
        self._file_of_failures = ""
        self._kept: list[str] = []
        self.set_subject(container_id)

    def set_subject(self, container_id: str = "", pod: str = "") -> None:
        """Set the container and the pod, `namespace/name`, of the next lines; "" if unknown."""
        self._container_id = container_id
        self._pod = pod

    def set_up(
        self, *, file: str, level: str, to_stderr: bool, options: Mapping[str, object], is_for_failures: bool = False
    ) -> None:
        """Apply the configuration: its keys logFile, logLevel, logToStderr and logOptions, which are right.

        `is_for_failures`: the file gets the lines of this call only if it has one of level `error` or `panic`.
        """
        self._level = LEVELS.index(level)
        self.is_on_stderr = to_stderr
        self._options = options
        if is_for_failures:
            self._file_of_failures = file
        elif file:
            from .logfile import LogFile  # noqa: PLC0415  # loaded only with a log file

            self._file = LogFile(file, options)

    def panic(self, text: str) -> None:
        """Log a bug of this plugin."""
        self._write(PANIC, text)

    def error(self, text: str) -> None:
        """Log a refusal or a failure."""
        self._write(ERROR, text)

    def verbose(self, text: str) -> None:
        """Log a line that operators want to see for every call."""
        self._write(VERBOSE, text)

    def debug(self, text: str) -> None:
        """Log a step."""
        self._write(DEBUG, text)

    def done(self) -> None:
        """Log the end of a verb that succeeded."""
        count = "" if self.attachments is None else f" attachments={self.attachments}"
        self.verbose(f"done ms={self.ms_since(self.started)}{count}")

    def ms_since(self, moment: float) -> int:
        """Return the milliseconds since `moment` of `time.monotonic`."""
        return round((time.monotonic() - moment) * 1000)

    def _write(self, level: int, text: str) -> None:
        if level > self._level or not (self.is_on_stderr or self._file or self._file_of_failures):
            return
        ns = time.time_ns()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 1_000_000_000))
        about = (self._verb, self._container_id, self._pod)
        words = " ".join(_printable(word).replace(" ", "\\x20") or UNKNOWN for word in about)
        line = f"{moment}.{ns // 1_000_000 % 1000:03d}Z {LEVELS[level]} {words} {_printable(text)}\n"
        if self.is_on_stderr:
            _write_stderr(line)
        if self._file is not None:
            self._append(line)
        elif self._file_of_failures:
            self._kept = [*self._kept[1 - KEPT_LINES_MAX :], line]
            if level <= ERROR:
                self._write_kept(self._file_of_failures)

    def _write_kept(self, path: str) -> None:
        """Write the lines of a call that fails to its file, which gets all later lines too."""
        from .logfile import LogFile  # noqa: PLC0415  # loaded only for a failure

        self._file, self._file_of_failures = LogFile(path, self._options), ""
        self._append("".join(self._kept))

    def _append(self, lines: str) -> None:
        problem = self._file.append(lines.encode("utf-8", "backslashreplace")) if self._file else ""
        if problem:
            self._file = None
            # NB: on stderr even without logToStderr, because nothing else can report this.
            _write_stderr(f"{problem}; the pod's networks do not suffer\n")


def _write_stderr(line: str) -> None:
    """Write a line. The runtime may have closed stderr."""
    try:
        if sys.stderr is not None:
            sys.stderr.write(f"nadmit: {line}")
            sys.stderr.flush()
    except (OSError, ValueError):
        return


def _printable(text: str) -> str:
    """Escape line breaks and the control characters of a terminal.

    NB: without the codec `unicode_escape`, which is a module that the bundle does not have.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


LOG = Log()
"""The log of this process."""
