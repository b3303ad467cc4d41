"""The MAC address and the bandwidth that a pod asks for, against what the kernel and plugin bandwidth take."""

from __future__ import annotations

from collections.abc import Iterator

from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.networkoffers import Offer

Findings = Iterator[PluginFinding]

KERNEL_SETS_MAC = frozenset({"bridge", "macvlan", "tuning"})
"""Plugins that give the address to an Ethernet device as it is (is_valid_ether_addr, include/linux/etherdevice.h)."""

BURST_MAX = 34_359_738_359
"""Bits: an eighth of it, in whole bytes, is below 2^32 - 1 (plugins/meta/bandwidth/main.go validateRateAndBurst)."""


def mac_findings(element: NetworkSelectionElement, offer: Offer) -> Findings:
    """Yield a MAC address that no interface can have: of a group, or all zeros."""
    if element.mac is None or not KERNEL_SETS_MAC & offer.readers.get("mac", frozenset()):
        return
    digits = "".join(char for char in element.mac if char.isalnum())
    is_group = bool(int(digits[:2], 16) & 1)
    if is_group or not int(digits, 16):
        detail = f"{'a group address' if is_group else 'the address of zeros'} cannot be that of an interface"
        allowed = "an address whose first byte is even, such as 02:00:00:00:00:01"
        refusal = "cannot assign requested address"
        yield PluginFinding(
            code="NAD614", path="mac", detail=detail, value=element.mac, allowed=allowed, refusal=refusal
        )


def bandwidth_findings(element: NetworkSelectionElement, offer: Offer) -> Findings:
    """Yield bursts that plugin bandwidth has no room for."""
    asked = element.bandwidth
    if asked is None or "bandwidth" not in offer.readers.get("bandwidth", frozenset()):
        return
    for key, burst in (("ingressBurst", asked.ingress_burst), ("egressBurst", asked.egress_burst)):
        if burst is not None and burst > BURST_MAX:
            detail = "the plugin bandwidth has no room for this burst, which is in bits"
            yield PluginFinding(
                code="NAD615",
                path=f"bandwidth.{key}",
                detail=detail,
                value=burst,
                allowed=f"at most {BURST_MAX}",
                refusal="burst cannot be more than 4GB",
            )
