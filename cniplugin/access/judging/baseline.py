"""Level Baseline permits effects that stay within the pod, and parts of the node that an admin granted or listed.

| what a definition touches | permitted |
| --- | --- |
| an interface, a bridge, a physical network | one of `definitions.baseline.masters`, unless the plugin moves it |
| a device of the node | none by name; the runtime names that of a resource (annotation resourceName) |
| a VLAN, an InfiniBand partition | any VLAN of a listed interface |
| a path of the node, its packet filter, a server that a program connects to | none |
| a sysctl | SAFE_SYSCTLS, and INTERFACE_SYSCTLS of an interface of the pod |
| a program | plugins that nadmit knows |
| a fixed address, a pool of addresses | see below |
| a key of the runtime | none |
| a file of the node in place of a configuration | none |

Addresses. A definition that fixes an address may take that of another workload, so a fixed address must be within
`definitions.baseline.addresses`. Once an admin lists such ranges, a pool (host-local, whereabouts) must be within them
as well. If the plugin routes the pool on the node (ptp; bridge as a gateway), it must be within them in any case,
because such a route takes the traffic of the real owner of the addresses. Networks that cannot be reached from outside
the pod (dummy, loopback, an overlay) may have any address, unless another plugin of the list makes the node act on it
(ACTING, `ipMasq`). If the node is the gateway, its address and the whole prefix count as fixed.

An Allow rule for definitions that accepts the definition decides what its fields name, in place of this level.
"""

from __future__ import annotations

from cniplugin.access.content.facts import (
    ADDRESS,
    DEFAULT_INTERFACE,
    DEVICE,
    ENDPOINT,
    HOST_PATH,
    INTERFACE,
    NETFILTER,
    NETWORK,
    NO_ADDRESS,
    PKEY,
    PROGRAM,
    RUNTIME,
    SYSCTL,
    VLAN,
    fold,
    read_addresses,
)
from cniplugin.access.model.contentfields import FIELDS
from cniplugin.netspec.errors import show
from cniplugin.netspec.jsontext import join
from cniplugin.netspec.record import Record, remember

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cniplugin.access.content.facts import AddressRange, Facts, Touch
    from cniplugin.access.model.levels import BaselineLists
    from cniplugin.access.model.policyrules import ConfigMatch
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

MASTERS, ADDRESSES = "definitions.baseline.masters", "definitions.baseline.addresses"

