"""Pods and events as client-go writes them: Kubernetes' protobuf envelope, and the few fields that the suite reads.

A body is `k8s`, a zero byte, and a message `Unknown` whose field 2 is the object. Field numbers are those of
k8s.io/api/core/v1/generated.proto and k8s.io/apimachinery meta/v1.
"""

from __future__ import annotations

from typing import Any

MAGIC = b"k8s\0"
_METADATA = {1: "name", 3: "namespace", 5: "uid", 6: "resourceVersion"}
_ANNOTATIONS = 12
_EVENT = {3: "reason", 4: "message", 9: "type"}


def read_object(body: bytes) -> dict[str, Any]:
    """Return metadata, and what an event says, of an object. Raises ValueError."""
    if not body.startswith(MAGIC):
        raise ValueError("the body does not begin as protobuf of Kubernetes")
    envelope = _fields(body[len(MAGIC) :])
    kind = {number: data.decode() for number, data in _fields(_last(envelope, 1))}.get(2, "")
    fields = _fields(_last(envelope, 2))
    value: dict[str, Any] = {"kind": kind, "metadata": _metadata(_last(fields, 1))}
    if kind == "Event":
        value |= {_EVENT[number]: data.decode() for number, data in fields if number in _EVENT}
    return value


def _metadata(data: bytes) -> dict[str, Any]:
    fields = _fields(data)
    value: dict[str, Any] = {_METADATA[number]: text.decode() for number, text in fields if number in _METADATA}
    pairs = [dict(_fields(entry)) for number, entry in fields if number == _ANNOTATIONS]
    if pairs:
        value["annotations"] = {pair.get(1, b"").decode(): pair.get(2, b"").decode() for pair in pairs}
    return value


def _last(fields: list[tuple[int, bytes]], number: int) -> bytes:
    return next((data for known, data in reversed(fields) if known == number), b"")


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Return the fields with bytes, by number; numbers and fixed values are left out."""
    found, at = [], 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            found.append((number, data[at : at + size]))
            at += size
        elif kind in {1, 5}:
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"field {number} has wire type {kind}")
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
