"""Reads schemas: those of this package, and those of an admin's directory, by the same rules.

JSON, because 30 files of YAML take half a second to read, and these take a few milliseconds. A file has one plugin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from webhook.admission.plugins.codes import CODES
from webhook.admission.plugins.rules import RULES
from webhook.admission.plugins.schema import Key, PluginSchema
from webhook.plugindata.fileformat import KeyFile, PluginFile, SchemaError, plugin_schema

OWN = Path(__file__).parent
SHAPES = "_shapes.json"
"""Keys that several plugins share, by name; no plugin."""

_plugins = msgspec.json.Decoder(PluginFile)
_shapes = msgspec.json.Decoder(dict[str, KeyFile])


def load_schemas(directory: Path | None = None) -> Mapping[str, PluginSchema]:
    """Return the schemas by plugin type, other names included; those of `directory` replace those of this package.

    Schemas are in files named `*.json`; others in the directory are no schemas.
    Raises SchemaError for a file that cannot be used, with its name and the place in it, and OSError.
    """
    schemas = _load(OWN)
    return schemas if directory is None else {**schemas, **_load(directory)}


def _load(directory: Path) -> dict[str, PluginSchema]:
    shapes = _shapes.decode((OWN / SHAPES).read_bytes())
    loaded: dict[str, PluginSchema] = {}
    for file in sorted(found for found in directory.iterdir() if found.suffix == ".json" and found != OWN / SHAPES):
        schema = read_schema(file.read_bytes(), shapes, name=str(file))
        for name in (schema.type, *schema.also):
            if name in loaded:
                raise SchemaError(f"{file}: the type has a schema already: {name}; keep one of them")
            loaded[name] = schema
    return loaded


def read_schema(text: bytes, shapes: Mapping[str, KeyFile], *, name: str) -> PluginSchema:
    """Return the schema that a text describes; `name` is said in errors. Raises SchemaError."""
    try:
        schema = plugin_schema(_plugins.decode(text), shapes)
    except msgspec.ValidationError as error:
        raise SchemaError(f"{name}: {_place(error, msgspec.json.decode(text))}") from error
    except msgspec.DecodeError as error:
        raise SchemaError(f"{name}: no JSON: {error}") from error
    except SchemaError as error:
        raise SchemaError(f"{name}: {error}") from error
    for problem in _problems(schema):
        raise SchemaError(f"{name}: {problem}")
    return schema


def _place(error: msgspec.ValidationError, written: Any, path: str = "") -> str:
    """Say where and why; a key of `keys` is looked for, as its name is not in the error."""
    reason, _, place = str(error).partition(" - at ")
    place = place.strip("`").removeprefix("$").removeprefix(".")
    if place.startswith("items"):
        return _place_inside(written["items"], f"{path}items")
    if place.startswith("keys[...]"):
        return next(filter(None, (_place_inside(key, f"{path}keys.{name}") for name, key in written["keys"].items())))
    return f"{(path + place).removesuffix('.') or 'the file'}: {reason}"


def _place_inside(key: object, path: str) -> str:
    """Return what is wrong with one key, or "" when nothing is."""
    try:
        msgspec.convert(key, KeyFile)
    except msgspec.ValidationError as error:
        return _place(error, key, f"{path}.")
    return ""


def _problems(schema: PluginSchema) -> Iterable[str]:
    """Yield what is wrong with references: to rules, to codes, to types."""
    for index, rule in enumerate(schema.rules):
        if rule not in RULES:
            yield f"rules[{index}]: there is no such rule: {rule}; allowed: {', '.join(RULES)}"
    codes = {f"constraints[{index}].code": found.code for index, found in enumerate(schema.constraints)}
    codes |= {f"predecessors[{index}].code": found.code for index, found in enumerate(schema.predecessors)}
    for path, code in [*codes.items(), *_key_codes(schema.keys, "keys")]:
        if code not in CODES:
            yield f"{path}: there is no such code: {code}; `nadmit explain` lists them"


def _key_codes(keys: Mapping[str, Key], path: str) -> Iterable[tuple[str, str]]:
    for name, key in keys.items():
        if key.code:
            yield f"{path}.{name}.code", key.code
        if key.items is not None:
            yield from _key_codes({"items": key.items}, f"{path}.{name}")
        yield from _key_codes(key.keys, f"{path}.{name}.keys")
