"""What level Baseline permits of a definition: what stays within the pod, and what an admin has granted or listed.

| what a definition touches | permitted |
| --- | --- |
| an interface, a bridge, a physical network | one of `definitions.baseline.masters`, unless the plugin moves it |
| a device of the node | none by name; one of a resource (annotation resourceName), which the runtime names |
| a VLAN, an InfiniBand partition | any VLAN of a listed interface |
| a path of the node, its packet filter, a server that a program connects to | none |
| a sysctl | SAFE_SYSCTLS, and INTERFACE_SYSCTLS of an interface of the pod |
| a program | plugins that are described |
| a fixed address, a pool of addresses | see below |
| a key of the runtime | none |
| a file of the node in place of a configuration | none |

Addresses. A definition that fixes an address may take that of somebody else, so a fixed address must be within
`definitions.baseline.addresses`. So must a pool (host-local, whereabouts) once these ranges are listed: the admin has
then said whose addresses are whose. Where the plugin routes the pool on the node (ptp; bridge as a gateway), it must
be within them in any case, for such a route takes traffic away from whoever has the addresses. Networks that nobody
outside the pod sees (dummy, loopback, an overlay) may have any address, unless another plugin of the list makes the
node act on it (ACTING, `ipMasq`). Where the node is the gateway, that address and the whole prefix count as fixed.

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
"""Those of Kubernetes' safe sysctls that are of the network (kubernetes 1.36, pkg/kubelet/sysctl/safe_sysctls.go)."""

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
"""`<prefix>.<interface>.<name>`: what the pod itself believes and says about its own addresses.

The kernel keeps them per network namespace (Documentation/networking/ip-sysctl.rst), and the list is that of
OpenShift's `cni-sysctl-allowlist` with a few of the same kind. Not here: `forwarding`, `mc_forwarding`, `proxy_arp`,
`proxy_arp_pvlan`, `proxy_ndp` and `route_localnet`, which let the pod answer for others or carry their traffic.
"""

MOVING = frozenset({"bond", "host-device", "phys"})
"""Plugins that take the interface itself into the pod, so that nobody else has it."""

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
"""The key, in lower case, that names what carries a plugin's VLANs: `master` beside it lists nothing."""

UNSEEN = frozenset({"dummy", "loopback"})
"""Plugins whose interface nobody outside the pod can reach."""

ACTING = frozenset({"firewall", "portmap"})
"""Plugins that write the addresses of their predecessors into the node's packet filter."""

OVERLAY = "ovn-k8s-cni-overlay"
"""Its addresses are those of a logical network, unless it names a physical one (topology localnet)."""

POOLS = frozenset({"host-local", "whereabouts"})
"""IPAM plugins that give each pod another address of a range."""

NAMES = {**{field.key: field.name for field in FIELDS}, "onDisk": "is_on_disk"}
"""The fields of an Allow rule that decide in place of the level, and where `ConfigMatch` has them."""


KEPT_MAX = 20


class Breach(Record):
    """One thing that Baseline does not permit.

    `path`: the key below `spec.config`, "" for all of it; `what` is there. `field`: the field of an Allow rule that may
    decide it instead, `setting`: the list of the configuration that may have it; "" where there is none. `allowed`:
    what the level permits in its place.
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
    """Return what Baseline does not permit of a definition, in input order; nothing for one that cannot be read.

    Of each kind of touch, the first KEPT_MAX are returned: a hostile definition has thousands, and rules lift by kind.
    NB: the content of a file of the node is the admin's; that a definition names one is what the level is about.
    """
    if network.is_on_disk:
        what = "it is empty, so each node would read a file of its own"
        return (Breach(path="", what=what, field="onDisk", allowed="a configuration in the definition"),)
    if facts is None or network.config is None:
        return ()
    return remember(network.config, ("baseline", lists), lambda _config: _find(network, facts, lists))


def _find(network: NetworkAttachmentDefinition, facts: Facts, lists: BaselineLists) -> tuple[Breach, ...]:
    seen = _Seen(network, facts, lists)
    found: list[Breach] = []
    left = dict.fromkeys(_JUDGES, KEPT_MAX)
    for touch in facts.touches:
        breach = _JUDGES[touch.kind](touch, seen) if left.get(touch.kind) else None
        if breach is not None:
            found.append(breach)
            left[touch.kind] -= 1
    return tuple(found)


def without(breaches: Sequence[Breach], config: ConfigMatch | None) -> tuple[Breach, ...]:
    """Return what an Allow rule that accepts the definition leaves to the level: what none of its fields names."""
    return tuple(breach for breach in breaches if not _is_named(breach.field, config))


def _is_named(field: str, config: ConfigMatch | None) -> bool:
    return config is not None and bool(field) and getattr(config, NAMES[field]) is not None


class _Seen:
    """A definition and what the admin lists, with what is known of each place of a plugin object: worked out once.

    `types`: the plugin type. `masters`: the interfaces and physical networks of the node that a plugin there uses.
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


