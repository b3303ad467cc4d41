"""The values that rules compare with: names and prefixes, ranges of numbers and of addresses, hexadecimal prefixes.

Patterns are prefixes, never regular expressions, so that no rule is expensive (side door 23).

    pattern = text / text "*"          ; "*" alone is every text
    range   = number / number "-" number
    cidr    = address "/" length
"""

from __future__ import annotations

from cniplugin.netspec.names import is_ip, is_ip_or_prefix, number_of
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_HEX_DIGITS = frozenset("0123456789abcdef")


class Names(Record):
    """Texts and prefixes. `texts` are as written, for messages."""

    texts: tuple[str, ...]
    exact: frozenset[str]
    prefixes: tuple[str, ...]

    def matches(self, text: str) -> bool:
        """Say whether one pattern fits."""
        return text in self.exact or text.startswith(self.prefixes)

    def covers(self, other: Names) -> bool:
        """Say whether these patterns fit every text that the others fit."""
        return all(map(self.matches, other.exact)) and all(text.startswith(self.prefixes) for text in other.prefixes)


def names(texts: Iterable[str]) -> Names:
    """Return the patterns of texts."""
    written = tuple(texts)
    return Names(
        texts=written,
        exact=frozenset(text for text in written if not text.endswith("*")),
        prefixes=tuple(text[:-1] for text in written if text.endswith("*")),
    )


class Ranges(Record):
    """Ranges of numbers, both ends included. `texts` are as written."""

    texts: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...]

    def contain(self, low: int, high: int) -> bool:
        """Say whether one range has all numbers from `low` to `high`."""
        return any(first <= low and high <= last for first, last in self.ranges)

    def meet(self, low: int, high: int) -> bool:
        """Say whether one range has any number from `low` to `high`."""
        return any(first <= high and low <= last for first, last in self.ranges)

    def covers(self, other: Ranges) -> bool:
        """Say whether each of the other ranges is within one of these."""
        return all(self.contain(low, high) for low, high in other.ranges)


def parse_range(text: str) -> tuple[int, int] | None:
    """Return both ends of a range, None for a text that is not a range."""
    low, dash, high = text.partition("-")
    ends = (low, high if dash else low)
    if not all(end.isascii() and end.isdigit() and len(end) <= 5 for end in ends):
        return None
    first, last = map(int, ends)
    return (first, last) if first <= last else None


class Cidrs(Record):
    """Ranges of addresses. `texts` are as written; each block is (bits, shift, value of the network part)."""

    texts: tuple[str, ...]
    blocks: tuple[tuple[int, int, int], ...]

    def contain(self, address: str) -> bool:
        """Say whether an address, with or without prefix length, is in one of them; false for any other text."""
        ip = address.partition("/")[0]
        if not is_ip(ip):
            return False
        bits, value = number_of(ip)
        return any(size == bits and value >> shift == network for size, shift, network in self.blocks)

    def contain_range(self, bits: int, low: int, high: int) -> bool:
        """Say whether one of them has all addresses from `low` to `high`."""
        return any(size == bits and low >> shift == network == high >> shift for size, shift, network in self.blocks)

    def meet_range(self, bits: int, low: int, high: int) -> bool:
        """Say whether one of them has any address from `low` to `high`."""
        return any(size == bits and low >> shift <= network <= high >> shift for size, shift, network in self.blocks)

    def covers(self, other: Cidrs) -> bool:
        """Say whether each of the other ranges is within one of these."""
        return all(
            self.contain_range(bits, network << shift, (network + 1 << shift) - 1)
            for bits, shift, network in other.blocks
        )


def parse_cidr(text: str) -> tuple[int, int, int] | None:
    """Return a block of `Cidrs`, None for a text that is not a CIDR. NB: bits after the prefix are ignored, as in Go.

    An IPv4-mapped one is refused, as by `isCIDR` of the CRD: its length would count other bits than it seems to.
    """
    address, slash, length = text.partition("/")
    if not slash or not is_ip_or_prefix(text):
        return None
    bits, value = number_of(address)
    if bits != (128 if ":" in address else 32):
        return None
    shift = bits - int(length)
    return bits, shift, value >> shift


class HexPrefixes(Record):
    """Beginnings of hardware addresses. `texts` are as written; `digits` have no separators."""

    texts: tuple[str, ...]
    digits: tuple[str, ...]

    def match(self, address: str) -> bool:
        """Say whether an address begins with one of them; separators and letter case do not matter."""
        return digits_of(address).startswith(self.digits)

    def covers(self, other: HexPrefixes) -> bool:
        """Say whether each of the other prefixes begins with one of these."""
        return all(digits.startswith(self.digits) for digits in other.digits)


def digits_of(address: str) -> str:
    """Return the digits of a hardware address in lower case."""
    return "".join(char for char in address.lower() if char in _HEX_DIGITS)


def is_hex_prefix(text: str) -> bool:
    """Say whether `text` is one byte or more as aa:bb:cc, at most the eight of a GUID."""
    groups = text.split(":")
    return len(groups) <= 8 and all(len(group) == 2 and _HEX_DIGITS.issuperset(group.lower()) for group in groups)
