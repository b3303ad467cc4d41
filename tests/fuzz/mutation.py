"""Makes new inputs from old ones: it changes, repeats, swaps and nests bytes, words and JSON values."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from random import Random
from typing import Any

NUMBERS = (
    "0", "-1", "1", "00", "1.5", "1e999", "-0", "1E400", "65535", "65536", "4294967296", "9223372036854775808", "NaN",
    "Infinity", "1" * 400, "0x10", "1_000", "٣", "²", "1e-400", "3.0", "+1", "99999999999999999999999999",
)  # fmt: skip
CHARACTERS = (
    "\0", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u2028", "\u2029", "\u3000", "\ufeff", "\u212a", "\u017f", "\u0131",
    "\U0001f600", "\x7f", "\r", "\n", "\t", "\x0b", '"', "'", "\\", "\\u", "\\ud800", "\\u0000", "{", "}", "[", "]", ":",
    ",", ";", "=", "/", "//", "~", "%", "#", "- ", "&a ", "*a", "!!x ", "|", ">", "@", "`", "?", "<<", "---\n", "...\n",
    "{}", "[]", "null", "true", "::", "::ffff:1.2.3.4", "0.0.0.0/0", "::/0", "..", "../", " ",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**63, 10**30, "", " ", "a", "a/b", "*", "1", "é", "\u2028", "x" * 300, [], {}, [[]],
    [None], {"": None}, [1, "a"], {"a": {"b": []}}, "0", "-", "true", "10.0.0.1/24", "fd00::1/64", "02:00:00:00:00:01",
)  # fmt: skip

_WORD = re.compile(rb"[A-Za-z0-9_./-]{2,40}")
_DIGITS = re.compile(rb"[0-9]+")


class Mutator:
    """Makes inputs for one target; `corpus` grows while the loop runs."""

    def __init__(self, corpus: list[bytes], tokens: Sequence[str], *, bytes_max: int, random: Random) -> None:
        self.corpus = corpus
        self._random = random
        self._bytes_max = bytes_max
        words = {word for seed in corpus for word in _WORD.findall(seed[:20_000])}
        self._words = [token.encode("utf-8", "surrogatepass") for token in tokens] + sorted(words)[:2000]

    def next(self) -> bytes:
        """Return an input of the corpus with one to six changes; short inputs are chosen more often."""
        data = min(self._random.choice(self.corpus), self._random.choice(self.corpus), key=len)
        value = _json(data) if self._random.random() < 0.6 else None
        if value is not None:
            for _ in range(self._random.randint(1, 3)):
                value = self._change_value(value)
            data = _text(value)
        if value is None or self._random.random() < 0.3:
            for _ in range(self._random.choice((1, 1, 1, 2, 3, 6))):
                data = self._change_bytes(data)
        return data[: self._bytes_max]

    def _change_bytes(self, data: bytes) -> bytes:
        random = self._random
        at = random.randint(0, len(data))
        to = min(len(data), at + random.choice((1, 1, 2, 4, 16, 64)))
        other = random.choice(self.corpus)
        start = random.randint(0, len(other))
        line = data.rfind(b"\n", 0, at) + 1
        changes = (
            lambda: data[:at] + data[to:],
            lambda: data[:at] + bytes([random.randrange(256)]) + data[to:],
            lambda: data[:at] + random.choice(CHARACTERS).encode() + data[at:],
            lambda: data[:at] + random.choice(CHARACTERS).encode() + data[to:],
            lambda: data[:at] + random.choice(self._words or [b"a"]) + data[at:],
            lambda: data[:at] + random.choice(self._words or [b"a"]) + data[to:],
            lambda: data[:at] + data[at:to] * random.choice((2, 3, 8, 50, 300)) + data[to:],
            lambda: data[:at] + other[start : start + random.choice((4, 20, 100))] + data[to:],
            lambda: data[:at] + other[start:],
            lambda: data[:at] + data[at:to].swapcase() + data[to:],
            lambda: self._change_number(data),
            lambda: random.choice((b"[", b'{"a":', b"- ", b" ")) * random.choice((1, 5, 70, 1200)) + data,
            lambda: data[:line] + random.choice((b" ", b"  ", b"\t", b"- ")) + data[line:],
            lambda: data[:at],
        )
        return random.choice(changes)()[: self._bytes_max]

    def _change_number(self, data: bytes) -> bytes:
        found = list(_DIGITS.finditer(data))
        if not found:
            return data + self._random.choice(NUMBERS).encode()
        match = self._random.choice(found)
        return data[: match.start()] + self._random.choice(NUMBERS).encode() + data[match.end() :]

    def _change_value(self, value: Any) -> Any:
        """Return a JSON value with a change at a random place in it."""
        random = self._random
        if not isinstance(value, dict | list) or not value or random.random() < 0.15:
            return self._new_value(value)
        if isinstance(value, list):
            return self._change_list(value)
        key = random.choice(list(value))
        return random.choice(
            (
                lambda: value | {key: self._change_value(value[key])},
                lambda: value | {key: self._change_value(value[key])},
                lambda: {other: member for other, member in value.items() if other != key},
                lambda: value | {self._new_key(key): value[key]},
                lambda: {(self._new_key(key) if other == key else other): member for other, member in value.items()},
                lambda: value | {key: self._new_value(value[key])},
            )
        )()

    def _change_list(self, value: list[Any]) -> list[Any]:
        random = self._random
        at = random.randrange(len(value))
        return random.choice(
            (
                lambda: [*value[:at], self._change_value(value[at]), *value[at + 1 :]],
                lambda: [*value[:at], self._change_value(value[at]), *value[at + 1 :]],
                lambda: [*value[:at], *value[at + 1 :]],
                lambda: [*value[:at], value[at], *value[at:]],
                lambda: [*value, self._new_value(value[at])],
                lambda: (value * random.choice((2, 10, 100)))[:500],
            )
        )()

    def _new_value(self, value: object) -> Any:
        random = self._random
        if isinstance(value, str) and random.random() < 0.6:
            return self._change_bytes(value.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
        if random.random() < 0.2:
            return random.choice((value, [value], {"a": value}, str(value)[:200]))
        if self._words and random.random() < 0.4:
            return random.choice(self._words).decode("utf-8", "surrogatepass")
        return random.choice(VALUES)

    def _new_key(self, key: str) -> str:
        random = self._random
        word = random.choice(self._words or [b"a"]).decode("utf-8", "surrogatepass")
        folded = key.replace("k", "\u212a", 1).replace("s", "\u017f", 1)
        return random.choice((key.upper(), key.lower(), key + "x", key[1:], word, word, folded, ""))


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _text(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return b"[]"
