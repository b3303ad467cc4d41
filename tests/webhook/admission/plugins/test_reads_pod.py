"""A plugin whose controller reads the pod's annotation honours a request, and a declared capability promises nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.webhook.admission.plugins.checking import findings_of
from tests.webhook.admission.plugins.pods import codes, judge

OVN = {"cniVersion": "1.0.0", "name": "n", "type": "ovn-k8s-cni-overlay", "topology": "layer2"}
KUBE_OVN = {"cniVersion": "1.0.0", "type": "kube-ovn", "server_socket": "/run/s.sock", "provider": "net.blue.ovn"}
IPAM = {"type": "kube-ovn", "server_socket": "/run/s.sock", "provider": "net.blue"}
ASKS: dict[str, Any] = {"ips": ["10.1.0.5/24"], "mac": "02:00:00:00:00:01"}


@pytest.mark.parametrize(
    ("config", "capability", "is_read"),
    [
        ({**OVN, "netAttachDefName": "blue/net"}, "ips", True),
        ({**OVN, "netAttachDefName": "blue/net"}, "mac", True),
        (KUBE_OVN, "ips", True),
        (KUBE_OVN, "mac", True),
        ({"cniVersion": "1.0.0", "type": "macvlan", "master": "eth1", "ipam": IPAM}, "ips", True),
        ({"cniVersion": "1.0.0", "type": "antrea", "networkType": "vlan"}, "mac", True),
        ({"cniVersion": "1.0.0", "type": "antrea", "networkType": "vlan"}, "ips", False),
    ],
)
def test_a_capability_that_is_declared(config: dict[str, Any], capability: str, *, is_read: bool) -> None:
    declared = {**config, "capabilities": {capability: True}}
    assert [finding.code for finding in findings_of(declared)] == ([] if is_read else ["NAD404"])
    decision = judge(declared, json.dumps([{"name": "net", capability: ASKS[capability]}]))
    assert codes(decision) == ([] if is_read else ["NAD608"])
