"""The last access rules that could be read, kept on the node for the time in which the API server does not give them.

    file = line head, line body         ; <recordDir>/rules.snapshot, mode 0600
    line = checksum SP JSON LF          ; CRC-32 of the JSON, 8 hexadecimal digits
    head = {"nadmitRules": 1, "server": address of the API server, "readAt": seconds since 1970}
    body = [object...]                  ; policies and the configuration: kind, name, generation, spec

Replaced as a whole, by temporary file and rename, without fsync: a power loss costs the snapshot at worst, and the next
pod's ADD makes it anew. It is written when the objects have changed, and when the time of reading is older than
the caller wants: a snapshot must not be too old because nothing ever changes. What cannot be written is a log line.

A file that is not exactly so, or that is of another API server, counts as none; the log says why.
"""

from __future__ import annotations

import os
from binascii import crc32

from cniplugin.host.log import LOG
from cniplugin.netspec.errors import show
from cniplugin.netspec.rawjson import dumps, loads
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Object = Mapping[str, Any]

NAME = "rules.snapshot"
SCHEMA = 1
FILE_BYTES_MAX = 64 * 1024 * 1024
CLOCK_SLACK_S = 60
"""How far in the future a time of reading may lie: NTP sets clocks back a little. Farther, and nobody knows the age."""


class Snapshot(Record):
    """Objects of both kinds, and when they were read, in seconds since 1970."""

    objects: tuple[Object, ...]
    read_at_s: int

    def age_s(self, now_s: float) -> float | None:
        """Return how old it is, None if that cannot be told, because the clock was set back."""
        age_s = now_s - self.read_at_s
        return max(age_s, 0.0) if age_s >= -CLOCK_SLACK_S else None


class RulesFile:
    """The snapshot of one API server in a directory."""

    def __init__(self, directory: str, server: str) -> None:
        self.path = f"{directory}/{NAME}"
        self._temporary = f"{directory}/.rules-{os.getpid()}.tmp"  # NB: of a form that `journal.Store.sweep` removes
        self._server = server

    def load(self) -> Snapshot | None:
        """Return the snapshot; None if there is none that counts."""
        try:
            return _parse(self._read(), self._server)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            LOG.error(f"access rules: the snapshot {self.path} does not count: {_reason(error)}")
            return None

    def keep(self, objects: Sequence[Object], *, now_s: float, refresh_s: float) -> None:
        """See to it that the snapshot has these objects, which were read now."""
        try:
            head = _line(dumps({"nadmitRules": SCHEMA, "server": self._server, "readAt": int(now_s)}))
            body = _line(dumps([essence(value) for value in objects]))
            if self._is_fresh(body, now_s, refresh_s):
                return
            self._write(head + body)
        except (OSError, ValueError, RecursionError) as error:  # NB: JSON reads 1e999, and does not write it
            LOG.error(f"access rules: the snapshot {self.path} cannot be written: {_reason(error)}")

    def _is_fresh(self, body: bytes, now_s: float, refresh_s: float) -> bool:
        """Say whether nothing is to be written: all is as it was, or another process has read later than we did."""
        try:
            first, _, rest = self._read().partition(b"\n")
            read_at_s = _parse_head(first, self._server)
        except (OSError, ValueError):
            return False
        ahead_s = read_at_s - int(now_s)
        return 0 < ahead_s <= CLOCK_SLACK_S or (rest == body and -refresh_s < ahead_s <= 0)

    def _read(self) -> bytes:
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:  # noqa: PTH123  # no pathlib here
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ValueError(f"it has more than {FILE_BYTES_MAX} bytes")
        return data

    def _write(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(self._temporary, flags, 0o600), "wb") as file:  # noqa: PTH123  # as above
                file.write(data)
            os.replace(self._temporary, self.path)  # noqa: PTH105  # as above
        except OSError:
            _remove(self._temporary)
            raise


def essence(value: Object) -> dict[str, Any]:
    """Return what the rules read of an object: not its status and managed fields, which change without meaning."""
    metadata = value.get("metadata")
    found = metadata if isinstance(metadata, dict) else {}
    kept = {key: found[key] for key in ("name", "generation") if key in found}
    return {"kind": value.get("kind"), "metadata": kept, "spec": value.get("spec")}


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _remove(path: str) -> None:
    try:  # noqa: SIM105  # contextlib is not loaded otherwise
        os.unlink(path)  # noqa: PTH108
    except OSError:
        pass  # what made the writing fail is told


def _line(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"%08x %s\n" % (crc32(data), data)


def _parse(data: bytes, server: str) -> Snapshot:
    """Return the snapshot of a whole file. Raises ValueError."""
    first, end, rest = data.partition(b"\n")
    second, last_end, more = rest.partition(b"\n")
    if not end or not last_end or more:
        raise ValueError("it is damaged: it has not two lines")
    read_at_s = _parse_head(first, server)
    objects = _parse_line(second)
    if not isinstance(objects, list) or not all(isinstance(value, dict) for value in objects):
        raise ValueError("its second line is no list of objects")
    return Snapshot(objects=tuple(objects), read_at_s=read_at_s)


def _parse_head(line: bytes, server: str) -> int:
    head = _parse_line(line)
    if not isinstance(head, dict) or head.get("nadmitRules") != SCHEMA:
        raise ValueError(f"its schema is {show(head.get('nadmitRules') if isinstance(head, dict) else head)}")
    if head.get("server") != server:
        raise ValueError(f"it is of the API server {show(head.get('server'))}, and this is {show(server)}")
    read_at_s = head.get("readAt")
    if not isinstance(read_at_s, int) or isinstance(read_at_s, bool):
        raise ValueError(f"its time of reading is {show(read_at_s)}")  # noqa: TRY004  # of a file, not of a caller
    return read_at_s


def _parse_line(line: bytes) -> object:
    if line[:9] != b"%08x " % crc32(line[9:]):
        raise ValueError("it is damaged: a checksum is wrong")
    try:
        return loads(str(line[9:], "utf-8", "surrogatepass"))
    except RecursionError:
        raise ValueError("it nests too deeply") from None
