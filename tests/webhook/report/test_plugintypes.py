"""`nadmit explain --type`: what is known of a plugin can be read, and is complete."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import pytest

from webhook.admission.plugins.schema import Format, IpamUse, Key, KeyType, Kind, PluginChecks, PluginSchema
from webhook.plugindata.pluginfiles import FOLDER, load_folder, load_schemas, load_unchecked
from webhook.report import plugintypes

FILES = load_folder(FOLDER)
KNOWN = plugintypes.known_plugins(PluginChecks(schemas=load_schemas()))
DEBIAN = Path("/usr/lib/cni")
ENVELOPES = ("args", "args.cni")
"""Keys that only hold others."""
WORDS_MAX = 18


def paths(keys: Mapping[str, Key], prefix: str = "") -> Iterator[tuple[str, Key]]:
    for name, key in keys.items():
        yield f"{prefix}{name}", key
        inner = key
        while inner.items is not None:
            inner = inner.items
        yield from paths(inner.keys, f"{prefix}{name}.")


def plain(text: str, _role: str) -> str:
    return text


def shown(name: str) -> str:
    return plugintypes.render_text([KNOWN[name]], plain)


@pytest.mark.parametrize("schema", FILES, ids=lambda schema: schema.type)
def test_every_plugin_and_every_key_of_it_has_a_meaning(schema: PluginSchema) -> None:
    assert schema.about
    assert [path for path, key in paths(schema.keys) if not key.meaning and path not in ENVELOPES] == []


@pytest.mark.parametrize("schema", FILES, ids=lambda schema: schema.type)
def test_texts_are_short_and_no_sentences(schema: PluginSchema) -> None:
    texts = [schema.about, *(key.meaning for _, key in paths(schema.keys))]
    assert [text for text in texts if len(text.split()) > WORDS_MAX or text.endswith(".")] == []


@pytest.mark.parametrize("schema", FILES, ids=lambda schema: schema.type)
def test_every_key_is_in_the_output(schema: PluginSchema) -> None:
    rows = {row.path for row in plugintypes.rows_of(schema)}
    inside = "ipam." if schema.kind == "ipam" else ""
    names = {f"{inside}{path}" for path, key in paths(schema.keys) if key.meaning}
    assert {path.replace("[]", "").replace(".*", "") for path in rows} == names
    text = shown(schema.type)
    assert all(f"\n  {path}" in text for path in rows)


@pytest.mark.parametrize("schema", FILES, ids=lambda schema: schema.type)
def test_lines_fit(schema: PluginSchema) -> None:
    assert [line for line in shown(schema.type).splitlines() if len(line) > plugintypes.WIDTH] == []


@pytest.mark.parametrize("schema", FILES, ids=lambda schema: schema.type)
def test_what_goes_together_is_said_once(schema: PluginSchema) -> None:
    _, _, together = shown(schema.type).partition("\nwhat goes together:\n")
    entries = re.split(r"\n(?=  \S)", together)
    assert len(set(entries)) == len(entries)


def test_every_format_has_words() -> None:
    assert set(plugintypes.FORMAT_WORDS) == set(get_args(Format))
    assert set(plugintypes.TYPE_WORDS) == {name for name in get_args(KeyType) if name}
    assert set(plugintypes.KINDS) == set(get_args(Kind))
    assert set(plugintypes.IPAM_USES) == set(get_args(IpamUse))


def test_a_default_has_the_type_of_its_key() -> None:
    types = {"string": str, "integer": int, "boolean": bool}
    wrong = [
        (schema.type, path)
        for schema in FILES
        for path, key in paths(schema.keys)
        if key.default is not None and type(key.default) is not types[key.type]
    ]
    assert wrong == []


@pytest.mark.skipif(not DEBIAN.is_dir(), reason=f"Debian's CNI plugins are not installed in {DEBIAN}")
def test_a_release_of_debian_speaks_no_other_version() -> None:
    environ = {**os.environ, "CNI_COMMAND": "VERSION"}
    compared, wrong = [], {}
    for schema in FILES:
        program = DEBIAN / schema.type
        if not schema.cni_versions or not program.is_file():
            continue
        asked = subprocess.run(
            [program], input=b'{"cniVersion": "1.0.0"}', env=environ, capture_output=True, check=True
        )
        compared.append(schema.type)
        if others := set(json.loads(asked.stdout)["supportedVersions"]) - set(schema.cni_versions):
            wrong[schema.type] = others
    assert wrong == {}
    assert len(compared) > 10


def test_a_plugin_has_its_facts() -> None:
    text = shown("cnv-bridge")
    for line in (
        "bridge: joins the pod to a bridge of the node",
        "  other names   cnv-bridge",
        "  CNI_ARGS      MAC: what the pod asks for, also without the capability",
        "  vlanTrunk[].minID          first VLAN of a range (integer; 1 to 4094; touches: vlan)",
        "default: cni0",
    ):
        assert line in text


def test_ipam_keys_have_the_path_of_the_configuration() -> None:
    text = shown("host-local")
    assert "\n  ipam.ranges[][].subnet" in text
    assert "\n  args.cni.ips" in text


def test_a_plugin_that_is_not_checked_says_so() -> None:
    for schema in load_unchecked():
        if KNOWN[schema.type].checked == "no":
            assert f"  {plugintypes.CHECKED['no']}" in shown(schema.type)


def test_an_exempt_plugin_says_so() -> None:
    checks = PluginChecks(schemas=load_schemas(), exempt=frozenset({"tap"}))
    one = plugintypes.known_plugins(checks)["tap"]
    assert "plugins.exempt" in plugintypes.render_text([one], plain)


@pytest.mark.parametrize(
    ("key", "form"),
    [
        (Key(type="array", items=Key(type="boolean")), "list of true or false"),
        (Key(type="array", items=Key(type="array", items=Key(type="object"))), "list of lists of objects"),
        (Key(type="map", items=Key(type="array", items=Key(type="string"))), "map of lists of strings"),
        (Key(type="map", items=Key(type="any")), "map of anything"),
    ],
)
def test_the_type_of_nested_keys(key: Key, form: str) -> None:
    own = PluginSchema(type="own", kind="main", source="here", keys={"key": key})
    assert [row.form for row in plugintypes.rows_of(own)] == [form]


def test_an_own_schema_wins_and_needs_no_texts() -> None:
    own = PluginSchema(type="bridge", kind="main", source="here", keys={"speed": Key(type="integer", maximum=7)})
    one = plugintypes.known_plugins(PluginChecks(schemas={**load_schemas(), "bridge": own}))["bridge"]
    text = plugintypes.render_text([one], plain)
    assert text.startswith("bridge: makes an interface\n")
    assert text.endswith("\nkeys:\n  speed  integer; at most 7")


def test_the_list_has_a_line_for_each_name() -> None:
    lines = plugintypes.render_list(KNOWN, plain).splitlines()
    assert [line.split()[0] for line in lines] == list(KNOWN)
    assert next(line for line in lines if line.startswith("cnv-tuning ")).endswith("another name of tuning")


def test_json_can_be_read() -> None:
    vlan, whereabouts = json.loads(plugintypes.render_json([KNOWN["vlan"], KNOWN["whereabouts"]]))
    keys = {key["path"]: key for key in vlan["keys"]}
    assert keys["vlanId"] == {
        "path": "vlanId",
        "type": "integer",
        "meaning": "number of the VLAN",
        "minimum": 0,
        "maximum": 4094,
        "touches": "vlan",
    }
    assert (vlan["checked"], vlan["ipam"], vlan["cniArgs"]) == ("yes", "required", [])
    assert whereabouts["cniArgs"] == ["IP"]
    assert {key["path"] for key in whereabouts["keys"]} >= {"ipam.range", "ipam.ipRanges[].exclude"}
