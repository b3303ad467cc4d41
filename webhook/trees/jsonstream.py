"""A stream of JSON documents to plain values, one after the other, as `kubectl get -o json` writes them.

It reads the common case fast and strictly. The YAML reader gets every other text, and says where a problem is.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from .yamlstream import DEPTH_MAX

_SPACE = re.compile(r"[ \t\r\n]*")


class NotStrictJsonError(ValueError):
    """The text is not a stream of strict JSON values. `offset`: where; None when only the YAML reader knows."""

    def __init__(self, detail: str, offset: int | None = None) -> None:
        super().__init__(detail)
        self.offset = offset


def is_likely(text: str) -> bool:
    """Say whether to read a text as JSON first, as kubectl does with one that starts with a brace."""
    return text.lstrip(" \t\r\n").startswith(("{", "["))


def read(text: str) -> list[tuple[int, int, object]]:
    """Return start, end and value of each document. Raises NotStrictJsonError."""
    documents: list[tuple[int, int, object]] = []
    offset = _skip_space(text, 0)
    while offset < len(text):
        try:
            value, end = _decode(text, offset)
        except json.JSONDecodeError as error:
            raise NotStrictJsonError(error.msg, error.pos) from None
        except RecursionError:
            raise NotStrictJsonError("it nests too deeply") from None
        if depth_exceeds(value, DEPTH_MAX):
            raise NotStrictJsonError("it nests too deeply")
        documents.append((offset, end, value))
        offset = _skip_space(text, end)
    return documents


def _skip_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return match.end() if match else offset


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotStrictJsonError("a key occurs twice in one object")
    return value


def _integer(digits: str) -> int:
    if len(digits) > 100:
        raise NotStrictJsonError("a number has more than 100 digits")
    return int(digits)


def _constant(name: str) -> NoReturn:
    raise NotStrictJsonError(f"{name} is not JSON")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_constant=_constant).raw_decode


def depth_exceeds(value: object, limit: int) -> bool:
    """Say whether collections nest more than `limit` levels; without recursion, so that no input ends the process."""
    level: list[object] = [value]
    for _ in range(limit + 1):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return [child for child in value.values() if isinstance(child, dict | list)]
    if isinstance(value, list):
        return [child for child in value if isinstance(child, dict | list)]
    return []
