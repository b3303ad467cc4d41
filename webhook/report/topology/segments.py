"""Segments: which definitions share one layer 2, so that an address of one can collide with an address of another.

    bridge + VLAN             a bridge of the node by name
    interface + VLAN          the parent interface; "" is that of the node's default route. eth1.12 is VLAN 12 of eth1,
                              as network managers name it. A bridge that another definition names is that bridge
    physical network + VLAN   by the name that the network provider of the node gives it
    device                    one device of the node
    resource + VLAN           the pool of devices that the annotation resourceName names
    OVN network               the name in the configuration
    device driver             what a DRA driver attaches: nobody says which of its devices share a network
    definition                everything else: a segment of its own

What a configuration touches is known from `cniplugin.access.content`; only the first plugin makes the interface. A
bridge is on each node, and whether the nodes are connected is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cniplugin.access.content.facts import DEVICE, INTERFACE, NETWORK, VLAN, Touch, facts_of, fold
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

BRIDGE, PARENT, PHYSICAL = "bridge", "interface", "physical network"
ONE_DEVICE, RESOURCE, OVN, DRIVER, DEFINITION = "device", "resource", "OVN network", "device driver", "definition"
KINDS = (BRIDGE, PARENT, PHYSICAL, ONE_DEVICE, RESOURCE, OVN, DRIVER, DEFINITION)

OVN_TYPE = "ovn-k8s-cni-overlay"

_KIND_OF_TOUCH = {INTERFACE: PARENT, NETWORK: PHYSICAL, DEVICE: ONE_DEVICE}


class Segment(NamedTuple):
    """One layer 2. `vlan`: "" without one."""

    kind: str
    name: str
    vlan: str = ""

    @property
    def title(self) -> str:
        """The segment as text: `bridge br-lan, VLAN 12`."""
        name = self.name if self.name or self.kind != PARENT else "of the default route"
        return f"{self.kind} {name}{f', VLAN {self.vlan}' if self.vlan else ''}"


def segment_of(definition: NetworkAttachmentDefinition) -> Segment:
    """Return the segment of a definition, which need not be readable."""
    facts = facts_of(definition)
    alone = Segment(DEFINITION, definition.reference)
    if facts is None or definition.config is None:
        return alone
    first = definition.config.plugins[0]
    if first.type == OVN_TYPE:
        return Segment(OVN, definition.config.name)
    place = "plugins[0]" if definition.config.is_list else ""
    own = [touch for touch in facts.touches if touch.place == place]
    vlan = next((touch.value for touch in own if touch.kind == VLAN and _is_one_vlan(touch)), "")
    for touch in own:
        if touch.kind in _KIND_OF_TOUCH:
            kind = BRIDGE if fold(touch.key) == BRIDGE or first.type == BRIDGE else _KIND_OF_TOUCH[touch.kind]
            return _tagged(touch.value) if kind == PARENT and not vlan else Segment(kind, touch.value, vlan)
    return Segment(RESOURCE, definition.resource_name, vlan) if definition.resource_name else alone


_TAGGED = re.compile(r"(.+)\.([1-9][0-9]{0,3})")


def _tagged(interface: str) -> Segment:
    match = _TAGGED.fullmatch(interface)
    if match is None or int(match[2]) > VLAN_MAX:
        return Segment(PARENT, interface)
    return Segment(PARENT, match[1], match[2])


VLAN_MAX = 4094
"""IEEE 802.1Q: 4095 is reserved."""


def join_bridges(segments: Iterable[Segment]) -> Mapping[Segment, Segment]:
    """Return the parent interfaces that are bridges by another definition, each with the segment of the bridge."""
    every = set(segments)
    bridges = {one.name for one in every if one.kind == BRIDGE}
    return {one: one._replace(kind=BRIDGE) for one in every if one.kind == PARENT and one.name in bridges}


def _is_one_vlan(touch: Touch) -> bool:
    """Say whether a touch is one VLAN: 0 is none, and a trunk has a range."""
    return touch.value.isdigit() and touch.value != "0" and "trunk" not in touch.path.lower()
