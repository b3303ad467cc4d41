"""Schemas from files: those of the project, and those of an admin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.checking import SCHEMAS, found
from webhook.admission.plugins.schema import PluginChecks
from webhook.plugindata.fileformat import SchemaError
from webhook.plugindata.loader import load_schemas

MINE: dict[str, Any] = {
    "type": "my-plugin",
    "kind": "main",
    "source": "example.com/my-plugin@1",
    "keys": {
        "speed": {"type": "integer", "maximum": 10, "refusal": "too fast: {value}"},
        "routes": {"shape": "routes"},
    },
}


def _write(directory: Path, schema: object, name: str = "my-plugin.json") -> None:
    (directory / name).write_text(schema if isinstance(schema, str) else json.dumps(schema))


def test_the_schemas_of_the_project() -> None:
    assert len({schema.type for schema in SCHEMAS.values()}) == 29
    assert SCHEMAS["cnv-bridge"] is SCHEMAS["bridge"]
    assert all("@" in schema.source for schema in SCHEMAS.values())


def test_an_admins_schema_is_added(tmp_path: Path) -> None:
    _write(tmp_path, MINE)
    checks = PluginChecks(schemas=load_schemas(tmp_path))
    (finding,) = found({"type": "my-plugin", "speed": 11}, checks=checks)
    assert (finding.code, finding.refusal) == ("NAD201", "too fast: {value}")
    assert found({"type": "bridge", "vlan": 4095}, checks=checks)


def test_an_admins_schema_replaces_that_of_the_project(tmp_path: Path) -> None:
    _write(tmp_path, {**MINE, "type": "bridge"})
    assert found({"type": "bridge", "vlan": 4095}, checks=PluginChecks(schemas=load_schemas(tmp_path))) == []


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("{", "my-plugin.json: no JSON: "),
        ("[]", "my-plugin.json: the file: Expected `object`, got `array`"),
        ({**MINE, "key": {}}, "my-plugin.json: the file: Object contains unknown field `key`"),
        ({**MINE, "kind": "side"}, "my-plugin.json: kind: Invalid enum value 'side'"),
        ({**MINE, "keys": {"a": {"type": "int"}}}, "my-plugin.json: keys.a.type: Invalid enum value 'int'"),
        (
            {**MINE, "keys": {"b": {"type": "any"}, "a": {"type": "array", "items": {"type": 5}}}},
            "my-plugin.json: keys.a.items.type: Expected `str | null`, got `int`",
        ),
        (
            {**MINE, "keys": {"a": {"type": "object", "keys": {"b": {"size": 5}}}}},
            "my-plugin.json: keys.a.keys.b: Object contains unknown field `size`",
        ),
        (
            {**MINE, "constraints": [{"code": "NAD204", "when": {"a": "there"}, "detail": ""}]},
            "my-plugin.json: constraints[0].when[...]: Invalid enum value 'there'",
        ),
        ({**MINE, "keys": {"a": {}}}, "my-plugin.json: keys.a: the key has neither type nor shape"),
        ({**MINE, "keys": {"a": {"shape": "x"}}}, "my-plugin.json: keys.a.shape: there is no such shape: x; allowed: "),
        ({**MINE, "rules": ["x"]}, "my-plugin.json: rules[0]: there is no such rule: x; allowed: "),
        (
            {**MINE, "constraints": [{"code": "X", "when": {}, "detail": ""}]},
            "my-plugin.json: constraints[0].code: there is no such code: X",
        ),
        (
            {**MINE, "keys": {"a": {"type": "array", "items": {"type": "any", "code": "X"}}}},
            "my-plugin.json: keys.a.items.code: there is no such code: X",
        ),
        ({**MINE, "keys": {"a": {"type": "array"}}}, "my-plugin.json: keys.a: an array needs items"),
    ],
)
def test_a_schema_that_cannot_be_used(tmp_path: Path, schema: object, text: str) -> None:
    _write(tmp_path, schema)
    with pytest.raises(SchemaError) as error:
        load_schemas(tmp_path)
    assert text in str(error.value)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_schemas(tmp_path / "absent")


def test_other_files_are_no_schemas(tmp_path: Path) -> None:
    _write(tmp_path, "not JSON", "README.md")
    assert load_schemas(tmp_path) == SCHEMAS


def test_two_schemas_of_one_type(tmp_path: Path) -> None:
    _write(tmp_path, MINE)
    _write(tmp_path, {**MINE, "type": "other", "also": ["my-plugin"]}, "other.json")
    with pytest.raises(SchemaError, match="the type has a schema already: my-plugin; keep one of them"):
        load_schemas(tmp_path)
