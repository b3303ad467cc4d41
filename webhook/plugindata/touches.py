"""Compiles the `touches` of every plugin's keys, from the files to the literals that `cniplugin` loads.

The node also judges definitions. It has only the standard library and pays for each import, so it does not read JSON:
it imports `cniplugin/access/content/plugintable.py`, which this module writes (`make golden`). A test compares both.

    entry  = kind / keys / (kind, keys, default, default_when, separator, in_container)
    keys   = {folded key: entry}            ; the keys of an object, or of each object of a list
    plugin = (kind of plugin, "ipam" / "", keys, keys beside `ipam`)
    opaque = the types whose keys do not say all that they touch

The kind is that of the schema, or "both" for a program that makes interfaces and is an IPAM program as well; then the
keys are those of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cniplugin.access.content import plugintable
from cniplugin.access.content.facts import BOTH, fold
from webhook.admission.plugins.schema import Key, PluginSchema, ReadKey, Touch, TouchKind

from .pluginfiles import FOLDER, UNCHECKED, load_folder

Entry = Any
"""An `entry` of the module's grammar, None for a key that touches nothing."""

Plugin = tuple[str, str, dict[str, Entry], dict[str, Entry]]

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


def load_files() -> list[PluginSchema]:
    """Return the schema of each plugin, checked ones first."""
    return [*load_folder(FOLDER), *load_folder(UNCHECKED)]


def compile_plugins(files: Iterable[PluginSchema]) -> dict[str, Plugin]:
    """Return the table of `plugintable`: by type, other names included."""
    table: dict[str, Plugin] = {}
    for file in files:
        keys, kind = _merge(_entries(file.keys), _entries(file.also_reads)), str(file.kind)
        if file.as_ipam is not None:
            keys, kind = _merge(keys, _entries(file.as_ipam.keys)), BOTH
        reads = "" if file.ipam == "unused" else "ipam"
        table |= dict.fromkeys((file.type, *file.also), (kind, reads, keys, _entries(file.beside)))
    return table


def compile_spellings(files: Iterable[PluginSchema]) -> dict[str, tuple[str, ...]]:
    """Return the spellings of keys at the top of plugins that differ from the folded key."""
    found: dict[str, set[str]] = {}
    for file in files:
        for name in file.keys or file.also_reads:
            found.setdefault(fold(name), set()).add(name)
    return {key: tuple(sorted(names)) for key, names in found.items() if names != {key}}


def find_opaque(files: Iterable[PluginSchema]) -> frozenset[str]:
    """Return the types of opaque plugins, other names included."""
    return frozenset(name for file in files if file.opaque for name in (file.type, *file.also))


def _entries(keys: Mapping[str, Key] | Mapping[str, ReadKey]) -> dict[str, Entry]:
    """NB: keys that differ in letter case alone are one entry; static has `address` and `Address`."""
    entries: dict[str, Entry] = {}
    for name, key in keys.items():
        entry = _with_keys(key.touches, _entries(innermost(key).keys))
        if entry is not None:
            entries = _merge(entries, {fold(name): entry})
    return entries


def innermost(key: Key | ReadKey) -> Key | ReadKey:
    """Return the items of the lists of a key, or the key itself."""
    while isinstance(key, Key) and key.items is not None:
        key = key.items
    return key


def _with_keys(touches: TouchKind | Touch | None, keys: dict[str, Entry]) -> Entry:
    if isinstance(touches, Touch):
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


def render(plugins: Mapping[str, object], opaque: Iterable[str], spellings: Mapping[str, object]) -> str:
    """Return the text of the module, one entry a line."""
    lines = [
        HEAD + "PLUGINS: Mapping[str, tuple[str, str, Keys, Keys]] = {",
        *_lines(plugins),
        "}",
        '"""By plugin type."""',
        "",
        "OPAQUE = frozenset(",
        f"    {tuple(sorted(opaque))!r}",
        ")",
        '"""Plugin types that touch more than their keys say, so rules treat them as unknown."""',
        "",
        "SPELLINGS: Mapping[str, tuple[str, ...]] = {",
        *_lines(spellings),
        "}",
        '"""Of the keys at the top of a plugin, as folded."""',
        "",
    ]
    return "\n".join(lines)


def _lines(table: Mapping[str, object]) -> list[str]:
    return [f"    {key!r}: {value!r}," for key, value in sorted(table.items())]


def write() -> None:
    """Write the module anew; `make golden` formats it."""
    files = load_files()
    Path(plugintable.__file__).write_text(render(compile_plugins(files), find_opaque(files), compile_spellings(files)))


if __name__ == "__main__":
    write()
