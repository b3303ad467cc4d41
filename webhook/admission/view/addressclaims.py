"""The IP and MAC addresses that a pod claims of a network, each in one normal form for comparison.

10.1.0.5, 10.1.0.5/24, ::ffff:10.1.0.5      -> 10.1.0.5
fd00:0::5/64, FD00::5                       -> fd00::5
02-00-00-00-00-0A, 0200.0000.000a           -> 02000000000a
"""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from cniplugin.netspec.names import canonical_ip, is_ip
from cniplugin.netspec.selection import NetworkSelectionElement

CLAIMS_MAX = 64
"""Claims of one element that count. A pod needs far fewer, and the cache keeps each while the pod runs."""


class Claim(NamedTuple):
    """One address: its path in the element, its text, and its normal form."""

    path: str
    value: str
    address: str

    @property
    def is_mac(self) -> bool:
        """Whether the address is a MAC address."""
        return self.path == "mac"


def mac_key(written: str) -> str:
    """Return a MAC address, or another hardware address, in normal form."""
    return written.replace(":", "").replace("-", "").replace(".", "").lower()


def claims_of(element: NetworkSelectionElement) -> tuple[Claim, ...]:
    """Return the first CLAIMS_MAX addresses that an element claims of its network, each once."""
    return claims_on(element.ips, element.mac)


def claims_on(ips: tuple[str, ...], mac: str | None) -> tuple[Claim, ...]:
    """Return the claims of an element with these requests."""
    if not ips and mac is None:
        return ()
    claims: dict[str, Claim] = {}
    if mac is not None:
        address = mac_key(mac)
        claims[address] = Claim("mac", mac, address)
    for at, text in enumerate(ips[:CLAIMS_MAX]):
        written = text.partition("/")[0]
        if is_ip(written) and (address := canonical_ip(written)) not in claims:
            claims[address] = Claim(f"ips[{at}]", text, address)
    return tuple(islice(claims.values(), CLAIMS_MAX))
