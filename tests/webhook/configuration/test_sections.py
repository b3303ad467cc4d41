"""The sections `plugins` and `limits`: their values, and every mistake with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import pytest

from tests.webhook.admission.plugins.checking import SCHEMAS, findings_of
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits
from webhook.admission.plugins.schema import UNKNOWN_TYPES, PluginChecks
from webhook.configuration.current import CurrentConfiguration
from webhook.configuration.parsing import read
from webhook.configuration.sections import UnknownTypes
from webhook.configuration.texts import ConfigurationError
from webhook.plugindata.adminschemas import read_schemas

from .texts import HEAD

MINE = {"type": "my-plugin", "kind": "main", "source": "me", "keys": {"speed": {"type": "integer", "maximum": 10}}}
SECTION = f"""{HEAD}plugins:
  schemas:
    - type: my-plugin
      kind: main
      source: me
      keys:
        speed: {{type: integer, maximum: 20}}
"""


def checks(text: str, **own: Mapping[str, object]) -> PluginChecks:
    value = read(text.encode(), where="f.yaml").to_value(read_schemas(list(own.values())).by_type).plugins
    assert value is not None
    return value


def test_unknown_types_are_those_of_the_domain() -> None:
    assert get_args(UnknownTypes) == UNKNOWN_TYPES


@pytest.mark.parametrize(
    ("setting", "codes"), [("Warn", ["NAD107"]), ("Refuse", ["NAD108"]), ("Off", []), ("'Off'", [])]
)
def test_unknown_types(setting: str, codes: list[str]) -> None:
    value = checks(f"{HEAD}plugins: {{unknownTypes: {setting}}}")
    assert [finding.code for finding in findings_of({"type": "secret-sauce"}, checks=value)] == codes


def test_exempt_types() -> None:
    assert findings_of({"type": "bridge", "vlan": 4095}, checks=checks(f"{HEAD}plugins: {{exempt: [bridge]}}")) == []


@pytest.mark.parametrize(("text", "limit"), [(HEAD, 10), (SECTION, 20)])
def test_the_section_comes_before_the_directory_and_both_before_the_project(text: str, limit: int) -> None:
    value = checks(text, mine=MINE, bridge={**MINE, "type": "bridge"})
    assert findings_of({"type": "my-plugin", "speed": limit}, checks=value) == []
    assert [finding.code for finding in findings_of({"type": "my-plugin", "speed": limit + 1}, checks=value)] == [
        "NAD201"
    ]
    assert findings_of({"type": "bridge", "isGateway": 1}, checks=value) == []
    assert value.schemas["vlan"] is SCHEMAS["vlan"]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("unknownTypes: warn", '4:3: plugins.unknownTypes: unknown value: "warn"; did you mean "Warn"? allowed: "Warn", "R'),
        ("unknownTypes: true", '4:3: plugins.unknownTypes: unknown value: true; allowed: "Warn", "Refuse", "Off"'),
        ("exempt: bridge", '4:3: plugins.exempt: wrong type: "bridge"; allowed: a list'),
        ("exempt: [7]", "4:12: plugins.exempt[0]: wrong type: 7; allowed: a string: quote it"),
        ("exempt: ['']", "4:3: plugins.exempt: a plugin type is empty; write it as configurations do, or leave it out"),
        ("exempt: [a, b, a]", "4:3: plugins.exempt: a is listed twice; keep one of them"),
        ("schemas: {}", "4:3: plugins.schemas: wrong type: an object; allowed: a list"),
        ("schemas: [7]", "4:13: plugins.schemas[0]: wrong type: 7; allowed: a mapping"),
        ("exempts: []", '4:3: plugins.exempts: no such field; did you mean "exempt"? allowed: unknownTypes, exempt, schemas'),
        (
            "schemas:\n  - type: a\n    kind: main\n    source: me\n    keys:\n      x: {type: int}",
            '9:11: plugins.schemas[0].keys.x.type: unknown value: "int"; did you mean "integer"? allowed: "any", ',
        ),
        (
            "schemas:\n  - {type: a, kind: main, source: me}\n  - {type: a, kind: main, source: me}",
            "6:6: plugins.schemas[1].type: the type has a schema already: a; keep one of them",
        ),
    ],
)  # fmt: skip
def test_one_mistake_is_one_line(section: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(f"{HEAD}plugins:\n  {section}\n".encode(), where="f.yaml")
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"f.yaml:{message}")


def test_plugin_types_are_shown_without_whole_schemas() -> None:
    current = CurrentConfiguration(now=lambda: 0.0, own_schemas=read_schemas([MINE, {**MINE, "type": "other"}]).by_type)
    current.load(SECTION.encode(), source="f")
    shown = current.describe()
    assert shown["configuration"]["plugins"] == {"unknownTypes": "Warn", "exempt": []}
    types = shown["pluginTypes"]
    assert (types["vlan"], types["other"], types["my-plugin"]) == ("nadmit", "--plugin-schemas", "plugins.schemas")
    assert list(types) == sorted([*SCHEMAS, "my-plugin", "other"])


# Limits


def limits_of(text: bytes) -> ReviewLimits:
    return read(HEAD.encode() + text, where="f").to_value({}).limits


def test_the_default_limits() -> None:
    assert limits_of(b"") == limits_of(b"limits: {}\n") == DEFAULTS == ReviewLimits()


def test_every_limit() -> None:
    text = (
        b"limits: {networksPerPod: 1, valuesPerPod: 2, containersPerPod: 3, definitionBytes: 4, definitionItems: 5, "
        b"policyValues: 6}\n"
    )
    assert limits_of(text) == ReviewLimits(1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", "the number is out of range: 0; allowed: 1 to 10000000"),
        ("10000001", "the number is out of range: 10000001; allowed: 1 to 10000000"),
        ('"64"', 'wrong type: "64"; allowed: a whole number, without quotes'),
        ("1.5", "wrong type: 1.5; allowed: a whole number, without quotes"),
        ("true", "wrong type: true; allowed: a whole number, without quotes"),
    ],
)
def test_a_wrong_limit_has_its_place(value: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        limits_of(f"limits:\n  networksPerPod: {value}\n".encode())
    (problem,) = raised.value.problems
    assert str(problem) == f"f:4:3: limits.networksPerPod: {words}"


def test_an_unknown_limit() -> None:
    with pytest.raises(ConfigurationError, match="networksPerPod"):
        limits_of(b"limits: {networkPerPod: 3}\n")


def test_limits_change_while_the_server_runs() -> None:
    current = CurrentConfiguration(now=lambda: 0.0, own_schemas={})
    assert current.value.limits == DEFAULTS
    current.update(HEAD.encode() + b"limits: {networksPerPod: 128}\n", source="f")
    assert current.value.limits.networks_per_pod == 128
    assert current.describe()["configuration"]["limits"]["networksPerPod"] == 128


@pytest.mark.parametrize(
    ("text", "warns"), [("", False), ("observe: {}\n", False), ("observe: {warnings: true}\n", True)]
)
def test_users_are_warned_in_stage_observe_if_an_admin_says_so(text: str, warns: bool) -> None:  # noqa: FBT001 - a column
    assert read(f"{HEAD}{text}".encode(), where="f").to_value({}).warns_observed is warns
