"""What one item asks for beyond the attachment itself, and what an Allow rule lets it ask for (side door 10).

A request counts in one form, whichever key it is written under: `cni-args.ips` and `cni-args.ip` count as `ips`,
`cni-args.mac` as `mac`, in any letter case. They also count as `cni-args`, because a plugin may read them there.

Limits are never added together: one rule must accept everything that an item asks for.
"""

from __future__ import annotations

from cniplugin.netspec.names import trim
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cniplugin.netspec.selection import Bandwidth, NetworkSelectionElement, PortMapping

    from .matchers import Cidrs, HexPrefixes, Names, Ranges

SPELLINGS = {
    "ips": "ips",
    "mac": "mac",
    "infinibandGuid": "infiniband-guid",
    "bandwidth": "bandwidth",
    "portMappings": "portMappings",
    "defaultRoute": "default-route",
    "cniArgs": "cni-args",
    "interface": "interface",
    "ipamClaim": "ipam-claim-reference",
    "deviceID": "deviceID",
    "extraKeys": "extra keys",
    "replaceDefaultNetwork": "default-network",
}
"""The requests a rule can speak about, and how users write them; extra keys are written as they are."""


class Usage(Record):
    """The requests of one item; `kinds` are the keys of SPELLINGS that are used, in alphabetical order of spelling."""

    kinds: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    infiniband_guid: str = ""
    bandwidth: Bandwidth | None = None
    port_mappings: tuple[PortMapping, ...] = ()
    default_route: tuple[str, ...] = ()
    cni_args: tuple[str, ...] = ()
    interface: str = ""
    extra_keys: tuple[str, ...] = ()

    def spelling(self, kind: str) -> str:
        """Return a request as the user wrote it."""
        return ", ".join(self.extra_keys) if kind == "extraKeys" else SPELLINGS[kind]


NOTHING = Usage()


def asks_for_nothing(element: NetworkSelectionElement) -> bool:
    """Say whether `usage_of` an element finds no kind; a tenth of its cost, for nearly every element is such a one."""
    return not (
        element.ips
        or element.mac
        or element.interface
        or element.cni_args
        or element.port_mappings
        or element.bandwidth
        or element.default_route is not None
        or element.infiniband_guid
        or element.ipam_claim_reference
        or element.device_id
        or element.foreign
    )


def usage_of(element: NetworkSelectionElement, *, replaces_default: bool) -> Usage:
    """Return what an element asks for."""
    arguments = element.cni_args or {}
    ips = (*element.ips, *_texts(arguments, "ips", "ip"))
    macs = (*([element.mac] if element.mac else []), *_texts(arguments, "mac"))
    used = {
        "ips": ips,
        "mac": macs,
        "infinibandGuid": element.infiniband_guid,
        "bandwidth": element.bandwidth,
        "portMappings": element.port_mappings,
        "defaultRoute": element.default_route is not None,
        "cniArgs": arguments,
        "interface": element.interface,
        "ipamClaim": element.ipam_claim_reference,
        "deviceID": element.device_id,
        "extraKeys": element.foreign,
        "replaceDefaultNetwork": replaces_default,
    }
    kinds = sorted((kind for kind, value in used.items() if value), key=SPELLINGS.__getitem__)
    return Usage(
        kinds=tuple(kinds),
        ips=ips,
        macs=macs,
        infiniband_guid=element.infiniband_guid or "",
        bandwidth=element.bandwidth,
        port_mappings=element.port_mappings,
        default_route=element.default_route or (),
        cni_args=tuple(arguments),
        interface=element.interface or "",
        extra_keys=tuple(element.foreign),
    )


def _texts(arguments: Mapping[str, object], *keys: str) -> Iterator[str]:
    """Yield the values under keys in any letter case; what is no text is shown as one, and fits no limit."""
    for key, value in arguments.items():
        if key.casefold() in keys:
            for item in value if isinstance(value, list) else (value,):
                yield from map(trim, item.split(",")) if isinstance(item, str) else (str(item),)


# What a rule permits

BASIC = ("interface", "bandwidth", "ipamClaim")
"""What `default: Basic` permits."""

NEVER_BY_DEFAULT = "replaceDefaultNetwork"
"""Another default network must be listed, whatever the default."""


class Limits(Record):
    """The limits of one rule; None is no limit of that kind. `listed`: the requests that have an entry."""

    default: str = "Basic"
    listed: tuple[str, ...] = ()
    cidrs: Cidrs | None = None
    ips_max: int | None = None
    macs: HexPrefixes | None = None
    guids: HexPrefixes | None = None
    ingress_max: int | None = None
    egress_max: int | None = None
    is_bandwidth_required: bool = False
    host_ports: Ranges | None = None
    protocols: frozenset[str] | None = None
    gateways: Cidrs | None = None
    cni_args: frozenset[str] | None = None
    interfaces: Names | None = None
    extra_keys: frozenset[str] | None = None


def permits(limits: Limits, kind: str) -> bool:
    """Say whether a kind of request is permitted at all."""
    if kind in limits.listed:
        return True
    if limits.default == "Allow":
        return kind != NEVER_BY_DEFAULT
    return limits.default == "Basic" and kind in BASIC


def exceeded(limits: Limits, usage: Usage) -> tuple[str, ...]:
    """Return what a rule does not accept, one text per fact; nothing if it accepts everything."""
    found = [
        f'the request uses "{usage.spelling(kind)}", which the rule does not permit'
        for kind in usage.kinds
        if not permits(limits, kind)
    ]
    return (*found, *_beyond(limits, usage))


