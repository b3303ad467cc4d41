"""Opaque plugins: their own keys are checked, and nothing else is claimed about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.webhook.admission.plugins.checking import SCHEMAS, codes, findings_of
from tests.webhook.admission.plugins.pods import judge
from webhook.admission.plugins.schema import PluginChecks

OPAQUE = sorted(name for name, schema in SCHEMAS.items() if schema.opaque)
BASE: dict[str, dict[str, Any]] = {
    "coordinator": {},
    "egress-router": {"ip": {"addresses": ["10.1.0.5/24"]}},
    "galaxy-k8s-sriov": {"device": "eth1"},
    "galaxy-k8s-vlan": {"device": "eth1"},
    "ifacer": {"interfaces": ["eth1"], "vlanID": 5},
    "multi-nic": {"plugin": {"type": "ipvlan"}},
    "vfioveth": {"deviceID": "0000:03:02.0", "ipam": {"type": "dhcp"}},
    "afxdp": {"deviceID": "eth1"},
    "vpc-branch-eni": {
        "trunkName": "eth1",
        "branchVlanID": "5",
        "branchMACAddress": "02:00:00:00:00:01",
        "interfaceType": "vlan",
    },
    "vpc-eni": {"eniName": "eth1", "eniIPAddresses": ["10.1.0.5/24"]},
}
"""What a plugin needs besides its type."""
WRONG_IPAM = {"type": "host-local", "subnet": "usePodCidr"}


def chain(kind: str, **more: Any) -> dict[str, Any]:
    """Return a list with the plugin, after one that nadmit does not know if it cannot be the first."""
    plugin = {"type": kind, **BASE.get(kind, {}), **more}
    first = [{"type": "acme"}] if kind == "coordinator" else []
    return {"cniVersion": "0.4.0", "plugins": [*first, plugin]}


@pytest.mark.parametrize("kind", OPAQUE)
def test_its_ipam_and_its_capabilities_are_its_own_affair(kind: str) -> None:
    everything = {"ipam": WRONG_IPAM, "capabilities": {"ips": True, "mac": True, "portMappings": True}}
    assert set(codes(chain(kind, **everything))) <= {"NAD107"}


def test_the_ipam_of_a_complete_plugin_is_checked() -> None:
    assert codes({"type": "macvlan", "master": "eth1", "ipam": WRONG_IPAM}) == ["NAD302"]


@pytest.mark.parametrize("kind", OPAQUE)
@pytest.mark.parametrize("asked", [{"ips": ["10.1.0.5/24"]}, {"mac": "02:00:00:00:00:01"}], ids=str)
@pytest.mark.parametrize("capabilities", [{}, {"ips": True, "mac": True}], ids=str)
def test_a_pod_is_judged_as_on_a_plugin_that_nobody_knows(
    kind: str, asked: dict[str, Any], capabilities: dict[str, bool]
) -> None:
    """Whether the request is honoured is not known, so what becomes known about a type refuses no pod."""
    networks = json.dumps([{"name": "net", **asked}])
    more = {"ipam": {"type": "host-local", "subnet": "10.9.0.0/24"}, "capabilities": capabilities}
    unknown = {"cniVersion": "0.4.0", "plugins": [{"type": "acme", **more}]}
    known, other = judge(chain(kind, **more), networks), judge(unknown, networks)
    assert (known.is_allowed, known.rules) == (other.is_allowed, other.rules)


@pytest.mark.parametrize(("setting", "expected"), [("Warn", []), ("Off", []), ("Refuse", ["NAD108"])])
@pytest.mark.parametrize("kind", OPAQUE)
def test_it_stays_refused_where_unknown_types_are(kind: str, setting: str, expected: list[str]) -> None:
    """Otherwise a new release would permit a plugin that nobody has judged."""
    checks = PluginChecks(schemas=SCHEMAS, unknown_types=setting, exempt=frozenset({"acme"}))
    plugins = chain(kind)["plugins"]
    found = findings_of({"cniVersion": "0.4.0", "plugins": [*plugins, plugins[-1]]}, checks=checks)
    assert [finding.code for finding in found] == expected
    exempt = PluginChecks(schemas=SCHEMAS, unknown_types=setting, exempt=frozenset({"acme", kind}))
    assert findings_of(chain(kind), checks=exempt) == []


def test_the_schema_of_an_admin_may_be_opaque() -> None:
    schema = SCHEMAS["vlan"]
    opaque = PluginChecks(schemas={**SCHEMAS, "mine": SCHEMAS["calico"]})
    config = {"type": "mine", "mtu": "1500", "ipam": WRONG_IPAM}
    assert [finding.code for finding in findings_of(config, checks=opaque)] == ["NAD101"]
    assert (opaque.schema_of("mine"), opaque.schema_of("vlan")) == (None, schema)
    assert opaque.ipam_of(SCHEMAS["calico"], "host-local") is None
    assert opaque.ipam_of(schema, "host-local") is SCHEMAS["host-local"]
