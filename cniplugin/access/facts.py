"""What a network's configuration uses of the node, as far as rules ask: all plugins of a chain, nested ones included.

| fact | from |
| --- | --- |
| plugin types | `type` of each plugin and of nested delegates |
| IPAM types | `ipam.type` |
| masters | `master`; `bridge` of a bridge (cni0 if unset); MASTER_KEYS of others |
| VLANs | `vlan`, `vlanId`, `vlanTrunk`, `trunk` |

An interface plugin without `master` uses the node's default interface, here "": no pattern but "*" lists it, and a
VLAN that is no number is NO_NUMBER, which no range has.
"""

from __future__ import annotations

from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from cniplugin.netspec.cniconfig import NetworkConfigList
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

    Conf = Mapping[str, Any]

DEFAULT_INTERFACE = ""
"""Stands for the interface of the node's default route."""

NO_NUMBER = (-1, 1 << 31)
"""Stands for a VLAN that cannot be told: it is in no range of an Allow, and meets every range of a Deny."""

DEFAULT_MASTERS = {
    "macvlan": DEFAULT_INTERFACE,
    "ipvlan": DEFAULT_INTERFACE,
    "macvtap": DEFAULT_INTERFACE,
    "ipvtap": DEFAULT_INTERFACE,
    "bridge": "cni0",
}
"""What a plugin takes that names no interface (documentation of each plugin)."""

MASTER_KEYS = {"bridge": ("bridge",), "host-device": ("device", "pciBusID", "hwaddr", "kernelpath")}
"""Where a plugin names the node's interface, if not under `master`."""

VLAN_KEYS = ("vlan", "vlanId")
TRUNK_KEYS = ("vlanTrunk", "trunk")


INTERFACE, DEVICE, NETWORK, VLAN, PKEY = "interface", "device", "network", "vlan", "pkey"
CONTAINER_INTERFACE = "container-interface"
HOST_PATH, SYSCTL, NETFILTER = "host-path", "sysctl", "netfilter"
PROGRAM, ADDRESS, MAC, POOL, RUNTIME = "program", "address", "mac", "pool", "runtime"

KINDS = {
    INTERFACE: "an interface of the node by name; DEFAULT_INTERFACE is that of the default route",
    DEVICE: "a device of the node by PCI address, hardware address or kernel path",
    CONTAINER_INTERFACE: "an interface that the pod has already",
    NETWORK: "a physical network by the name that the node's network provider gives it",
    VLAN: 'a VLAN or a range of them, "7" or "10-20"; "" if it cannot be read',
    PKEY: "an InfiniBand partition key",
    HOST_PATH: "a file, directory or socket of the node",
    SYSCTL: "a kernel parameter by name",
    NETFILTER: "a chain, a zone or a match of the node's packet filter",
    PROGRAM: "a program that the node runs: the type of a plugin, of its IPAM or of a nested delegate",
    ADDRESS: "addresses that it hands out, an address or a range",
    MAC: "a hardware address that it sets",
    POOL: "a name under which networks share addresses or state",
    RUNTIME: "a key that only the runtime may write: runtimeConfig, prevResult, cni.dev/...",
}
"""What a key of a plugin can touch."""


class Touch(Record):
    """One thing that a definition touches.

    `kind`: one of KINDS; `value`: the text of it; `path`: the key below `spec.config` as messages write it
    (`plugins[0].vlanTrunk[0].minid`); `plugin`: the type of the plugin that reads the key.
    """

    kind: str
    value: str
    path: str
    plugin: str


class Facts(Record):
    """See the module; VLANs are ranges (first, last). `is_on_disk`: the node reads a file instead.

    `touches`: everything that the definition touches, in input order. `unknown_types`: the programs whose keys are
    not known.
    """

    plugin_types: tuple[str, ...] = ()
    ipam_types: tuple[str, ...] = ()
    masters: tuple[str, ...] = ()
    vlans: tuple[tuple[int, int], ...] = ()
    is_on_disk: bool = False
    touches: tuple[Touch, ...] = ()
    unknown_types: tuple[str, ...] = ()


def facts_of(network: NetworkAttachmentDefinition) -> Facts | None:
    """Return the facts of a definition, None if it cannot be read."""
    if network.config is None:
        return Facts(is_on_disk=True) if network.is_on_disk else None
    return _facts(network.config)


def _facts(config: NetworkConfigList) -> Facts:
    plugins = [found for plugin in config.plugins for found in _with_nested(plugin.conf)]
    return Facts(
        plugin_types=_unique(conf.get("type") for conf in plugins),
        ipam_types=_unique((conf.get("ipam") or {}).get("type") for conf in plugins),
        masters=tuple(dict.fromkeys(master for conf in plugins for master in _masters(conf))),
        vlans=tuple(dict.fromkeys(vlan for conf in plugins for vlan in _vlans(conf))),
    )


def _with_nested(conf: Conf) -> Iterator[Conf]:
    yield conf
    nested = conf.get("delegate")
    for delegate in (*([nested] if nested else []), *(conf.get("delegates") or ())):
        yield from _with_nested(delegate)
        for plugin in delegate.get("plugins", ()):
            yield from _with_nested(plugin)


def _unique(texts: Iterator[object]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if isinstance(text, str) and text))


def _masters(conf: Conf) -> Iterator[str]:
    kind = conf.get("type")
    keys = MASTER_KEYS.get(kind, ("master",)) if isinstance(kind, str) else ("master",)
    found = [str(conf[key]) for key in keys if conf.get(key) not in (None, "")]
    if not found and kind in DEFAULT_MASTERS:
        found = [DEFAULT_MASTERS[kind]]
    yield from found
    if "master" not in keys and conf.get("master"):  # another reader of the configuration may go by it
        yield str(conf["master"])


def _vlans(conf: Conf) -> Iterator[tuple[int, int]]:
    for key in VLAN_KEYS:
        if conf.get(key) is not None:
            number = _number(conf[key])
            if number != 0:  # untagged
                yield NO_NUMBER if number is None else (number, number)
    for key in TRUNK_KEYS:
        trunk = conf.get(key)
        if trunk is not None:
            yield from (_trunk(part) for part in trunk) if isinstance(trunk, list) else (NO_NUMBER,)


def _trunk(part: object) -> tuple[int, int]:
    """Read `{"id": 5}` or `{"minID": 10, "maxID": 20}` (bridge, ovs); of both together, what covers all."""
    if not isinstance(part, dict):
        return NO_NUMBER
    numbers = [_number(part[key]) for key in ("id", "minID", "maxID") if part.get(key) is not None]
    known = [number for number in numbers if number is not None]
    return (min(known), max(known)) if known and len(known) == len(numbers) else NO_NUMBER


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
