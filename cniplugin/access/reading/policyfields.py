"""Readers of the values that the fields of policies share: patterns, ranges, addresses, keys, label selectors."""

from __future__ import annotations

from cniplugin.access.model import labels, matchers
from cniplugin.access.model.labels import OPERATORS, Requirement, Selector
from cniplugin.netspec.names import is_label, is_label_of_any_length

from .reader import Reader, choice, text, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .reader import Read

NAMES_MAX, PREFIXES_MAX = 64, 32

_ALLOWED_NAME = "a name in lower case letters, digits and '-', a prefix with '*' behind it, or '*'"


def _is_name_pattern(value: str) -> bool:
    if value == "*":
        return True
    return is_label(value) or (value.endswith("*") and is_label_of_any_length(value[:-1] + "x"))


def _is_pattern(value: str) -> bool:
    return bool(value) and "*" not in value[:-1]


NAME = text(longest=64, is_right=_is_name_pattern, allowed=_ALLOWED_NAME)
PATTERN = text(longest=128, is_right=_is_pattern, allowed='a text, with "*" at its end only')


def names(item: Read, *, least: int = 1) -> Read:
    """Return a reader of names and prefixes."""
    listed = texts(most=NAMES_MAX, least=least, item=item)

    def read(reader: Reader, value: object, path: str) -> object:
        return matchers.names(listed(reader, value, path))

    return read


def ranges(reader: Reader, value: object, path: str) -> matchers.Ranges:
    """Read number ranges."""
    item = text(longest=11, is_right=matchers.parse_range, allowed="a number or a range such as 100-199")
    written = texts(most=NAMES_MAX, least=1, item=item)(reader, value, path)
    parsed = map(matchers.parse_range, written)
    return matchers.Ranges(texts=written, ranges=tuple(found for found in parsed if found))


def cidrs(reader: Reader, value: object, path: str, *, least: int = 1) -> matchers.Cidrs:
    """Read address ranges."""
    item = text(longest=43, is_right=matchers.parse_cidr, allowed="a CIDR such as 10.1.0.0/16 or 2001:db8::/64")
    written = texts(most=NAMES_MAX, least=least, item=item)(reader, value, path)
    parsed = map(matchers.parse_cidr, written)
    return matchers.Cidrs(texts=written, blocks=tuple(found for found in parsed if found))


def prefixes(reader: Reader, value: object, path: str, *, least: int = 1) -> matchers.HexPrefixes:
    """Read beginnings of hardware addresses."""
    item = text(longest=23, is_right=matchers.is_hex_prefix, allowed="bytes in hexadecimal such as 00:58")
    written = texts(most=PREFIXES_MAX, least=least, item=item)(reader, value, path)
    return matchers.HexPrefixes(texts=written, digits=tuple(map(matchers.digits_of, written)))


def content(*, least: int) -> Mapping[str, Read]:
    """Return readers of the fields about what a network touches that `pluginTypes`, `masters`, `vlans` are not.

    `least` is how many values each must list: an Allow for definitions may list none.
    """
    patterns = names(PATTERN, least=least)
    return {
        "hostPaths": patterns,
        "sysctls": patterns,
        "addresses": lambda reader, value, path: cidrs(reader, value, path, least=least),
        "macs": lambda reader, value, path: prefixes(reader, value, path, least=least),
        "pools": patterns,
        "pkeys": patterns,
        "unknownTypes": patterns,
    }


def keys(most: int, longest: int) -> Read:
    """Return a reader of a set of texts."""
    listed = texts(most=most, least=1, item=text(longest=longest, is_right=bool, allowed="a text that is not empty"))

    def read(reader: Reader, value: object, path: str) -> frozenset[str]:
        return frozenset(listed(reader, value, path))

    return read


def selector(reader: Reader, value: object, path: str) -> Selector:
    """Read a label selector (meta/v1 LabelSelector)."""
    found, _ = reader.members(value, path, {"matchLabels": _match_labels, "matchExpressions": _expressions})
    return Selector(requirements=(*found.get("matchLabels", ()), *found.get("matchExpressions", ())))


def _match_labels(reader: Reader, value: object, path: str) -> tuple[Requirement, ...]:
    if not isinstance(value, dict) or len(value) > 16:
        reader.add(path, "this value is not allowed", value=value, allowed="an object of at most 16 strings")
        return ()
    requirements = []
    for key, wanted in value.items():
        if not labels.is_key(key) or not isinstance(wanted, str) or not labels.is_value(wanted):
            reader.add(f"{path}[{key}]", "this is no label", value=wanted, allowed="the key and the value of a label")
        else:
            requirements.append(Requirement(key=key, operator="In", values=frozenset({wanted})))
    return tuple(requirements)


EXPRESSION: Mapping[str, Read] = {
    "key": text(longest=labels.KEY_MAX, is_right=labels.is_key, allowed="the key of a label"),
    "operator": choice(*OPERATORS),
    "values": texts(
        most=64, is_set=False, item=text(longest=63, is_right=labels.is_value, allowed="the value of a label")
    ),
}


def _expressions(reader: Reader, value: object, path: str) -> tuple[Requirement, ...]:
    requirements = []
    for item, where in reader.items(value, path, limit=16):
        found, is_sound = reader.members(item, where, EXPRESSION)
        if not is_sound:
            continue
        key, operator, values = found.get("key"), found.get("operator"), found.get("values", ())
        if key is None or operator is None:
            reader.add(where, "key or operator is missing", allowed=", ".join(EXPRESSION))
        elif bool(values) != (operator in ("In", "NotIn")):
            reader.add(f"{where}.values", "values belong to In and NotIn, and these need them")
        else:
            requirements.append(Requirement(key=key, operator=operator, values=frozenset(values)))
    return tuple(requirements)
