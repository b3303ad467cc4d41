"""Where the plugins and our knowledge of them may differ, each with its reason; all else is a failure.

docs/conformance.md, section "CNI plugins", says the same for people.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from webhook.admission.plugins.finding import PluginFinding


class Theirs(NamedTuple):
    """What a plugin may say though we say nothing: it, or its node, fails and not its configuration alone."""

    plugin: str
    said: str
    why: str


class Newer(NamedTuple):
    """Keys that older releases of a plugin do not read, so they refuse nothing there; `since`: the first that does."""

    plugin: str
    path: str
    since: str


NO_SUCH_KERNEL = "the kernel of the machine has no such links; all that the plugin checks comes before"

THEIRS: Sequence[Theirs] = (
    Theirs("ipvlan", "^failed to create ipvlan: operation not supported$", NO_SUCH_KERNEL),
    Theirs("vlan", "^failed to create vlan: operation not supported$", NO_SUCH_KERNEL),
    Theirs("vrf", "^cmdAdd failed: could not add VRF .*: operation not supported$", NO_SUCH_KERNEL),
    Theirs("dummy", "^failed to create dummy: operation not supported$", NO_SUCH_KERNEL),
    Theirs("bridge", "operation not supported$", "the kernel of the machine has bridges without VLANs"),
    Theirs("dhcp", 'error looking up "eth0": Link not found$', "all options are read, and no interface was made"),
    Theirs("dhcp", "error dialing DHCP daemon", "the node has no daemon at that path"),
)
NEWER: Sequence[Newer] = (
    Newer("bridge", r"\.(vlanTrunk|preserveDefaultVlan)\b", "1.3"),
    Newer("bridge", r"\.(ipMasqBackend|disableContainerInterface|portIsolation)\b", "1.4"),
    Newer("ptp", r"\.ipMasqBackend$", "1.7"),
    Newer("macvlan", r"\.(linkInContainer|bcqueuelen)$", "1.3"),
    Newer("ipvlan", r"\.linkInContainer$", "1.3"),
    Newer("vlan", r"\.linkInContainer$", "1.3"),
    Newer("portmap", r"\.backend$", "1.6"),
    Newer("portmap", r"\.externalSetMarkChain$", "1.6"),
    Newer("sbr", r"\.(table|gateways|addSourceHints)\b", "1.6"),
    Newer("tuning", r"\.txQLen$", "1.4"),
)


def excuse(plugin: str, said: str) -> str:
    """Return why a plugin may refuse what we accept; "" when it may not."""
    return next((item.why for item in THEIRS if item.plugin in {plugin, ""} and re.search(item.said, said)), "")


def is_newer(plugin: str, finding: PluginFinding) -> bool:
    """Say whether a finding is about what older releases do not read."""
    return any(item.plugin == plugin and re.search(item.path, finding.path) for item in NEWER)
