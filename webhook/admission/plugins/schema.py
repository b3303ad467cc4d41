"""The knowledge of one CNI plugin, as frozen values; `webhook.plugindata.fileformat` says how files spell them.

Texts of the plugin itself are called `refusal`: `{value}` stands for the offending value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

KeyType = Literal["string", "integer", "boolean", "array", "object", "map", "any"]
"""What a key may hold: `map` has keys of the author's own, all with values of one kind; `any` is not looked at."""
Kind = Literal["main", "meta", "ipam"]
"""Makes an interface; changes what earlier plugins made; hands out addresses inside `ipam`."""
Format = Literal["mac", "ip", "cidr", "destination", "ifname", "link", "decimal"]
"""Forms of a text, as Go's net.ParseMAC, net.ParseIP, net.ParseCIDR, the kernel and strconv.Atoi read them.

`destination`: of a route. `ifname`: of an interface that is made; `link`: of one that is looked up.
"""
IpamUse = Literal["required", "first", "optional", "unused"]
"""`first`: required of the first plugin of a list, as later ones may find addresses in the result before them."""
State = Literal["set", "unset", "present", "absent"]
"""Of a key. Unset: absent, or Go's zero value: "", 0, false, []. Null is absent."""
GoInteger = Literal["int", "int32", "uint", "uint32"]

GO_INTEGERS: Mapping[GoInteger, tuple[int, int]] = {
    "int": (-(2**63), 2**63 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint": (0, 2**64 - 1),
    "uint32": (0, 2**32 - 1),
}
"""What encoding/json puts into each of Go's types, on nodes of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What one key may hold.

    `go`: the Go type of an integer. `minimum`, `maximum`: of an integer, or of the number of items. `values`: all
    that there are, with `any_case` in any letter case; "" is always the same as absent. `code`, `detail`: of what
    breaks minimum, maximum, values or format; "" for the usual ones. `refusal`: what the plugin says then. `items`:
    of an array, or a map's values; with `null_items` false, null among them stops the plugin. `keys`: of an object.
    `required`: whether the plugin fails without it, with `required_refusal`. `remark`: what is to be said whenever
    the key is there.
    """

    type: KeyType
    go: GoInteger = "int"
    minimum: int | None = None
    maximum: int | None = None
    values: tuple[str | int, ...] = ()
    any_case: bool = False
    format: Format | None = None
    code: str = ""
    detail: str = ""
    refusal: str = ""
    items: Key | None = None
    null_items: bool = True
    keys: Mapping[str, Key] = field(default_factory=dict)
    required: bool = False
    required_refusal: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What holds for one key, such as `vlan` or `ipam.type`.

    `state`: None for `values`. `values`: one of them; with `negated`, present and none of them.
    """

    key: str
    state: State | None = None
    values: tuple[str | int | bool, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What is wrong when all conditions hold: keys that exclude or need each other.

    `at`: the key to point at; "" for the plugin. `detail`: what is wrong. `refusal`: what the plugin says, if it does.
    """

    code: str
    when: tuple[Condition, ...]
    at: str
    detail: str
    fix: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor:
    """A plugin that must stand earlier in the list: one of `types`, when all conditions hold.

    `code`: NAD402 when it fails without, a warning when it starts all the same.
    """

    types: tuple[str, ...]
    code: str = "NAD402"
    refusal: str = ""
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSchema:
    """One CNI plugin.

    `type`: as configurations name it; `also`: other names of the same program. `source`: where the facts were read:
    repository, commit, files. `chained_only`: whether a plugin must come before it; if not, it says `chained_refusal`.
    `ipam`, `ipam_refusal`: what it says when IPAM is required and absent. `device_keys`: one
    of them must name its device, unless a resource name lets Multus fill it in; if not, it says `device_refusal`.
    `capabilities`: what it reads of `runtimeConfig`; `idle_without`: a capability without which it does nothing.
    `rules`: names in `rules.RULES`.
    """

    type: str
    kind: Kind
    source: str
    also: tuple[str, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()
    predecessors: tuple[Predecessor, ...] = ()
    rules: tuple[str, ...] = ()
    chained_only: bool = False
    chained_refusal: str = ""
    ipam: IpamUse = "unused"
    ipam_refusal: str = ""
    device_keys: tuple[str, ...] = ()
    device_refusal: str = ""
    capabilities: frozenset[str] = frozenset()
    idle_without: str = ""


UNKNOWN_TYPES = ("Warn", "Refuse", "Off")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PluginChecks:
    """What to check configurations with; each value is equal to itself alone, so that findings can be remembered by it.

    `schemas`: by type, other names included. `unknown_types`: what becomes of a plugin type that has none, one of
    UNKNOWN_TYPES. `exempt`: plugin types that are not checked at all. `values_max`: values of one configuration that
    are looked at, which takes 10 microseconds each; the largest that people write have some hundreds.
    """

    schemas: Mapping[str, PluginSchema]
    unknown_types: str = "Warn"
    exempt: frozenset[str] = frozenset()
    values_max: int = 1_500
