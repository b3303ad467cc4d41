"""A record of the journal as text, and what can be known from a damaged one.

    record = head *entry
    line   = crc SP json LF     ; crc: CRC-32 of the JSON text, 8 hexadecimal digits; json: ASCII, no line break
    head   = {"kind", "version", the fields of Journal, "entries": the number of entry lines}
    entry  = [index, {the fields of Entry}]

A checksum per line, so that `salvage` can tell sound entries in a damaged record. CRC-32, because damage here is an
accident (cut, flipped or lost bytes) and the directory is root's: it finds each burst of up to 32 bits, and the head's
count finds each cut. `binascii` costs 0.4 ms and reads base64 too; `hashlib` costs 8 ms, and without a key would not
stop a forger either.
"""

from __future__ import annotations

from binascii import crc32

from cniplugin.netspec.rawjson import dumps, loads
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VERSION = 1
"""Version of the schema. A record of another version is reported as damaged, never guessed at."""

ATTEMPTED, ATTACHED, DETACHED = STATES = ("attempted", "attached", "detached")

_KIND = "nadmit-journal"
_NONE = type(None)
_JOURNAL_TYPES = {
    "container_id": (str,),
    "netns": (str,),
    "pod_namespace": (str, _NONE),
    "pod_name": (str, _NONE),
    "pod_uid": (str, _NONE),
    "runtime_ifname": (str,),
    "version": (int,),
}
_HEAD_TYPES = {"kind": (str,), "entries": (int,), **_JOURNAL_TYPES}
_ENTRY_TYPES = {
    "reference": (str,),
    "ifname": (str,),
    "item": (int, _NONE),
    "is_default": (bool,),
    "config": (str,),
    "capability_args": (dict,),
    "cni_args": (dict, _NONE),
    "args": (str,),
    "state": (str,),
    "result": (dict, _NONE),
    "default_route": (dict, _NONE),
    "device": (str, _NONE),
}
_LATER_ENTRY_TYPES = {"device_info_file": (str,)}
"""Fields that the first records of this version did not have: absent when None, so that those can still be read, and
a plugin from before reads each record that does without."""


class Entry(Record):
    """One attachment, as it was asked of its plugins; JSON objects are never changed after they are put here.

    `reference`: `namespace/name` of the NAD, or the name of the configuration. `item`: the position in the networks
    annotation, from 0; None for default networks. `config`: the text of the network
    exactly as executed. `capability_args`: what plugins get as `runtimeConfig`. `cni_args`: `args.cni`. `args`:
    CNI_ARGS as given. `state`: one of STATES. `result`: the final result. `default_route`: what was done about
    default routes. `device`: the device ID. `device_info_file`: the path of the attachment's device information,
    whether there is such a file or not.
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


class Journal(Record):
    """All that was attempted for one container, in the order of ADD. `runtime_ifname` is the runtime's CNI_IFNAME."""

    container_id: str
    netns: str
    pod_namespace: str | None = None
    pod_name: str | None = None
    pod_uid: str | None = None
    runtime_ifname: str
    entries: tuple[Entry, ...] = ()
    version: int = VERSION


class Salvage(Record):
    """What can be known from a damaged record.

    `head`: the record without its entries, None when lost. `entries`: those whose checksum is right. `suspects`:
    those that read as entries although their checksum is wrong: some value may differ from what was written.
    `missing`: how many more there were, None when nobody knows.
    """

    head: Journal | None
    entries: tuple[Entry, ...]
    suspects: tuple[Entry, ...]
    missing: int | None


def render(journal: Journal) -> bytes:
    """Return the file of a journal. Raises ValueError for a value that could not be read again: a bug of the caller."""
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
    """Return the journal of a file. Raises ValueError, which says what is wrong with it."""
    if not data:
        raise ValueError("the file is empty")
    if not data.endswith(b"\n"):
        raise ValueError("its end is missing")
    first, *others = data[:-1].split(b"\n")
    head, count = _parse_head(_parse_line(first))
    if len(others) != count:
        raise ValueError(f"it has {len(others)} of {count} entries")
    found = [_parse_entry(_parse_line(line)) for line in others]
    if [index for index, _ in found] != list(range(count)):
        raise ValueError("its entries are out of order")
    return head.replace(entries=tuple(entry for _, entry in found))


def salvage(data: bytes) -> Salvage:
    """Return what can still be known from the bytes of a damaged record."""
    first, *others = data.split(b"\n")
    try:
        head, count = _parse_head(_parse_line(first))
    except ValueError:
        head, count = None, None
        others.insert(0, first)
    sound, suspects = _sift(others)
    missing = None if count is None else max(0, count - len(sound) - len(suspects))
    return Salvage(
        head=head,
        entries=tuple(sound[index] for index in sorted(sound)),
        suspects=tuple(suspects[index] for index in sorted(suspects)),
        missing=missing,
    )


def _sift(lines: list[bytes]) -> tuple[dict[int, Entry], dict[int, Entry]]:
    """Return the entries with a right checksum, and those without, by index."""
    sound: dict[int, Entry] = {}
    suspects: dict[int, Entry] = {}
    for line in lines:
        for found, read in ((sound, _parse_line), (suspects, _parse_text)):
            try:
                index, entry = _parse_entry(read(line))
            except ValueError:
                continue
            found[index] = entry
            break
    return sound, {index: entry for index, entry in suspects.items() if index not in sound}


def _render_line(value: object) -> bytes:
    """NB: ASCII with escapes, for CNI_ARGS and paths may hold bytes that are no UTF-8 (os.fsdecode)."""
    text = dumps(value, is_ascii=True).encode("ascii")
    return b"%08x %s\n" % (crc32(text), text)


def _parse_line(line: bytes) -> object:
    if line[:9] != b"%08x " % crc32(line[9:]):
        raise ValueError("a checksum does not fit")
    return _parse_text(line)


def _parse_text(line: bytes) -> object:
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
        raise ValueError("an entry is not as it is written")
    return value[0], Entry(**_check_entry(value[1]))


def _check_entry(value: object) -> dict[str, Any]:
    given = value if isinstance(value, dict) else {}
    later = {field: types for field, types in _LATER_ENTRY_TYPES.items() if field in given}
    fields = _check_fields(value, {**_ENTRY_TYPES, **later})
    if fields["state"] not in STATES:
        raise ValueError(f"an entry's state is {fields['state']!r}")
    return fields


def _check_fields(value: object, types: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != types.keys():
        raise ValueError("its fields are others")
    for field, allowed in types.items():
        if type(value[field]) not in allowed:
            raise ValueError(f"its field {field} is of another type")
    return value
