"""Reads the schemas of this package.

JSON, because 30 files of YAML take half a second to read, and these take 3 ms. A file has one plugin. What is wrong
with a file is found by the tests (`references`, `form`), so it is not looked for at each start.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from webhook.admission.plugins.schema import PluginSchema
from webhook.plugindata.fileformat import KeyFile, PluginFile, Shapes, plugin_schema

OWN = Path(__file__).parent
PLUGIN_FILES = "[!_]*.json"
SHAPES = OWN / "_shapes.json"
"""Keys that several plugins share, by name."""

_plugins = msgspec.json.Decoder(PluginFile)
_shapes = msgspec.json.Decoder(dict[str, KeyFile])


@cache
def load_schemas() -> Mapping[str, PluginSchema]:
    """Return the schemas by plugin type, other names included. They are read once."""
    loaded: dict[str, PluginSchema] = {}
    for file in sorted(OWN.glob(PLUGIN_FILES)):
        schema = plugin_schema(_plugins.decode(file.read_bytes()), load_shapes())
        loaded |= dict.fromkeys((schema.type, *schema.also), schema)
    return loaded


@cache
def load_shapes() -> Shapes:
    """Return the keys that several plugins share. They are read once."""
    return _shapes.decode(SHAPES.read_bytes())
