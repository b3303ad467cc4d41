"""Reads the files of this package: JSON, one plugin each, with the fields of `webhook.admission.plugins.schema`.

JSON, because 30 files of YAML take half a second to read, and these take 3 ms. Tests look for mistakes in the files
(`adminschemas`), so a start does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec

from webhook.admission.plugins.schema import Key, PluginSchema

FOLDER = Path(__file__).parent
PLUGIN_FILES = "[!_]*.json"
SHAPES = FOLDER / "_shapes.json"
"""Keys that several plugins share, by name."""
UNCHECKED = FOLDER / "unchecked"
"""Plugins of which only `touches` is known: no check looks at their keys."""

Shapes = Mapping[str, Key]

_plugins = msgspec.json.Decoder(PluginSchema)


@cache
def load_schemas() -> Mapping[str, PluginSchema]:
    """Return the schemas by plugin type, other names included. The files are read once."""
    by_type: dict[str, PluginSchema] = {}
    for schema in load_folder(FOLDER):
        by_type |= dict.fromkeys((schema.type, *schema.also), schema)
    return by_type


@cache
def load_unchecked() -> tuple[PluginSchema, ...]:
    """Return the plugins of which only `touches` is known. The files are read once."""
    return tuple(load_folder(UNCHECKED))


def load_folder(folder: Path) -> list[PluginSchema]:
    """Return the schemas of a folder of this package, by file name."""
    shapes = load_shapes()
    return [with_shapes(_plugins.decode(file.read_bytes()), shapes) for file in sorted(folder.glob(PLUGIN_FILES))]


@cache
def load_shapes() -> Shapes:
    """Return the keys that several plugins share. The file is read once."""
    shapes = msgspec.json.decode(SHAPES.read_bytes(), type=dict[str, Key])
    return {name: _resolve(key, shapes) for name, key in shapes.items()}


def with_shapes(schema: PluginSchema, shapes: Shapes) -> PluginSchema:
    """Return a schema with each shape replaced by the key of that name, which exists."""
    keys = {name: _resolve(key, shapes) for name, key in schema.keys.items()}
    as_ipam = with_shapes(schema.as_ipam, shapes) if schema.as_ipam is not None else None
    return replace(schema, keys=keys, as_ipam=as_ipam)


def _resolve(key: Key, shapes: Shapes) -> Key:
    if key.shape:
        shape = _resolve(shapes[key.shape], shapes)
        return replace(shape, touches=key.touches, meaning=key.meaning or shape.meaning)
    if key.items is None and not key.keys:
        return key
    items = _resolve(key.items, shapes) if key.items is not None else None
    return replace(key, items=items, keys={name: _resolve(inner, shapes) for name, inner in key.keys.items()})
