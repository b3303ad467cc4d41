"""What CNI plugins say when they refuse their configuration, as the files of this package quote it.

    quote = *( text / "{value}" / "..." )   ; the two stand for anything

A quote of few characters is in too many messages to mean anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from .pluginfiles import FOLDER, PLUGIN_FILES

QUOTE_MIN = 12
"""The least number of characters that a quote has without these two."""

_PLACES = re.compile(r"\{value\}|\.\.\.")


def is_refusal(types: Iterable[str], words: str) -> bool:
    """Say whether a plugin of one of these types says such words about a mistake in its configuration."""
    return any(quote.search(words) for name in types for quote in _quotes().get(name, ()))


def quotes_of(value: object) -> Iterator[str]:
    """Yield the quotes in a plugin's file, or in a part of it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.endswith("refusal") and isinstance(inner, str):
                yield inner
            else:
                yield from quotes_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from quotes_of(inner)


def load_files() -> Iterator[dict[str, Any]]:
    """Yield the content of each plugin's file, by file name."""
    for file in sorted(FOLDER.glob(PLUGIN_FILES)):
        yield msgspec.json.decode(file.read_bytes(), type=dict[str, Any])


@cache
def _quotes() -> Mapping[str, tuple[re.Pattern[str], ...]]:
    found: dict[str, tuple[re.Pattern[str], ...]] = {}
    for content in load_files():
        patterns = tuple(filter(None, map(_pattern, dict.fromkeys(quotes_of(content)))))
        found |= dict.fromkeys((content["type"], *content.get("also", ())), patterns)
    return found


def _pattern(quote: str) -> re.Pattern[str] | None:
    parts = _PLACES.split(quote)
    if sum(map(len, parts)) < QUOTE_MIN:
        return None
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
