"""The schemas of the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.webhook.admission.plugins.checking import SCHEMAS
from webhook.plugindata.adminschemas import read_schemas
from webhook.plugindata.pluginfiles import FOLDER, PLUGIN_FILES, SHAPES, load_shapes

FILES = sorted(FOLDER.glob(PLUGIN_FILES))


def test_the_schemas_of_the_project() -> None:
    assert len({schema.type for schema in SCHEMAS.values()}) == len(FILES) == 32
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
