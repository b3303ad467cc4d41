"""Files that an operator names, read with a bound on the wait for the writer of a named pipe or for a file system.

A named pipe is refused. A file system that does not answer, such as a network mount without its server, can only be
waited for in another thread, which then waits on alone. NB: at most one thread waits for each path, for any number
of calls.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from typing import Generic, TypeVar

from cniplugin.host.regularfile import load_regular_file

T = TypeVar("T")

WAIT_S = 10.0
"""A busy disk answers within a second; a mount whose server is gone never does."""


class _Call(Generic[T]):
    """A call in a daemon thread, which does not keep the process from ending."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._returned: list[T] = []
        self._raised: BaseException | None = None
        self.thread = Thread(target=self._run, name="nadmit-file", daemon=True)

    def _run(self) -> None:
        try:
            self._returned.append(self._call())
        except BaseException as error:  # noqa: BLE001 - `wait` raises it again
            self._raised = error

    def wait(self, seconds: float) -> T | None:
        """Return or raise the result of the call; return None if it has not ended."""
        self.thread.join(seconds)
        if self._raised is not None:
            raise self._raised
        return self._returned[0] if self._returned else None


_stuck: dict[str, Thread] = {}
_lock = Lock()


def load_file(path: Path, *, bytes_max: int, wait_s: float = WAIT_S) -> bytes:
    """Return the content of a regular file.

    Raises OSError, with a `strerror` for people, for a file of another kind, a file of more than `bytes_max` bytes, a
    path with a zero byte, and a file system that does not answer within `wait_s` seconds.
    """
    return within(path, lambda: load_regular_file(str(path), bytes_max=bytes_max), wait_s=wait_s)


def within(path: Path, call: Callable[[], T], *, wait_s: float = WAIT_S) -> T:
    """Return or raise the result of a call about a path, which must not be None. Raises OSError if it does not end."""
    key = str(path)
    with _lock:
        if key in _stuck and _stuck[key].is_alive():
            raise _unanswered(path, wait_s)
        _stuck.pop(key, None)
    made = _Call(call)
    made.thread.start()
    try:
        result = made.wait(wait_s)
    except ValueError as error:  # a path with a zero byte
        raise OSError(errno.EINVAL, str(error), key) from error
    if result is None:
        with _lock:
            _stuck[key] = made.thread
        raise _unanswered(path, wait_s)
    return result


def describe_unreadable(error: OSError, otherwise: str) -> str:
    """Return "cannot be read", the reason, and what to do: `otherwise` for an error without advice of its own."""
    return f"cannot be read: {(error.strerror or str(error)).lower()}; {advice(error, otherwise)}"


def advice(error: OSError, otherwise: str) -> str:
    """Return what to do about a file that cannot be read; `otherwise` for an error without advice of its own."""
    return _ADVICE.get(error.errno or 0, otherwise)


_ADVICE = {
    errno.EFBIG: "shorten it",
    errno.EINVAL: "name a regular file",
    errno.ETIMEDOUT: "see to its mount",
}


def _unanswered(path: Path, wait_s: float) -> OSError:
    return OSError(errno.ETIMEDOUT, f"its file system does not answer within {wait_s:g} s", str(path))
