"""Rules that a table cannot say, by the names that schemas give. A new rule is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from webhook.admission.plugins import (
    bonds,
    bridgenames,
    defaultroutes,
    dhcpoptions,
    hostdevices,
    hostlocal,
    mirrors,
    sbr,
    staticaddresses,
    sysctls,
    vlantrunks,
    whereabouts,
)
from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.finding import PluginFinding

Rule = Callable[[Placed], Iterator[PluginFinding]]

RULES: Mapping[str, Rule] = {
    "host-local-ranges": hostlocal.range_findings,
    "static-addresses": staticaddresses.address_findings,
    "whereabouts-ranges": whereabouts.range_findings,
    "bridge-trunk": vlantrunks.bridge_findings,
    "ovs-trunk": vlantrunks.ovs_findings,
    "sbr-gateways": sbr.gateway_findings,
    "accelerated-bridge-trunk": vlantrunks.accelerated_bridge_findings,
    "accelerated-bridge-names": bridgenames.name_findings,
    "bond-mtu": bonds.mtu_findings,
    "dhcp-options": dhcpoptions.option_findings,
    "host-device-ways": hostdevices.device_findings,
    "route-override-defaults": defaultroutes.route_findings,
    "ovs-mirrors": mirrors.producer_findings,
    "tuning-sysctls": sysctls.sysctl_findings,
}
