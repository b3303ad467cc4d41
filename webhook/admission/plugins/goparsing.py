"""JSON types and texts as Go reads them: net.ParseIP, net.ParseCIDR, net.ParseMAC, strconv.Atoi, interface names.

Python's `ipaddress` accepts more (a zone, a netmask after the slash, an address without a prefix), so the functions
here refuse these first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import NamedTuple

from cniplugin.netspec.names import has_space

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface

MAC = re.compile(
    r"(?:[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}(?:(?:[0-9A-Fa-f]{2}\1){2}|(?:[0-9A-Fa-f]{2}\1){14})?[0-9A-Fa-f]{2})"
    r"|[0-9A-Fa-f]{12}(?:[0-9A-Fa-f]{4}|[0-9A-Fa-f]{28})?"
    r"|(?:[0-9A-Fa-f]{4}\.){2}(?:[0-9A-Fa-f]{4}\.|(?:[0-9A-Fa-f]{4}\.){7})?[0-9A-Fa-f]{4}"
)
"""6, 8 or 20 bytes, in pairs or in groups of four digits (Go net/mac.go); since Go 1.27 also without separators."""
_CIDR = re.compile(r"[0-9A-Fa-f:.]{2,45}/[0-9]{1,3}")
_PART = "(0|[1-9][0-9]{0,2})"
_USUAL_CIDR = re.compile(rf"{_PART}\.{_PART}\.{_PART}\.{_PART}/([0-9]{{1,3}})")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}")
JSON_TYPES: Mapping[str, tuple[type, str]] = {
    "string": (str, "a string"),
    "integer": (int, "an integer, without quotes"),
    "boolean": (bool, "true or false, without quotes"),
    "array": (list, "a list"),
    "object": (dict, "an object"),
    "map": (dict, "an object"),
}
"""`schema.KeyType` in Python, and in words. NB: in Python, True is an int."""
ADDRESS_MAX = 64
"""Characters; the longest address has 45."""
KEPT_MAX = 1024
"""Addresses of each kind that are kept: a configuration has a few, and each takes a few hundred bytes."""
INTERFACE_NAME_MAX = 15
LINK_NAME_MAX = 127
"""The length of an alternative name (ALTIFNAMSIZ, include/uapi/linux/if.h)."""

ALLOWED = {
    "mac": "a MAC address such as 02:00:00:00:00:01",
    "ip": "an IP address",
    "cidr": "an address with its prefix, such as 10.1.0.0/24",
    "ifname": "1 to 15 characters without '/', ':' or white space",
    "destination": "an address with its prefix, such as 10.1.0.0/24",
    "link": "1 to 15 characters without '/', ':' or white space",
    "decimal": "an integer in quotes",
}
"""Each `schema.Format` in words."""


def read_address(text: object) -> Address | None:
    """Return an IP address; None for anything else, and for one with a zone. As in Go, IPv4 inside IPv6 is IPv4."""
    return _read_address(text) if isinstance(text, str) and len(text) <= ADDRESS_MAX and "%" not in text else None


@lru_cache(maxsize=KEPT_MAX)
def _read_address(text: str) -> Address | None:
    """NB: one text is read several times: for its form, its range, its routes; `ipaddress` takes 5 us each time."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


class Block(NamedTuple):
    """An address with its prefix, in numbers: `ipaddress` takes ten times as long to make its objects of one.

    `version`: 4 or 6. `number`: the address. `width`: its bits, 32 or 128.
    """

    version: int
    number: int
    prefixlen: int
    width: int

    @property
    def lowest(self) -> int:
        """The number of the first address of the network."""
        bits = self.width - self.prefixlen
        return self.number >> bits << bits

    @property
    def highest(self) -> int:
        """The number of the last address of the network."""
        return self.number | (1 << self.width - self.prefixlen) - 1

    def has(self, address: Address) -> bool:
        """Say whether an address is in the network."""
        return address.version == self.version and self.lowest <= int(address) <= self.highest


def read_block(text: object) -> Block | None:
    """Return an address with its prefix, in numbers; None for anything else."""
    return _read_block(text) if isinstance(text, str) and _CIDR.fullmatch(text) is not None else None


@lru_cache(maxsize=KEPT_MAX)
def _read_block(text: str) -> Block | None:
    """NB: as `_read_address`."""
    usual = _USUAL_CIDR.fullmatch(text)
    if usual is None:
        try:
            other = ip_interface(text)
        except ValueError:
            return None
        return Block(other.version, int(other.ip), other.network.prefixlen, other.max_prefixlen)
    one, two, three, four, prefix = map(int, usual.groups())
    if one > 255 or two > 255 or three > 255 or four > 255 or prefix > 32:
        return None
    return Block(4, one << 24 | two << 16 | three << 8 | four, prefix, 32)


def read_cidr(text: object) -> Interface | None:
    """Return an address with its prefix; None for anything else."""
    block = read_block(text)
    return None if block is None else interface_of(block)


@lru_cache(maxsize=KEPT_MAX)
def interface_of(block: Block) -> Interface:
    """Return the same as `ipaddress` has it. NB: from numbers, that takes a third of the time."""
    made = IPv4Interface if block.version == 4 else IPv6Interface
    return made((block.number, block.prefixlen))


def forget() -> None:
    """Forget the texts that were read, for counts that must not depend on them."""
    _read_address.cache_clear()
    _read_block.cache_clear()
    interface_of.cache_clear()


def fits(text: str, form: str) -> bool:
    """Say whether a text that is not empty has a `schema.Format`."""
    match form:
        case "mac":
            return MAC.fullmatch(text) is not None
        case "ip":
            return read_address(text) is not None
        case "cidr" | "destination":
            return read_block(text) is not None
        case "decimal":
            return _DECIMAL.fullmatch(text) is not None
        case _:
            longest = LINK_NAME_MAX if form == "link" else INTERFACE_NAME_MAX
            return len(text.encode()) <= longest and text not in {".", ".."} and not _has_separator(text)


def remark(text: str, form: str) -> str:
    """Return the surprise in a text that has its form, or "".

    NB: a name that is too long for an interface may be its alternative name. The kernel refuses an IPv4 route whose
    destination has host bits (fib_valid_key_len, net/ipv4/fib_trie.c), and clears them in an IPv6 route.
    """
    if form == "link" and len(text.encode()) > INTERFACE_NAME_MAX:
        return "a name of more than 15 characters is an alternative name, which older plugins do not find"
    if form == "destination":
        address = read_cidr(text)
        if address is not None and address.version == 4 and address.ip != address.network.network_address:
            return f"the kernel refuses a route to a destination with host bits set; write {address.network}"
    return ""


def _has_separator(text: str) -> bool:
    return "/" in text or ":" in text or has_space(text)
