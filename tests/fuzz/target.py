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
"""Lines of Python that a parser may run for one byte: enough to read the byte, and to make a message about each part."""


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the table.

    `run` calls the parser and returns a short name of the outcome; an input with a new name joins the corpus.
    `errors` are the errors that the parser may raise. `vectors` are files below tests/ whose texts are seeds beside
    those of `seeds/<name>`; in a JSON file each text is one. `tokens` are words that the parser knows. `repair`
    corrects a checksum. `bytes_max` is the longest input; `steps_per_byte` are lines of Python for each byte.
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
    """Two readers of one input disagree."""


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
    """Return the JSON value of an input; None if it is not JSON, or nests deeper than any reader of this project accepts."""
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
    """Return a name of an outcome. A number is named by its size in bits, so that not every long input is new."""
    return re.sub(r"[0-9]+", lambda found: str(min(int(found.group()[:9]), 1 << 30).bit_length()), str(value)[:200])


def outcome_of(error: BaseException) -> str:
    """Return a name of a refusal, without the values that it quotes."""
    if isinstance(error, SpecErrors):
        return " ".join(sorted({one.rule for one in error}))
    return re.sub(r"[\"'].*[\"']|[0-9]+", "", f"{type(error).__name__} {error}")[:80]
