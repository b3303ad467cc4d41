"""The keys of `webhook/plugindata` that touch something, and every way in which Go reads a key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from webhook.admission.plugins.schema import Key as SchemaKey
from webhook.admission.plugins.schema import PluginSchema, ReadKey, Touch
from webhook.plugindata import touches


class Key(NamedTuple):
    """One key that touches something: its plugin, the keys above it, and the lists around it."""

    plugin: str
    kind_of_plugin: str
    is_beside: bool
    steps: tuple[tuple[str, int], ...]
    kind: str

    @property
    def name(self) -> str:
        return f"{self.plugin}:{'/'.join(name for name, _ in self.steps)}"


def keys_of(file: PluginSchema) -> Iterator[Key]:
    for is_beside, keys in ((False, file.keys), (False, file.also_reads), (True, file.beside)):
        for steps, kind in walk(keys, ()):
            yield Key(file.type, file.kind, is_beside, steps, kind)
    if file.as_ipam is not None:
        yield from keys_of(file.as_ipam)


def walk(keys: Any, above: tuple[tuple[str, int], ...]) -> Iterator[tuple[tuple[tuple[str, int], ...], str]]:
    for name, written in keys.items():
        lists = 0
        key: SchemaKey | ReadKey = written
        found = key.touches
        while isinstance(key, SchemaKey) and key.items is not None:
            lists += key.type == "array"
            key = key.items
        steps = (*above, (name, lists))
        kind = found.kind if isinstance(found, Touch) else found
        if kind is not None and kind not in ("trunk", "node-address"):
            yield steps, kind
        yield from walk(key.keys, steps)


KEYS = [key for file in touches.load_files() for key in keys_of(file)]


def spellings(name: str) -> list[str]:
    """Return spellings that Go reads as a key: other letter case, U+017F for s, U+212A for k."""
    mixed = "".join(char.upper() if index % 2 else char.lower() for index, char in enumerate(name))
    found = [name, name.lower(), name.upper(), mixed, name.swapcase()]
    found += [name.lower().replace("s", "\u017f"), name.lower().replace("k", "\u212a")]
    return list(dict.fromkeys(found))


def nest(key: Key, value: Any, spell: int) -> Any:
    """Return an object with a value at a key, in the lists of the plugin, in the given spelling at every depth."""
    for name, lists in reversed(key.steps):
        ways = spellings(name)
        for _ in range(lists):
            value = [value]
        value = {ways[min(spell, len(ways) - 1)]: value}
    return value
