"""The knowledge of one CNI plugin, as frozen values. Files and admins write it with the same fields (docs/plugins.md).

    {"type": "vlan", "kind": "main", "source": "...", "ipam": "required",
     "keys": {"master": {"type": "string", "required": true, "required_refusal": "text of the plugin"},
              "vlanId": {"type": "integer", "minimum": 0, "maximum": 4094, "refusal": "invalid VLAN ID {value} (...)"}},
     "constraints": [{"code": "NAD505", "when": {"vlanId": "unset"}, "detail": "..."}]}

Texts of the plugin itself are called `refusal`; `{value}` in them is replaced by the offending value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cniplugin.netspec.attachers import MULTUS
from cniplugin.netspec.plan import known_reads

KeyType = Literal["string", "integer", "boolean", "array", "object", "map", "any", ""]
"""The types of a key. `map`: the author chooses the keys, and all values have one type. `any`: not checked.
"": see `Key.shape`."""
Kind = Literal["main", "meta", "ipam"]
"""`main` makes an interface, `meta` changes an existing one, `ipam` hands out addresses inside `ipam`."""
Format = Literal["mac", "ip", "cidr", "destination", "ifname", "link", "decimal"]
"""Forms of a text, as Go's net.ParseMAC, net.ParseIP, net.ParseCIDR, the kernel and strconv.Atoi read them.

`destination`: of a route. `ifname`: of an interface that is made; `link`: of one that is looked up.
"""
MakesInterface = Literal["always", "differs", "never"]
"""`differs`: by its device, as one that DPDK drives has no interface in the pod; or nobody has looked."""
IpamUse = Literal["required", "first", "optional", "own", "unused"]
"""`first`: only the first plugin of a list needs IPAM, because later ones may find addresses in the earlier result.
`own`: optional, and it fills in the configuration of other IPAM plugins itself, so only its own is checked."""
State = Literal["set", "unset", "present", "absent"]
"""Of a key. Unset: absent, or Go's zero value: "", 0, false, []. Null is absent."""
Values = tuple[str | int | bool, ...]
Conditions = Mapping[str, State | Values | Mapping[Literal["not"], Values]]
"""Conditions by key, such as `vlan` or `ipam.type`; all must hold. Each is a state, or values of which the key has one,
or `{"not": values}`: the key is present and has none of them."""
TouchKind = Literal[
    "interface", "device", "network", "vlan", "trunk", "pkey", "host-path", "endpoint", "sysctl", "netfilter",
    "address", "address-net", "address-first", "address-last", "node-address", "gateway", "mac", "pool",
]  # fmt: skip
"""Kinds of `cniplugin.access.content.facts`, and parts of one. Numbers below `trunk` are one range together, as are
`address-net`, `address-first` and `address-last` of one object. `gateway` gives the node an address of IPAM's subnet,
and `node-address` is that address."""
GoInteger = Literal["int", "int32", "uint", "uint32"]

