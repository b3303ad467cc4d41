"""Waiting for a change in a directory: the kernel's F_NOTIFY (fcntl(2)), which the standard library has.

Python's standard library has no inotify, and `ctypes` would bring a shared library into the node bundle for this alone.
F_NOTIFY has signals in place of events, and these do not say which file has changed. The installer looks at all of its
files anyway. Where the kernel lacks it (CONFIG_DNOTIFY), waiting is sleeping, and a note says so.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH116

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SETTLE_S = 0.2
"""After the first change, others follow: a CNI plugin writes a temporary file, renames it, removes another one."""

_BYTES_MAX = 65_536
"""The capacity of a pipe. Each signal is one byte, its number."""

_WATCHED = fcntl.DN_CREATE | fcntl.DN_DELETE | fcntl.DN_RENAME | fcntl.DN_MODIFY | fcntl.DN_MULTISHOT


class DirectoryChanges:
    """Waits in the main thread. `report` gets one line for each directory whose changes cannot be noticed.

    A handler of SIGIO is needed, because by default the signal ends the process. It wakes the wait through a pipe.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._watched: dict[tuple[str, int, int], int] = {}
        self._until = 0.0
        self._unwatched: set[str] = set()
        self._woken, self._wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._handler = signal.signal(signal.SIGIO, lambda *_: None)
        self._wakeup_fd = signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)

    def close(self) -> None:
        """Stop watching."""
        self.watch(())
        signal.set_wakeup_fd(self._wakeup_fd)
        signal.signal(signal.SIGIO, self._handler)
        os.close(self._woken)
        os.close(self._wakes)

    def wait(self, seconds: float, directories: Sequence[str]) -> bool:
        """Wait until something changes (True), or until `seconds` after the last wait that ended without a change."""
        now = time.monotonic()
        self._until = self._until if self._until > now else now + seconds
        self.watch(directories)
        while (left := self._until - time.monotonic()) > 0:
            readable, _, _ = select.select([self._woken], [], [], left)
            if readable and signal.SIGIO in os.read(self._woken, _BYTES_MAX):
                time.sleep(SETTLE_S)
                self._drain()
                return True
        return False

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._woken, _BYTES_MAX):
                pass

    def watch(self, directories: Sequence[str]) -> None:
        """Watch these directories only: a change from now on ends the next wait.

        One that was replaced by another of the same name is a new one. One that is missing is watched when it is there.
        """
        wanted: dict[tuple[str, int, int], int] = {}
        for path in dict.fromkeys(directories):
            try:
                status = os.stat(path)
                key = (path, status.st_dev, status.st_ino)
                wanted[key] = self._watched.pop(key) if key in self._watched else _open_watched(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                if path not in self._unwatched:
                    self._unwatched.add(path)
                    self._report(f"{path}: changes are noticed only every --every seconds: {error.strerror}")
        for fd in self._watched.values():
            os.close(fd)
        self._watched = wanted


def _open_watched(path: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(fd, fcntl.F_NOTIFY, _WATCHED)
    except OSError:
        os.close(fd)
        raise
    return fd
