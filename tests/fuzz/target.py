"""A parser as the loop sees it: a function of bytes, and the errors that it may raise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cniplugin.netspec.errors import SpecErrors

STEPS_AT_LEAST = 40_000
STEPS_PER_BYTE = 400
"""Lines of Python that a parser may run: a line of its own for each byte, and a message about each of its parts."""


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the table.

    `run`: calls the parser; what it returns is a short name of the outcome, and a new one makes an input worth keeping.
    `errors`: what the parser may raise. `vectors`: files below tests/ whose texts are seeds beside those of
    `seeds/<name>`; of a JSON file each text in it. `tokens`: words that mean something to the parser. `repair`: makes
    a checksum right again. `bytes_max`: the longest input; `steps_per_byte`: lines of Python for each byte.
    """

    name: str
    run: Callable[[bytes], object]
    errors: tuple[type[BaseException], ...] = ()
    vectors: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    repair: Callable[[bytes], bytes] | None = None
    bytes_max: int = 4096
    steps_per_byte: int = STEPS_PER_BYTE

    def steps_max(self, size: int) -> int:
        """Return how many lines of Python an input of this size may run."""
        return STEPS_AT_LEAST + self.steps_per_byte * size


class DisagreementError(AssertionError):
    """Two readings of one input differ."""


def agree(one: object, other: object, what: str) -> None:
    """Raise DisagreementError unless both are equal."""
    if one != other:
        raise DisagreementError(f"{what}: {str(one)[:300]!r} is not {str(other)[:300]!r}")


def text_of(data: bytes) -> str:
    """Return the text of an input; lone surrogates are possible, as JSON escapes make them."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def json_of(data: bytes) -> Any:
    """Return the JSON value of an input; None for what is not JSON or nests deeper than any reader of this project."""
    try:
        value = json.loads(text_of(data))
    except (ValueError, RecursionError):
        return None
    return None if _is_too_deep(value) else value


def object_of(data: bytes) -> dict[str, Any]:
    """Return the JSON object of an input, {} for anything else."""
    value = json_of(data)
    return value if isinstance(value, dict) else {}


def _is_too_deep(value: object, depth: int = 0) -> bool:
    if depth > 64:
        return True
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_is_too_deep(item, depth + 1) for item in items)


def outcome_of_value(value: object) -> str:
    """Return a name of what a target returned: of a number its size in bits, so that long inputs are not all new."""
    return re.sub(r"[0-9]+", lambda found: str(min(int(found.group()[:9]), 1 << 30).bit_length()), str(value)[:200])


def outcome_of(error: BaseException) -> str:
    """Return a name of a refusal without the values in it."""
    if isinstance(error, SpecErrors):
        return " ".join(sorted({one.rule for one in error}))
    return re.sub(r"[\"'].*[\"']|[0-9]+", "", f"{type(error).__name__} {error}")[:80]
