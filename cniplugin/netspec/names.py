"""Names, addresses, white space and near misses: the lexical rules that every part of the standard shares.

    label      = [a-z0-9] ([-a-z0-9]* [a-z0-9])?          ; DNS-1123 label, RFC 1123 §2.1, at most 63 bytes
    subdomain  = label *( "." label )                     ; Kubernetes object name, at most 253 bytes
    interface  = 1*15 byte, not "." or "..", no "/", ":", white space   ; kernel dev_valid_name, net/core/dev.c
    network    = [a-zA-Z0-9] [a-zA-Z0-9_.-]*              ; CNI network name, CNI 1.1 §1

White space is what Go's readers take for it: Unicode's property White_Space, which `strings.TrimSpace` removes.
`str.strip`, `str.split` and `str.isspace` also count U+001C to U+001F. A name with one of those at its end would be
one name here and another on the node, so netspec, access and admission use the functions of this module instead.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DELEGATING_TYPES = ("multus", "multus-shim", "nadmit")
"""Plugins that attach all networks of a pod. As a delegate, one would attach them all again, itself included."""

LABEL_MAX = 63
SUBDOMAIN_MAX = 253
IFNAMSIZ = 16
"""Size of an interface name in the kernel, the terminating zero included (linux/if.h)."""

RESERVED_INTERFACES = ("eth0", "lo")
"""Taken in every pod: `eth0` is the CNI_IFNAME that kubelet's runtimes give the default network, `lo` the loopback."""

ALLOWED_LABEL = "lower case letters, digits and '-', starting and ending with a letter or digit, at most 63 characters"
ALLOWED_SUBDOMAIN = "lower case letters, digits, '-' and '.', each part starting and ending with a letter or digit"
ALLOWED_NETWORK_NAME = "letters, digits, '_', '.' and '-', starting with a letter or digit"
ALLOWED_INTERFACE = "1 to 15 bytes, no '/', ':' or white space, not '.' or '..'"
ALLOWED_IP = "an IPv4 or IPv6 address, with an optional prefix length such as /24"
ALLOWED_MAC = "6 bytes in hexadecimal, such as 02:23:45:67:89:01"
ALLOWED_GUID = "8 bytes in hexadecimal, such as 24:8a:07:03:00:8d:ae:2f"

_LABEL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_NETWORK_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def is_label(text: str) -> bool:
    """Say whether `text` is a DNS-1123 label: a namespace, or a name in the comma form (NPWG v1.3 §3.3)."""
    return len(text) <= LABEL_MAX and _is_label(text)


def is_label_of_any_length(text: str) -> bool:
    """Say the same, with the 253 bytes of an object name: 63 is only recommended for a network (NPWG v1.3 §3.3)."""
    return len(text) <= SUBDOMAIN_MAX and _is_label(text)


def _is_label(text: str) -> bool:
    """NB: by hand, because `re` costs 6 ms of a process that lives 25."""
    return bool(text) and text[0] != "-" and text[-1] != "-" and _LABEL_CHARACTERS.issuperset(text)


def _is_hextet(text: str) -> bool:
    return 1 <= len(text) <= 4 and _HEX_DIGITS.issuperset(text)


def is_subdomain(text: str) -> bool:
    """Say whether `text` can name a Kubernetes object."""
    if "." not in text:  # nearly always
        return len(text) <= SUBDOMAIN_MAX and _is_label(text)
    return len(text) <= SUBDOMAIN_MAX and all(_is_label(part) for part in text.split("."))


def is_network_name(text: str) -> bool:
    """Say whether `text` can be the `name` of a CNI configuration (CNI 1.1 §1; libcni pkg/utils/utils.go)."""
    return bool(text) and text[0] not in "_.-" and _NETWORK_CHARACTERS.issuperset(text)


def interface_problem(name: str) -> str | None:
    """Return the reason why the kernel would refuse an interface name, or None (NPWG v1.3 §4.1.2.1.5)."""
    if 0 < len(name) < IFNAMSIZ and name.isascii() and name.isalnum():  # nearly always
        return None
    size = len(name.encode("utf-8", "surrogatepass"))
    if size == 0:
        return "the interface name is empty"
    if size >= IFNAMSIZ:
        return f"the interface name has {size} bytes"
    if name in {".", ".."}:
        return "the interface name is a directory"
    if "/" in name or ":" in name:
        return f"the interface name contains '{'/' if '/' in name else ':'}'"
    if has_space(name) or any(char in "\0\x1c\x1d\x1e\x1f" for char in name):
        return "the interface name contains white space"
    return None


def is_ip(text: str) -> bool:
    """Say whether `text` is an IPv4 or IPv6 address without prefix or zone, as Go's net.ParseIP reads it."""
    return _is_ipv6(text) if ":" in text else _is_ipv4(text)


def is_ip_or_prefix(text: str) -> bool:
    """Say whether `text` is an address with an optional prefix length (NPWG v1.3 §4.1.2.1.3)."""
    address, slash, length = text.partition("/")
    if ":" in address:
        return _is_ipv6(address) and (not slash or length in _LENGTHS_OF_IPV6)
    return _is_ipv4(address) and (not slash or length in _LENGTHS_OF_IPV4)


_OCTETS = frozenset(map(str, range(256)))
_LENGTHS_OF_IPV4, _LENGTHS_OF_IPV6 = frozenset(map(str, range(33))), frozenset(map(str, range(129)))


def _is_ipv4(text: str) -> bool:
    """Four decimal octets. NB: leading zeros are refused, as by Go since 1.17 (CVE-2021-29923)."""
    return text.count(".") == 3 and _OCTETS.issuperset(text.split("."))


