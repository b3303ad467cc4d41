"""The journal: the attempted attachments of each container, so that DEL, CHECK and GC need no API server (CNI 1.1 §2).

There is one file per container, `<directory>/<container ID>.journal`:

    record = head *entry
    line   = crc SP json LF     ; crc: CRC-32 of the JSON text, 8 hexadecimal digits; json: ASCII, no line break
    head   = {"kind", "version", the fields of Journal, "entries": the number of entry lines}
    entry  = [index, {the fields of Entry}]

Each line has a checksum, so that `salvage` can find the sound entries of a damaged record. CRC-32 is enough, because
damage is an accident and the directory belongs to root: it finds each burst of up to 32 bits, and the count in the
head finds each cut. `binascii` costs 0.4 ms; `hashlib` costs 8 ms.

A record is replaced as a whole: temporary file, write, fsync, rename, fsync of the directory. A crash leaves the old
record or the new one. If the fsync of the directory fails, `write` fails although the new record is in place. Then the
record has one attempt too many, and its DEL is harmless (CNI 1.1 §2, DEL).

Locks (CNI 1.1 §2: one operation per container; GC alone): `lock` takes `.lock` shared and `.<id>.lock` exclusive,
`lock_all` takes `.lock` exclusive. The holder of a container's lock file unlinks it before the release. A process that
then locks the unlinked file sees that the path has another inode, or none, and starts again. The kernel releases the
locks of a killed process; the next holder takes over its files, or `sweep` removes them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from binascii import crc32

from cniplugin.cnierrors import DECODE_FAILURE, INVALID_ENVIRONMENT, IO_FAILURE, TRY_AGAIN_LATER, CniError
from cniplugin.netspec import cniconfig
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.names import ALLOWED_NETWORK_NAME, is_network_name
from cniplugin.netspec.rawjson import dumps, loads
from cniplugin.netspec.record import Record
from cniplugin.netspec.result import parse as parse_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol, Self

    from cniplugin.netspec.cniconfig import NetworkConfigList

    class System(Protocol):
        """The functions of `os` that `Store` calls, so that a test can make each of them fail."""

        def open(self, path: str, flags: int, mode: int = 0o777, /) -> int: ...  # noqa: D102  # as in os
        def read(self, fd: int, length: int, /) -> bytes: ...  # noqa: D102
        def write(self, fd: int, data: memoryview, /) -> int: ...  # noqa: D102
        def fsync(self, fd: int, /) -> None: ...  # noqa: D102
        def close(self, fd: int, /) -> None: ...  # noqa: D102
        def replace(self, source: str, target: str, /) -> None: ...  # noqa: D102
        def mkdir(self, path: str, mode: int = 0o777, /) -> None: ...  # noqa: D102
        def unlink(self, path: str, /) -> None: ...  # noqa: D102


VERSION = 1
"""Version of the schema. A record of another version counts as damaged."""

ATTEMPTED, ATTACHED = STATES = ("attempted", "attached")

SUFFIX = ".journal"
MARK = ".pod"
"""Suffix of the links by which `Store.of_pod` finds a container."""
DAMAGED, FORGOTTEN = ASIDE = (".damaged", ".forgotten")
"""Suffixes of records that were given up: one that could not be read, and a sound one."""
_STEM_MAX = 230  # NAME_MAX is 255 bytes; "." and ".journal" take 9
_POLL_S = 0.01
_READ_BYTES = 1 << 20
_ERROR_CHARACTERS_MAX = 1_000
"""Of the error that an entry keeps; a delegate can print anything."""
_NO_NEW_FILES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_ADVICE = {
    errno.ENOSPC: "free space or inodes on its file system",
    errno.EDQUOT: "raise the quota of its file system",
    errno.EROFS: "mount its file system read-write",
    errno.EIO: "check the disk",
    errno.EACCES: "the plugin runs as root and owns this directory",
}


_KIND = "nadmit-journal"
_NONE = type(None)


class Entry(Record):
    """One attachment as its plugins were called; its JSON objects are never changed.

    `reference`: `namespace/name` of the definition, or the name of the configuration. `item`: the position in the
    networks annotation, from 0; None for default networks. `config`: the network as text, with its name.
    `capability_args`: the `runtimeConfig` of plugins. `cni_args`: `args.cni`. `args`: CNI_ARGS as given. `state`: one
    of STATES. `result`: the final result. `default_route`: the changes of default routes. `device`: the device ID.
    `device_info_file`: the path of the attachment's device information; the file may be absent. `failure`: how ADD
    failed in this attachment, see `failed`. `attached_by`: the program that attached it, if it is not this one.
    """

    reference: str
    ifname: str
    item: int | None = None
    is_default: bool = False
    config: str
    capability_args: dict[str, Any]
    cni_args: dict[str, Any] | None = None
    args: str = ""
    state: str = ATTEMPTED
    result: dict[str, Any] | None = None
    default_route: dict[str, Any] | None = None
    device: str | None = None
    device_info_file: str | None = None
    failure: dict[str, Any] | None = None
    attached_by: str | None = None

    def failed(self, error: str, position: int) -> Entry:
        """Return the entry after an ADD that failed with `error` in the plugin at `position` of the list, from 0."""
        return self.replace(failure={"error": error[:_ERROR_CHARACTERS_MAX], "plugin": position})

    @property
    def was_attached(self) -> bool:
        """Say whether the attachment was complete once. Another program's counts as complete, whatever it recorded."""
        return self.result is not None or self.state == ATTACHED or self.attached_by is not None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the result, with their prefix; () if it cannot be read."""
        try:
            return tuple(ip.address for ip in parse_result(self.result, cni_version="0.1.0").ips) if self.result else ()
        except SpecErrors:
            return ()

    @property
    def label(self) -> str:
        """The attachment as errors name it. The first item of the annotation is 1, as in refusals."""
        item = "" if self.item is None else f"item {self.item + 1}: "
        return f"{item}network {self.reference} ({self.ifname})"


class Journal(Record):
    """The attempted attachments of one container, in the order of ADD. `runtime_ifname` is the runtime's CNI_IFNAME."""

    container_id: str
    netns: str
    pod_namespace: str | None = None
    pod_name: str | None = None
    pod_uid: str | None = None
    runtime_ifname: str
    entries: tuple[Entry, ...] = ()
    version: int = VERSION

    @property
    def pod(self) -> str:
        """`namespace/name` of the pod, "" if it is unknown."""
        return f"{self.pod_namespace}/{self.pod_name}" if self.pod_name else ""

    @property
    def owner(self) -> str:
        """The pod as errors name it, or the container if the pod is unknown."""
        return f"pod {self.pod}" if self.pod else f"container {self.container_id}"


