"""The schema of CNI configurations refuses nothing that the webhook admits, and finds the mistakes that it can express.

The configurations are those of all vectors, of the examples, and one made for each key of each plugin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest

from cniplugin.netspec import cniconfig
from cniplugin.netspec.errors import SpecErrors
from tests.paths import VECTORS
from tests.webhook.admission.plugins.checking import CHECKS, SCHEMAS, findings_of
from webhook.admission.plugins.schema import Key, PluginChecks, PluginSchema
from webhook.jsonschemas.cnischema import cni_schema
from webhook.jsonschemas.draft7 import Schema

from .judged import is_valid_schema, mistakes, objects, run

ALL, STRICT = cni_schema(CHECKS), cni_schema(CHECKS, strict=True)
PLUGINS = {schema.type: schema for schema in SCHEMAS.values()}


def is_admitted(config: object) -> bool:
    """Say whether the envelope and the plugins of a configuration pass."""
    try:
        text = json.dumps(config)
        cniconfig.parse(text, name="net")
    except SpecErrors:
        return False
    return not any(finding.is_error(CHECKS.attached_by) for finding in findings_of(text))


def configurations() -> Iterator[tuple[str, Any]]:
    """Yield each configuration that vectors and examples have, with its origin."""
    for file in sorted(VECTORS.rglob("*.json")):
        for config in _configs_in(json.loads(file.read_text())):
            yield file.name, config
    for folder in ("examples", "tests/vectors/practice"):
        for name, value in objects(below=folder):
            if value["kind"] == "NetworkAttachmentDefinition":
                yield from ((name, config) for config in _configs_in(value.get("spec", {})))


def _configs_in(value: Any) -> Iterator[Any]:
    """Yield everything that looks like a network in a file of vectors, also in its texts."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return
    if isinstance(value, dict):
        if isinstance(value.get("type"), str) or isinstance(value.get("plugins"), list):
            yield value
        for inner in value.values():
            yield from _configs_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _configs_in(inner)


@pytest.mark.slow
def test_nothing_that_the_webhook_admits_is_refused() -> None:
    found = [(name, config) for name, config in configurations() if is_admitted(config)]
    assert len(found) > 500
    refused = [(name, config, wrong) for name, config in found if (wrong := mistakes(ALL, config))]
    assert refused == []


@pytest.mark.slow
def test_most_mistakes_of_keys_and_values_are_found() -> None:
    """Those of NAD101 to NAD103 and NAD201 to NAD203 that the file of a plugin expresses."""
    expressed = {"NAD101", "NAD102", "NAD103", "NAD201", "NAD202"}
    wrong = []
    for _, config in configurations():
        try:
            codes = {finding.code for finding in findings_of(json.dumps(config))}
        except SpecErrors:
            continue
        if codes and codes <= expressed:
            wrong.append(bool(mistakes(ALL, config)))
    assert len(wrong) > 50
    assert sum(wrong) > len(wrong) * 0.8


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_type_has_a_schema(name: str) -> None:
    schema = cni_schema(CHECKS, [name])
    assert is_valid_schema(schema)
    assert name in schema["title"]


def test_all_types_together() -> None:
    assert is_valid_schema(ALL)
    assert is_valid_schema(STRICT)
    assert {name.partition("-")[2] for name in ALL["definitions"] if "-" in name} == set(SCHEMAS)


Case = tuple[str, Any]


