"""The log file: each line appended by one write, and the file moved aside when it has become too large.

Theory of operation. There is no daemon, so every process is a writer, and any may have to rotate. A line is written by
opening the file, taking a shared lock of it (flock(2)), seeing that the path still leads to it, one write with
O_APPEND, and closing it. Who rotates holds the exclusive lock of the file while renaming it, so nobody is between open
and write, and keeps that lock until the file is compressed (`logbackups`). A writer that meets a lock it cannot have
sees that the path leads elsewhere by now and starts again with the new file. So no line comes into a file that is being
compressed, and nobody waits for the compression. All locks of a killed process are free; what it left is compressed by
the next rotation.

A line that was cut because the disk was full is ended by whoever writes next.
"""

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
"""Multus' defaults (pkg/logging), and lumberjack's meaning of 0: the default size; no limit of age or number."""
OPTIONS = {"maxSize": SIZE_MAX_MB, "maxAge": 5, "maxBackups": 5, "compress": True}

BYTES_PER_MB = 1024 * 1024
_LOCKED_WITHIN_S = 0.5
_TICK_S = 0.001
_ADVICE = {
    errno.ENOSPC: "free space on its file system",
    errno.EDQUOT: "raise the quota of its file system",
    errno.EROFS: "mount its file system read-write, or choose another logFile",
    errno.ENXIO: "nobody reads this pipe",
    errno.EAGAIN: "who reads it is too slow",
}


class LogFile:
    """A file with the `logOptions` of the configuration. What goes wrong is returned in words, never raised."""

    def __init__(self, path: str, options: Mapping[str, object]) -> None:
        self._given = path
        self._path = ""
        self._options = {**OPTIONS, **{key: value for key, value in options.items() if value is not None}}
        self._rotated: int | None = None

    def append(self, line: bytes) -> str:
        """Append a line, rotating first if this is the first one; return "" or why it is not written."""
        try:
            if not self._path:
                self._path = os.path.realpath(self._given)
                self._rotate()
            self._append(line)
        except (OSError, ValueError) as error:
            return self._problem(error)
        return ""

    def tidy(self) -> str:
        """After a rotation: compress the backups and remove those that are too old or too many."""
        if self._rotated is None:
            return ""
        from . import logbackups  # noqa: PLC0415  # only the process that rotates pays for it

        try:
            logbackups.tidy(self._path, self._options, now=time.time())
        except (OSError, ImportError) as error:
            return self._problem(error, what="old log files are not tidied up")
        finally:
            os.close(self._rotated)
            self._rotated = None
        return ""

    def _problem(self, error: Exception, *, what: str = "it is not written") -> str:
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

    def _rotate(self) -> None:
        """Move the file aside if it is too large."""
        try:
            found = os.stat(self._path)  # noqa: PTH116  # pathlib costs 5 ms
        except FileNotFoundError:
            return
        if not stat.S_ISREG(found.st_mode) or found.st_size <= self._size_max():
            return
        fd = self._open_locked(fcntl.LOCK_EX)
        is_ours = _try_lock(fd, fcntl.LOCK_EX) and _is_at(fd, self._path)
        if not is_ours or os.fstat(fd).st_size <= self._size_max():
            os.close(fd)  # another process was first, or holds on to it: the next call rotates
            return
        from .logbackups import new_name  # noqa: PLC0415  # as in `tidy`

        try:
            os.rename(self._path, new_name(self._path))  # noqa: PTH104  # pathlib costs 5 ms
        except OSError:
            os.close(fd)
            raise
        self._rotated = fd

    def _size_max(self) -> int:
        size = self._options["maxSize"]
        return (size if isinstance(size, int) and size else SIZE_MAX_MB) * BYTES_PER_MB

    def _open_locked(self, operation: int) -> int:
        """Return the file that is at the path now, locked; unlocked if it is no file, or somebody else holds on to it.

        NB: without it a line may be lost if another process rotates in this moment; waiting longer would be worse.
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
        """Open for appending, and for reading a file's end. NB: a pipe without a reader must not block."""
        flags = os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
        try:
            is_file = stat.S_ISREG(os.stat(self._path).st_mode)  # noqa: PTH116  # as above
        except FileNotFoundError:
            is_file = True
        mode = os.O_RDWR if is_file else os.O_WRONLY
        try:
            return os.open(self._path, flags | mode, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._path), 0o755, exist_ok=True)  # noqa: PTH103, PTH120  # as above
            return os.open(self._path, flags | mode, 0o600)


def _try_lock(fd: int, operation: int) -> bool:
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))  # noqa: PTH116  # as above
    except FileNotFoundError:
        return False


def _ends_well(fd: int) -> bool:
    """Say whether a file ends with a whole line."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return True
    return os.pread(fd, 1, found.st_size - 1) == b"\n"
