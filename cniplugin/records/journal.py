"""The journal: what was attempted for each container, so that DEL, CHECK and GC ask nobody and nothing leaks.

One file per container, `<directory>/<container ID>.journal` (its text: `journaltext`), replaced as a whole: temporary
file, write, fsync, rename, fsync of the directory. A crash leaves the old record or the new one. If `write` fails after
its rename (fsync of the directory), the new record is what a reader sees: one more attempt is on record than was made,
and DEL of that is harmless (CNI 1.1 §2, DEL).

Locks (CNI 1.1 §2: one operation per container; GC alone): `lock` takes `.lock` shared and `.<id>.lock` exclusive,
`lock_all` takes `.lock` exclusive. A container's lock file is unlinked by its holder, while it is held; who then gets
the lock of that unlinked file sees that the path has another inode, or none, and starts again. The kernel frees the
locks of a killed process; the files it left are taken over by the next holder, or go in `sweep`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from binascii import crc32

from cniplugin.cnierrors import DECODE_FAILURE, INVALID_ENVIRONMENT, IO_FAILURE, TRY_AGAIN_LATER, CniError
from cniplugin.netspec.names import is_network_name

from . import journaltext
from .journaltext import parse, render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, Self

    from .journaltext import Journal, Salvage

    class System(Protocol):
        """What `Store` asks of the operating system: the functions of `os`, so that a test can fail each one."""

        def open(self, path: str, flags: int, mode: int = 0o777, /) -> int: ...  # noqa: D102  # as in os
        def read(self, fd: int, length: int, /) -> bytes: ...  # noqa: D102
        def write(self, fd: int, data: memoryview, /) -> int: ...  # noqa: D102
        def fsync(self, fd: int, /) -> None: ...  # noqa: D102
        def close(self, fd: int, /) -> None: ...  # noqa: D102
        def replace(self, source: str, target: str, /) -> None: ...  # noqa: D102
        def mkdir(self, path: str, mode: int = 0o777, /) -> None: ...  # noqa: D102
        def unlink(self, path: str, /) -> None: ...  # noqa: D102


_SUFFIX = ".journal"
_STEM_MAX = 230  # NAME_MAX is 255 bytes; "." and ".journal" take 9
_POLL_S = 0.01
_READ_BYTES = 1 << 20
_NO_NEW_FILES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_ADVICE = {
    errno.ENOSPC: "free space or inodes on its file system",
    errno.EDQUOT: "raise the quota of its file system",
    errno.EROFS: "mount its file system read-write",
    errno.EIO: "check the disk",
    errno.EACCES: "the plugin runs as root and owns this directory",
}


class DamagedError(CniError):
    """A record is there and cannot be read as it was written; `path` is its file. See `salvage`."""

    def __init__(self, code: int, path: str, reason: str) -> None:
        super().__init__(code, f"journal {path}: the record is damaged: {reason}")
        self.path = path


def salvage(path: str) -> Salvage:
    """Return what can still be known from the record at `path`; nothing when it cannot be read at all."""
    try:
        data = _read_file(path, os)
    except OSError:
        data = b""
    return journaltext.salvage(data)


class Store:
    """The records in one directory. Every method blocks on the disk; hold a container's lock to write or remove.

    Raises CniError 4 for a container ID that CNI does not allow, 5 with one line for what the disk refuses.
    """

    def __init__(self, directory: str, *, system: System = os) -> None:
        self.directory = directory
        self._system = system

    def path(self, container_id: str) -> str:
        """Return the file of a container's record."""
        return f"{self.directory}/{_stem(container_id)}{_SUFFIX}"

    def write(self, journal: Journal) -> None:
        """Replace the container's record, durably. On CniError 5 the old record is intact (but see the module)."""
        data = render(journal)
        path, temporary = self.path(journal.container_id), self._hidden(journal.container_id, "tmp")
        try:
            _make_directory(self.directory, self._system)
            self._fill(temporary, data)
            self._system.replace(temporary, path)
            _sync_directory(self.directory, self._system)
        except OSError as error:
            _unlink(temporary, self._system)
            raise _io_failure("written", path, error) from error

    def read(self, container_id: str) -> Journal | None:
        """Return the container's record, None when there is none. Raises DamagedError: code 6, or 5 on an I/O error."""
        path = self.path(container_id)
        try:
            journal = parse(_read_file(path, self._system))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DamagedError(IO_FAILURE, path, _why(error)) from error
        except ValueError as error:
            raise DamagedError(DECODE_FAILURE, path, str(error)) from error
        if journal.container_id != container_id:
            raise DamagedError(DECODE_FAILURE, path, f"it is that of container {journal.container_id}")
        return journal

    def remove(self, container_id: str) -> None:
        """Remove the container's record and what a crash left beside it; fine when there is none.

        NB: not synced. A record that a power loss brings back names what is gone: its DEL is repeated, or GC's.
        """
        path = self.path(container_id)
        try:
            for name in (self._hidden(container_id, "tmp"), path):
                _unlink(name, self._system, ignored=FileNotFoundError)
        except OSError as error:
            raise _io_failure("removed", path, error) from error

    def set_aside(self, container_id: str) -> str:
        """Give the container's record a name that is no record's, durably, and return it. Hold its lock.

        Raises CniError 5, also if there is one of that name from before.
        """
        path = self.path(container_id)
        aside = f"{path.removesuffix(_SUFFIX)}.damaged"
        try:
            if not _is_one_file(path, aside):  # else a crash came in between
                os.link(path, aside, follow_symlinks=False)
            self._system.unlink(path)
            _sync_directory(self.directory, self._system)
        except FileExistsError as error:
            text = f"journal {path}: it cannot be moved aside: there is {aside} already; move that one away"
            raise CniError(IO_FAILURE, text) from error
        except OSError as error:
            raise _io_failure("moved aside", path, error) from error
        return aside

    def containers(self) -> list[str]:
        """Return the containers that have a record, sorted.

        NB: one with an ID too long for a file name whose record has lost its head cannot be named here; its DEL,
        which brings the ID, finds it.
        """
        found = []
        for name in self._names():
            stem = name[: -len(_SUFFIX)]
            if name.endswith(_SUFFIX) and is_network_name(stem):
                found.append(stem)
            elif name.endswith(_SUFFIX) and "~" in stem and (head := salvage(f"{self.directory}/{name}").head):
                found.append(head.container_id)
        return sorted(found)

    def lock(self, container_id: str, deadline: float) -> Lock:
        """Return the container's lock, for `with`. `deadline`: of `time.monotonic`. CniError 11 when it passes.

        Where no file can be made any more (disk full, read-only), the lock of all containers stands in for it, so
        that DEL still works there.
        """
        return Lock(self, f"container {container_id}", self._hidden(container_id, "lock"), deadline)

    def lock_all(self, deadline: float) -> Lock:
        """Return the lock against every container's, for GC; otherwise as `lock`."""
        return Lock(self, "garbage collection", None, deadline)

    def sweep(self) -> None:
        """Remove the temporary and lock files that killed processes left. Hold `lock_all`."""
        for name in self._names():
            if name.startswith(".") and name.endswith((".tmp", ".lock")) and name != ".lock":
                _unlink(f"{self.directory}/{name}", self._system)

    def _hidden(self, container_id: str, kind: str) -> str:
        """NB: no container ID starts with a dot, so these names are never records."""
        return f"{self.directory}/.{_stem(container_id)}.{kind}"

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.directory)  # noqa: PTH208  # pathlib is too dear here
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _io_failure("listed", self.directory, error) from error

    def _fill(self, path: str, data: bytes) -> None:
        """Write and fsync a new file; one that a crash left is overwritten."""
        fd = self._system.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._system.write(fd, rest) :]
            self._system.fsync(fd)
        finally:
            self._system.close(fd)


