"""Where the plugins and our knowledge of them may differ, each with its reason; all else is a failure.

docs/conformance.md, section "CNI plugins", says the same for people.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from webhook.admission.plugins.findings import PluginFinding


class Theirs(NamedTuple):
    """What a plugin may say though we say nothing: it, or its node, fails and not its configuration alone."""

    plugin: str
    said: str
    why: str


class Newer(NamedTuple):
    """Keys that older releases of a plugin do not read, so they refuse nothing there; `since`: the first that does.

    Debian 12 has release 1.1.1; what we know was read at 3d27709f, after 1.9.1.
    """

    plugin: str
    path: str
    since: str


KERNEL = "the kernel of this machine has no such links; all that the plugin checks comes before"
NUMBER = "the kernel refuses a number that the plugin does not look at"
ROUTE = "a warning, NAD506: the kernel refuses a destination with host bits"
NODE = "it depends on the node: its links, files, programs"
GAP = "not known to us: the plugin refuses it, and so does a pod's start only"
OLD_GO = "this build; Go 1.27 reads digits without separators"
OLD = "this release; later ones read it"

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
    Theirs("bridge", "^failed to make veth pair: address .*: invalid MAC address$", "a pod's own mac goes before it"),
    Theirs("host-device", "^error with host device: lstat /sys/bus/pci/", NODE),
    Theirs("host-device", '^specify either "device", ', "a warning, NAD406: a pod may be given a device"),
    Theirs("firewall", "system_bus_socket: connect: no such file", NODE),
    Theirs("firewall", "Invalid chain name", "iptables has its own rules for names"),
    Theirs("firewall", '^unknown ingress policy: "isolated"$', OLD),
    Theirs("portmap", "backend was requested but configuration contains", "later releases look into the conditions"),
    Theirs("host-local", "(is a directory|no such file or directory)$", NODE),
    Theirs("host-local", "IPNet IP and Mask version mismatch$", GAP),
    Theirs("host-local", r"(address 01: invalid IP address|range set: \?01-\S+)$", "this release, of ::/0"),
    Theirs(
        "host-local", "duplicate allocation is not allowed$", "this release, of 0.0.0.0/0, which it takes for empty"
    ),
    Theirs("host-local", "^invalid CIDR address: $", GAP),
    Theirs(
        "sbr", "^Failed to add default route to 10.3.0.[015]: network is unreachable$", "addresses may come at runtime"
    ),
    Theirs("dhcp", 'error looking up "eth0": Link not found$', "all options are read, and no interface was made"),
    Theirs("dhcp", "error dialing DHCP daemon", NODE),
    Theirs("dhcp", 'Can not parse option ""', "this release; since 1.6 what is requested may have no option"),
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
"""What an IPAM plugin passes on unread, and the main plugin around it refuses: a route without a destination."""


def excuse(plugin: str, said: str) -> str:
    """Return why a plugin may refuse what we accept; "" when it may not."""
    return next((item.why for item in THEIRS if item.plugin in {plugin, ""} and re.search(item.said, said)), "")


def is_of_main(finding: PluginFinding) -> bool:
    """Say whether the main plugin around an IPAM plugin refuses it, and not that one itself."""
    return re.search(MAIN_READS, finding.path) is not None


def is_newer(plugin: str, finding: PluginFinding) -> bool:
    """Say whether a finding is about what older releases do not read."""
    return any(item.plugin == plugin and re.search(item.path, finding.path) for item in NEWER)
