"""Real plugins read every spelling that the access rules count, and take an empty value for absent.

A value that no key can hold shows whether a plugin reads a key: Go's decoder then fails with the type of the key.
"""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.cniplugin.access.keys import KEYS, Key, nest, spellings
from tests.webhook.admission.plugins.real.node import ACCEPTED, Node, installed

pytestmark = [pytest.mark.root, pytest.mark.slow]

WRONG = {"no": {"key": ["holds this"]}}
DECODER = ("cannot unmarshal", "invalid IP address", "invalid CIDR address")
NEWER = {f"bridge:vlanTrunk/{key}" for key in ("minID", "maxID", "id")}
"""Keys that the plugins of Debian 12 (1.1.1) do not know."""
READ = [key for key in KEYS if installed(key.plugin) and key.steps != (("name", 0),)]
IPAM = {"type": "host-local", "subnet": "10.1.0.0/24"}


def is_read(node: Node, key: Key, spell: int) -> bool:
    value = nest(key, WRONG, spell)
    conf: dict[str, Any] = {"type": key.plugin}
    if key.kind_of_plugin == "ipam":
        conf |= {**value, "ipam": IPAM} if key.is_beside else {"ipam": {"type": key.plugin, **value}}
    else:
        conf |= value
    error = node.attach([conf], given={}, version="1.0.0").error
    return any(text in error for text in DECODER)


@pytest.mark.parametrize("key", READ, ids=lambda key: key.name)
def test_each_spelling_is_read(node: Node, key: Key) -> None:
    """A plugin that is too old for a key does not read it in any spelling."""
    found = {spelling: is_read(node, key, spell) for spell, spelling in enumerate(spellings(key.steps[-1][0]))}
    assert all(found.values()) or (key.name in NEWER and not any(found.values())), found


def test_there_are_keys_of_most_plugins() -> None:
    if not installed("bridge"):
        pytest.skip("needs containernetworking-plugins")
    assert len({key.plugin for key in READ}) >= 10


@pytest.mark.parametrize("key", ["runtimeConfig", "prevResult"])
@pytest.mark.parametrize("conf", [{"type": "bridge"}, {"type": "ptp"}, {"type": "host-device", "device": "dev0"}])
def test_an_empty_value_is_absent(node: Node, conf: dict[str, Any], key: str) -> None:
    """The webhook allows such values; tests/cniplugin/access/content/test_unsafeconfig.py has those that it refuses."""
    empty: dict[str, Any] = {}
    for value in (empty, None):
        assert node.attach([{**conf, "ipam": IPAM, key: value}], given={}, version="1.0.0") == ACCEPTED


def test_runtime_config_in_a_definition_replaces_what_the_rules_judge(node: Node) -> None:
    """The reason to refuse it: the definition names dev0, and its runtimeConfig names another device."""
    conf = {"type": "host-device", "device": "dev0"}
    assert node.attach([conf], given={}, version="1.0.0") == ACCEPTED
    written = {**conf, "runtimeConfig": {"deviceID": "0000:ff:1f.7"}}
    assert "0000:ff:1f.7" in node.attach([written], given={}, version="1.0.0").error


def test_an_ipam_type_that_is_a_main_plugin_is_run(node: Node) -> None:
    """The reason to refuse it: host-device takes a device of the node, by a key that macvlan does not read."""
    conf = {"type": "macvlan", "master": "uplink", "device": "nosuch0", "ipam": {"type": "host-device"}}
    conf |= {"name": "tried", "cniVersion": "1.0.0"}
    code, error = node.call("ADD", "macvlan", conf)
    subprocess.run(["ip", "-n", node.pod, "link", "delete", "eth0"], check=True)  # macvlan does not remove its link
    assert code != 0
    assert "failed to find host device" in error


def test_a_name_ends_at_a_nul(node: Node) -> None:
    """The rules compare only the part before the NUL."""
    conf = {"type": "macvlan", "master": "uplink\0x"}
    assert node.attach([conf], given={}, version="1.0.0") == ACCEPTED
    assert "Link not found" in node.attach([{**conf, "master": "uplinkx"}], given={}, version="1.0.0").error