class Lock:
    """A lock to hold in a `with`; see the module. `owner` is who wants it, for the message."""

    def __init__(self, store: Store, owner: str, path: str | None, deadline: float) -> None:
        self._directory = store.directory
        self._owner = owner
        self._path = path
        self._deadline = deadline
        self._fds: list[int] = []
        self._is_own_file = False

    def __enter__(self) -> Self:
        common = f"{self._directory}/.lock"
        try:
            _make_directory(self._directory, os)
            self._acquire(common, fcntl.LOCK_EX if self._path is None else fcntl.LOCK_SH)
            if self._path is not None:
                self._acquire_own(self._path)
        except BaseException as error:
            self._release()
            if isinstance(error, OSError):
                raise _io_failure("locked", self._path or common, error) from error
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._release()

    def _acquire_own(self, path: str) -> None:
        try:
            self._acquire(path, fcntl.LOCK_EX)
            self._is_own_file = True
        except OSError as error:
            if error.errno not in _NO_NEW_FILES:
                raise
            # NB: a conversion drops the shared lock before it waits (flock(2)), so two of them do not block each other.
            self._wait(self._fds[0], fcntl.LOCK_EX)

    def _acquire(self, path: str, operation: int) -> None:
        while True:
            self._fds.append(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            self._wait(self._fds[-1], operation)
            if _is_file_of(self._fds[-1], path):
                return
            os.close(self._fds.pop())

    def _wait(self, fd: int, operation: int) -> None:
        while True:
            try:
                fcntl.flock(fd, operation | fcntl.LOCK_NB)
            except BlockingIOError:
                left = self._deadline - time.monotonic()
                if left <= 0:
                    detail = "another CNI command holds a lock in it past the deadline; try again later"
                    raise CniError(
                        TRY_AGAIN_LATER, f"journal {self._directory}: {self._owner} has to wait: {detail}"
                    ) from None
                time.sleep(min(_POLL_S, left))
            else:
                return

    def _release(self) -> None:
        if self._is_own_file and self._path is not None:
            _unlink(self._path, os)
            self._is_own_file = False
        while self._fds:
            os.close(self._fds.pop())


def _stem(container_id: str) -> str:
    """Return the file name of a container, without suffix (CNI 1.1 §2, CNI_CONTAINERID: the characters of a name).

    One that is too long is cut and told from others by 64 bits of checksum; the record holds the whole ID, and
    `read` compares it.
    """
    if not is_network_name(container_id):
        allowed = "letters, digits, '_', '.' and '-', starting with a letter or digit"
        raise CniError(INVALID_ENVIRONMENT, f"CNI_CONTAINERID: not a container ID: {container_id[:80]!a}: {allowed}")
    if len(container_id) <= _STEM_MAX:
        return container_id
    data = container_id.encode("ascii")
    return f"{container_id[: _STEM_MAX - 17]}~{crc32(data):08x}{crc32(data[::-1]):08x}"


def _make_directory(path: str, system: System) -> None:
    """Make a directory and those above it, durably."""
    parent = os.path.dirname(path)  # noqa: PTH120  # pathlib is too dear here
    try:
        system.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        if parent in ("", path):
            raise
        _make_directory(parent, system)
        _make_directory(path, system)
    else:
        _sync_directory(parent or ".", system)


def _sync_directory(path: str, system: System) -> None:
    fd = system.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        system.fsync(fd)
    finally:
        system.close(fd)


def _read_file(path: str, system: System) -> bytes:
    fd = system.open(path, os.O_RDONLY)
    try:
        chunks = []
        while chunk := system.read(fd, _READ_BYTES):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        system.close(fd)


def _unlink(path: str, system: System, *, ignored: type[OSError] = OSError) -> None:
    """Remove a file; by default its staying does no harm."""
    try:  # noqa: SIM105  # contextlib is not loaded otherwise
        system.unlink(path)
    except ignored:
        pass


def _is_file_of(fd: int, path: str) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)  # noqa: PTH116
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), found)


def _is_one_file(path: str, other: str) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.stat(other))  # noqa: PTH116
    except FileNotFoundError:
        return False


def _io_failure(done: str, path: str, error: OSError) -> CniError:
    return CniError(IO_FAILURE, f"journal {path}: it cannot be {done}: {_why(error)}")


def _why(error: OSError) -> str:
    advice = _ADVICE.get(error.errno or 0)
    reason = error.strerror or str(error)
    return f"{reason}; {advice}" if advice else reason
