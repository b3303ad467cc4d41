"""The closed list of rules that only stock-taking finds: level and title. `nadmit explain` has their texts.

A rule about what exists "as if it were created now" is not here: it is one of admission, with its own id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ERROR, WARNING, INFO = "error", "warning", "info"
"""As in `scan.finding`, which this module must not import: titles of rules are below all that finds something."""


class StockRule(NamedTuple):
    """`levels`: those that a finding of the rule may have, the usual one first."""

    levels: tuple[str, ...]
    title: str


ADDRESS_TWICE = "address-twice"
MAC_TWICE = "mac-twice"
ADDRESS_ASKED_TWICE = "address-asked-twice"
MAC_ASKED_TWICE = "mac-asked-twice"
FIXED_ADDRESS_REPLICAS = "fixed-address-replicas"
HOST_LOCAL_NODES = "host-local-nodes"
RANGES_OVERLAP = "ranges-overlap"
RANGE_FULL = "range-full"
ADDRESS_OUTSIDE = "address-outside"
ALLOCATION_ORPHAN = "allocation-orphan"
DEFAULT_ROUTE_DNS = "default-route-dns"
ROUTE_DNS = "route-dns"
NETWORK_LOST = "network-lost"
ATTACHED_OTHERWISE = "attached-otherwise"
ATTACHMENT_FORBIDDEN = "attachment-forbidden"
SELECTS_NO_NAMESPACE = "selects-no-namespace"
SELECTS_NO_NETWORK = "selects-no-network"
SELECTS_NO_POD = "selects-no-pod"
MULTI_POLICY_NO_NETWORK = "multi-policy-no-network"
MTU_DIFFERS = "mtu-differs"
NETWORK_UNUSED = "network-unused"

STOCK_RULES: Mapping[str, StockRule] = {
    ADDRESS_TWICE: StockRule((ERROR,), "two pods have one address on a segment"),
    MAC_TWICE: StockRule((ERROR,), "two pods have one MAC address on a segment"),
    ADDRESS_ASKED_TWICE: StockRule((WARNING,), "two objects ask for one address on a segment"),
    MAC_ASKED_TWICE: StockRule((WARNING,), "two objects ask for one MAC address on a segment"),
    FIXED_ADDRESS_REPLICAS: StockRule((WARNING,), "each of several pods of a workload asks for the same address"),
    HOST_LOCAL_NODES: StockRule(
        (WARNING, ERROR, INFO), "IPAM host-local gives addresses on several nodes, each node for itself"
    ),
    RANGES_OVERLAP: StockRule((WARNING,), "two networks of a segment hand out the same addresses"),
    RANGE_FULL: StockRule((WARNING,), "a network has no free address"),
    ADDRESS_OUTSIDE: StockRule((WARNING,), "a pod has an address that its network does not hand out"),
    ALLOCATION_ORPHAN: StockRule((WARNING,), "a pool of whereabouts keeps addresses for pods that are gone"),
    DEFAULT_ROUTE_DNS: StockRule((WARNING, INFO), "a default route takes the DNS of the cluster away"),
    ROUTE_DNS: StockRule((WARNING,), "a network takes the address of the cluster's DNS"),
    NETWORK_LOST: StockRule((ERROR,), "a pod runs without a network that it asks for"),
    ATTACHED_OTHERWISE: StockRule((WARNING,), "a pod has a network in another way than it asks"),
    ATTACHMENT_FORBIDDEN: StockRule((WARNING, INFO), "a pod has a network that it does not ask for, and may not use"),
    SELECTS_NO_NAMESPACE: StockRule((WARNING,), "an access policy selects no namespace"),
    SELECTS_NO_NETWORK: StockRule((WARNING,), "an access policy selects no network"),
    SELECTS_NO_POD: StockRule((INFO,), "an access policy selects no pod"),
    MULTI_POLICY_NO_NETWORK: StockRule((WARNING,), "a MultiNetworkPolicy is for no network that exists"),
    MTU_DIFFERS: StockRule((INFO,), "networks of a segment have different MTUs"),
    NETWORK_UNUSED: StockRule((INFO,), "nothing uses a network"),
}
