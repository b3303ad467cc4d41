"""The worker with parsers that fail for inputs with a "!", for the tests of the loop."""

from __future__ import annotations

import os
import sys

from . import table, worker
from .target import Target, agree


def _escapes(data: bytes) -> object:
    if b"!" in data:
        raise KeyError("escaped")
    return len(data) % 7


def _disagrees(data: bytes) -> object:
    agree(data.replace(b"!", b""), data, "with and without")
    return len(data) % 7


def _quadratic(data: bytes) -> object:
    total = 0
    for _ in range(len(data) ** 2 if b"!" in data else len(data)):
        total += 1
    return total % 7


def _memory(data: bytes) -> object:
    return len(bytearray(1 << 40)) if b"!" in data else 0


def _hangs(data: bytes) -> object:
    while b"!" in data:
        pass
    return 0


def _dies(data: bytes) -> object:
    if b"!" in data:
        os._exit(77)
    return 0


_TARGETS = (
    Target("escapes", _escapes),
    Target("disagrees", _disagrees),
    Target("quadratic", _quadratic, steps_per_byte=4, bytes_max=1024),
    Target("memory", _memory),
    Target("hangs", _hangs),
    Target("dies", _dies),
    Target("sound", lambda data: len(data) % 7),
)


if __name__ == "__main__":
    table.BY_NAME.clear()
    table.BY_NAME.update({target.name: target for target in _TARGETS})
    worker.main(sys.argv[1:], seeds=lambda _target: [b"some text", b"{}", b"x" * 300 + b"!" * 2])
