"""The fields by which rules speak of what a network touches: one table for rules on attachments and on definitions.

| field | facts |
| --- | --- |
| `pluginTypes` | programs, but IPAM programs |
| `masters` | interfaces, devices and physical networks of the node |
| `vlans` | VLANs and trunks |
| `ipamTypes` | IPAM programs, of rules on definitions |
| `hostPaths` | files, directories and sockets of the node |
| `sysctls` | kernel parameters |
| `addresses` | addresses and ranges that it hands out |
| `macs` | hardware addresses that it sets |
| `pools` | names under which networks share addresses or state |
| `pkeys` | InfiniBand partitions |
| `unknownTypes` | programs whose keys nadmit does not know |

For Allow, all that a definition touches must be listed; for Deny, and where a rule selects networks, one listed value
is enough. What cannot be read is listed by no Allow, and by every Deny.
"""

from __future__ import annotations

from cniplugin.access.content.facts import NO_ADDRESS, NO_NUMBER, show_addresses
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cniplugin.access.content.facts import AddressRange, Facts, Range
    from cniplugin.access.model.matchers import Cidrs, HexPrefixes, Names, Ranges


class Content(Record):
    """What a rule asks of a network's content; None where it says nothing."""

    plugin_types: Names | None = None
    masters: Names | None = None
    vlans: Ranges | None = None
    ipam_types: Names | None = None
    host_paths: Names | None = None
    sysctls: Names | None = None
    addresses: Cidrs | None = None
    macs: HexPrefixes | None = None
    pools: Names | None = None
    pkeys: Names | None = None
    unknown_types: Names | None = None


class Field(Record):
    """One field: `key` in policies, `name` in `Content` and `Facts`, `what` a value is called.

    `meets` says whether a value is, in part, what a rule lists; `contains`, whether it is so as a whole. `show` is the
    value as text, with `what`; `outside` joins that to what is listed.
    """

    key: str
    name: str
    what: str
    meets: Callable[[Any, Any], bool]
    contains: Callable[[Any, Any], bool]
    show: Callable[[str, Any], str]
    outside: str = "is not one of"


def _matches(patterns: Names, value: str) -> bool:
    return patterns.matches(value)


def _show(what: str, value: str) -> str:
    return f"{what} {value}"


def _show_master(what: str, value: str) -> str:
    return f"{what} {value or 'of the default route'}"


def _meets_path(patterns: Names, path: str) -> bool:
    return path == "" or patterns.matches(path)


def _contains_path(patterns: Names, path: str) -> bool:
    return path != "" and patterns.matches(path)


def _show_path(what: str, path: str) -> str:
    return f"{what} {path}" if path else f'a {what} with ".." in it'


def _meets_vlan(ranges: Ranges, vlan: Range) -> bool:
    return ranges.meet(*vlan)


def _contains_vlan(ranges: Ranges, vlan: Range) -> bool:
    return ranges.contain(*vlan)


def _show_vlan(what: str, vlan: Range) -> str:
    low, high = vlan
    if vlan == NO_NUMBER:
        return f"a {what} that cannot be read"
    return f"{what} {low}" if low == high else f"{what}s {low}-{high}"


def _meets_addresses(cidrs: Cidrs, addresses: AddressRange) -> bool:
    return addresses == NO_ADDRESS or cidrs.meet_range(*addresses)


def _contains_addresses(cidrs: Cidrs, addresses: AddressRange) -> bool:
    return cidrs.contain_range(*addresses)


def _show_addresses(what: str, addresses: AddressRange) -> str:
    if addresses == NO_ADDRESS:
        return f"an {what} that cannot be read"
    return f"{what if addresses[1] == addresses[2] else 'addresses'} {show_addresses(addresses)}"


def _begins(prefixes: HexPrefixes, mac: str) -> bool:
    return prefixes.match(mac)


def _names(key: str, name: str, what: str) -> Field:
    return Field(key=key, name=name, what=what, meets=_matches, contains=_matches, show=_show)


FIELDS = (
    _names("pluginTypes", "plugin_types", "CNI plugin type"),
    _names("masters", "masters", "master").replace(show=_show_master),
    Field(
        key="vlans",
        name="vlans",
        what="VLAN",
        meets=_meets_vlan,
        contains=_contains_vlan,
        show=_show_vlan,
        outside="is outside",
    ),
    _names("ipamTypes", "ipam_types", "IPAM type"),
    Field(
        key="hostPaths",
        name="host_paths",
        what="host path",
        meets=_meets_path,
        contains=_contains_path,
        show=_show_path,
    ),
    _names("sysctls", "sysctls", "sysctl"),
    Field(
        key="addresses",
        name="addresses",
        what="address",
        meets=_meets_addresses,
        contains=_contains_addresses,
        show=_show_addresses,
        outside="is outside",
    ),
    Field(
        key="macs",
        name="macs",
        what="MAC address",
        meets=_begins,
        contains=_begins,
        show=_show,
        outside="does not begin with",
    ),
    _names("pools", "pools", "pool"),
    _names("pkeys", "pkeys", "PKey"),
    _names("unknownTypes", "unknown_types", "unknown plugin type"),
)
"""In the order in which messages have them."""

MAY_BE_EMPTY = ("hostPaths", "sysctls", "addresses", "macs", "pools", "pkeys", "unknownTypes")
"""Fields that an Allow for definitions may give with nothing in them: a definition may touch none of the kind."""


def asks(content: Content) -> bool:
    """Say whether a rule asks for anything that `Facts` hold."""
    return any(getattr(content, field.name) is not None for field in FIELDS)


def met(content: Content, facts: Facts | None) -> tuple[str, ...] | None:
    """Return one value for each field that is given, as text; None if one field has none, and of what is not read."""
    found = []
    for field in FIELDS:
        listed = getattr(content, field.name)
        if listed is not None:
            values = getattr(facts, field.name) if facts is not None else ()
            value = next((value for value in values if field.meets(listed, value)), None)
            if value is None:
                return None
            found.append(field.show(field.what, value))
    return tuple(found)


def outside(content: Content, facts: Facts | None) -> Iterator[str]:
    """Yield everything that is touched and not listed, as text.

    NB: an unknown IPAM type counts as a plugin type, unless the rule lists it under `ipamTypes`.
    """
    for field in FIELDS:
        listed = getattr(content, field.name)
        for value in getattr(facts, field.name) if facts is not None and listed is not None else ():
            if field.contains(listed, value) or (field.key == "pluginTypes" and _is_ipam(content, facts, value)):
                continue
            shown = field.show(field.what, value) + (
                " (none is named)" if value == "" and field.key == "masters" else ""
            )
            yield f"{shown} {field.outside} {', '.join(listed.texts)}" if listed.texts else f"{shown} is not permitted"


def _is_ipam(content: Content, facts: Facts | None, kind: str) -> bool:
    listed = content.ipam_types
    return facts is not None and listed is not None and kind in facts.unknown_ipam_types and listed.matches(kind)


def describe(content: Content) -> Iterator[str]:
    """Yield the fields that are given with what they list."""
    for field in FIELDS:
        listed = getattr(content, field.name)
        if listed is not None:
            yield f"{field.key} {', '.join(listed.texts)}" if listed.texts else f"no {field.key}"
