"""Facts: the things that a configuration touches, by all plugins of a chain, their IPAM and nested delegates.

One table, `plugintable`, says what the key of a plugin touches. Keys are read as Go's encoding/json reads them: in any
letter case, where U+017F (long s) is an s and U+212A (Kelvin) a k, through lists, at every depth; null is absent. Where
Go lets one of two spellings win, both count, because other readers differ. The top level beside `plugins` is not read:
no plugin gets it.

| fact | from |
| --- | --- |
| plugin types | `type` of each plugin, of nested delegates, and of an IPAM that is not known to be an IPAM program |
| IPAM types | `ipam.type` |
| masters | interfaces, devices and physical networks of the node |
| VLANs | `vlan` and its like, trunks as the range that covers each entry |

An interface plugin without `master` uses the node's default interface, here "": only the pattern "*" lists it. A VLAN,
address or path that cannot be read is "" as well: no Allow lists it, and every Deny does.
"""

from __future__ import annotations

from cniplugin.netspec import names
from cniplugin.netspec.jsontext import join
from cniplugin.netspec.names import trim
from cniplugin.netspec.record import Record, remember

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from cniplugin.netspec.cniconfig import NetworkConfigList
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

    Keys = Mapping[str, Sequence[tuple[str, Any]]]
    """The keys of an object as Go compares them, each with its spellings and their values."""
    Table = Mapping[str, Any]
    """The known keys of an object; grammar: `webhook/plugindata/touches.py`."""
    Range = tuple[int, int]
    AddressRange = tuple[int, int, int]

INTERFACE, DEVICE, NETWORK, VLAN, PKEY = "interface", "device", "network", "vlan", "pkey"
CONTAINER_INTERFACE = "container-interface"
HOST_PATH, ENDPOINT, SYSCTL, NETFILTER = "host-path", "endpoint", "sysctl", "netfilter"
PROGRAM, ADDRESS, MAC, POOL, RUNTIME = "program", "address", "mac", "pool", "runtime"

KINDS = {
    INTERFACE: 'an interface of the node by name; "" is that of the default route',
    DEVICE: "a device of the node by PCI address, hardware address or kernel path",
    CONTAINER_INTERFACE: "an interface that the pod has already",
    NETWORK: "a physical network by the name that the node's network provider gives it",
    VLAN: 'a VLAN or a range of them, "7" or "10-20"; "" if it cannot be read',
    PKEY: "an InfiniBand partition key, as 0x and four digits in lower case",
    HOST_PATH: 'a file, directory or socket of the node; "" for a path with ".." in it',
    ENDPOINT: "a server that the program connects to",
    SYSCTL: "a kernel parameter by name, with dots",
    NETFILTER: "a chain, a zone or a match of the node's packet filter",
    PROGRAM: "a program that the node runs: the type of a plugin, of its IPAM or of a nested delegate",
    ADDRESS: 'addresses that it hands out: "10.1.0.5", "10.1.0.0/24" or "10.1.0.5-10.1.0.9"; "" if they cannot be read',
    MAC: "a hardware address that it sets",
    POOL: "a name under which networks share addresses or state",
    RUNTIME: "a key that only the runtime may fill in: runtimeConfig, prevResult",
}
"""The kinds of touches."""

DEFAULT_INTERFACE = ""
"""The interface of the node's default route."""

NO_NUMBER = (-1, 1 << 31)
"""A VLAN that cannot be read: it is in no range of an Allow, and meets every range of a Deny."""

NO_ADDRESS = (0, 0, 0)
"""Addresses that cannot be read, as NO_NUMBER is for a VLAN."""

RUNTIME_KEYS = ("runtimeConfig", "prevResult")


class Touch(Record):
    """One thing that a definition touches.

    `kind`: one of KINDS; `value`: its text; `path`: the key below `spec.config` as messages write it
    (`plugins[0].vlanTrunk[0].minid`); `place`: the path of the plugin object with that key (`plugins[0]`); `key`: the
    last key of the path, as written; `plugin`: the type of the plugin that reads the key.
    """

    kind: str
    value: str
    path: str
    place: str
    key: str
    plugin: str


