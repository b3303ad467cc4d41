"""Which requests of pods one network supports: the ranges of its IPAM plugins, and the readers of its capabilities.

It is read once for each network, from the configuration as the plugins' Go structs would read it. A configuration that
cannot be read, or that the webhook would refuse, supports nothing that is known, so pods get no finding about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cniplugin.netspec.attachers import MULTUS
from cniplugin.netspec.cniconfig import NetworkConfigList, PluginConfig
from cniplugin.netspec.plan import ARGUMENTS, argument_reaches
from webhook.admission.plugins.chaining import RUNTIME_CAPABILITIES
from webhook.admission.plugins.decoding import IPAM_ENVELOPE, Budget, Decoded, Decoder, OutOfBudgetError, shape_of
from webhook.admission.plugins.goparsing import Address, read_address, read_cidr
from webhook.admission.plugins.intervals import Network, Spans, place_of
from webhook.admission.plugins.rules import ovn
from webhook.admission.plugins.rules.whereabouts import read_excluded, split_range
from webhook.admission.plugins.schema import PluginChecks, PluginSchema

PLAIN_TYPES = frozenset({"bridge", "host-device", "ipvlan", "macvlan", "sriov", "vlan"})
"""Plugins that put exactly the addresses of their IPAM on the interface. NB: ptp makes routes of its own."""
PLAIN_CHAINED = frozenset({"bandwidth", "firewall", "portmap", "rdma", "tuning"})
"""Plugins that change neither addresses nor routes."""

NEEDING_ADDRESS = frozenset({"bridge", "host-device", "ipvlan", "macvlan", "ptp", "sriov", "vlan"})
"""Plugins that fail if their IPAM plugin succeeds without an address ("IPAM plugin returned missing IP config")."""

KERNEL_SETS_MAC = frozenset({"bridge", "macvlan", "tuning"})
"""Plugins that set the address on an Ethernet device unchanged (is_valid_ether_addr, include/linux/etherdevice.h)."""

RANGES_MAX = 256
"""Ranges and exclusions of one IPAM plugin. Addresses are compared with each of them; people write a few."""


class Range(NamedTuple):
    """Addresses that an IPAM plugin hands out, `first` to `last`.

    `group`: the number of its set; a pod gets one address of a set. `gateway`: an address inside that no pod gets, None
    if all may be handed out. `excluded`: networks inside that the plugin leaves out.
    """

    subnet: Network
    first: Address
    last: Address
    group: int = 0
    gateway: Address | None = None
    excluded: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipam:
    """The IPAM plugin inside one plugin of a network.

    `gets_ips`: whether it gets the `ips` of a pod, by the capability or in CNI_ARGS; `by_argument`: it does so in
    CNI_ARGS, where host-local reads one address. `is_needed`: without an address from it, the plugin around it fails,
    and its object gives none in `args`.
    `ranges`: of host-local and whereabouts. `subnets`: of
    its ranges, or of the addresses of static. `routes`: the destinations of its routes without default routes.
    `route_gateways`: the gateways of all its routes.
    """

    type: str
    gets_ips: bool
    by_argument: bool = False
    is_needed: bool = True
    cni_version: str
    ranges: tuple[Range, ...] = ()
    subnets: tuple[Network, ...] = ()
    routes: tuple[Network, ...] = ()
    route_gateways: tuple[Address, ...] = ()
    _spans: tuple[tuple[int, int, Spans | None, Range], ...] = field(init=False, compare=False, repr=False)
    _gateways: frozenset[int] = field(init=False, compare=False, repr=False)
    _subnet_spans: Spans = field(init=False, compare=False, repr=False)
    _route_spans: Spans = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Prepare, once, the networks that the addresses of pods are compared with."""
        spans = tuple(
            (place_of(one.first), place_of(one.last), Spans(one.excluded) if one.excluded else None, one)
            for one in self.ranges
        )
        gateways = frozenset(place_of(one.gateway) for one in self.ranges if one.gateway is not None)
        object.__setattr__(self, "_spans", spans)
        object.__setattr__(self, "_gateways", gateways)
        object.__setattr__(self, "_subnet_spans", Spans(self.subnets))
        object.__setattr__(self, "_route_spans", Spans(self.routes))

    def find_range(self, address: Address) -> Range | None:
        """Return the first range that hands out an address, or None."""
        return self._range_at(place_of(address))

    def _range_at(self, place: int) -> Range | None:
        for low, high, excluded, candidate in self._spans:
            if low <= place <= high and (excluded is None or not excluded.has(place)):
                return candidate
        return None

    def grants(self, places: Sequence[int]) -> bool:
        """Say whether host-local hands out these addresses of one pod; False if that takes a closer look.

        Each has a range whose gateway it is not, and no two have ranges of the same set.
        """
        if self.by_argument and len(places) > 1:
            return False
        groups: set[int] = set()
        for place in places:
            found = self._range_at(place)
            if found is None or found.group in groups or place in self._gateways:
                return False
            groups.add(found.group)
        return True

    def has_subnet_of(self, address: Address) -> bool:
        """Say whether an address is in one of the subnets."""
        return self._subnet_spans.has(place_of(address))

    def has_route_to(self, address: Address) -> bool:
        """Say whether an address is in the destination of one of the routes."""
        return self._route_spans.has(place_of(address))

    def reaches(self, address: Address) -> bool:
        """Say whether an address is in one of the subnets, or in the destination of one of the routes."""
        return self.has_subnet_of(address) or self.has_route_to(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """The requests of pods that the known plugins of a network support.

    `ipams`: the IPAM plugins that can be read. `readers`: by capability, the types of the plugins that declare and read
    it. `unread`: declared capabilities that no plugin reads. `is_plain`: whether its interface has exactly the
    addresses and routes of its only IPAM plugin. `has_no_ipam`: whether it has no IPAM at all, so that nothing on it
    has an address unless a pod sets one. `controller_ips`: what OVN-Kubernetes makes of the `ips` of the pod, which it
    reads itself; None for other networks. `attached_by`: one of `netspec.attachers.ATTACHERS`. `is_usual`: it has no
    other IPAM plugin than host-local, and no `controller_ips`. `sets_mac`: a plugin sets the MAC address of the pod.
    """

    ipams: tuple[Ipam, ...] = ()
    readers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    is_plain: bool = False
    has_no_ipam: bool = False
    controller_ips: ovn.RequestedIps | None = None
    attached_by: str = MULTUS
    is_usual: bool = field(init=False, compare=False, repr=False)
    sets_mac: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Prepare, once, what is asked about the requests of each pod."""
        is_usual = self.controller_ips is None and all(ipam.type == "host-local" for ipam in self.ipams)
        object.__setattr__(self, "is_usual", is_usual)
        sets_mac = not KERNEL_SETS_MAC.isdisjoint(self.readers.get("mac", ()))
        object.__setattr__(self, "sets_mac", sets_mac)

    @property
    def needs_ips(self) -> bool:
        """Whether it attaches only pods that ask for an address, because IPAM static has none."""
        return any(ipam.type == "static" and ipam.is_needed and not ipam.subnets for ipam in self.ipams)

    @property
    def weight(self) -> int:
        """Its size in memory, in bytes, estimated."""
        parts = sum(
            len(ipam.ranges) + len(ipam.subnets) + len(ipam.routes) + sum(len(item.excluded) for item in ipam.ranges)
            for ipam in self.ipams
        )
        return 600 * (parts + len(self.readers) + 1)


def read_support(config: NetworkConfigList, checks: PluginChecks) -> Support:
    """Return the requests that a network supports: none, if it has more than `checks.values_max` values."""
    known = [(plugin, checks.schema_of(plugin.type)) for plugin in config.plugins]
    budget = Budget(checks.values_max)
    try:
        ipams = tuple(
            ipam
            for plugin, schema in known
            if schema is not None and (ipam := _ipam(plugin, schema, config, checks, budget)) is not None
        )
    except OutOfBudgetError:
        return Support()
    read = frozenset[str]().union(*(_reads(plugin, schema, checks) for plugin, schema in known))
    types = [schema.type if schema else "" for _, schema in known]
    is_simple = types[0] in PLAIN_TYPES and PLAIN_CHAINED.issuperset(types[1:])
    unread = (config.capabilities & RUNTIME_CAPABILITIES) - read
    return Support(
        ipams=ipams,
        readers={name: _readers(name, known, checks) for name in (*config.capabilities & RUNTIME_CAPABILITIES, "mac")},
        unread=frozenset(name for name in unread if not _gets_argument(name, config, checks)),
        is_plain=is_simple and len(ipams) == 1,
        controller_ips=next(filter(None, map(ovn.requested_ips, config.plugins)), None),
        attached_by=checks.attached_by,
        has_no_ipam=is_simple and all(plugin.ipam_type is None for plugin in config.plugins),
    )


def _gets_argument(request: str, config: NetworkConfigList, checks: PluginChecks) -> bool:
    """Say whether a plugin of a network, or its IPAM plugin, reads a request in CNI_ARGS and gets it there, or may."""
    argument = ARGUMENTS.get(request)
    return argument is not None and any(
        argument_reaches(request, plugin, checks.attached_by)
        and any((schema := checks.schema_of(kind)) is None or argument in schema.cni_args for kind in plugin.types)
        for plugin in config.plugins
    )


def _readers(
    request: str, known: Iterable[tuple[PluginConfig, PluginSchema | None]], checks: PluginChecks
) -> frozenset[str]:
    """Return the types of the plugins that get a request: as a capability, or in CNI_ARGS."""
    argument = ARGUMENTS.get(request, "")
    return frozenset(
        schema.type
        for plugin, schema in known
        if schema is not None
        and (
            request in plugin.capabilities & schema.capabilities
            or (argument in schema.cni_args and argument_reaches(request, plugin, checks.attached_by))
        )
    )


def _reads(plugin: PluginConfig, schema: PluginSchema | None, checks: PluginChecks) -> frozenset[str]:
    """Return the declared capabilities that a plugin reads; all of them if it, or its IPAM plugin, has no schema."""
    if schema is None:
        return plugin.capabilities
    own = schema.capabilities | schema.reads_pod
    if plugin.ipam_type is None or not schema.checks_ipam(plugin.ipam_type):
        return plugin.capabilities & own
    ipam = checks.ipam_of(schema, plugin.ipam_type)
    return plugin.capabilities & (own | ipam.capabilities | ipam.reads_pod) if ipam else plugin.capabilities


def _ipam(
    plugin: PluginConfig, schema: PluginSchema, config: NetworkConfigList, checks: PluginChecks, budget: Budget
) -> Ipam | None:
    ipam = checks.ipam_of(schema, plugin.ipam_type)
    if ipam is None or ipam.type not in _READERS:
        return None
    values = Decoded()
    decoder = Decoder(ipam.type, IPAM_ENVELOPE, budget, misplaced={})
    found = decoder.decode(plugin.conf["ipam"], shape_of(ipam, checks), "", values)
    if any(finding.is_error(checks.attached_by) for finding in found):
        return None
    try:
        ranges, subnets = _READERS[ipam.type](values)
    except _UnsoundError:
        return None
    has_more = "ipRanges" in plugin.capabilities and ipam.type == "host-local"
    if has_more or len(subnets) + sum(len(item.excluded) for item in ranges) > RANGES_MAX:
        return None
    routes = [route or {} for route in values.get("routes") or ()]
    destinations = (read_cidr(route.get("dst")) for route in routes)
    gateways = (read_address(route.get("gw")) for route in routes)
    has_capability = "ips" in plugin.capabilities
    by_argument = "IP" in ipam.cni_args and argument_reaches("ips", plugin, checks.attached_by)
    return Ipam(
        type=ipam.type,
        gets_ips=has_capability or by_argument,
        by_argument=by_argument,
        is_needed=schema.type in NEEDING_ADDRESS and "args" not in plugin.conf,
        cni_version=config.cni_version,
        ranges=ranges,
        subnets=subnets,
        routes=tuple(
            destination.network
            for destination in destinations
            if destination is not None and destination.network.prefixlen
        ),
        route_gateways=tuple(dict.fromkeys(gateway for gateway in gateways if gateway is not None)),
    )


def read_subnets(ipam_type: str, values: Decoded) -> tuple[Network, ...] | None:
    """Return the subnets of the addresses that an IPAM plugin hands out; None if that is not known."""
    try:
        return _READERS[ipam_type](values)[1] if ipam_type in _READERS else None
    except _UnsoundError:
        return None


class _UnsoundError(Exception):
    """The plugin refuses the configuration, or it has no range."""


_Read = tuple[tuple[Range, ...], tuple[Network, ...]]


def _host_local(values: Decoded) -> _Read:
    """Read the ranges of host-local (allocator/range.go Canonicalize). Raises _UnsoundError."""
    sets = [[values], *(values.get("ranges") or ())] if values.get("subnet") else values.get("ranges") or ()
    ranges = tuple(_host_local_range(item or {}, group) for group, items in enumerate(sets) for item in items or ())
    if not ranges:
        raise _UnsoundError
    return ranges, tuple(item.subnet for item in ranges)


def _host_local_range(conf: Mapping[str, Any], group: int) -> Range:
    subnet = read_cidr(conf.get("subnet"))
    if subnet is None:
        raise _UnsoundError
    network = subnet.network
    if subnet.ip != network.network_address or network.prefixlen > network.max_prefixlen - 2:
        raise _UnsoundError
    first = read_address(conf.get("rangeStart")) or network.network_address + 1
    last = read_address(conf.get("rangeEnd")) or network.broadcast_address - (network.version == 4)
    if first not in network or last not in network:
        raise _UnsoundError
    gateway = read_address(conf.get("gateway")) or network.network_address + 1
    return Range(subnet=network, first=first, last=last, group=group, gateway=gateway)


def _static(values: Decoded) -> _Read:
    return (), tuple(_address_networks(values))


def _address_networks(values: Decoded) -> Iterator[Network]:
    for item in values.get("addresses") or ():
        address = read_cidr((item or {}).get("address"))
        if address is not None:
            yield address.network


def _whereabouts(values: Decoded) -> _Read:
    """Read the ranges of whereabouts. Raises _UnsoundError. NB: `node_slice_size` gives each node a part of them."""
    written = ([values] if values.get("range") else []) + [item for item in values.get("ipRanges") or () if item]
    ranges = tuple(_whereabouts_range(conf) for conf in written)
    if not ranges:
        raise _UnsoundError
    return ranges, (*(item.subnet for item in ranges), *_address_networks(values))


def _whereabouts_range(conf: Mapping[str, Any]) -> Range:
    first, cidr = split_range(str(conf.get("range")))
    subnet = read_cidr(cidr)
    start = read_address(conf.get("range_start") if first is None else first)
    if subnet is None or (first is not None and (start is None or start not in subnet.network)):
        raise _UnsoundError
    network = subnet.network
    end: Address | None = read_address(conf.get("range_end")) if first is None else subnet.ip
    return Range(
        subnet=network,
        first=start if start is not None and start in network else network.network_address,
        last=end if end is not None and end in network else network.broadcast_address,
        excluded=tuple(_excluded(conf)),
    )


def _excluded(conf: Mapping[str, Any]) -> Iterator[Network]:
    for text in conf.get("exclude") or ():
        excluded = read_excluded(text)
        if excluded is not None:
            yield excluded.network


_READERS = {"host-local": _host_local, "static": _static, "whereabouts": _whereabouts}
