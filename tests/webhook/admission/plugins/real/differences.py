"""The differences that are allowed between the plugins and our knowledge of them, each with its reason.

docs/conformance.md, section "CNI plugins", lists them for people. Any other difference fails a test.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from webhook.admission.plugins.findings import PluginFinding


class Theirs(NamedTuple):
    """An error of a plugin where we find nothing: the cause is the plugin or its node, not only the configuration."""

    plugin: str
    error: str
    why: str


class Newer(NamedTuple):
    """A key that older releases of a plugin do not read, so they accept every value. `since`: the first that reads it.

    Debian 12 has release 1.1.1; our schemas are of commit 3d27709f, after 1.9.1.
    """

    plugin: str
    path: str
    since: str


KERNEL = "the kernel of this machine does not have such links; the plugin has finished its checks by then"
NUMBER = "the kernel refuses a number that the plugin does not check"
ROUTE = "a warning, NAD506: the kernel refuses a destination with host bits"
NODE = "it depends on the node: its links, files, programs"
GAP = "our schemas lack this: the plugin refuses it when a pod starts"
OLD_GO = "this build refuses it; Go 1.27 reads digits without separators"
OLD = "this release refuses it; later ones accept it"

THEIRS: Sequence[Theirs] = (
    Theirs("ipvlan", "^failed to create ipvlan: operation not supported$", KERNEL),
    Theirs("vlan", "^failed to create vlan: operation not supported$", KERNEL),
    Theirs("vrf", "^cmdAdd failed: could not add VRF .*: operation not supported$", KERNEL),
    Theirs("dummy", "^failed to create dummy: operation not supported$", KERNEL),
    Theirs("bridge", "^failed to setup vlan tag .*: operation not supported$", KERNEL),
    *(Theirs(plugin, "^failed to add route .*: invalid argument$", ROUTE) for plugin in ("host-local", "static")),
    *(Theirs(plugin, "invalid argument$", NUMBER) for plugin in ("bandwidth", "bridge", "macvlan", "ptp", "tuning")),
    Theirs("tap", "^failed to run command ", "ip makes the link, and reads its MTU and MAC address"),
    Theirs("tap", "^failed set socket label: ", NODE),
    *(Theirs(plugin, "address [0-9a-f]{12,16}: invalid MAC", OLD_GO) for plugin in ("macvlan", "tuning")),
    *(
        Theirs(plugin, "numerical result out of range$", "releases before 1.6 do not look up alternative names")
        for plugin in ("bond", "host-device", "ipvlan", "macvlan", "tap", "vlan")
    ),
    *(Theirs(plugin, "Link not found$", NODE) for plugin in ("host-device", "ipvlan", "macvlan", "tap", "vlan")),
    *(Theirs(plugin, r"must be \[0, master MTU\(1500\)\]$", NODE) for plugin in ("macvlan", "vlan")),
    Theirs("bridge", "already exists but is not a bridge$", NODE),
    Theirs(
        "bridge", "^failed to make veth pair: address .*: invalid MAC address$", "a MAC address of the pod replaces it"
    ),
    Theirs("host-device", "^error with host device: lstat /sys/bus/pci/", NODE),
    Theirs("host-device", '^specify either "device", ', "a warning, NAD406: a pod may be given a device"),
    Theirs("firewall", "system_bus_socket: connect: no such file", NODE),
    Theirs("firewall", "Invalid chain name", "iptables has its own rules for names"),
    Theirs("firewall", '^unknown ingress policy: "isolated"$', OLD),
    Theirs("portmap", "backend was requested but configuration contains", "later releases read the conditions"),
    Theirs("host-local", "(is a directory|no such file or directory)$", NODE),
    Theirs("host-local", "IPNet IP and Mask version mismatch$", GAP),
    Theirs(
        "host-local", r"(address 01: invalid IP address|range set: \?01-\S+)$", "this release has this error for ::/0"
    ),
    Theirs("host-local", "duplicate allocation is not allowed$", "this release takes 0.0.0.0/0 for an empty subnet"),
    Theirs("host-local", "^invalid CIDR address: $", GAP),
    Theirs(
        "sbr", "^Failed to add default route to 10.3.0.[015]: network is unreachable$", "addresses may come at runtime"
    ),
    Theirs(
        "dhcp", 'error looking up "eth0": Link not found$', "dhcp has read all options by then; there is no interface"
    ),
    Theirs("dhcp", "error dialing DHCP daemon", NODE),
    Theirs("dhcp", 'Can not parse option ""', "this release refuses it; since 1.6 an item of request needs no option"),
)
NEWER: Sequence[Newer] = (
    Newer("bridge", r"\.(vlanTrunk|preserveDefaultVlan)\b", "1.3"),
    Newer("bridge", r"\.disableContainerInterface$", "1.4.1"),
    Newer("bridge", r"\.ipMasqBackend$", "1.6"),
    Newer("bridge", r"\.portIsolation$", "1.7"),
    Newer("ptp", r"\.ipMasqBackend$", "1.6"),
    Newer("macvlan", r"\.linkInContainer$", "1.3"),
    Newer("macvlan", r"\.bcqueuelen$", "1.6"),
    Newer("ipvlan", r"\.linkInContainer$", "1.3"),
    Newer("vlan", r"\.linkInContainer$", "1.3"),
    Newer("portmap", r"\.masqAll$", "1.2"),
    Newer("portmap", r"\.(backend|externalSetMarkChain)$", "1.6"),
    Newer("sbr", r"\.table$", "1.6"),
    Newer("sbr", r"\.(gateways|addSourceHints)\b", "3d27709f"),
    Newer("tuning", r"\.txQLen$", "1.4"),
    Newer("host-local", r"\.routes\[\d+\]\.(mtu|advmss|priority|table|scope)$", "1.6"),
    Newer("static", r"\.routes\[\d+\]\.(mtu|advmss|priority|table|scope)$", "1.6"),
    Newer("dhcp", r"\.priority$", "1.6"),
)


MAIN_READS = r"\.routes\[\d+\]$"
"""A route without a destination, or with a gateway outside (NAD313): an IPAM plugin passes it on, and the main plugin
around it refuses it."""


def excuse(plugin: str, error: str) -> str:
    """Return why a plugin may refuse a configuration that we accept; "" if it may not."""
    return next((item.why for item in THEIRS if item.plugin in {plugin, ""} and re.search(item.error, error)), "")


def is_of_main(finding: PluginFinding) -> bool:
    """Say whether the main plugin around an IPAM plugin refuses it, not the IPAM plugin itself."""
    return finding.code == "NAD313" or re.search(MAIN_READS, finding.path) is not None


def is_newer(plugin: str, finding: PluginFinding) -> bool:
    """Say whether a finding is about a key that older releases do not read."""
    return any(item.plugin == plugin and re.search(item.path, finding.path) for item in NEWER)