def network(schema: PluginSchema, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with some keys of a plugin, inside `ipam` if it hands out addresses."""
    if schema.kind == "ipam":
        return {"cniVersion": "1.0.0", "type": "macvlan", "ipam": {"type": schema.type, **keys}}
    return {"cniVersion": "1.0.0", "type": schema.type, **keys}


def probes(key: Key) -> Iterator[Any]:
    """Yield values of a key, right and wrong ones."""
    yield from (
        None,
        "",
        "x",
        0,
        1,
        -1,
        5000,
        True,
        [],
        {},
        [None],
        [1],
        ["x"],
        [{}],
        "10.1.0.0/24",
        "10.1.0.1",
        "fd00::1",
    )
    yield from key.values
    yield from (bound for one in (key.minimum, key.maximum) if one is not None for bound in (one - 1, one, one + 1))
    yield from ("02:00:00:00:00:01", "a" * 16, "a/b", "7", 2**33, "10.1.0.1/24")


@pytest.mark.slow
def test_schema_and_webhook_agree_about_each_key() -> None:
    """One key with one value: if only that value is wrong in the webhook's eyes, the schema says so as well."""
    judged = refused = agreed = 0
    for schema in PLUGINS.values():
        made = jsonschema.Draft7Validator(cni_schema(CHECKS, [schema.type]))
        for name, key in schema.keys.items():
            for value in probes(key):
                config = network(schema, {name: value})
                is_wrong, is_right = not made.is_valid(config), is_admitted(config)
                judged += 1
                assert not (is_wrong and is_right), (config, mistakes(made.schema, config))
                refused += not is_right
                agreed += is_wrong and not is_right
    assert judged > 10_000
    assert agreed > refused * 0.5, (agreed, refused)


BRIDGE = {"cniVersion": "1.0.0", "type": "bridge", "bridge": "br1"}
LOCAL = {"type": "host-local", "subnet": "10.1.0.0/24"}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a type": ({**BRIDGE, "vlan": "5"}, "$.vlan: '5' is not of type"),
    "a range": ({**BRIDGE, "vlan": 4095}, "$.vlan: 4095 is greater than the maximum of 4094"),
    "an item": ({**BRIDGE, "vlanTrunk": [{"id": 0}]}, "$.vlanTrunk[0].id"),
    "null in a list that crashes": ({**BRIDGE, "vlanTrunk": [None]}, "$.vlanTrunk[0]: None is not of type"),
    "a value": ({"type": "macvlan", "master": "eth1", "mode": "brigde"}, "$.mode: 'brigde' is not one of"),
    "a missing key": ({"type": "vlan", "vlanId": 5}, "$: 'master' is a required property"),
    "inside ipam": ({**BRIDGE, "ipam": {**LOCAL, "ranges": {}}}, "$.ipam.ranges: {} is not of type"),
    "in a list": ({"name": "n", "plugins": [{**BRIDGE, "mtu": "9000"}]}, "$.plugins[0].mtu"),
    "an empty list": ({"name": "n", "plugins": []}, "$.plugins: [] should be non-empty"),
    "neither type nor plugins": ({"name": "n"}, "$: 'type' is a required property"),
    "a version": ({**BRIDGE, "cniVersion": "2.0.0"}, "$.cniVersion: '2.0.0' is not one of"),
    "a path as type": ({"type": "../sh"}, "$.type"),
}


@pytest.mark.parametrize(("config", "said"), WRONG.values(), ids=WRONG)
def test_mistakes(config: dict[str, Any], said: str) -> None:
    assert not is_admitted(config)
    assert any(one.startswith(said) for one in mistakes(ALL, config)), mistakes(ALL, config)


TYPOS: dict[str, dict[str, Any]] = {
    "a key": {**BRIDGE, "ipMask": True},
    "a letter case": {**BRIDGE, "ipmasq": True},
    "inside ipam": {**BRIDGE, "ipam": {**LOCAL, "gatway": "10.1.0.1"}},
    "beside plugins": {"cniVersion": "1.0.0", "name": "n", "plugins": [BRIDGE], "mtu": 9000},
    "a plugin type": {**BRIDGE, "type": "brige"},
}


@pytest.mark.parametrize("config", TYPOS.values(), ids=TYPOS)
def test_strict_finds_what_the_webhook_warns_of(config: dict[str, Any]) -> None:
    assert mistakes(ALL, config) == []
    assert is_admitted(config)
    assert mistakes(STRICT, config) != []
    assert mistakes(STRICT, {**BRIDGE, "ipam": LOCAL, "$schema": "cni.schema.json"}) == []


def test_ipam_alone_is_checked_below_every_plugin_that_runs_it() -> None:
    schema = cni_schema(CHECKS, ["host-local"])
    wrong = {**LOCAL, "subnet": 5}
    assert mistakes(schema, {**BRIDGE, "vlan": "5", "ipam": LOCAL}) == []
    assert mistakes(schema, {**BRIDGE, "ipam": wrong}) != []
    assert mistakes(schema, {"type": "nobody-knows-it", "ipam": wrong}) == []


def test_keys_have_their_meaning() -> None:
    bridge = ALL["definitions"]["plugin-bridge"]
    assert bridge["description"].startswith("joins the pod to a bridge")
    assert bridge["properties"]["vlan"]["description"] == "VLAN of the pod's port, without tag in the pod; 0: none"


def test_an_exempt_type_is_not_checked() -> None:
    checks = PluginChecks(schemas=SCHEMAS, exempt=frozenset({"bridge"}))
    assert mistakes(cni_schema(checks), {**BRIDGE, "vlan": "5"}) == []
    assert mistakes(cni_schema(checks, strict=True), {**BRIDGE, "vlan": "5"}) == []


def test_the_command(tmp_path: Any) -> None:
    code, listed = run("schema", "cni")
    assert (code, listed.split()) == (0, sorted(SCHEMAS))
    code, text = run("schema", "cni", "bridge", "host-local")
    made: Schema = json.loads(text)
    assert (code, made) == (0, cni_schema(CHECKS, ["bridge", "host-local"]))
    (tmp_path / "mine.json").write_text(
        '{"type": "mine", "kind": "main", "source": "ours", "keys": {"port": {"type": "integer"}}}'
    )
    code, text = run("schema", "cni", "mine", "--plugin-schemas", str(tmp_path))
    assert code == 0
    assert mistakes(json.loads(text), {"type": "mine", "port": "x"}) != []
