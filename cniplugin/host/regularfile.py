"""Read a file of another program without blocking; a named pipe would block until a writer opens it."""

# pathlib is not allowed in this package:
# ruff: noqa: PTH116, PTH123

from __future__ import annotations

import os
import stat
from errno import EFBIG, EINVAL, EISDIR

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def load_regular_file(path: str, *, bytes_max: int) -> bytes:
    """Return the content of a regular file; follows links.

    Raises OSError as `open` does, and also if the file is not regular or longer than `bytes_max`; then `strerror` gives
    the reason. Raises ValueError for a path with a zero byte.
    """
    _check(os.stat(path).st_mode, path)  # before `open`, which can have an effect on a device
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        _check(os.fstat(descriptor).st_mode, path)  # another file may have replaced it
        data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise OSError(EFBIG, f"more than {bytes_max} bytes", path)
    return data


def _check(mode: int, path: str) -> None:
    if stat.S_ISDIR(mode):
        raise OSError(EISDIR, "Is a directory", path)
    if not stat.S_ISREG(mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), "something else")
        raise OSError(EINVAL, f"not a regular file but {kind}", path)