_TYPES = {
    "bool": (bool,),
    "int": (int,),
    "int | None": (int, _NONE),
    "str": (str,),
    "str | None": (str, _NONE),
    "dict[str, Any]": (dict,),
    "dict[str, Any] | None": (dict, _NONE),
}
"""JSON types by annotation."""

_JOURNAL_TYPES = {field: _TYPES[of] for field, of in Journal.__annotations__.items() if field != "entries"}
_HEAD_TYPES = {"kind": (str,), **_JOURNAL_TYPES, "entries": (int,)}
_LATER_ENTRY_TYPES: dict[str, tuple[type, ...]] = {
    "device_info_file": (str,),
    "failure": (dict,),
    "attached_by": (str,),
}
"""Fields that the first records of this version did not have. They are absent if None, so that this plugin reads old
records, and an older plugin reads records without such a field."""
_FAILURE_TYPES = {"error": (str,), "plugin": (int,)}
_ENTRY_TYPES = {field: _TYPES[of] for field, of in Entry.__annotations__.items() if field not in _LATER_ENTRY_TYPES}


class Salvage(Record):
    """The sound lines of a damaged record.

    `head`: the record without its entries, None if lost. `entries`: those with a right checksum. `missing`: the number
    of the other entries, None if unknown.
    """

    head: Journal | None
    entries: tuple[Entry, ...]
    missing: int | None