class Facts(Record):
    """The facts of the module's table. `is_on_disk`: the node reads a file instead.

    VLANs are ranges (first, last), addresses (32 or 128, first, last). `touches`: everything that the definition
    touches. `unknown_types`: the programs whose keys nadmit does not know, or whose keys do not say all that they touch
    (OPAQUE); `unknown_ipam_types`: those that only `ipam.type` names.
    """

    plugin_types: tuple[str, ...] = ()
    ipam_types: tuple[str, ...] = ()
    masters: tuple[str, ...] = ()
    vlans: tuple[Range, ...] = ()
    is_on_disk: bool = False
    touches: tuple[Touch, ...] = ()
    unknown_types: tuple[str, ...] = ()
    unknown_ipam_types: tuple[str, ...] = ()
    addresses: tuple[AddressRange, ...] = ()
    macs: tuple[str, ...] = ()
    host_paths: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    pkeys: tuple[str, ...] = ()


def facts_of(network: NetworkAttachmentDefinition) -> Facts | None:
    """Return the facts of a definition, None if it cannot be read. They are computed once per configuration."""
    if network.config is None:
        return Facts(is_on_disk=True) if network.is_on_disk else None
    return remember(network.config, "facts", _facts)


def show_addresses(addresses: AddressRange) -> str:
    """Return addresses that could be read as text: one of them, or the first and the last."""
    bits, first, last = addresses
    return _text_of(bits, first) if first == last else f"{_text_of(bits, first)}-{_text_of(bits, last)}"


def fold(key: str) -> str:
    """Return the form that all spellings share which Go's encoding/json takes for one ASCII key.

    NB: `str.casefold` would also take "ß" for "ss", and Go does not.
    """
    return key.lower() if key.isascii() else key.lower().replace("\u017f", "s")


def fold_keys(conf: Mapping[str, Any]) -> Keys:
    """Return the keys of an object as Go compares them, each with its spellings and their values; null is absent."""
    keys: dict[str, list[tuple[str, Any]]] = {}
    for written, value in conf.items():
        if value is not None:
            keys.setdefault(fold(written), []).append((written, value))
    return keys


def nested(config: NetworkConfigList) -> Iterator[tuple[str, Keys]]:
    """Yield the keys of each plugin and of each delegate inside it, with its path below `spec.config`."""
    for index, plugin in enumerate(config.plugins):
        yield from _with_nested(plugin.conf, f"plugins[{index}]" if config.is_list else "")


def _with_nested(conf: Mapping[str, Any], path: str) -> Iterator[tuple[str, Keys]]:
    keys = fold_keys(conf)
    yield path, keys
    for where, delegate in (*_objects(keys, "delegate", path), *_objects(keys, "delegates", path)):
        yield from _with_nested(delegate, where)
        for inner, plugin in _objects(fold_keys(delegate), "plugins", where):
            yield from _with_nested(plugin, inner)


