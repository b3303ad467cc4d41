"""The schemas of the project."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.webhook.admission.plugins.checking import SCHEMAS
from webhook.plugindata.adminschemas import read_schemas
from webhook.plugindata.pluginfiles import FOLDER, PLUGIN_FILES, SHAPES, load_shapes

FILES = sorted(FOLDER.glob(PLUGIN_FILES))
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


def test_the_schemas_of_the_project() -> None:
    assert len({schema.type for schema in SCHEMAS.values()}) == len(FILES) > 50
    assert SCHEMAS["cnv-bridge"] is SCHEMAS["bridge"]
    assert all("@" in schema.source for schema in SCHEMAS.values())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_right_and_named_after_its_plugin(file: Path) -> None:
    read = read_schemas([json.loads(file.read_text())])
    assert read.mistakes == []
    assert file.stem in read.by_type


def test_no_two_files_have_one_type() -> None:
    read = read_schemas([json.loads(file.read_text()) for file in FILES])
    assert read.mistakes == []
    assert read.by_type == SCHEMAS


def test_shapes_are_right() -> None:
    keys = json.loads(SHAPES.read_text())
    assert keys.keys() == load_shapes().keys()
    assert read_schemas([{"type": "x", "kind": "main", "source": "here", "keys": keys}]).mistakes == []


def written_keys(keys: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the keys of a file as they are written, so that shared shapes count as one."""
    for name, key in keys.items():
        yield f"{path}{name}", key
        inner = key
        while "items" in inner:
            inner = inner["items"]
        yield from written_keys(inner.get("keys", {}), f"{path}{name}.")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_says_what_its_plugin_does(file: Path) -> None:
    schema = SCHEMAS[file.stem]
    assert schema.about
    assert not schema.about.endswith(".")
    assert len(schema.about) < 130
    assert re.match(r"\S+@[0-9a-f]{7,} \S+", schema.source)
    assert set(schema.cni_versions) <= set(VERSIONS)
    assert list(schema.cni_versions) == sorted(schema.cni_versions)
    written = written_keys(json.loads(file.read_text()).get("keys", {}))
    leaves = [(path, key) for path, key in written if not {"keys", "shape"} & key.keys()]
    assert [path for path, key in leaves if not key.get("meaning")] == []


def test_an_opaque_plugin_hands_out_no_addresses() -> None:
    """It would hide which plugin a network takes its addresses from."""
    assert {schema.kind for schema in SCHEMAS.values() if schema.opaque} == {"main", "meta"}