GO_INTEGERS: Mapping[GoInteger, tuple[int, int]] = {
    "int": (-(2**63), 2**63 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint": (0, 2**64 - 1),
    "uint32": (0, 2**32 - 1),
}
"""The numbers that encoding/json puts into each of Go's types, on nodes of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """The effect of a key on the node or on other networks. Access rules judge by it.

    `default`: what the plugin takes when the key is unset (`{name}`: the network's); with `default_when`, only if those
    keys have these values. `separator`: between the parts of one text. `in_container`: a key beside this one; where it
    is true, the interfaces below this one are the container's.
    """

    kind: TouchKind | None = None
    default: str | None = None
    default_when: Mapping[str, str] = field(default_factory=dict)
    separator: str = ""
    in_container: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKey:
    """A key that the plugin reads and no check looks at. `keys`: of an object, or of the objects of a list."""

    touches: TouchKind | Touch | None = None
    keys: Mapping[str, ReadKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The allowed values of one key.

    `go`: the Go type of an integer. `minimum`, `maximum`: of an integer, or of the number of items. `values`: the
    closed list of values, with `any_case` in any letter case; "" is always the same as absent. `code`, `detail`: of
    what breaks minimum, maximum, values or format; "" for the usual ones. `refusal`: the plugin's error then. `items`:
    of an array, or a map's values; with `null_items` false, null among them stops the plugin. `keys`: of an object.
    `required`: whether the plugin fails without it, with `required_refusal`. `remark`: a warning whenever the key is
    there. `meaning`: what the key does, in a few words, and `default`: the value that counts when it is unset, both for
    `nadmit explain --type`. `shape`: the name of a key that several plugins share; it replaces all other fields but
    `touches` and a `meaning` of its own.
    """

    type: KeyType = ""
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
    shape: str = ""
    meaning: str = ""
    default: str | int | bool | None = None
    touches: TouchKind | Touch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A mistake when all conditions hold: keys that exclude or need each other.

    `at`: the key to point at; "" for the plugin. `detail`: what is wrong. `refusal`: the plugin's error, if it has one.
    """

    code: str
    when: Conditions
    detail: str
    at: str = ""
    fix: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor:
    """A plugin that must come earlier in the list: one of `types`, when all conditions hold.

    `code`: NAD402 if the plugin fails without it, a warning if it starts.
    """

    types: tuple[str, ...]
    code: str = "NAD402"
    refusal: str = ""
    when: Conditions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSchema:
    """One CNI plugin.

    `type`: as configurations name it; `also`: other names of the same program. `source`: where the facts were read:
    repository, commit, files. `also_reads`: keys that no check looks at. `beside`: keys that an IPAM program reads
    outside `ipam`. `chained_only`: whether a plugin must come before it; if none does, it fails with `chained_refusal`.
    `ipam_refusal`: its error when IPAM is required and absent. `device_keys`: one of them must name its device, unless
    a resource name lets Multus fill it in; otherwise it fails with `device_refusal`. `capabilities`: the keys of
    `runtimeConfig` that it reads; `idle_without`: a capability without which it does nothing. `rules`: names in
    `rules.registry`.

    `about`: what it does, in one line. `cni_versions`: those that it speaks, () if that is not known. `cni_args`: the
    variables of CNI_ARGS that it reads, IP and MAC. `reads_pod`: keys of the selection that it, or its controller,
    takes from the pod's annotation itself, such as ips; no capability is needed for them. `counted`: its resource name
    is a node resource that only counts, so no device comes with it. `interface`: whether a main plugin makes the
    interface with the name that the runtime gives, so that no other one in the list can. `opaque`: it does more than
    its keys say, because it asks a daemon, or hands a changed configuration on. Its own keys are checked, and nothing
    is claimed about its IPAM, its capabilities or the interface that it makes; access rules treat it as a plugin that
    nadmit does not know.

    `agree_on`: the keys in which all definitions with one `name` must agree, each with the value of an absent key; {}
    for a plugin whose `name` is the definition's alone. `once_with`: the values of keys that one definition of a
    namespace may have. `as_ipam`: the same program as IPAM of another plugin.
    """

    type: str
    kind: Kind
    source: str
    also: tuple[str, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)
    also_reads: Mapping[str, ReadKey] = field(default_factory=dict)
    beside: Mapping[str, ReadKey] = field(default_factory=dict)
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
    about: str = ""
    cni_versions: tuple[str, ...] = ()
    cni_args: frozenset[Literal["IP", "MAC"]] = frozenset()
    reads_pod: frozenset[str] = frozenset()
    counted: bool = False
    interface: MakesInterface = "differs"
    opaque: bool = False
    agree_on: Mapping[str, str | int | bool] = field(default_factory=dict)
    once_with: Mapping[str, str] = field(default_factory=dict)
    as_ipam: PluginSchema | None = None

    def checks_ipam(self, ipam_type: str | None) -> bool:
        """Say whether `ipam` of this type has what the IPAM plugin needs, so that it can be checked."""
        return self.ipam != "unused" and (self.ipam != "own" or ipam_type == self.type)


UNKNOWN_TYPES = ("Warn", "Refuse", "Off")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PluginChecks:
    """The settings of the checks. Each value is equal to itself alone, so that it can be the key of cached findings.

    `schemas`: by type, other names included. `unknown_types`: one of UNKNOWN_TYPES, for plugin types without a schema.
    `exempt`: plugin types that are not checked at all. `values_max`: values of one configuration that are checked,
    which takes 10 microseconds each; the largest configurations that people write have some hundreds. `attached_by`:
    one of `netspec.attachers.ATTACHERS`. `prepared`: what is compiled of a schema at its first use, by the id of the
    schema, which is kept alive here.
    """

    schemas: Mapping[str, PluginSchema]
    unknown_types: str = "Warn"
    exempt: frozenset[str] = frozenset()
    values_max: int = 1_500
    attached_by: str = MULTUS
    prepared: dict[tuple[str, int], Any] = field(default_factory=dict, init=False, repr=False)

    def schema_of(self, name: str | None) -> PluginSchema | None:
        """Return the schema that says all that a plugin type does, if there is one."""
        schema = self._checked(name)
        return schema if schema is not None and not schema.opaque else None

    def reads(self, name: str) -> Sequence[str] | None:
        """Return what a plugin reads of a pod besides capabilities (`netspec.plan.Reads`); None if it is not known."""
        schema = self.schemas.get(name)
        if schema is not None and schema.opaque:
            return None
        return known_reads(name) if schema is None else (*schema.cni_args, *schema.reads_pod)

    def ipam_of(self, schema: PluginSchema, ipam_type: str | None) -> PluginSchema | None:
        """Return the schema of the IPAM plugin that a plugin runs with `ipam` as it is written, if there is one."""
        known = self._checked(ipam_type) if schema.checks_ipam(ipam_type) and not schema.opaque else None
        ipam = known.as_ipam or known if known is not None else None
        return ipam if ipam is not None and ipam.kind == "ipam" else None

    def _checked(self, name: str | None) -> PluginSchema | None:
        return self.schemas.get(name) if name is not None and name not in self.exempt else None