def _objects(keys: Keys, key: str, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects under a key, one or a list of them, with their paths."""
    for written, value in keys.get(key, ()):
        where = join(path, written)
        if isinstance(value, dict):
            yield where, value
        elif isinstance(value, list):
            yield from ((f"{where}[{index}]", item) for index, item in enumerate(value) if isinstance(item, dict))


def is_written(key: str, value: object) -> bool:
    """Say whether a key of RUNTIME_KEYS states anything: `{}` and empty members state nothing.

    A value of another type than an object stops the plugin.
    """
    if not isinstance(value, dict):
        return bool(value)
    return any(
        bool(member) and not (key == "prevResult" and fold(name) == "cniversion") for name, member in value.items()
    )


def _facts(config: NetworkConfigList) -> Facts:
    from .plugintable import OPAQUE, PLUGINS  # noqa: PLC0415  # most rules ask for no content

    collector = _Collector(PLUGINS, OPAQUE, config.name)
    for path, keys in nested(config):
        collector.add_plugin(keys, path)
    return collector.facts()


_ANY: Mapping[str, Any] = {
    "master": INTERFACE,
    "vlan": VLAN,
    "vlanid": VLAN,
    **dict.fromkeys(
        ("vlantrunk", "trunk"), ("trunk", dict.fromkeys(("id", "minid", "maxid"), VLAN), None, None, "", "")
    ),
}
"""Keys that count in every plugin: programs share a configuration, and the next one may read them."""

_UNKNOWN: Mapping[str, Any] = {
    **_ANY,
    **dict.fromkeys(("bridge", "device"), INTERFACE),
    **dict.fromkeys(("deviceid", "pcibusid", "hwaddr", "kernelpath"), DEVICE),
    "links": {"name": INTERFACE},
    "physicalnetworkname": NETWORK,
}
"""Keys that count in a plugin that nadmit does not know: where plugins commonly name their parent interface."""

_NAME = "{name}"
"""A default value of the table: the network's name."""

IPAM, BOTH = "ipam", "both"
"""Kinds of plugins in the table; BOTH: the program makes interfaces, and is an IPAM program as well."""

_ENDS = ("address-net", "address-first", "address-last")
_NODE_ADDRESS = "node-address"
"""The gateway that IPAM names: the node itself has the address if the plugin assigns it (ptp, isGateway)."""

_ROUTED = "ptp"
"""A plugin that always gives the node the gateway's address."""


_ATTACHING = frozenset((INTERFACE, DEVICE, NETWORK, VLAN, PKEY, "trunk"))


def attaching_keys() -> tuple[str, ...]:
    """Return the keys by which plugins choose the part of the node that they attach to, each as plugins spell it."""
    from .plugintable import PLUGINS, SPELLINGS  # noqa: PLC0415  # as above

    plugins = (_UNKNOWN, *(known[2] for known in PLUGINS.values() if known[0] != IPAM))
    folded = _unique(key for keys in plugins for key, entry in keys.items() if key != "args" and _attaches(entry))
    return tuple(spelling for key in folded for spelling in SPELLINGS.get(key, (key,)))


def _attaches(entry: Any) -> bool:
    kind, keys, *_ = entry if isinstance(entry, tuple) else _short(entry)
    return kind in _ATTACHING or any(map(_attaches, (keys or {}).values()))


def attaching_types() -> tuple[str, ...]:
    """Return the plugin types whose keys say what they attach to on the node, sorted."""
    from .plugintable import OPAQUE, PLUGINS  # noqa: PLC0415  # as above

    kinds = sorted(PLUGINS.keys() - OPAQUE)
    return tuple(kind for kind in kinds if any(map(_attaches, PLUGINS[kind][2].values())))


class _Collector:
    """Collects the facts of one configuration."""

    def __init__(self, plugins: Table, opaque: frozenset[str], name: str) -> None:
        self._plugins = plugins
        self._opaque = opaque
        self._tables: dict[str, Table] = {}
        self._name = name
        self._plugin = ""
        self._place = ""
        self._in_container = False
        self._has_gateway = False
        self._is_routed = False
        self._touches: list[Touch] = []
        self._vlans: list[Range] = []
        self._addresses: list[AddressRange] = []
        self._types: dict[str, None] = {}
        self._ipam_types: dict[str, None] = {}
        self._unknown: dict[str, None] = {}
        self._unknown_ipam: dict[str, None] = {}

    def facts(self) -> Facts:
        """Return the facts, each value once."""
        return Facts(
            plugin_types=_unique((*self._types, *self._unknown_ipam)),
            ipam_types=tuple(self._ipam_types),
            masters=self._values(INTERFACE, DEVICE, NETWORK),
            vlans=tuple(dict.fromkeys(self._vlans)),
            touches=tuple(self._touches),
            unknown_types=_unique((*self._unknown, *self._unknown_ipam)),
            unknown_ipam_types=tuple(kind for kind in self._unknown_ipam if kind not in self._types),
            addresses=tuple(dict.fromkeys(self._addresses)),
            macs=self._values(MAC),
            host_paths=self._values(HOST_PATH),
            sysctls=self._values(SYSCTL),
            pools=self._values(POOL),
            pkeys=self._values(PKEY),
        )

    def _values(self, *kinds: str) -> tuple[str, ...]:
        return _unique(touch.value for touch in self._touches if touch.kind in kinds)

    # Programs

    def add_plugin(self, conf: Keys, path: str) -> None:
        """Add a plugin, or a delegate that is a list and has no type."""
        self._place = path
        for key in RUNTIME_KEYS:
            for written, value in conf.get(fold(key), ()):
                if is_written(key, value):
                    self._add(RUNTIME, key, join(path, written), written)
        kinds = _texts(conf, "type")
        for written, kind in kinds:
            self._types[kind] = None
            self._plugin = kind
            self._add(PROGRAM, kind, join(path, written), written)
            self._read(conf, self._table_of(kind), path)
            if self._is_unknown(kind):
                self._unknown[kind] = None
        if not kinds and "plugins" not in conf:
            self._read(conf, _UNKNOWN, path)
        for written, ipam in conf.get("ipam", ()):
            if isinstance(ipam, dict):
                self._add_ipam(conf, path, fold_keys(ipam), join(path, written), kinds=[kind for _, kind in kinds])

    def _table_of(self, kind: str) -> Table:
        """Return the table of a plugin's keys, with those that count in every plugin."""
        table = self._tables.get(kind)
        if table is None:
            known = self._plugins.get(kind)
            own = known[2] if known is not None and known[0] != IPAM else {}
            table = self._tables[kind] = {**(_UNKNOWN if self._is_unknown(kind) else _ANY), **own}
        return table

    def _is_unknown(self, kind: str) -> bool:
        """Say whether nadmit does not know all that a program touches."""
        return kind in self._opaque or kind not in self._plugins

    def _add_ipam(self, conf: Keys, path: str, ipam: Keys, ipam_path: str, *, kinds: list[str]) -> None:
        """Add the IPAM program of a plugin, and a plugin that is an IPAM program itself, which reads `ipam` as well."""
        plugins = [self._plugins.get(kind) for kind in kinds]
        self._has_gateway = any(known is not None and _has_gateway(conf, known[2]) for known in plugins)
        self._is_routed = self._has_gateway or _ROUTED in kinds
        is_run = not plugins or any(known is None or known[1] for known in plugins)
        for written, kind in _texts(ipam, "type"):
            self._ipam_types[kind] = None
            self._plugin = kind
            self._add(PROGRAM, kind, join(ipam_path, written), written)
            known = self._plugins.get(kind)
            if self._is_unknown(kind):
                self._unknown_ipam[kind] = None
            if known is None:
                continue
            if is_run and known[0] in (IPAM, BOTH):
                self._add_ipam_keys(conf, path, ipam, ipam_path, known)
            elif is_run:
                self._types[kind] = None
                self._read(conf, known[2], path)
        for kind, known in zip(kinds, plugins, strict=True):
            if known is not None and known[0] == IPAM:
                self._plugin = kind
                self._add_ipam_keys(conf, path, ipam, ipam_path, known)

    def _add_ipam_keys(self, conf: Keys, path: str, ipam: Keys, ipam_path: str, known: tuple[Any, ...]) -> None:
        self._read(ipam, known[2], ipam_path)
        self._read(conf, known[3], path)

    # Keys

    def _read(self, conf: Keys, table: Table, path: str) -> None:
        """Read an object of a plugin by the table of its keys."""
        ends: list[Touch] = []
        for key, spellings in conf.items():
            entry = table.get(key)
            if entry is not None and not _is_name(key, entry):
                for written, value in spellings:
                    self._value(value, entry, join(path, written), written, conf, ends)
        for key, entry in table.items():
            if isinstance(entry, tuple) and entry[2] is not None:
                is_name = _is_name(key, entry)
                if is_name or all(value == "" for _, value in conf.get(key, ())):
                    spelling = _spelling(key)
                    self._add_default(conf, entry, key if is_name else join(path, spelling), spelling)
        if ends:
            self._add_ends(ends)

    def _add_default(self, conf: Keys, entry: tuple[Any, ...], path: str, key: str) -> None:
        conditions = entry[3] or {}
        if all(any(value == expected for _, value in conf.get(name, ())) for name, expected in conditions.items()):
            self._add(entry[0], self._name if entry[2] == _NAME else entry[2], path, key)

    def _value(self, value: object, entry: Any, path: str, key: str, conf: Keys, ends: list[Touch]) -> None:
        kind, table, _, _, separator, flag = entry if isinstance(entry, tuple) else _short(entry)
        if isinstance(value, list):
            for index, item in enumerate(value):
                self._value(item, entry, f"{path}[{index}]", key, conf, ends)
        elif kind == "trunk":
            self._add_trunk(value, table, path, key)
        elif isinstance(value, dict) and table:
            before = self._in_container
            self._in_container = before or (bool(flag) and _is_flag_set(conf, flag))
            self._read(fold_keys(value), table, path)
            self._in_container = before
        elif isinstance(value, dict):
            for name in value:
                self._leaf(kind, name, join(path, name), name, ends)
        elif kind is not None and value is not None:
            parts = dict.fromkeys(map(trim, str(value).split(separator))) if separator else (value,)
            for part in parts:
                self._leaf(kind, part, path, key, ends)

    def _leaf(self, kind: str, value: object, path: str, key: str, ends: list[Touch]) -> None:
        text = str(value)
        if kind == VLAN:
            number = _number(value)
            if number != 0:  # untagged
                self._add_vlan(NO_NUMBER if number is None else (number, number), path, key)
        elif kind in _ENDS:
            ends.append(self._touch(kind, text, path, key))
        elif kind == ADDRESS:
            self._add_addresses(read_addresses(text if self._has_gateway else text.partition("/")[0]), text, path, key)
        elif kind == _NODE_ADDRESS:
            if self._is_routed:
                self._add_addresses(read_addresses(text), text, path, key)
        elif kind == INTERFACE and self._in_container:
            self._add(CONTAINER_INTERFACE, text, path, key)
        elif kind != "gateway" and value != "":
            self._add(kind, _TEXTS[kind](text) if kind in _TEXTS else text, path, key)

    def _touch(self, kind: str, value: str, path: str, key: str) -> Touch:
        return Touch(kind=kind, value=value, path=path, place=self._place, key=key, plugin=self._plugin)

    def _add(self, kind: str, value: str, path: str, key: str) -> None:
        self._touches.append(self._touch(kind, value, path, key))

    def _add_vlan(self, vlan: Range, path: str, key: str) -> None:
        self._vlans.append(vlan)
        low, high = vlan
        text = "" if vlan == NO_NUMBER else str(low) if low == high else f"{low}-{high}"
        self._add(VLAN, text, path, key)

    def _add_trunk(self, part: object, table: Table, path: str, key: str) -> None:
        """Read `{"id": 5}` or `{"minID": 10, "maxID": 20}` (bridge, ovs), or both as the range that covers all."""
        written = part.items() if isinstance(part, dict) else ()
        ends = {name: _number(value) for name, value in written if fold(name) in table and value is not None}
        known = [number for number in ends.values() if number is not None]
        if len(ends) == 1:
            (key,) = ends
            path = join(path, key)
        self._add_vlan((min(known), max(known)) if known and len(known) == len(ends) else NO_NUMBER, path, key)

    # Addresses

    def _add_ends(self, ends: list[Touch]) -> None:
        """Read one range: a network, and perhaps its first and last address.

        NB: a node with an address of the network routes the whole network, also the part that pods do not get.
        """
        by_kind = {end.kind: end for end in ends}
        network = by_kind.get(_ENDS[0])
        if len(ends) > 1 and len(by_kind) == len(ends) and network is not None and not self._has_gateway:
            whole, first, last = (read_addresses(by_kind.get(kind, network).value) for kind in _ENDS)
            if whole[0] == first[0] == last[0] != 0 and whole[1] <= first[1] <= last[2] <= whole[2]:
                part = (whole[0], first[1], last[2])
                self._add_addresses(part, show_addresses(part), network.path, network.key)
                return
        for end in ends:
            self._add_addresses(read_addresses(end.value), end.value, end.path, end.key)

    def _add_addresses(self, addresses: AddressRange, text: str, path: str, key: str) -> None:
        self._addresses.append(addresses)
        self._add(ADDRESS, text if addresses != NO_ADDRESS else "", path, key)


def _spelling(key: str) -> str:
    """Return how plugins spell a key that the table has in lower case."""
    from .plugintable import SPELLINGS  # noqa: PLC0415  # a table was read, so it is loaded

    return SPELLINGS.get(key, (key,))[0]


def _is_name(key: str, entry: Any) -> bool:
    """Say whether a key is the network's name, with which the runtime overwrites a plugin's own."""
    return key == "name" and isinstance(entry, tuple) and entry[2] == _NAME


def _short(entry: Any) -> tuple[Any, ...]:
    return (None, entry, None, None, "", "") if isinstance(entry, dict) else (entry, None, None, None, "", "")


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _texts(conf: Keys, key: str) -> list[tuple[str, str]]:
    return [(written, value) for written, value in conf.get(key, ()) if isinstance(value, str) and value]


def _is_flag_set(conf: Keys, flag: str) -> bool:
    """Say whether every spelling of a flag is true."""
    values = [value for _, value in conf.get(flag, ())]
    return bool(values) and all(value is True for value in values)


def _has_gateway(conf: Keys, table: Table) -> bool:
    """Say whether the node itself gets an address of the network."""
    return any(entry == "gateway" and any(value for _, value in conf.get(key, ())) for key, entry in table.items())


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def read_addresses(text: str) -> AddressRange:
    """Read an address, a network, `10.1.0.0/16/24` (OVN-Kubernetes) or `10.1.0.5-10.1.0.9/24` (whereabouts)."""
    first, dash, last = text.partition("-")
    if dash:
        low, high = read_addresses(first), read_addresses(last.partition("/")[0])
        is_right = low[0] == high[0] and low[1] == low[2] <= high[1] == high[2]
        return (low[0], low[1], high[2]) if is_right else NO_ADDRESS
    address, slash, length = text.partition("/")
    length = length.partition("/")[0]
    if not names.is_ip_or_prefix(f"{address}{slash}{length}"):
        return NO_ADDRESS
    bits, value = names.number_of(address)
    if not slash:
        return bits, value, value
    if bits != (128 if ":" in address else 32):
        return NO_ADDRESS  # IPv4-mapped: its length counts other bits
    size = 1 << bits - int(length)
    return bits, value & -size, value | size - 1


def _text_of(bits: int, value: int) -> str:
    if bits == 32:
        return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))
    return names.canonical_ip(":".join(f"{value >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)))


def _device(text: str) -> str:
    """Return the device that a text names: Go joins it to a directory of /sys, which cleans the path.

    A hardware address is returned in lower case with colons, because Go compares its bytes.
    """
    if names.is_mac(text) or names.is_guid(text):
        digits = [char for char in text.lower() if char not in ":-."]
        return ":".join(map("".join, zip(digits[::2], digits[1::2], strict=True)))
    return _clean(text)


def _path(text: str) -> str:
    """Return a path in its shortest form; "" for one with "..", because a link on the way may lead anywhere.

    A relative path starts at /, where runtimes start plugins. OVS also takes `unix:` and a path, and `tcp:`, `ssl:`.
    """
    path = text.removeprefix("unix:")
    if path.startswith(("tcp:", "ssl:")):
        return path
    return "" if ".." in path.split("/") else _clean(f"/{path}")


def _interface(text: str) -> str:
    """Return a name up to its first NUL, where it ends for the kernel."""
    return text.partition("\0")[0]


def _clean(path: str) -> str:
    """Return a path as Go's filepath.Clean does."""
    steps: list[str] = []
    for step in path.split("/"):
        if step == ".." and steps and steps[-1] != "..":
            steps.pop()
        elif step == ".." and path.startswith("/"):
            continue
        elif step not in ("", "."):
            steps.append(step)
    return ("/" if path.startswith("/") else "") + "/".join(steps)


def _sysctl(text: str) -> str:
    """Return the name with dots; to the plugin tuning, slashes and dots are the same (getSysctlFilename)."""
    return _clean(text.replace(".", "/")).strip("/").replace("/", ".")


def _pkey(text: str) -> str:
    digits = text.lower().removeprefix("0x")
    is_hex = bool(digits) and len(digits) <= 8 and all(char in "0123456789abcdef" for char in digits)
    return f"0x{int(digits, 16):04x}" if is_hex else text


_TEXTS = {INTERFACE: _interface, DEVICE: _device, HOST_PATH: _path, SYSCTL: _sysctl, PKEY: _pkey}
"""By kind: the function that turns a text into the form that rules compare."""
