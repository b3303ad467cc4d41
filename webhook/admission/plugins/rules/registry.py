"""Rules that a table cannot express, by the names in schemas. A new rule is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from webhook.admission.plugins.findings import Findings
from webhook.admission.plugins.placement import Placed
from webhook.admission.plugins.rules import bridges, host_local, ipam, links, ovn, whereabouts

Rule = Callable[[Placed], Findings]

RULES: Mapping[str, Rule] = {
    "host-local-ranges": host_local.range_findings,
    "static-addresses": ipam.static_findings,
    "whereabouts-ranges": whereabouts.range_findings,
    "bridge-trunk": bridges.bridge_findings,
    "ovs-trunk": bridges.ovs_findings,
    "sbr-gateways": links.sbr_findings,
    "accelerated-bridge-trunk": bridges.accelerated_bridge_findings,
    "accelerated-bridge-names": bridges.name_findings,
    "bond-mtu": links.bond_mtu_findings,
    "dhcp-options": ipam.dhcp_findings,
    "host-device-ways": links.host_device_findings,
    "route-override-defaults": links.route_override_findings,
    "ovs-mirrors": bridges.mirror_findings,
    "tuning-sysctls": links.sysctl_findings,
    "ovn-kubernetes-network": ovn.network_findings,
    "ovn-kubernetes-subnets": ovn.subnet_findings,
    "kube-ovn-provider": ovn.provider_findings,
    "kube-ovn-ipam-provider": ovn.ipam_provider_findings,
    "antrea-network": ovn.antrea_findings,
    "antrea-pools": ovn.antrea_pool_findings,
}

ABOUT: Mapping[str, frozenset[str]] = {
    "bridge-trunk": frozenset({"vlanTrunk"}),
    "ovs-trunk": frozenset({"trunk"}),
    "accelerated-bridge-trunk": frozenset({"trunk"}),
    "accelerated-bridge-names": frozenset({"bridge"}),
    "bond-mtu": frozenset({"mtu"}),
    "dhcp-options": frozenset({"provide", "request"}),
    "host-device-ways": frozenset({"hwaddr", "kernelpath"}),
    "route-override-defaults": frozenset({"addroutes"}),
    "ovs-mirrors": frozenset({"mirrors"}),
    "tuning-sysctls": frozenset({"sysctl"}),
    "ovn-kubernetes-network": frozenset({"topology"}),
    "ovn-kubernetes-subnets": frozenset({"topology"}),
}
"""Rules that say nothing about a plugin without any of these keys, so they need not run."""

OF_VALUES = frozenset(
    {
        *("host-local-ranges", "static-addresses", "whereabouts-ranges", "dhcp-options", "tuning-sysctls"),
        *("bridge-trunk", "ovs-trunk", "accelerated-bridge-trunk", "accelerated-bridge-names", "ovs-mirrors"),
        *("bond-mtu", "host-device-ways", "route-override-defaults"),
    }
)
"""Rules that read nothing but the values, the capabilities and the CNI version, so the same of these gives the same
findings anywhere. NB: `static-addresses` also reads the requests of pods, but without them it finds as much or more."""
