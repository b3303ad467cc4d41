"""Rules that a table cannot say, by the names that schemas give. A new rule is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.rules import (
    accelerated_bridge,
    bond,
    dhcp,
    host_device,
    host_local,
    ovs_mirror,
    route_override,
    sbr,
    static,
    tuning,
    vlan_trunk,
    whereabouts,
)

Rule = Callable[[Placed], Iterator[PluginFinding]]

RULES: Mapping[str, Rule] = {
    "host-local-ranges": host_local.range_findings,
    "static-addresses": static.address_findings,
    "whereabouts-ranges": whereabouts.range_findings,
    "bridge-trunk": vlan_trunk.bridge_findings,
    "ovs-trunk": vlan_trunk.ovs_findings,
    "sbr-gateways": sbr.gateway_findings,
    "accelerated-bridge-trunk": vlan_trunk.accelerated_bridge_findings,
    "accelerated-bridge-names": accelerated_bridge.name_findings,
    "bond-mtu": bond.mtu_findings,
    "dhcp-options": dhcp.option_findings,
    "host-device-ways": host_device.device_findings,
    "route-override-defaults": route_override.route_findings,
    "ovs-mirrors": ovs_mirror.producer_findings,
    "tuning-sysctls": tuning.sysctl_findings,
}