def _interface(touch: Touch, seen: _Seen) -> Breach | None:
    if touch.plugin in MOVING:
        what = f"{touch.plugin} moves {_named(touch)} into the pod"
        return _breach(touch, what, field="masters", allowed="a device of a resource that the definition names")
    if seen.lists_master(touch):
        return None
    what = _unset_network(touch, seen) or _named(touch)
    return _breach(touch, what, field="masters", setting=MASTERS, allowed=_masters(seen))


def _named(touch: Touch) -> str:
    if touch.kind == NETWORK:
        return f"the physical network {show(touch.value)}"
    if touch.value == DEFAULT_INTERFACE:
        return "the node's interface of the default route (none is named)"
    return f"the node's interface {show(touch.value)}"


def _unset_network(touch: Touch, seen: _Seen) -> str:
    """Return that the network's own name is the physical network, because no key sets another; "" otherwise."""
    conf = seen.confs.get(touch.place)
    key = fold(touch.key)
    if touch.kind != NETWORK or conf is None or any(value and fold(name) == key for name, value in conf.items()):
        return ""
    return f"{touch.key} is not set, so the network's name {show(touch.value)} is the physical network"


def _masters(seen: _Seen) -> str:
    masters = seen.lists.masters
    return f"masters {', '.join(masters.texts)}" if masters is not None else "no interface of the node"


def _device(touch: Touch, _seen: _Seen) -> Breach:
    what = f"the node's device {show(touch.value)}"
    return _breach(touch, what, field="masters", allowed="a device of a resource that the definition names")


def _vlan(touch: Touch, seen: _Seen) -> Breach | None:
    """NB: a device of a resource has every VLAN of its port, so a resource alone permits none."""
    is_unlisted = seen.has_unlisted_master(touch.place, touch.plugin)
    if is_unlisted is False:
        return None
    what = f"VLAN {touch.value}" if touch.value else "a VLAN that cannot be read"
    setting = MASTERS if is_unlisted else ""
    return _breach(touch, what, field="vlans", setting=setting, allowed="VLANs of listed masters")


def _pkey(touch: Touch, _seen: _Seen) -> Breach:
    return _breach(touch, f"the InfiniBand partition {show(touch.value)}", field="pkeys", allowed="no partition key")


def _host_path(touch: Touch, _seen: _Seen) -> Breach:
    what = f"the node's path {show(touch.value)}" if touch.value else 'a path with ".." in it'
    return _breach(touch, what, field="hostPaths", allowed="no path of the node")


def _netfilter(touch: Touch, _seen: _Seen) -> Breach:
    return _breach(touch, f"the node's packet filter, {show(touch.value)}", allowed="no rule of the packet filter")


def _endpoint(touch: Touch, _seen: _Seen) -> Breach:
    return _breach(touch, f"the server {show(touch.value)}", allowed="no server")


def _sysctl(touch: Touch, _seen: _Seen) -> Breach | None:
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


def _program(touch: Touch, seen: _Seen) -> Breach | None:
    if touch.value not in seen.unknown_types:
        return None
    what = f"plugin type {show(touch.value)}, which nadmit does not know"
    return _breach(touch, what, field="unknownTypes", allowed="known plugins")


def _runtime(touch: Touch, _seen: _Seen) -> Breach:
    return _breach(touch, "only the runtime may write this key", allowed="a configuration without it")


# Addresses


def _address(touch: Touch, seen: _Seen) -> Breach | None:
    place = touch.place
    main = seen.types.get(place)
    if not seen.acts_on_addresses and (main in UNSEEN or (main == OVERLAY and place not in seen.physical)):
        return None
    addresses = seen.lists.addresses
    is_pool = touch.plugin in POOLS
    is_routed = _routes_on_node(main, place, seen)
    is_whole = is_pool or (main in BRIDGES and is_routed)
    ends = _ends(touch.value if is_whole else touch.value.partition("/")[0])
    is_fixed = not is_pool or ends is None or ends[1] == ends[2]
    if not is_fixed and addresses is None and not is_routed and not seen.acts_on_addresses:
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


def _routes_on_node(main: str | None, place: str, seen: _Seen) -> bool:
    """Say whether the node gets a route to what the IPAM hands out. NB: Go's decoder folds the case of keys."""
    if main not in BRIDGES:
        return main in (None, "ptp")
    conf = seen.confs.get(place)
    return conf is None or any(value and fold(key) in _GATEWAY for key, value in conf.items())


BRIDGES = frozenset({"bridge", "cnv-bridge"})
_GATEWAY = frozenset({"isgateway", "isdefaultgateway"})


def _ends(text: str) -> AddressRange | None:
    """Return the range that a text of facts names, None for one that could not be read."""
    found = read_addresses(text)
    return found if found != NO_ADDRESS else None


def _breach(touch: Touch, what: str, *, field: str = "", setting: str = "", allowed: str = "") -> Breach:
    return Breach(path=touch.path, what=what, field=field, setting=setting, allowed=allowed)


_JUDGES: Mapping[str, Callable[[Touch, _Seen], Breach | None]] = {
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
"""How each kind of touch is judged; of the others, nothing reaches beyond the pod."""
