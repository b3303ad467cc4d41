"""The networks of examples/networks can be attached with the real plugins that are installed.

An interface of the node, such as `eno1`, is `uplink` here. Requests are those of the example's pods: capabilities get
them, and CNI_ARGS has them, as with Multus.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.webhook.admission.plugins.real.node import Conf, Node, installed
from tests.webhook.admission.plugins.test_example_networks import ALL
from webhook.plugindata.pluginfiles import load_schemas

pytestmark = [pytest.mark.root, pytest.mark.slow]

NETWORKS = "k8s.v1.cni.cncf.io/networks"
NEEDS_MORE = {
    "dhcp": "there is no DHCP server",
    "firewall-firewalld": "firewalld does not run",
    "host-device": "there is no such device",
    "portmap-nftables": "release 1.1.1 has no backend nftables",
}
"""Beginnings of names of examples, or IPAM types, that this node cannot attach, and why."""


def plugins_of(config: Mapping[str, Any]) -> list[Conf]:
    return list(config.get("plugins", [config]))


def can_be_attached(name: str, config: Mapping[str, Any]) -> bool:
    types = [one["type"] for one in plugins_of(config)]
    ipam = [(one.get("ipam") or {}).get("type") for one in plugins_of(config)]
    needs = [text for text in NEEDS_MORE if name.startswith(text) or text in ipam]
    return not needs and all(installed(one) for one in (*types, *filter(None, ipam)))


def on_this_node(conf: Mapping[str, Any]) -> Conf:
    """Return a plugin's configuration with the interface of this node as master, and records in the node's /run."""
    changed = {**conf, **({"master": "uplink"} if "master" in conf else {})}
    ipam = conf.get("ipam")
    if ipam and "resolvConf" in ipam:
        changed["ipam"] = {key: value for key, value in ipam.items() if key != "resolvConf"}
    return changed


def requests() -> Iterator[tuple[str, Conf]]:
    """Yield the network and the request of each selection of the examples' pods in JSON."""
    for one in ALL.values():
        text = one.value["metadata"].get("annotations", {}).get(NETWORKS, "")
        if text.startswith("["):
            for selection in json.loads(text):
                yield (
                    selection["name"],
                    {key: selection[key] for key in ("ips", "mac", "bandwidth") if key in selection},
                )


ADDRESS: Conf = {"ips": ["10.1.2.3/24"]}
"""What a pod asks of a network that lets it choose, and that no pod of the examples uses."""
KERNEL = "operation not supported"
"""How the error ends if the kernel has no ipvlan, vlan, vrf, or VLANs in bridges."""
GIVEN = dict(requests())
CONFIGS = {
    one.value["metadata"]["name"]: json.loads(one.value["spec"]["config"])
    for one in ALL.values()
    if one.value["kind"] == "NetworkAttachmentDefinition" and "spec" in one.value
}
POSSIBLE = {name: config for name, config in CONFIGS.items() if can_be_attached(name, config)}


def test_many_can_be_attached() -> None:
    if not installed("bridge"):
        pytest.skip("needs containernetworking-plugins")
    assert len(POSSIBLE) >= 25


@pytest.fixture
def asked(node: Node) -> Iterator[Callable[[str], Conf]]:
    """A function that puts the request of a network into CNI_ARGS, and returns it for capabilities."""

    def ask(name: str) -> Conf:
        request = GIVEN.get(name, {})
        ips = [f"IP={request['ips'][0]}"] if "ips" in request else []
        mac = [f"MAC={request['mac']}"] if "mac" in request else []
        node.cni_args = ";".join(["IgnoreUnknown=true", *ips, *mac])
        return {**ADDRESS, **request}

    yield ask
    node.cni_args = ""


@pytest.mark.parametrize("name", POSSIBLE)
def test_an_example_is_attached(node: Node, asked: Callable[[str], Conf], name: str) -> None:
    config = POSSIBLE[name]
    chain = [on_this_node(conf) for conf in plugins_of(config)]
    outcome = node.attach(chain, given=asked(name), version=config["cniVersion"])
    # NB: a plugin has finished its checks by the time that it asks the kernel for a link
    assert outcome.error == "" or outcome.error.endswith(KERNEL)


@pytest.mark.parametrize("name", ["bridge-mac", "oc-requests"])
def test_a_pod_gets_what_it_asks_for_without_a_capability(node: Node, asked: Callable[[str], Conf], name: str) -> None:
    """bridge and tuning read MAC, and static reads IP, from CNI_ARGS."""
    if name not in POSSIBLE:
        pytest.skip("a plugin is not installed")
    asked(name)
    chain = [on_this_node(conf) for conf in plugins_of(POSSIBLE[name])]
    result = node.add(chain, version=POSSIBLE[name]["cniVersion"])
    node.remove(chain, result, version=POSSIBLE[name]["cniVersion"])
    assert GIVEN[name]["mac"] in [one.get("mac") for one in result["interfaces"]]
    assert [one["address"] for one in result.get("ips", [])] == list(GIVEN[name].get("ips", []))


def test_plugins_of_the_examples_are_known() -> None:
    """NB: an example of a plugin that is installed must not be left out by a spelling mistake."""
    assert {conf["type"] for config in POSSIBLE.values() for conf in plugins_of(config)} <= load_schemas().keys()
