"""The fields of rules about content (`Facts`): one table for rules on attachments and on definitions.

| field | facts |
| --- | --- |
| `pluginTypes` | programs that are not IPAM programs |
| `masters` | interfaces, devices and physical networks of the node |
| `vlans` | VLANs and trunks |
| `ipamTypes` | IPAM programs; only in rules on definitions |
| `hostPaths` | files, directories and sockets of the node |
| `sysctls` | kernel parameters |
| `addresses` | addresses and ranges that it hands out |
| `macs` | hardware addresses that it sets |
| `pools` | names under which networks share addresses or state |
| `pkeys` | InfiniBand partitions |
| `unknownTypes` | programs whose keys nadmit does not know |

For Allow, everything that a definition touches must be listed. For Deny, and where a rule selects networks, one listed
value is enough. No Allow lists a value that cannot be read, and every Deny does.
"""

from __future__ import annotations

from cniplugin.access.content.facts import NO_ADDRESS, NO_NUMBER, show_addresses
from cniplugin.access.model.matchers import HexPrefixes, Names
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cniplugin.access.content.facts import AddressRange, Facts, Range
    from cniplugin.access.model.matchers import Cidrs, Ranges


class Content(Record):
    """The conditions of a rule on a network's content; None for a field that the rule does not have."""

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

    `meets` says whether a rule lists a part of a value, `contains`, whether it lists all of it. `show` returns a value
    as text; `outside` joins that to the list.
    """

    key: str
    name: str
    what: str
    meets: Callable[[Any, Any], bool] = Names.matches
    contains: Callable[[Any, Any], bool] = Names.matches
    show: Callable[[str, Any], str] = "{} {}".format
    outside: str = "is not one of"


def _show_vlan(what: str, vlan: Range) -> str:
    low, high = vlan
    if vlan == NO_NUMBER:
        return f"a {what} that cannot be read"
    return f"{what} {low}" if low == high else f"{what}s {low}-{high}"


def _show_addresses(what: str, addresses: AddressRange) -> str:
    if addresses == NO_ADDRESS:
        return f"an {what} that cannot be read"
    return f"{what if addresses[1] == addresses[2] else 'addresses'} {show_addresses(addresses)}"


FIELDS = (
    Field(key="pluginTypes", name="plugin_types", what="CNI plugin type"),
    Field(
        key="masters",
        name="masters",
        what="master",
        show=lambda what, master: f"{what} {master or 'of the default route'}",
    ),
    Field(
        key="vlans",
        name="vlans",
        what="VLAN",
        meets=lambda ranges, vlan: ranges.meet(*vlan),
        contains=lambda ranges, vlan: ranges.contain(*vlan),
        show=_show_vlan,
        outside="is outside",
    ),
    Field(key="ipamTypes", name="ipam_types", what="IPAM type"),
    Field(
        key="hostPaths",
        name="host_paths",
        what="host path",
        meets=lambda patterns, path: path == "" or patterns.matches(path),
        contains=lambda patterns, path: path != "" and patterns.matches(path),
        show=lambda what, path: f"{what} {path}" if path else f'a {what} with ".." in it',
    ),
    Field(key="sysctls", name="sysctls", what="sysctl"),
    Field(
        key="addresses",
        name="addresses",
        what="address",
        meets=lambda cidrs, addresses: addresses == NO_ADDRESS or cidrs.meet_range(*addresses),
        contains=lambda cidrs, addresses: cidrs.contain_range(*addresses),
        show=_show_addresses,
        outside="is outside",
    ),
    Field(
        key="macs",
        name="macs",
        what="MAC address",
        meets=HexPrefixes.match,
        contains=HexPrefixes.match,
        outside="does not begin with",
    ),
    Field(key="pools", name="pools", what="pool"),
    Field(key="pkeys", name="pkeys", what="PKey"),
    Field(key="unknownTypes", name="unknown_types", what="unknown plugin type"),
)
"""In the order in which messages list them."""

MAY_BE_EMPTY = ("hostPaths", "sysctls", "addresses", "macs", "pools", "pkeys", "unknownTypes")
"""Fields that may be empty in an Allow for definitions: a definition may then touch nothing of the kind."""


def asks(content: Content) -> bool:
    """Say whether a rule asks for anything that `Facts` hold."""
    return any(getattr(content, field.name) is not None for field in FIELDS)


def met(content: Content, facts: Facts | None) -> tuple[str, ...] | None:
    """Return one listed value for each field of a rule, as text.

    None if the network has no such value for a field, or if it cannot be read.
    """
    shown = []
    for field in FIELDS:
        listed = getattr(content, field.name)
        if listed is not None:
            values = getattr(facts, field.name) if facts is not None else ()
            value = next((value for value in values if field.meets(listed, value)), None)
            if value is None:
                return None
            shown.append(field.show(field.what, value))
    return tuple(shown)


def outside(content: Content, facts: Facts | None) -> Iterator[str]:
    """Yield every value that the network touches and the rule does not list, as text.

    NB: an unknown IPAM type counts as a plugin type, unless the rule lists it under `ipamTypes`.
    """
    for field in FIELDS:
        listed = getattr(content, field.name)
        for value in getattr(facts, field.name) if facts is not None and listed is not None else ():
            if field.contains(listed, value) or (field.key == "pluginTypes" and _is_ipam(content, facts, value)):
                continue
            shown = field.show(field.what, value)
            if value == "" and field.key == "masters":
                shown += " (none is named)"
            yield f"{shown} {field.outside} {', '.join(listed.texts)}" if listed.texts else f"{shown} is not permitted"


def _is_ipam(content: Content, facts: Facts | None, kind: str) -> bool:
    listed = content.ipam_types
    return facts is not None and listed is not None and kind in facts.unknown_ipam_types and listed.matches(kind)


def describe(content: Content) -> Iterator[str]:
    """Yield each field of a rule with its listed values."""
    for field in FIELDS:
        listed = getattr(content, field.name)
        if listed is not None:
            yield f"{field.key} {', '.join(listed.texts)}" if listed.texts else f"no {field.key}"