def _is_ipv6(text: str) -> bool:
    """RFC 4291 §2.2, the three text forms; at most one '::', which replaces one group or more."""
    if len(text) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"):
        return False
    head, compressed, tail = text.partition("::")
    groups = [group for part in (head, tail) if part for group in part.split(":")]
    size = len(groups)
    if groups and "." in groups[-1] and (tail or not compressed):
        if not _is_ipv4(groups.pop()):
            return False
        size += 1
    if not all(_is_hextet(group) for group in groups):
        return False
    return size < 8 if compressed else size == 8


def is_mac(text: str) -> bool:
    """Say whether `text` is a 6-byte Ethernet address in a form of Go's net.ParseMAC (NPWG v1.3 §4.1.2.1.4)."""
    if len(text) == 17 and text[2::3] in _USUAL_SEPARATORS:
        return _HEX_DIGITS.issuperset(text[::3] + text[1::3])
    return _is_hardware_address(text, 6)


_USUAL_SEPARATORS = (":::::", "-----")


def is_guid(text: str) -> bool:
    """Say whether `text` is an 8-byte InfiniBand GUID (NPWG v1.3 §4.1.2.1.10)."""
    return _is_hardware_address(text, 8)


def _is_hardware_address(text: str, size: int) -> bool:
    """`size` bytes as aa:bb:.. or aa-bb-.. or aabb.ccdd..: one separator throughout."""
    if len(text) == size * 3 - 1 and text[2::3] in (":" * (size - 1), "-" * (size - 1)):
        return _HEX_DIGITS.issuperset(text[::3] + text[1::3])
    groups = text.split(".", size)
    return len(groups) == size // 2 and all(len(group) == 4 and _is_hextet(group) for group in groups)


def canonical_ip(address: str) -> str:
    """Return a valid address as Go's net.IP prints it: RFC 5952 §4, and as IPv4 if it is IPv4-mapped."""
    if ":" not in address:
        return address
    groups = _groups(address)
    if groups[:6] == [0, 0, 0, 0, 0, 0xFFFF]:
        return f"{groups[6] >> 8}.{groups[6] & 255}.{groups[7] >> 8}.{groups[7] & 255}"
    start, end = _longest_zeros(groups)
    texts = [f"{group:x}" for group in groups]
    return ":".join(texts) if end - start < 2 else ":".join(texts[:start]) + "::" + ":".join(texts[end:])


def number_of(address: str) -> tuple[int, int]:
    """Return the size in bits, 32 or 128, and the value of a valid address; IPv4-mapped ones are IPv4."""
    text = canonical_ip(address) if ":" in address else address
    if ":" not in text:
        a, b, c, d = text.split(".")
        return 32, int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)
    value = 0
    for group in _groups(text):
        value = value << 16 | group
    return 128, value


def canonical_prefix(address: str) -> str:
    """Return a valid address with prefix length as Go's net.IPNet prints it."""
    ip, _, length = address.partition("/")
    canonical = canonical_ip(ip)
    is_mapped = ":" in ip and ":" not in canonical
    return f"{canonical}/{max(0, int(length) - 96) if is_mapped else length}"


def _groups(address: str) -> list[int]:
    """Return the eight groups of an IPv6 address (RFC 4291 §2.2)."""
    head, _, tail = address.partition("::")
    left, right = _numbers(head), _numbers(tail)
    return [*left, *[0] * (8 - len(left) - len(right)), *right]


def _numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for group in text.split(":") if text else ():
        if "." in group:
            a, b, c, d = (int(octet) for octet in group.split("."))
            numbers += [a << 8 | b, c << 8 | d]
        else:
            numbers.append(int(group, 16))
    return numbers


def _longest_zeros(groups: list[int]) -> tuple[int, int]:
    """Return start and end of the longest run of zero groups, the first of several (RFC 5952 §4.2.3)."""
    best = (0, 0)
    start = 0
    for index, group in enumerate(groups):
        if group:
            start = index + 1
        elif index + 1 - start > best[1] - best[0]:
            best = (start, index + 1)
    return best


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `word` most likely means, or None.

    Another letter case or white space counts as nearest. It makes at most 200 comparisons of at most 64 characters.
    It is only called after a mistake, so `difflib` is imported late.
    """
    folded = trim(word).casefold()[:64]
    known = [candidate for candidate, _ in zip(candidates, range(200), strict=False)]
    for candidate in known:
        if candidate.casefold() == folded:
            return candidate
    from difflib import get_close_matches  # noqa: PLC0415  # +5 ms, and only on a mistake

    close = get_close_matches(folded, [candidate[:64].casefold() for candidate in known], n=1, cutoff=0.6)
    return next((name for name in known if close and name[:64].casefold() == close[0]), None)


# White space

WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Go unicode.White_Space (unicode/tables.go); since Unicode 4.1, only U+180E has changed."""

_SPACES = frozenset(WHITE_SPACE)


def trim(text: str) -> str:
    """Return a text without white space at both ends, like `strings.TrimSpace`."""
    return text.strip(WHITE_SPACE)


def has_space(text: str) -> bool:
    """Say whether a text has a character for which Go's `unicode.IsSpace` is true."""
    return not _SPACES.isdisjoint(text)


_AS_SPACES = dict.fromkeys(map(ord, WHITE_SPACE), " ")


def words(text: str) -> list[str]:
    """Return the words of a text, like Go's `strings.Fields`."""
    return [word for word in text.translate(_AS_SPACES).split(" ") if word]


def in_one_line(text: str) -> str:
    """Return a text for a message: each run of white space and of separators (U+001C to U+001F) as one space."""
    return " ".join(text.split())
