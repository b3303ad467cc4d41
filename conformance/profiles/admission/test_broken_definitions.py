"""Definitions whose configuration no runtime can load: a pod that uses one never starts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.clauses import PRACTICE, SHOULD, clause
from conformance.hooks.hook import Webhook
from conformance.hooks.samples import definition
from conformance.hooks.testcluster import chain, single
from conformance.standards import CNI, NPWG, PRACTICE_NAME

pytestmark = pytest.mark.usefixtures("judges_definitions")

_BRIDGE = {"type": "bridge", "bridge": "br0"}


NOT_JSON = {
    "text": "bridge",
    "YAML": "cniVersion: 0.3.1\ntype: bridge\n",
    "not closed": '{"cniVersion": "0.3.1", "type": "bridge"',
    "a trailing comma": '{"cniVersion": "0.3.1", "type": "bridge",}',
    "a comment": '{"type": "bridge"} // the bridge',
    "single quotes": "{'type': 'bridge'}",
    "two objects": '{"type": "bridge"} {"type": "tuning"}',
    "a key without quotes": '{type: "bridge"}',
    "a line feed in a text": '{"type": "bri\ndge"}',
    "NaN": '{"type": "bridge", "mtu": NaN}',
    "a template": '{"type": "bridge", "mtu": {{ .Values.mtu }}}',
    "white space": "  \n ",
}


@clause(NPWG, "3.2", SHOULD)
@pytest.mark.parametrize("name", NOT_JSON)
def test_a_configuration_that_is_not_json(webhook: Webhook, name: str) -> None:
    """A configuration that is not JSON is refused."""
    webhook.refuses(definition(NOT_JSON[name]))


@clause(CNI, "1.configuration", SHOULD)
@pytest.mark.parametrize("value", [[], None, 1, "bridge", True, [_BRIDGE]], ids=json.dumps)
def test_json_that_is_not_an_object(webhook: Webhook, value: object) -> None:
    """A configuration that is JSON, but not an object, is refused."""
    webhook.refuses(definition(json.dumps(value)))


BROKEN: dict[str, Any] = {
    "an empty object": {},
    "neither type nor plugins": {"cniVersion": "1.0.0", "name": "net"},
    "no plugins in the list": chain("net"),
    "plugins null": chain("net") | {"plugins": None},
    "plugins an object": chain("net") | {"plugins": _BRIDGE},
    "plugins a text": chain("net") | {"plugins": "bridge"},
    "a plugin that is a text": chain("net") | {"plugins": ["bridge"]},
    "a plugin that is null": chain("net") | {"plugins": [_BRIDGE, None]},
    "a plugin that is a list": chain("net") | {"plugins": [[_BRIDGE]]},
    "cniVersion a number": chain("net", _BRIDGE) | {"cniVersion": 1.0},
    "cniVersion a word": chain("net", _BRIDGE) | {"cniVersion": "latest"},
    "name a number": chain("net", _BRIDGE) | {"name": 7},
    "name an object": single("net", _BRIDGE) | {"name": {}},
    "disableCheck a word": chain("net", _BRIDGE) | {"disableCheck": "perhaps"},
    "disableCheck a list": chain("net", _BRIDGE) | {"disableCheck": []},
    "cniVersions a text": chain("net", _BRIDGE) | {"cniVersions": "1.0.0"},
}


@clause(CNI, "1.configuration", SHOULD)
@pytest.mark.parametrize("name", BROKEN)
def test_a_list_that_no_runtime_can_load(webhook: Webhook, name: str) -> None:
    """A list that no runtime can load is refused."""
    webhook.refuses(definition(BROKEN[name]))


PLUGINS: dict[str, Any] = {
    "no type": {"bridge": "br0"},
    "type empty": {"type": ""},
    "type null": {"type": None},
    "type a number": {"type": 1},
    "type an object": {"type": {"name": "bridge"}},
    "type a path": {"type": "../../bin/sh"},
    "capabilities a list": _BRIDGE | {"capabilities": ["ips"]},
    "a capability that is a text": _BRIDGE | {"capabilities": {"ips": "yes"}},
    "ipam a text": _BRIDGE | {"ipam": "host-local"},
    "ipam a list": _BRIDGE | {"ipam": [{"type": "static"}]},
    "dns a text": _BRIDGE | {"dns": "10.0.0.1"},
}


@clause(CNI, "1.plugin", SHOULD)
@pytest.mark.parametrize("form", ["list", "one plugin"])
@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_that_no_runtime_can_load(webhook: Webhook, name: str, form: str) -> None:
    """A plugin that no runtime can load is refused."""
    plugin = PLUGINS[name]
    webhook.refuses(definition(chain("net", _BRIDGE, plugin) if form == "list" else single("net", plugin)))


NAMES = {
    "a slash": "a/b",
    "a way up": "../net",
    "a dash first": "-net",
    "a dot first": ".net",
    "a space": "a b",
    "NUL": "net\0",
    "another alphabet": "n\u00e9t",
    "a line feed": "net\n",
}


@clause(CNI, "1.configuration", SHOULD)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_cni_forbids(webhook: Webhook, name: str) -> None:
    """A name with characters that CNI forbids is refused."""
    webhook.refuses(definition(single(NAMES[name])))


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("version", [None, "0.2.0", "9.9.9"])
def test_a_version_that_few_plugins_speak_has_a_warning(webhook: Webhook, version: str | None) -> None:
    """A version that is missing, old or unknown is refused, or there is a warning."""
    config = {"name": "net", **_BRIDGE} | ({} if version is None else {"cniVersion": version})
    verdict = webhook.judge(definition(config))
    assert verdict.says("version"), verdict


PLACES: dict[str, tuple[Any, list[str]]] = {
    "the second plugin": (chain("net", _BRIDGE, {"mtu": 1}), ["plugins[1]", "type"]),
    "the third plugin": (chain("net", _BRIDGE, _BRIDGE, {"type": 7}), ["plugins[2]", "type"]),
    "plugins": (chain("net"), ["plugins"]),
    "disableCheck": (chain("net", _BRIDGE) | {"disableCheck": "perhaps"}, ["disableCheck", "perhaps"]),
    "ipam": (single("net", _BRIDGE | {"ipam": "host-local"}), ["ipam"]),
    "name": (single("a/b"), ["name", "a/b"]),
}


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("name", PLACES)
def test_the_message_names_the_place(webhook: Webhook, name: str) -> None:
    """The message names the place in the configuration."""
    config, words = PLACES[name]
    webhook.refuses(definition(config)).must_say(*words)


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_the_message_says_where_json_breaks(webhook: Webhook) -> None:
    """The message says where the JSON breaks."""
    text = '{\n  "cniVersion": "0.3.1",\n  "type": "bridge"\n  "bridge": "br0"\n}'
    verdict = webhook.refuses(definition(text))
    assert verdict.says("line 4") or verdict.says("offset") or verdict.says("column"), verdict


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_one_message_has_all_faults(webhook: Webhook) -> None:
    """One answer has all faults of a configuration."""
    config = chain("net", {"bridge": "br0"}, {"type": "tuning", "capabilities": ["mac"]}) | {"disableCheck": "perhaps"}
    verdict = webhook.refuses(definition(config))
    for words in (["plugins[0]", "type"], ["plugins[1]", "capabilities"], ["disableCheck"]):
        verdict.must_say(*words)


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_a_result_in_a_definition_is_not_silent(webhook: Webhook) -> None:
    """A prevResult in a definition is refused, or there is a warning."""
    result = {"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.1/24"}]}
    verdict = webhook.judge(definition(json.dumps(single("net", _BRIDGE) | {"prevResult": result})))
    assert verdict.says("prevResult"), f"a delegate takes it for the result of the plugin before it: {verdict}"