def render(journal: Journal) -> bytes:
    """Return the file of a journal. Raises ValueError for a value that `parse` would refuse, a bug of the caller."""
    head = {field: getattr(journal, field) for field in _JOURNAL_TYPES}
    head = {"kind": _KIND, **head, "entries": len(journal.entries)}
    _check_head(head)
    lines = [_render_line(head)]
    for index, entry in enumerate(journal.entries):
        fields = {field: getattr(entry, field) for field in _ENTRY_TYPES}
        fields |= {field: value for field in _LATER_ENTRY_TYPES if (value := getattr(entry, field)) is not None}
        _check_entry(fields)
        lines.append(_render_line([index, fields]))
    return b"".join(lines)


def parse(data: bytes) -> Journal:
    """Return the journal of a file. Raises ValueError with what is wrong."""
    if not data:
        raise ValueError("the file is empty")
    if not data.endswith(b"\n"):
        raise ValueError("its end is missing")
    first, *others = data[:-1].split(b"\n")
    head, count = _parse_head(_parse_line(first))
    if len(others) != count:
        raise ValueError(f"it has {len(others)} of {count} entries")
    numbered = [_parse_entry(_parse_line(line)) for line in others]
    if [index for index, _ in numbered] != list(range(count)):
        raise ValueError("its entries are out of order")
    return head.replace(entries=tuple(entry for _, entry in numbered))


def config_of(entry: Entry) -> NetworkConfigList:
    """Return the network of an entry. Raises SpecErrors: the grammar may have become stricter since its ADD."""
    return cniconfig.parse(entry.config, name="")


def salvage(path: str) -> Salvage:
    """Return the sound lines of the record at `path`; nothing if the file cannot be read."""
    try:
        data = _read_file(path, os)
    except OSError:
        data = b""
    return parse_damaged(data)


def parse_damaged(data: bytes) -> Salvage:
    """Return the sound lines of a damaged record."""
    first, *others = data.split(b"\n")
    try:
        head, count = _parse_head(_parse_line(first))
    except ValueError:
        head, count = None, None
    sound: dict[int, Entry] = {}
    for line in others if head else (first, *others):
        try:
            index, entry = _parse_entry(_parse_line(line))
        except ValueError:
            continue
        sound[index] = entry
    missing = None if count is None else max(0, count - len(sound))
    return Salvage(head=head, entries=tuple(sound[index] for index in sorted(sound)), missing=missing)


def _render_line(value: object) -> bytes:
    """NB: ASCII with escapes, because CNI_ARGS and paths may have bytes that are not UTF-8 (os.fsdecode)."""
    text = dumps(value, is_ascii=True).encode("ascii")
    return b"%08x %s\n" % (crc32(text), text)


def _parse_line(line: bytes) -> object:
    if line[:9] != b"%08x " % crc32(line[9:]):
        raise ValueError("a checksum is wrong")
    try:
        return loads(line[9:].decode("ascii"))
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def _parse_head(value: object) -> tuple[Journal, int]:
    if isinstance(value, dict) and value.get("kind") == _KIND and value.get("version") != VERSION:
        raise ValueError(f"its schema has version {value.get('version')}, and this plugin reads version {VERSION}")
    head = _check_head(value)
    return Journal(**{field: head[field] for field in _JOURNAL_TYPES}), head["entries"]


def _check_head(value: object) -> dict[str, Any]:
    head = _check_fields(value, _HEAD_TYPES)
    if head["kind"] != _KIND or head["version"] != VERSION:
        raise ValueError("it is not a record of this plugin's version")
    return head


def _parse_entry(value: object) -> tuple[int, Entry]:
    if not isinstance(value, list) or len(value) != 2 or type(value[0]) is not int:
        raise ValueError("an entry is not a pair of a number and an object")
    return value[0], Entry(**_check_entry(value[1]))


def _check_entry(value: object) -> dict[str, Any]:
    given = value if isinstance(value, dict) else {}
    later = {field: types for field, types in _LATER_ENTRY_TYPES.items() if field in given}
    fields = _check_fields(value, {**_ENTRY_TYPES, **later})
    if fields["state"] not in STATES:
        raise ValueError(f"an entry's state is {fields['state']!r}")
    if "failure" in fields:
        _check_fields(fields["failure"], _FAILURE_TYPES)
    return fields