def _beyond(limits: Limits, usage: Usage) -> Iterator[str]:
    """Yield what is permitted in kind, but not so."""
    yield from _outside("address", limits.cidrs, usage.ips)
    if limits.ips_max is not None and len(usage.ips) > limits.ips_max:
        yield f"the request has {len(usage.ips)} addresses, and the rule permits {limits.ips_max}"
    guids = (usage.infiniband_guid,) if usage.infiniband_guid else ()
    yield from _other_beginning("MAC address", limits.macs, usage.macs)
    yield from _other_beginning("GUID", limits.guids, guids)
    yield from _beyond_bandwidth(limits, usage)
    yield from _beyond_ports(limits, usage)
    yield from _outside("gateway", limits.gateways, usage.default_route)
    if limits.interfaces is not None and usage.interface and not limits.interfaces.matches(usage.interface):
        yield f"interface {usage.interface} is not one of {', '.join(limits.interfaces.texts)}"
    yield from _unlisted("cni-args key", limits.cni_args, usage.cni_args)
    yield from _unlisted("key", limits.extra_keys, usage.extra_keys)


def _outside(what: str, cidrs: Cidrs | None, addresses: Iterable[str]) -> Iterator[str]:
    if cidrs is not None:
        for address in addresses:
            if not cidrs.contain(address):
                yield f"{what} {address} is outside {', '.join(cidrs.texts)}"


def _other_beginning(what: str, prefixes: HexPrefixes | None, addresses: Iterable[str]) -> Iterator[str]:
    if prefixes is not None:
        for address in addresses:
            if not prefixes.match(address):
                yield f"{what} {address} does not begin with {' or '.join(prefixes.texts)}"


def _unlisted(what: str, allowed: frozenset[str] | None, keys: Iterable[str]) -> Iterator[str]:
    if allowed is not None:
        for key in keys:
            if key not in allowed:
                yield f"{what} {key} is not one of {', '.join(sorted(allowed))}"


def _beyond_bandwidth(limits: Limits, usage: Usage) -> Iterator[str]:
    """NB: what a pod does not limit is not above a cap; `required` makes it set one."""
    bandwidth = usage.bandwidth
    if limits.is_bandwidth_required and bandwidth is None and limits.ingress_max is None and limits.egress_max is None:
        yield "the request sets no bandwidth, which the rule requires"
    for way, cap in (("ingress", limits.ingress_max), ("egress", limits.egress_max)):
        rate = getattr(bandwidth, f"{way}_rate") if bandwidth else None
        if cap is not None and rate is not None and rate > cap:
            yield f"{way}Rate {rate} is above {cap} bits per second"
        elif cap is not None and not rate and limits.is_bandwidth_required:
            yield f"the request sets no {way}Rate, which the rule requires"


def _beyond_ports(limits: Limits, usage: Usage) -> Iterator[str]:
    for port in usage.port_mappings:
        if limits.host_ports is not None and not limits.host_ports.contain(port.host_port, port.host_port):
            yield f"host port {port.host_port} is outside {', '.join(limits.host_ports.texts)}"
        protocol = (port.protocol or "TCP").upper()
        if limits.protocols is not None and protocol not in limits.protocols:
            yield f"protocol {protocol} is not one of {', '.join(sorted(limits.protocols)) or 'none'}"


def describe(limits: Limits) -> str:
    """Return what a rule allows, in the order of its schema; what stands without detail has no limit."""
    if limits.default == "Allow":
        listed = [_describe_one(limits, kind) for kind in SPELLINGS if kind in limits.listed]
        return ", ".join(["everything", *(f"but {text}" for text in listed if " " in text)])
    kinds = [kind for kind in SPELLINGS if kind in limits.listed]
    kinds += [kind for kind in BASIC if limits.default == "Basic" and kind not in limits.listed]
    return ", ".join(_describe_one(limits, kind) for kind in kinds) or "nothing but the network itself"


def _describe_one(limits: Limits, kind: str) -> str:
    return "".join((SPELLINGS[kind], *_details(limits, kind)))


def _details(limits: Limits, kind: str) -> Iterator[str]:
    if kind == "ips":
        yield f" in {' or '.join(limits.cidrs.texts)}" if limits.cidrs else ""
        yield f" (at most {limits.ips_max})" if limits.ips_max is not None else ""
    elif kind in ("mac", "infinibandGuid"):
        prefixes = limits.macs if kind == "mac" else limits.guids
        yield f" beginning with {' or '.join(prefixes.texts)}" if prefixes else ""
    elif kind == "bandwidth":
        yield _describe_bandwidth(limits)
    elif kind == "portMappings":
        yield f" {' or '.join(limits.host_ports.texts)}" if limits.host_ports else ""
        yield f" ({' or '.join(sorted(limits.protocols)) or 'no protocol'})" if limits.protocols is not None else ""
    elif kind == "defaultRoute":
        yield f" to {' or '.join(limits.gateways.texts)}" if limits.gateways else ""
    elif kind == "interface":
        yield f" {' or '.join(limits.interfaces.texts)}" if limits.interfaces else ""
    elif kind in ("cniArgs", "extraKeys"):
        keys = limits.cni_args if kind == "cniArgs" else limits.extra_keys
        yield f" {' or '.join(sorted(keys))}" if keys is not None else ""


def _describe_bandwidth(limits: Limits) -> str:
    parts = ["required"] if limits.is_bandwidth_required else []
    parts += [f"ingressRate up to {limits.ingress_max}"] if limits.ingress_max is not None else []
    parts += [f"egressRate up to {limits.egress_max}"] if limits.egress_max is not None else []
    return f" ({', '.join(parts)})" if parts else ""
