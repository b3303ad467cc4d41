"""The log file: append lines, rotate the file if it is too large, remove old backups.

    backup = file "." time "-" 1*digit [ ".gz" ]      ; the digits are the process, so that the name is unique
    time   = UTC, as 2026-01-31T12-00-00.123Z         ; so backups sorted by name are sorted by time

Theory of operation. There is no daemon, so every process writes, and any of them may rotate. To write a line, a process
opens the file, takes a shared lock of it (flock(2)), checks that the path still leads to it, appends with one write,
and closes it. To rotate, a process holds the exclusive lock of the file while it renames it, so that no writer is
between open and write. A writer that cannot get the lock, or finds another file at the path, starts again. The kernel
releases the locks of a killed process.

The plugin does not compress backups: that is the job of logrotate. Backups ending in `.gz`, which others made or
earlier versions left, are counted and removed as well. A line that was cut because the disk was full is ended by the
next writer.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH103, PTH104, PTH108, PTH116, PTH120, PTH208

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SIZE_MAX_MB = 100
"""Multus' defaults (pkg/logging). 0 means, as in lumberjack, the default size, and no limit of age or number."""
OPTIONS = {"maxSize": SIZE_MAX_MB, "maxAge": 5, "maxBackups": 5, "compress": True}
"""`compress` is accepted for Multus' configurations and has no effect."""

BYTES_PER_MB = 1024 * 1024
_SHAPE = "0000-00-00T00-00-00.000Z"
_COMPRESSED = ".gz"
_DAY_S = 86_400
_LOCKED_WITHIN_S = 0.5
_TICK_S = 0.001
_ADVICE = {
    errno.ENOSPC: "free space on its file system",
    errno.EDQUOT: "raise the quota of its file system",
    errno.EROFS: "mount its file system read-write, or choose another logFile",
    errno.ENXIO: "no process reads this pipe",
    errno.EAGAIN: "its reader is too slow",
}


class LogFile:
    """A file with the `logOptions` of the configuration. Failures are returned in words, never raised."""

    def __init__(self, path: str, options: Mapping[str, object]) -> None:
        self._given = path
        self._path = ""
        self._options = {**OPTIONS, **{key: value for key, value in options.items() if value is not None}}

    def append(self, line: bytes) -> str:
        """Append a line; rotate before the first one. Return "" or the reason of a failure."""
        is_rotated = False
        try:
            if not self._path:
                self._path = os.path.realpath(self._given)
                is_rotated = self._rotate()
            self._append(line)
        except (OSError, ValueError) as error:
            return self._problem(error, "it is not written")
        try:
            if is_rotated:
                remove_old_backups(self._path, self._options, now=time.time())
        except OSError as error:
            return self._problem(error, "old backups are not removed")
        return ""

    def _problem(self, error: Exception, what: str) -> str:
        code = error.errno if isinstance(error, OSError) else None
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
        advice = f"; {_ADVICE[code]}" if code in _ADVICE else ""
        return f"logFile {self._given}: {what}: {reason}{advice}"

    def _append(self, line: bytes) -> None:
        fd = self._open_locked(fcntl.LOCK_SH)
        try:
            written = os.write(fd, line if _ends_well(fd) else b"\n" + line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(fd)

    def _rotate(self) -> bool:
        """Rename the file if it is too large; say whether this happened."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(status.st_mode) or status.st_size <= self._size_max():
            return False
        fd = self._open_locked(fcntl.LOCK_EX)
        try:
            # Another process may have rotated, or may hold the lock; then the next call rotates.
            is_ours = _try_lock(fd, fcntl.LOCK_EX) and _is_at(fd, self._path)
            if not is_ours or os.fstat(fd).st_size <= self._size_max():
                return False
            os.rename(self._path, f"{self._path}.{_stamp(time.time_ns() // 1_000_000)}-{os.getpid()}")
            return True
        finally:
            os.close(fd)

    def _size_max(self) -> int:
        size = self._options["maxSize"]
        return (size if isinstance(size, int) and size else SIZE_MAX_MB) * BYTES_PER_MB

    def _open_locked(self, operation: int) -> int:
        """Return the file at the path, locked, unless it is not a regular file or the lock is not free in time.

        NB: without the lock, a line may go to a file that another process has just renamed; a longer wait is worse.
        """
        until = time.monotonic() + _LOCKED_WITHIN_S
        while True:
            fd = self._open()
            try:
                is_locked = not stat.S_ISREG(os.fstat(fd).st_mode) or _try_lock(fd, operation)
                is_late = time.monotonic() > until
                if (is_locked and _is_at(fd, self._path)) or is_late:
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
            if not is_locked:
                time.sleep(_TICK_S)

    def _open(self) -> int:
        """Open for appending, and for reading the end of a file. NB: a pipe without a reader must not block."""
        flags = os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
        try:
            is_file = stat.S_ISREG(os.stat(self._path).st_mode)
        except FileNotFoundError:
            is_file = True
        mode = os.O_RDWR if is_file else os.O_WRONLY
        try:
            return os.open(self._path, flags | mode, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._path), 0o755, exist_ok=True)
            return os.open(self._path, flags | mode, 0o600)


def _try_lock(fd: int, operation: int) -> bool:
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _ends_well(fd: int) -> bool:
    """Say whether a file ends with a whole line."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return True
    return os.pread(fd, 1, status.st_size - 1) == b"\n"


def backups(path: str) -> list[str]:
    """Return the names of the backups of a log, the newest first."""
    directory, name = os.path.split(path)
    suffixes = [entry[len(name) + 1 :] for entry in os.listdir(directory) if entry.startswith(f"{name}.")]
    ours = [suffix for suffix in suffixes if _is_stamp(suffix.removesuffix(_COMPRESSED))]
    return [f"{path}.{suffix}" for suffix in sorted(ours, reverse=True)]


def _is_stamp(text: str) -> bool:
    stamp, dash, process = text[: len(_SHAPE)], text[len(_SHAPE) : len(_SHAPE) + 1], text[len(_SHAPE) + 1 :]
    shape = "".join("0" if char.isdecimal() else char for char in stamp)
    return shape == _SHAPE and dash == "-" and process.isdecimal()


def _stamp(ms: int) -> str:
    return f"{time.strftime('%Y-%m-%dT%H-%M-%S', time.gmtime(max(ms, 0) // 1000))}.{ms % 1000:03d}Z"


def remove_old_backups(path: str, options: Mapping[str, object], *, now: float) -> None:
    """Remove the backups that are older than maxAge days or beyond the newest maxBackups; 0 means no limit.

    `now` is in seconds since 1970. A backup beside its compressed form counts once. Raises OSError.
    """
    age, count = options["maxAge"], options["maxBackups"]
    present = backups(path)
    kept = list(dict.fromkeys(name.removesuffix(_COMPRESSED) for name in present))
    if isinstance(count, int) and count:
        kept = kept[:count]
    if isinstance(age, int) and age:
        oldest = _stamp(int((now - age * _DAY_S) * 1000))
        kept = [name for name in kept if name.rpartition("-")[0][-len(_SHAPE) :] >= oldest]
    for name in present:
        if name.removesuffix(_COMPRESSED) not in kept:
            try:  # noqa: SIM105  # contextlib costs 1 ms
                os.unlink(name)
            except FileNotFoundError:  # another process was faster
                pass
