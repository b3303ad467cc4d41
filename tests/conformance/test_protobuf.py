"""The API server of the rig reads what client-go writes."""

from __future__ import annotations

import pytest

from conformance.rig.protobuf import MAGIC, read_object


def field(number: int, data: bytes) -> bytes:
    size, out = len(data), b""
    while True:
        out += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
        if not size:
            return bytes([number << 3 | 2]) + out + data


def entry(key: str, text: str) -> bytes:
    return field(12, field(1, key.encode()) + field(2, text.encode()))


def envelope(kind: str, raw: bytes) -> bytes:
    return MAGIC + field(1, field(1, b"v1") + field(2, kind.encode())) + field(2, raw)


def test_a_pod() -> None:
    generation = bytes([7 << 3, 200, 1])  # a number, which nobody reads
    metadata = (
        field(1, b"web-0") + field(3, b"blue") + field(5, b"u") + generation + entry("a", "x" * 300) + entry("b", "")
    )
    value = read_object(envelope("Pod", field(1, metadata)))
    assert value["metadata"] == {
        "name": "web-0", "namespace": "blue", "uid": "u", "annotations": {"a": "x" * 300, "b": ""},
    }  # fmt: skip


def test_an_event() -> None:
    raw = field(1, field(1, b"e")) + field(2, field(1, b"Pod")) + field(3, b"AddedInterface") + field(4, b"Add net1")
    value = read_object(envelope("Event", raw))
    assert (value["reason"], value["message"]) == ("AddedInterface", "Add net1")


def test_another_body() -> None:
    with pytest.raises(ValueError, match="does not begin"):
        read_object(b"{}")