def _check_fields(value: object, types: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != types.keys():
        raise ValueError("it has other fields")
    for field, allowed in types.items():
        if type(value[field]) not in allowed:
            raise ValueError(f"its field {field} has another type")
    return value


class DamagedError(CniError):
    """The record at `path` exists and cannot be read. See `salvage`."""

    def __init__(self, code: int, path: str, reason: str) -> None:
        super().__init__(code, f"journal {path}: the record is damaged: {reason}")
        self.path = path


class Store:
    """The records in one directory. Every method blocks on the disk. Hold a container's lock to write or remove.

    Raises CniError 4 for a container ID that CNI does not allow, 5 for a failure of the disk.
    """

    def __init__(self, directory: str, *, system: System = os) -> None:
        self.directory = directory
        self._system = system

    def path(self, container_id: str) -> str:
        """Return the file of a container's record."""
        return f"{self.directory}/{_stem(container_id)}{SUFFIX}"

    def write(self, journal: Journal) -> None:
        """Replace the container's record durably. After CniError 5 the old record is intact (but see the module)."""
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
        """Return the container's record, None without one. Raises DamagedError: code 6, or 5 on an I/O error."""
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
            raise DamagedError(DECODE_FAILURE, path, f"it belongs to container {journal.container_id}")
        return journal

    def remove(self, container_id: str) -> None:
        """Remove the container's record, if there is one, and the temporary file of a crash.

        NB: without fsync. If a power loss restores the record, another DEL or GC removes it.
        """
        path = self.path(container_id)
        try:
            for name in (self._hidden(container_id, "tmp"), path):
                _unlink(name, self._system, ignored=FileNotFoundError)
        except OSError as error:
            raise _io_failure("removed", path, error) from error
        self._unmark(container_id)

    def mark_pod(self, container_id: str, uid: str) -> bool:
        """Let `of_pod` find a container by its pod, by a link beside its record; say whether this succeeded.

        A link that is lost, or that has no record, does no harm.
        """
        if not uid or not is_network_name(uid) or "." in uid:
            return False
        try:
            _make_directory(self.directory, self._system)
            mark = f"{self.directory}/.{uid}{self._mark_of(container_id)}"
            os.symlink(container_id, mark)  # noqa: PTH211  # pathlib costs 5 ms
        except FileExistsError:
            return True
        except OSError:
            return False
        return True

    def of_pod(self, uid: str) -> list[str]:
        """Return the containers that `mark_pod` has marked with the uid of a pod, sorted."""
        marks = [name for name in self._names() if name.startswith(f".{uid}.") and name.endswith(MARK)] if uid else []
        return sorted(container_id for name in marks if (container_id := self._marked(name)))

    def _marked(self, mark: str) -> str:
        """Return the container of a mark, "" if a DEL removes it just now, or if the file is not a link of ours."""
        try:
            return os.readlink(f"{self.directory}/{mark}")  # noqa: PTH115  # as above
        except OSError:
            return ""

    def _unmark(self, container_id: str) -> None:
        suffix = self._mark_of(container_id)
        for name in self._names():
            if name.endswith(suffix):
                _unlink(f"{self.directory}/{name}", self._system)

    def _mark_of(self, container_id: str) -> str:
        return f".{_stem(container_id)}{MARK}"

    def set_aside(self, container_id: str, suffix: str) -> str:
        """Rename the container's record durably so that no verb finds it; return the new path. Hold its lock.

        `suffix`: one of ASIDE. Raises CniError 5, also if the new path exists.
        """
        path = self.path(container_id)
        aside = f"{path.removesuffix(SUFFIX)}{suffix}"
        try:
            if not _is_one_file(path, aside):  # else a crash came between link and unlink
                os.link(path, aside, follow_symlinks=False)
            self._system.unlink(path)
            _sync_directory(self.directory, self._system)
            self._unmark(container_id)
        except FileExistsError as error:
            text = f"journal {path}: it cannot be moved aside: {aside} exists already; move that file away"
            raise CniError(IO_FAILURE, text) from error
        except OSError as error:
            raise _io_failure("moved aside", path, error) from error
        return aside

    def containers(self) -> list[str]:
        """Return the containers that have a record, sorted.

        NB: a container is missing if its ID is too long for a file name and the head of its record is damaged. Its DEL,
        which has the ID, finds the record.
        """
        containers = []
        for name in self._names():
            stem = name[: -len(SUFFIX)]
            if name.endswith(SUFFIX) and is_network_name(stem):
                containers.append(stem)
            elif name.endswith(SUFFIX) and "~" in stem and (head := salvage(f"{self.directory}/{name}").head):
                containers.append(head.container_id)
        return sorted(containers)

    def lock(self, container_id: str, deadline: float) -> Lock:
        """Return the container's lock, for `with`. Entering raises CniError 11 at `deadline`, of `time.monotonic`.

        If the disk is full or read-only, the lock of all containers is taken instead, so that DEL still works.
        """
        return Lock(self, f"container {container_id}", self._hidden(container_id, "lock"), deadline)

    def lock_all(self, deadline: float) -> Lock:
        """Return the lock of all containers, for GC; otherwise as `lock`."""
        return Lock(self, "garbage collection", None, deadline)

    def sweep(self) -> None:
        """Remove the temporary files, lock files and marks of killed processes. Hold `lock_all`."""
        known = tuple(self._mark_of(container_id) for container_id in self.containers())
        for name in self._names():
            is_remains = name.endswith((".tmp", ".lock")) or (name.endswith(MARK) and not name.endswith(known))
            if name.startswith(".") and name != ".lock" and is_remains:
                _unlink(f"{self.directory}/{name}", self._system)

    def _hidden(self, container_id: str, kind: str) -> str:
        """NB: a container ID never starts with a dot, so these names are never records."""
        return f"{self.directory}/.{_stem(container_id)}.{kind}"

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.directory)  # noqa: PTH208  # pathlib costs 5 ms
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _io_failure("listed", self.directory, error) from error

    def _fill(self, path: str, data: bytes) -> None:
        """Write and fsync a file; the file of a crash is overwritten."""
        fd = self._system.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._system.write(fd, rest) :]
            self._system.fsync(fd)
        finally:
            self._system.close(fd)


