"""How a file spells the knowledge of one plugin, and its way into `webhook.admission.plugins.schema`.

    {"type": "vlan", "kind": "main", "source": "...", "ipam": "required",
     "keys": {"master": {"type": "string", "required": true, "required_refusal": "what the plugin says"},
              "vlanId": {"type": "integer", "minimum": 0, "maximum": 4094, "refusal": "invalid VLAN ID {value} (...)"}},
     "constraints": [{"code": "NAD505", "when": {"vlanId": "unset"}, "detail": "..."}]}

`{"shape": "route"}` stands for a key of `shapes`. `touches` says what of the node, or of other networks, a key reaches:
a kind alone, or with what else is to be known (`TouchFile`). `also_reads` has keys that the plugin's program reads and
no check looks at; `beside` those that an IPAM program reads outside `ipam`. The access rules judge by these, and the
node by the module that `touches` compiles of them. A condition is a state ("set", "unset", "present", "absent"), a list
of values, or {"not": a list}. Fields that nobody knows are refused, so a slip in a schema shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from webhook.admission.plugins.schema import (
    Condition,
    Constraint,
    Format,
    GoInteger,
    IpamUse,
    Key,
    KeyType,
    Kind,
    PluginSchema,
    Predecessor,
    State,
)

Value = str | int | bool
TouchKind = Literal[
    "interface",
    "device",
    "network",
    "vlan",
    "trunk",
    "pkey",
    "host-path",
    "endpoint",
    "sysctl",
    "netfilter",
    "address",
    "address-net",
    "address-first",
    "address-last",
    "node-address",
    "gateway",
    "mac",
    "pool",
]
"""Kinds of `cniplugin.access.content.facts`, and parts of one: numbers below `trunk` are one range together;
`address-net`, `address-first` and `address-last` of one object are one range; `gateway` gives the node an address of
IPAM's subnet, and `node-address` is that address."""


class Negation(msgspec.Struct, forbid_unknown_fields=True):
    """None of these values."""

    values: list[Value] = msgspec.field(name="not")


When = dict[str, State | list[Value] | Negation]


class TouchFile(msgspec.Struct, forbid_unknown_fields=True):
    """What a key touches.

    `default`: what the plugin takes when the key is unset (`{name}`: the network's); with `default_when`, only if those
    keys have these values. `separator`: between the parts of one text. `in_container`: a key beside this one; where it
    is true, the interfaces below this one are the container's.
    """

    kind: TouchKind | None = None
    default: str | None = None
    default_when: dict[str, str] = {}
    separator: str = ""
    in_container: str = ""


class ReadFile(msgspec.Struct, forbid_unknown_fields=True):
    """A key that no check looks at, or the keys of an object, or of objects in lists."""

    touches: TouchKind | TouchFile | None = None
    keys: dict[str, ReadFile] = {}


class KeyFile(msgspec.Struct, forbid_unknown_fields=True):
    """One key; `shape` stands for all the rest."""

    type: KeyType | None = None
    go: GoInteger = "int"
    minimum: int | None = None
    maximum: int | None = None
    values: list[str | int] = []
    any_case: bool = False
    format: Format | None = None
    code: str = ""
    detail: str = ""
    refusal: str = ""
    items: KeyFile | None = None
    null_items: bool = True
    keys: dict[str, KeyFile] = {}
    required: bool = False
    required_refusal: str = ""
    remark: str = ""
    shape: str = ""
    touches: TouchKind | TouchFile | None = None


class ConstraintFile(msgspec.Struct, forbid_unknown_fields=True):
    """Keys that exclude or need each other."""

    code: str
    when: When
    detail: str
    at: str = ""
    fix: str = ""
    refusal: str = ""


class PredecessorFile(msgspec.Struct, forbid_unknown_fields=True):
    """A plugin that must come earlier."""

    types: list[str]
    code: str = "NAD402"
    refusal: str = ""
    when: When = {}


class PluginFile(msgspec.Struct, forbid_unknown_fields=True):
    """One plugin."""

    type: str
    kind: Kind
    source: str
    also: list[str] = []
    keys: dict[str, KeyFile] = {}
    also_reads: dict[str, ReadFile] = {}
    beside: dict[str, ReadFile] = {}
    constraints: list[ConstraintFile] = []
    predecessors: list[PredecessorFile] = []
    rules: list[str] = []
    chained_only: bool = False
    chained_refusal: str = ""
    ipam: IpamUse = "unused"
    ipam_refusal: str = ""
    device_keys: list[str] = []
    device_refusal: str = ""
    capabilities: list[str] = []
    idle_without: str = ""


Shapes = Mapping[str, KeyFile]


def plugin_schema(read: PluginFile, shapes: Shapes) -> PluginSchema:
    """Return the schema that a file describes; what it refers to exists (`references`)."""
    return PluginSchema(
        type=read.type,
        kind=read.kind,
        source=read.source,
        also=tuple(read.also),
        keys=read_keys(read.keys, shapes),
        constraints=tuple(_constraint(item) for item in read.constraints),
        predecessors=tuple(
            Predecessor(types=tuple(item.types), code=item.code, refusal=item.refusal, when=_conditions(item.when))
            for item in read.predecessors
        ),
        rules=tuple(read.rules),
        chained_only=read.chained_only,
        chained_refusal=read.chained_refusal,
        ipam=read.ipam,
        ipam_refusal=read.ipam_refusal,
        device_keys=tuple(read.device_keys),
        device_refusal=read.device_refusal,
        capabilities=frozenset(read.capabilities),
        idle_without=read.idle_without,
    )


def read_keys(read: Mapping[str, KeyFile], shapes: Shapes) -> Mapping[str, Key]:
    """Return keys as values; the shapes that they refer to exist."""
    return {name: _key(key, shapes) for name, key in read.items()}


def _key(read: KeyFile, shapes: Shapes) -> Key:
    if read.shape:
        return _key(shapes[read.shape], shapes)
    return Key(
        type=read.type or "any",  # NB: `references` refuses a key of which nothing is said
        go=read.go,
        minimum=read.minimum,
        maximum=read.maximum,
        values=tuple(read.values),
        any_case=read.any_case,
        format=read.format,
        code=read.code,
        detail=read.detail,
        refusal=read.refusal,
        items=_key(read.items, shapes) if read.items else None,
        null_items=read.null_items,
        keys=read_keys(read.keys, shapes),
        required=read.required,
        required_refusal=read.required_refusal,
        remark=read.remark,
    )


def _constraint(read: ConstraintFile) -> Constraint:
    when = _conditions(read.when)
    return Constraint(code=read.code, when=when, at=read.at, detail=read.detail, fix=read.fix, refusal=read.refusal)


def _conditions(when: When) -> tuple[Condition, ...]:
    return tuple(_condition(key, value) for key, value in when.items())


def _condition(key: str, value: State | list[Value] | Negation) -> Condition:
    if isinstance(value, str):
        return Condition(key=key, state=value)
    if isinstance(value, Negation):
        return Condition(key=key, values=tuple(value.values), negated=True)
    return Condition(key=key, values=tuple(value))
