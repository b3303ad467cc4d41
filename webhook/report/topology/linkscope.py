"""What the plugin of a network says about its links: who is on one layer 2, and who shares a MAC on purpose.

A segment names a layer 2 by the part of the node below it. Whether pods of two nodes meet there depends on the plugin:
a macvlan of eth1 is on the wire, and a bridge is on its node.
"""

from __future__ import annotations

from webhook.report.diagnosis.objectset import text

from .graph import Topology

WHEREABOUTS = "whereabouts"
"""It never gives the first and the last address of a subnet."""

ON_ONE_NODE = frozenset({"bridge", "ptp", "dummy", "tap"})
"""Plugins whose link is on each node for itself, as far as the configuration says."""

ROUTED_MODES = frozenset({"l3", "l3s"})
"""Modes of ipvlan in which the node routes, so that the address of a pod is not on the wire (anycast)."""

WITHOUT_NEIGHBOURS = frozenset({"dummy"})

ON_DISK = "(file)"
"""In place of the plugin of a network whose configuration is a file on the nodes."""

SHARING_MAC = frozenset({"ipvlan"})


def first_type(topology: Topology, reference: str) -> str:
    """Return the plugin that makes the interface of a network, "" if that is not known."""
    known = topology.networks.get(reference)
    config = known.definition.config if known is not None else None
    return config.plugins[0].type if config is not None else ""


def is_on_one_node(topology: Topology, reference: str) -> bool:
    """Say whether the link of a network is on each node for itself, as far as anybody knows.

    NB: whereabouts counts for the whole cluster, so whoever uses it on a bridge has connected the bridges.
    """
    known = topology.networks.get(reference)
    config = known.definition.config if known is not None else None
    if known is None or config is None:
        return known is not None and known.definition.is_on_disk
    first = config.plugins[0]
    if first.type == "ipvlan":
        return text(first.conf, "mode") in ROUTED_MODES
    return first.type in ON_ONE_NODE and first.ipam_type != WHEREABOUTS