class Lock:
    """A lock to hold in a `with`; see the module. `owner` is the caller, for the message."""

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
            # NB: a conversion releases the shared lock before it waits (flock(2)), so two of them do not block.
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

    An ID that is too long is cut and gets 64 bits of checksum. The record has the whole ID, and `read` compares it.
    """
    if not is_network_name(container_id):
        text = f"CNI_CONTAINERID: not a container ID: {container_id[:80]!a}; allowed: {ALLOWED_NETWORK_NAME}"
        raise CniError(INVALID_ENVIRONMENT, text)
    if len(container_id) <= _STEM_MAX:
        return container_id
    data = container_id.encode("ascii")
    return f"{container_id[: _STEM_MAX - 17]}~{crc32(data):08x}{crc32(data[::-1]):08x}"


def _make_directory(path: str, system: System) -> None:
    """Make a directory and its parents, durably. NB: in /proc, mkdir fails although the parent exists."""
    parent = os.path.dirname(path)  # noqa: PTH120  # pathlib costs 5 ms
    try:
        is_made = _make_one(path, system)
    except FileNotFoundError:
        if parent in ("", path):
            raise
        _make_directory(parent, system)
        is_made = _make_one(path, system)
    if is_made:
        _sync_directory(parent or ".", system)


def _make_one(path: str, system: System) -> bool:
    """Make a directory; return False if it exists, also if another process has just made it."""
    try:
        system.mkdir(path, 0o700)
    except FileExistsError:
        return False
    return True


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
    """Remove a file; by default a failure does no harm."""
    try:  # noqa: SIM105  # contextlib is not loaded otherwise
        system.unlink(path)
    except ignored:
        pass


def _is_file_of(fd: int, path: str) -> bool:
    try:
        status = os.stat(path, follow_symlinks=False)  # noqa: PTH116
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), status)


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
