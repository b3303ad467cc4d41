"""What a rotation leaves of the log: `<file>.<time>-<process>`, compressed to `.gz`, the oldest ones removed.

    backup = file "." time "-" 1*digit [ ".gz" ]
    time   = UTC, as 2026-01-31T12-00-00.123Z

The process makes the name unique; sorted by name they are sorted by time. Who works on a backup holds its lock. The
compressed file is written under a hidden name and renamed; one whose original is still there is whole all the same.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH105, PTH108, PTH118, PTH123, PTH208

from __future__ import annotations

import fcntl
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SHAPE = "0000-00-00T00-00-00.000Z"
_COMPRESSED = ".gz"
_DAY_S = 86_400
_CHUNK_BYTES = 1 << 20
_LEVEL = 1
"""Of zlib: lines with random IDs shrink to a third, at 150 MB/s; level 6 takes twice as long for 5 % less."""
_GZIP_WINDOW = 31
"""zlib.compressobj: a window of 2**15 bytes, with gzip's header and checksum. The module `gzip` costs 5 ms more."""


def new_name(path: str) -> str:
    """Return the name of a backup that is made now."""
    return f"{path}.{_stamp(time.time_ns() // 1_000_000)}-{os.getpid()}"


def tidy(path: str, options: Mapping[str, object], *, now: float) -> None:
    """Compress and remove backups of the log at `path`, as `options` have it; `now` in seconds since 1970.

    Raises OSError, with what was not reached left for the next rotation.
    """
    for name in _unwanted(backups(path), options, now=now):
        _remove(_hidden(name))
        _remove(name)
    if options["compress"]:
        for name in backups(path):
            if not name.endswith(_COMPRESSED):
                _compress(name)


def backups(path: str) -> list[str]:
    """Return the backups of a log, the newest first; other files beside it are none of ours."""
    directory, name = os.path.split(path)
    found = [entry for entry in os.listdir(directory) if entry.startswith(f"{name}.")]
    ours = [entry for entry in found if _is_stamp(entry[len(name) + 1 :].removesuffix(_COMPRESSED))]
    return [os.path.join(directory, entry) for entry in sorted(ours, reverse=True)]


def _is_stamp(text: str) -> bool:
    stamp, dash, process = text[: len(_SHAPE)], text[len(_SHAPE) : len(_SHAPE) + 1], text[len(_SHAPE) + 1 :]
    shape = "".join("0" if char.isdecimal() else char for char in stamp)
    return shape == _SHAPE and dash == "-" and process.isdecimal()


def _unwanted(found: list[str], options: Mapping[str, object], *, now: float) -> list[str]:
    """Return the backups that are older than maxAge days or beyond the maxBackups newest; 0 is no limit."""
    age, count = options["maxAge"], options["maxBackups"]
    kept = list(dict.fromkeys(name.removesuffix(_COMPRESSED) for name in found))
    if isinstance(count, int) and count:
        kept = kept[:count]
    if isinstance(age, int) and age:
        oldest = _stamp(int((now - age * _DAY_S) * 1000))
        kept = [name for name in kept if name.rpartition("-")[0][-len(_SHAPE) :] >= oldest]
    return [name for name in found if name.removesuffix(_COMPRESSED) not in kept]


def _stamp(ms: int) -> str:
    return f"{time.strftime('%Y-%m-%dT%H-%M-%S', time.gmtime(max(ms, 0) // 1000))}.{ms % 1000:03d}Z"


def _compress(path: str) -> None:
    """Replace a file by its compressed form, unless another process is at it.

    NB: the process that rotated holds the lock of its backup through another descriptor, of which it knows; for that
    one, the name has its process in it.
    """
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:  # another process was faster
        return
    try:
        if path.endswith(f"-{os.getpid()}") or _is_free(source):
            _pack(source, path)
    finally:
        os.close(source)


def _is_free(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(fd).st_nlink > 0


def _pack(source: int, path: str) -> None:
    import zlib  # noqa: PLC0415  # only here; `gzip` is not needed

    hidden = _hidden(path)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    target = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with open(target, "wb") as file:
            while chunk := os.read(source, _CHUNK_BYTES):
                file.write(packer.compress(chunk))
            file.write(packer.flush())
            file.flush()
            os.fsync(file.fileno())
        os.replace(hidden, f"{path}{_COMPRESSED}")
    except BaseException:
        _remove(hidden)
        raise
    _remove(path)


def _hidden(path: str) -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.tmp")


def _remove(path: str) -> None:
    try:  # noqa: SIM105  # contextlib costs 1 ms
        os.unlink(path)
    except FileNotFoundError:
        pass
