"""What the keys of every plugin touch, from the files to the literals that `cniplugin` loads.

The node judges definitions too, has the standard library only, and pays for each import: so it reads no JSON of ours,
but `cniplugin/access/content/plugintable.py`, which `make golden` writes from here. A test compares both.

    entry  = kind / keys / (kind, keys, default, default_when, separator, in_container)
    keys   = {folded key: entry}            ; the keys of an object, or of each object of a list
    plugin = (kind of plugin, "ipam" / "", keys, keys beside `ipam`)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cniplugin.access.content import plugintable
from cniplugin.access.content.facts import fold
from webhook.plugindata.fileformat import KeyFile, PluginFile, ReadFile, Shapes, TouchFile
from webhook.plugindata.loader import OWN, PLUGIN_FILES, load_shapes

UNCHECKED = OWN / "unchecked"
"""Plugins of which only that is known: no check looks at their keys."""

Entry = Any
"""An `entry` of the module's grammar, None for a key that touches nothing."""

Plugin = tuple[str, str, dict[str, Entry], dict[str, Entry]]

_plugins = msgspec.json.Decoder(PluginFile)

HEAD = '''"""What the keys of CNI plugins touch: literals, compiled from `webhook/plugindata` by `make golden`.

Grammar: `webhook/plugindata/touches.py`. Read by `facts`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Keys = Mapping[str, Any]

'''


def load_files() -> list[PluginFile]:
    """Return what is known of each plugin, checked ones first."""
    files = (file for folder in (OWN, UNCHECKED) for file in sorted(folder.glob(PLUGIN_FILES)))
    return [_plugins.decode(file.read_bytes()) for file in files]


def compile_plugins(files: Iterable[PluginFile], shapes: Shapes) -> dict[str, Plugin]:
    """Return the table of `plugintable`: by type, other names included."""
    table: dict[str, Plugin] = {}
    for file in files:
        keys = _merge(_keys_of(file.keys, shapes), _read_keys(file.also_reads))
        reads = "" if file.ipam == "unused" else "ipam"
        table |= dict.fromkeys((file.type, *file.also), (file.kind, reads, keys, _read_keys(file.beside)))
    return table


def compile_spellings(files: Iterable[PluginFile]) -> dict[str, tuple[str, ...]]:
    """Return how plugins spell the keys that people write, where that is not as they fold."""
    found: dict[str, set[str]] = {}
    for file in files:
        for name in file.keys or file.also_reads:
            found.setdefault(fold(name), set()).add(name)
    return {key: tuple(sorted(names)) for key, names in found.items() if names != {key}}


def _keys_of(keys: Mapping[str, KeyFile], shapes: Shapes) -> dict[str, Entry]:
    return _touching({name: _entry(key, shapes) for name, key in keys.items()})


def _entry(key: KeyFile, shapes: Shapes) -> Entry:
    holder = shapes[key.shape] if key.shape else key
    while holder.items is not None:
        holder = holder.items
    return _with_keys(key.touches, _keys_of(holder.keys, shapes))


def _read_keys(keys: Mapping[str, ReadFile]) -> dict[str, Entry]:
    return _touching({name: _with_keys(key.touches, _read_keys(key.keys)) for name, key in keys.items()})


def _touching(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """NB: keys that differ in letter case alone are one entry; static has `address` and `Address`."""
    found: dict[str, Entry] = {}
    for name, entry in entries.items():
        if entry is not None:
            found = _merge(found, {fold(name): entry})
    return found


def _with_keys(touches: str | TouchFile | None, keys: dict[str, Entry]) -> Entry:
    if isinstance(touches, TouchFile):
        when = touches.default_when or None
        return touches.kind, keys or None, touches.default, when, touches.separator, fold(touches.in_container)
    if touches is None:
        return keys or None
    return (touches, keys, None, None, "", "") if keys else touches


def _merge(one: dict[str, Entry], other: dict[str, Entry]) -> dict[str, Entry]:
    merged = dict(one)
    for name, entry in other.items():
        merged[name] = _merge_entries(merged[name], entry) if name in merged else entry
    return merged


def _merge_entries(one: Entry, other: Entry) -> Entry:
    first, second = _parts(one), _parts(other)
    keys = _merge(first[1] or {}, second[1] or {}) or None
    rest = first[2:] if first[0] is not None else second[2:]
    kind = first[0] if first[0] is not None else second[0]
    if kind is None:
        return keys
    return (kind, keys, *rest)


def _parts(entry: Entry) -> tuple[Any, ...]:
    if isinstance(entry, dict):
        return (None, entry, None, None, "", "")
    return entry if isinstance(entry, tuple) else (entry, None, None, None, "", "")


def render(plugins: Mapping[str, object], spellings: Mapping[str, object]) -> str:
    """Return the text of the module, one entry a line."""
    lines = [
        HEAD + "PLUGINS: Mapping[str, tuple[str, str, Keys, Keys]] = {",
        *_entries(plugins),
        "}",
        '"""By plugin type."""',
        "",
    ]
    lines += [
        "SPELLINGS: Mapping[str, tuple[str, ...]] = {",
        *_entries(spellings),
        "}",
        '"""Of the keys at the top of a plugin, as folded."""',
        "",
    ]
    return "\n".join(lines)


def _entries(table: Mapping[str, object]) -> list[str]:
    return [f"    {key!r}: {value!r}," for key, value in sorted(table.items())]


def write() -> None:
    """Write the module anew; `make golden` formats it."""
    files = load_files()
    text = render(compile_plugins(files, load_shapes()), compile_spellings(files))
    Path(plugintable.__file__).write_text(text)


if __name__ == "__main__":
    write()
