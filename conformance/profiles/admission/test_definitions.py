"""Definitions that the standards allow: a webhook that refuses one of them breaks clusters that work."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.clauses import MUST, clause
from conformance.hooks.hook import Webhook
from conformance.hooks.samples import ABSENT, definition
from conformance.hooks.testcluster import chain, single
from conformance.standards import CNI, NPWG

pytestmark = pytest.mark.usefixtures("judges_definitions")

_BRIDGE = {"type": "bridge", "bridge": "br0"}
_IPAM = {"type": "host-local", "subnet": "192.168.5.0/24"}

EXAMPLES = {
    "3.2.1": single("a-bridge-network", _BRIDGE | {"isGateway": True, "ipam": _IPAM}, "0.3.0"),
    "3.2.2": chain(
        "another-bridge-network",
        _BRIDGE | {"ipam": _IPAM},
        {"type": "port-forwarding"},
        {"type": "tuning", "sysctl": {"net.ipv4.conf.all.log_martians": "1"}},
        version="0.3.0",
    ),
    "3.2.3": {"cniVersion": "0.3.0", "type": "awesome-plugin"},
    "3.2.4": ABSENT,
}
"""The examples of the standard itself, by their section."""


@clause(NPWG, "3.2", MUST)
@pytest.mark.parametrize("section", EXAMPLES)
def test_an_example_of_the_standard(webhook: Webhook, section: str) -> None:
    """The examples of the standard are admitted."""
    name = "another-bridge-network" if section == "3.2.2" else "a-bridge-network"
    webhook.admits(definition(EXAMPLES[section], name=name))


@clause(NPWG, "3.2", MUST)
@pytest.mark.parametrize("spec", ["absent", "empty", "empty config"])
def test_the_configuration_is_optional(webhook: Webhook, spec: str) -> None:
    """A definition without a configuration is admitted."""
    thing = definition(ABSENT)
    if spec != "absent":
        thing["spec"] = {} if spec == "empty" else {"config": ""}
    webhook.admits(thing)


@clause(NPWG, "3.4.2", MUST)
@pytest.mark.parametrize("name", [None, ""])
def test_the_configuration_may_leave_out_its_name(webhook: Webhook, name: str | None) -> None:
    """A configuration without a name is admitted."""
    config = {"cniVersion": "0.3.1", **_BRIDGE} | ({} if name is None else {"name": name})
    webhook.admits(definition(config))


@clause(NPWG, "3.4.3", MUST)
@pytest.mark.parametrize("name", ["another", "With.Dots_and-dashes", "2nd"])
def test_the_names_may_differ(webhook: Webhook, name: str) -> None:
    """The name of a configuration may differ from that of its object."""
    webhook.admits(definition(single(name), name="net"))


@clause(NPWG, "3.3", MUST)
@pytest.mark.parametrize("name", ["a", "0", "0net", "9-net", "10g", "net-0", "n" * 63, "a--b"])
def test_every_label_is_a_name(webhook: Webhook, name: str) -> None:
    """Every DNS-1123 label is admitted as a name."""
    webhook.admits(definition(single("net"), name=name))


@clause(CNI, "1.configuration", MUST)
@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
@pytest.mark.parametrize("form", ["list", "one plugin"])
def test_every_version(webhook: Webhook, version: str, form: str) -> None:
    """Every version of CNI since 0.3.0 is admitted."""
    plugin = _BRIDGE | {"ipam": _IPAM}
    config = chain("net", plugin, version=version) if form == "list" else single("net", plugin, version)
    webhook.admits(definition(config))


RIGHT: dict[str, Any] = {
    "several versions": chain("net", _BRIDGE) | {"cniVersions": ["0.4.0", "1.0.0", "1.1.0"]},
    "disableCheck": chain("net", _BRIDGE) | {"disableCheck": True},
    "disableGC": chain("net", _BRIDGE, version="1.1.0") | {"disableGC": True},
    "a key of a vendor": chain("net", _BRIDGE) | {"com.example.owner": {"team": "a"}},
    "an unknown key": single("net", {"type": "awesome-plugin", "whatItIs": [1, 2.5, None, True, "x"]}),
    "keys of dns": single("net", _BRIDGE | {"dns": {"nameservers": ["10.0.0.1"], "search": ["a.b"], "options": ["x"]}}),
    "no IPAM": single("net", _BRIDGE | {"ipam": {}}),
    "capabilities": single("net", _BRIDGE | {"ipam": {"type": "static"}, "capabilities": {"ips": True, "mac": False}}),
    "args": single("net", {"type": "awesome-plugin", "args": {"cni": {"ips": ["10.0.0.9/24"]}}}),
    "the same plugin twice": chain(
        "net", _BRIDGE, {"type": "tuning", "mtu": 1400}, {"type": "tuning", "promisc": True}
    ),
    "an unknown type": single("net", {"type": "acme-super-net.v2"}),
    "escapes": '{"cniVersion": "0.3.1", "name": "net", "type": "\\u0062ridge", "bridge": "br\\u002d0"}',
    "white space": '\n\t {"cniVersion": "0.3.1",\r\n "name": "net", "type": "bridge"} \n\n',
    "other alphabets": single("net", {"type": "awesome-plugin", "comment": "réseau сеть 网络 🕸"}),
    "a large number": single("net", {"type": "awesome-plugin", "id": 2**53 + 1}),
}


@clause(CNI, "1.configuration", MUST)
@pytest.mark.parametrize("name", RIGHT)
def test_what_the_configuration_may_have(webhook: Webhook, name: str) -> None:
    """Keys and forms that CNI allows are admitted."""
    webhook.admits(definition(RIGHT[name]))


@clause(CNI, "1.configuration", MUST)
def test_forty_plugins(webhook: Webhook) -> None:
    """A list of forty plugins is admitted."""
    plugins = [{"type": f"awesome-{number}"} for number in range(40)]
    webhook.admits(definition(chain("net", *plugins)))


@clause(NPWG, "3.2", MUST)
def test_annotations_and_labels_of_anybody(webhook: Webhook) -> None:
    """Annotations and labels of others do not matter."""
    thing = definition(single("net"), **{"example.com/anything": json.dumps({"a": 1}), "example.com/empty": ""})
    thing["metadata"]["labels"] = {"team": "a"}
    webhook.admits(thing)
