"""No setting allows delegating plugins, main plugins for IPAM, or keys of the runtime in a definition."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.access.content import unsafeconfig
from cniplugin.access.content.plugintable import PLUGINS
from cniplugin.access.content.unsafeconfig import unsafe
from cniplugin.access.model.decision import META_PLUGIN_TYPES
from cniplugin.netspec import cniconfig
from cniplugin.netspec.cniconfig import NetworkConfigList

IPAM = {"type": "host-local", "subnet": "10.1.0.0/24"}
BRIDGE = {"type": "bridge", "ipam": IPAM}


def read(*plugins: dict[str, Any], **top: Any) -> NetworkConfigList:
    return cniconfig.parse(json.dumps({"cniVersion": "1.0.0", **top, "plugins": list(plugins)}), name="lan")


def found(*plugins: dict[str, Any], **top: Any) -> list[tuple[str, str]]:
    problems = unsafe(read(*plugins, **top), meta_plugin_types=META_PLUGIN_TYPES)
    return [(problem.rule, problem.path) for problem in problems]


@pytest.mark.parametrize(
    "written",
    [
        {"runtimeConfig": {"mac": "02:00:00:00:00:01"}},
        {"runtimeConfig": {"deviceID": "0000:03:00.1"}},
        {"runtimeConfig": {"ips": ["10.1.4.7/16"]}},
        {"runtimeConfig": {"nobodyKnows": 1}},
        {"prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.1.4.7/16"}]}},
        {"prevResult": {"interfaces": [{"name": "eth0"}]}},
    ],
    ids=str,
)
def test_keys_of_the_runtime_are_refused(written: dict[str, Any]) -> None:
    (key,) = written
    assert found({**BRIDGE, **written}) == [("cni-runtime", f"plugins[0].{key}")]
    nested = {"type": "mine", "delegate": {**BRIDGE, **written}}
    assert found(BRIDGE, nested) == [("cni-runtime", f"plugins[1].delegate.{key}")]
    single = cniconfig.parse(json.dumps({"cniVersion": "1.0.0", **BRIDGE, **written}), name="lan")
    assert [problem.path for problem in unsafe(single, meta_plugin_types=())] == [key]


@pytest.mark.parametrize(
    "written",
    [
        {"runtimeConfig": {}},
        {"runtimeConfig": None},
        {"runtimeConfig": {"mac": "", "ips": [], "bandwidth": {}, "deviceID": None}},
        {"prevResult": {}},
        {"prevResult": None},
        {"prevResult": {"cniVersion": "1.0.0", "interfaces": [], "ips": None, "dns": {}}},
    ],
    ids=str,
)
def test_an_empty_value_is_permitted(written: dict[str, Any]) -> None:
    """Real plugins take such a value for absent: tests/webhook/admission/plugins/real/test_spellings.py."""
    assert found({**BRIDGE, **written}) == []


def test_the_top_level_beside_plugins_is_not_read() -> None:
    assert found(BRIDGE, runtimeConfig={"mac": "x"}, prevResult={"ips": [1]}, ipam={"type": "host-device"}) == []


@pytest.mark.parametrize("kind", ["host-device", "tuning", "bridge", "cnv-tuning", "ovn-k8s-cni-overlay"])
def test_a_main_plugin_for_ipam_is_refused(kind: str) -> None:
    assert found(BRIDGE, {"type": "macvlan", "ipam": {"type": kind}}) == [("cni-ipam-program", "plugins[1].ipam.type")]
    assert found({"type": "nobody-knows", "ipam": {"type": kind}}) == [("cni-ipam-program", "plugins[0].ipam.type")]
    nested = {"type": "mine", "delegates": [{"type": "vlan", "ipam": {"type": kind}}]}
    assert found(nested) == [("cni-ipam-program", "plugins[0].delegates[0].ipam.type")]
    single = cniconfig.parse(json.dumps({"cniVersion": "1.0.0", "type": "vlan", "ipam": {"type": kind}}), name="lan")
    assert [problem.path for problem in unsafe(single, meta_plugin_types=())] == ["ipam.type"]


@pytest.mark.parametrize(
    "plugin",
    [
        {"type": "macvlan", "ipam": {"type": "nobody-knows"}},
        {"type": "macvlan", "ipam": {"type": ""}},
        {"type": "macvlan", "ipam": {}},
        {"type": "macvlan", "ipam": None},
        {"type": "tuning", "ipam": {"type": "host-device"}},  # tuning does not run it
        *({"type": "macvlan", "ipam": {"type": kind}} for kind in sorted(unsafeconfig.IPAM_PROGRAMS)),
    ],
    ids=str,
)
def test_other_ipam_types_are_left_alone(plugin: dict[str, Any]) -> None:
    assert found(plugin) == []


def test_the_ipam_programs_are_those_of_the_table() -> None:
    assert {kind for kind, known in PLUGINS.items() if known[0] in {"ipam", "both"}} == unsafeconfig.IPAM_PROGRAMS


def test_it_is_computed_once_for_any_setting() -> None:
    config = read({**BRIDGE, "runtimeConfig": {"mac": "x"}})
    one, other = unsafe(config, meta_plugin_types=()), unsafe(config, meta_plugin_types=("bridge",))
    assert [problem.rule for problem in other] == ["cni-meta-plugin", "cni-runtime"]
    assert one[0] is other[1]
