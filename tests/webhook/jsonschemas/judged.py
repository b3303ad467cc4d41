"""What a JSON Schema says about a value, with the validator of jsonschema."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import jsonschema
import yaml
from click.testing import CliRunner

from tests.paths import ROOT
from webhook.cli import nadmit
from webhook.jsonschemas.draft7 import Schema


def mistakes(schema: Schema, value: object) -> list[str]:
    """Return the places of a value that break a schema, with what is wrong."""
    errors = jsonschema.Draft7Validator(schema).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in errors]


WRONG_ESCAPE = re.compile(r"\\(?![dDwWsSbBnrtvf0-9.^$*+?()\[\]{}|\\/]|u[0-9a-f]{4})")
"""What ECMA 262 refuses in Unicode mode, in which yaml-language-server compiles patterns; it then ignores them."""


def is_valid_schema(schema: Schema) -> bool:
    jsonschema.Draft7Validator.check_schema(schema)
    for pattern in patterns(schema):
        assert WRONG_ESCAPE.search(pattern) is None, pattern
        assert "(?<" not in pattern
        re.compile(pattern)
    return bool(schema["title"] and schema["description"])


def patterns(value: Any) -> Iterator[str]:
    """Yield each pattern of a schema."""
    if isinstance(value, dict):
        yield from value.get("patternProperties", ())
        for key, inner in value.items():
            if key == "pattern" and isinstance(inner, str):
                yield inner
            yield from patterns(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from patterns(inner)


def run(*words: str) -> tuple[int, str]:
    """Run the command, and return its exit code and its output."""
    done = CliRunner().invoke(nadmit, list(words))
    return done.exit_code, done.output


def objects(*, below: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the Kubernetes objects in the YAML files of a folder that git knows, each with its file."""
    listed = subprocess.run(
        ["git", "ls-files", f"{below}/*.yaml"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = [
        (name, value)
        for name in listed
        for value in yaml.safe_load_all((ROOT / name).read_text())
        if isinstance(value, dict) and "apiVersion" in value
    ]
    assert found
    return found