SAFE_SYSCTLS = frozenset(
    {
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
"""Kubernetes' safe sysctls of the network (kubernetes 1.36, pkg/kubelet/sysctl/safe_sysctls.go)."""

INTERFACE_SYSCTLS = {
    "net.ipv4.conf": frozenset(
        {
            "accept_redirects",
            "accept_source_route",
            "arp_accept",
            "arp_announce",
            "arp_filter",
            "arp_ignore",
            "arp_notify",
            "disable_policy",
            "rp_filter",
            "secure_redirects",
            "send_redirects",
        }
    ),
    "net.ipv6.conf": frozenset(
        {
            "accept_dad",
            "accept_ra",
            "accept_redirects",
            "accept_source_route",
            "addr_gen_mode",
            "autoconf",
            "dad_transmits",
            "disable_ipv6",
            "use_tempaddr",
        }
    ),
    "net.ipv4.neigh": frozenset({"base_reachable_time_ms", "gc_stale_time", "retrans_time_ms"}),
    "net.ipv6.neigh": frozenset({"base_reachable_time_ms", "gc_stale_time", "retrans_time_ms"}),
}
"""`<prefix>.<interface>.<name>`: settings of the pod's own addresses and neighbours.

The kernel keeps them per network namespace (Documentation/networking/ip-sysctl.rst). The list is OpenShift's
`cni-sysctl-allowlist` with a few of the same kind. Left out: `forwarding`, `mc_forwarding`, `proxy_arp`,
`proxy_arp_pvlan`, `proxy_ndp` and `route_localnet`, which let the pod answer for others or carry their traffic.
"""

MOVING = frozenset({"bond", "host-device", "phys"})
"""Plugins that move the interface itself into the pod, so that the node loses it."""

DEVICE_PLUGINS = frozenset({"host-device", "ib-sriov", "sriov"})
"""Plugins whose VLANs are those of the device's port, even if they name an interface as well."""

CARRIERS = {
    "accelerated-bridge": "bridge",
    "bridge": "bridge",
    "cnv-bridge": "bridge",
    "ovn-k8s-cni-overlay": "physicalnetworkname",
    "ovs": "bridge",
    "userspace": "bridgename",
    "vlan": "master",
}
"""The key, in lower case, that names the carrier of a plugin's VLANs; a `master` beside it does not count."""

UNSEEN = frozenset({"dummy", "loopback"})
"""Plugins whose interface cannot be reached from outside the pod."""

ACTING = frozenset({"firewall", "portmap"})
"""Plugins that write the addresses of their predecessors into the node's packet filter."""

OVERLAY = "ovn-k8s-cni-overlay"
"""Its addresses are those of a logical network, unless it names a physical one (topology localnet)."""

POOLS = frozenset({"host-local", "whereabouts"})
"""IPAM plugins that give each pod another address of a range."""

NAMES = {**{field.key: field.name for field in FIELDS}, "onDisk": "is_on_disk"}
"""The fields of an Allow rule that decide in place of the level, and their names in `ConfigMatch`."""


KEPT_MAX = 20
"""Breaches of one kind of touch that are returned; rules lift breaches by kind."""


class Breach(Record):
    """One thing that Baseline does not permit.

    `path`: the key below `spec.config`, "" for all of it; `what`: its content. `field`: the field of an Allow rule that
    can permit it, `setting`: the list of the configuration that can; "" if there is none. `allowed`: what the level
    permits instead.
    """

    path: str
    what: str
    field: str = ""
    setting: str = ""
    allowed: str = ""

    @property
    def place(self) -> str:
        """The key as messages name it."""
        return f"spec.config{'.' if self.path else ''}{self.path}"


def find(network: NetworkAttachmentDefinition, facts: Facts | None, lists: BaselineLists) -> tuple[Breach, ...]:
    """Return the breaches of a definition, in input order; none for a definition that cannot be read.

    Of each kind of touch, the first KEPT_MAX are returned: a hostile definition has thousands.
    NB: a file of the node is the admin's, so its content is not judged. The level forbids to refer to one.
    """
    if network.is_on_disk:
        what = "it is empty, so each node would read a file of its own"
        return (Breach(path="", what=what, field="onDisk", allowed="a configuration in the definition"),)
    if facts is None or network.config is None:
        return ()
    return remember(network.config, ("baseline", lists), lambda _config: _find(network, facts, lists))


def _find(network: NetworkAttachmentDefinition, facts: Facts, lists: BaselineLists) -> tuple[Breach, ...]:
    context = _Context(network, facts, lists)
    breaches: list[Breach] = []
    left = dict.fromkeys(_JUDGES, KEPT_MAX)
    for touch in facts.touches:
        breach = _JUDGES[touch.kind](touch, context) if left.get(touch.kind) else None
        if breach is not None:
            breaches.append(breach)
            left[touch.kind] -= 1
    return tuple(breaches)


def without(breaches: Sequence[Breach], config: ConfigMatch | None) -> tuple[Breach, ...]:
    """Return the breaches that an Allow rule leaves to the level, because none of its fields is about them."""
    return tuple(breach for breach in breaches if not _is_named(breach.field, config))


def _is_named(field: str, config: ConfigMatch | None) -> bool:
    return config is not None and bool(field) and getattr(config, NAMES[field]) is not None


class _Context:
    """The context of the judges of touches: the admin's lists, and the plugin objects by their place.

    `types`: the plugin type at a place. `masters`: the interfaces and physical networks of the node that a plugin uses
    there. `physical`: the places with a master.
    """

    def __init__(self, network: NetworkAttachmentDefinition, facts: Facts, lists: BaselineLists) -> None:
        self.unknown_types = facts.unknown_types
        self.lists = lists
        self.types: dict[str, str] = {}
        self.masters: dict[tuple[str, str], list[Touch]] = {}
        self.physical: set[str] = set()
        self._unlisted: dict[tuple[str, str], bool | None] = {}
        config = network.config
        plugins = config.plugins if config is not None else ()
        is_list = config is not None and config.is_list
        self.acts_on_addresses = any(
            plugin.type in ACTING or any(value and fold(key) == "ipmasq" for key, value in plugin.conf.items())
            for plugin in plugins
        )
        self.confs = {f"plugins[{at}]" if is_list else "": plugin.conf for at, plugin in enumerate(plugins)}
        for touch in facts.touches:
            if touch.kind in (INTERFACE, NETWORK):
                self.masters.setdefault((touch.place, touch.plugin), []).append(touch)
                self.physical.add(touch.place)
            elif touch.kind == PROGRAM and touch.path == join(touch.place, "type"):
                self.types[touch.place] = touch.value

    def lists_master(self, touch: Touch) -> bool:
        """Say whether an interface or a physical network may be used."""
        masters = self.lists.masters
        return masters is not None and masters.matches(touch.value)

    def has_unlisted_master(self, place: str, plugin: str) -> bool | None:
        """Say whether the interface that carries a plugin's VLANs is not listed; None if the plugin names none."""
        key = (place, plugin)
        if key not in self._unlisted:
            carrier = CARRIERS.get(plugin)
            carrying = [
                touch
                for touch in self.masters.get(key, ())
                if plugin not in DEVICE_PLUGINS and (carrier is None or fold(touch.key) == carrier)
            ]
            self._unlisted[key] = not all(map(self.lists_master, carrying)) if carrying else None
        return self._unlisted[key]


def _interface(touch: Touch, context: _Context) -> Breach | None:
    if touch.plugin in MOVING:
        what = f"{touch.plugin} moves {_named(touch)} into the pod"
        return _breach(touch, what, field="masters", allowed="a device of a resource that the definition names")
    if context.lists_master(touch):
        return None
    what = _unset_network(touch, context) or _named(touch)
    return _breach(touch, what, field="masters", setting=MASTERS, allowed=_masters(context))


def _named(touch: Touch) -> str:
    if touch.kind == NETWORK:
        return f"the physical network {show(touch.value)}"
    if touch.value == DEFAULT_INTERFACE:
        return "the node's interface of the default route (none is named)"
    return f"the node's interface {show(touch.value)}"


def _unset_network(touch: Touch, context: _Context) -> str:
    """Return the breach of a network whose own name also names the physical network, because no key does; else ""."""
    conf = context.confs.get(touch.place)
    key = fold(touch.key)
    if touch.kind != NETWORK or conf is None or any(value and fold(name) == key for name, value in conf.items()):
        return ""
    return f"{touch.key} is not set, so the network's name {show(touch.value)} is the physical network"


def _masters(context: _Context) -> str:
    masters = context.lists.masters
    return f"masters {', '.join(masters.texts)}" if masters is not None else "no interface of the node"


def _device(touch: Touch, _context: _Context) -> Breach:
    what = f"the node's device {show(touch.value)}"
    return _breach(touch, what, field="masters", allowed="a device of a resource that the definition names")


def _vlan(touch: Touch, context: _Context) -> Breach | None:
    """NB: a device of a resource has every VLAN of its port, so a resource alone permits none."""
    is_unlisted = context.has_unlisted_master(touch.place, touch.plugin)
    if is_unlisted is False:
        return None
    what = f"VLAN {touch.value}" if touch.value else "a VLAN that cannot be read"
    setting = MASTERS if is_unlisted else ""
    return _breach(touch, what, field="vlans", setting=setting, allowed="VLANs of listed masters")


def _pkey(touch: Touch, _context: _Context) -> Breach:
    return _breach(touch, f"the InfiniBand partition {show(touch.value)}", field="pkeys", allowed="no partition key")


def _host_path(touch: Touch, _context: _Context) -> Breach:
    what = f"the node's path {show(touch.value)}" if touch.value else 'a path with ".." in it'
    return _breach(touch, what, field="hostPaths", allowed="no path of the node")


def _netfilter(touch: Touch, _context: _Context) -> Breach:
    return _breach(touch, f"the node's packet filter, {show(touch.value)}", allowed="no rule of the packet filter")


def _endpoint(touch: Touch, _context: _Context) -> Breach:
    return _breach(touch, f"the server {show(touch.value)}", allowed="no server")


def _sysctl(touch: Touch, _context: _Context) -> Breach | None:
    if is_safe_sysctl(touch.value):
        return None
    allowed = "safe sysctls of the network, see docs/access.md"
    return _breach(touch, f"the sysctl {show(touch.value)}", field="sysctls", allowed=allowed)


def is_safe_sysctl(name: str) -> bool:
    """Say whether a sysctl, written with dots, only changes the pod's own network. NB: an interface may have dots."""
    if name in SAFE_SYSCTLS:
        return True
    head, _, key = name.rpartition(".")
    return any(
        key in keys and head.startswith(f"{prefix}.") and head != f"{prefix}."
        for prefix, keys in INTERFACE_SYSCTLS.items()
    )


def _program(touch: Touch, context: _Context) -> Breach | None:
    if touch.value not in context.unknown_types:
        return None
    what = f"plugin type {show(touch.value)}, which nadmit does not know"
    return _breach(touch, what, field="unknownTypes", allowed="known plugins")


def _runtime(touch: Touch, _context: _Context) -> Breach:
    return _breach(touch, "only the runtime may write this key", allowed="a configuration without it")


# Addresses


def _address(touch: Touch, context: _Context) -> Breach | None:
    place = touch.place
    main = context.types.get(place)
    if not context.acts_on_addresses and (main in UNSEEN or (main == OVERLAY and place not in context.physical)):
        return None
    addresses = context.lists.addresses
    is_pool = touch.plugin in POOLS
    is_routed = _routes_on_node(main, place, context)
    is_whole = is_pool or (main in BRIDGES and is_routed)
    ends = _ends(touch.value if is_whole else touch.value.partition("/")[0])
    is_fixed = not is_pool or ends is None or ends[1] == ends[2]
    if not is_fixed and addresses is None and not is_routed and not context.acts_on_addresses:
        return None
    if ends is not None and addresses is not None and addresses.contain_range(*ends):
        return None
    what = (
        f"the {'address' if is_fixed else 'range'} {show(touch.value)}"
        if touch.value
        else "an address that cannot be read"
    )
    if addresses is not None:
        allowed = f"addresses {', '.join(addresses.texts)}"
    else:
        allowed = "no fixed address" if is_fixed else "no range that the node routes"
    return _breach(touch, what, field="addresses", setting=ADDRESSES, allowed=allowed)


def _routes_on_node(main: str | None, place: str, context: _Context) -> bool:
    """Say whether the node gets a route to the addresses of the IPAM. NB: Go's decoder folds the case of keys."""
    if main not in BRIDGES:
        return main in (None, "ptp")
    conf = context.confs.get(place)
    return conf is None or any(value and fold(key) in _GATEWAY for key, value in conf.items())


BRIDGES = frozenset({"bridge", "cnv-bridge"})
_GATEWAY = frozenset({"isgateway", "isdefaultgateway"})


def _ends(text: str) -> AddressRange | None:
    """Return the range that a text names, None if it cannot be read."""
    addresses = read_addresses(text)
    return addresses if addresses != NO_ADDRESS else None


def _breach(touch: Touch, what: str, *, field: str = "", setting: str = "", allowed: str = "") -> Breach:
    return Breach(path=touch.path, what=what, field=field, setting=setting, allowed=allowed)


_JUDGES: Mapping[str, Callable[[Touch, _Context], Breach | None]] = {
    INTERFACE: _interface,
    NETWORK: _interface,
    DEVICE: _device,
    VLAN: _vlan,
    PKEY: _pkey,
    HOST_PATH: _host_path,
    NETFILTER: _netfilter,
    ENDPOINT: _endpoint,
    SYSCTL: _sysctl,
    PROGRAM: _program,
    ADDRESS: _address,
    RUNTIME: _runtime,
}
"""How each kind of touch is judged; other kinds have no effect outside the pod."""
