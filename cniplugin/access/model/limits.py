"""The requests of one item beyond the attachment itself, and the limits of an Allow rule on them (side door 10).

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
    from typing import Any

    from cniplugin.netspec.selection import Bandwidth, NetworkSelectionElement

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
    """The requests of one item: the keys of SPELLINGS that it uses, in alphabetical order of spelling.

    `ips` and `macs` are those of the element and of its `cni-args`.
    """

    element: NetworkSelectionElement
    kinds: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()

    def spelling(self, kind: str) -> str:
        """Return a request as the user wrote it."""
        return ", ".join(self.element.foreign) if kind == "extraKeys" else SPELLINGS[kind]


def asks_for_nothing(element: NetworkSelectionElement) -> bool:
    """Say whether `usage_of` an element finds no kind; it costs a tenth, and nearly every element asks for nothing."""
    return not (element.interface or element.ips or element.mac or _asks_for_more(element))


def _asks_for_more(element: NetworkSelectionElement) -> bool:
    """Say whether `usage_of` an element finds another kind than `interface`, `ips` and `mac`."""
    return bool(
        element.cni_args
        or element.port_mappings
        or element.bandwidth
        or element.default_route is not None
        or element.infiniband_guid
        or element.ipam_claim_reference
        or element.device_id
        or element.foreign
    )


def usage_of(element: NetworkSelectionElement, *, replaces_default: bool) -> Usage:
    """Return the requests of an element."""
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
    return Usage(element=element, kinds=tuple(kinds), ips=ips, macs=macs)


def _texts(arguments: Mapping[str, object], *keys: str) -> Iterator[str]:
    """Yield the values under keys in any letter case; a value that is not a text becomes one that fits no limit."""
    for key, value in arguments.items():
        if key.casefold() in keys:
            for item in value if isinstance(value, list) else (value,):
                yield from map(trim, item.split(",")) if isinstance(item, str) else (str(item),)


# Limits of a rule

BASIC = ("interface", "bandwidth", "ipamClaim")
"""The requests that `default: Basic` permits."""

NEVER_BY_DEFAULT = "replaceDefaultNetwork"
"""Another default network must always be listed, also if the default is Allow."""


class Limits(Record):
    """The limits of one rule; None for a kind without a limit. `listed`: the requests that have an entry."""

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
    """Return the requests that a rule does not accept, one text per fact; () if it accepts everything."""
    foreign = [
        f'the request uses "{usage.spelling(kind)}", which the rule does not permit'
        for kind in usage.kinds
        if not permits(limits, kind)
    ]
    return (*foreign, *_beyond(limits, usage))


def is_limiting(limits: Limits) -> bool:
    """Say whether the author of a rule has written any limit."""
    return limits != Limits()


def accepts_more(broad: Limits, narrow: Limits) -> tuple[str, ...]:
    """Return the requests for which a rule makes the limits of another one void, as users write the requests.

    That is so if the rule accepts all that the other one does, and more; or if it accepts values beyond a limit of the
    other one, of a request that is not BASIC. Two rules that accept different requests are alternatives, and neither is
    void. () for a `narrow` rule in which no limit is written.
    """
    if not is_limiting(narrow):
        return ()
    more = [kind for kind in SPELLINGS if permits(broad, kind) and not _accepts_all(narrow, broad, kind)]
    if not all(_accepts_all(broad, narrow, kind) for kind in SPELLINGS if permits(narrow, kind)):
        more = [kind for kind in more if permits(narrow, kind) and kind not in BASIC]
    return tuple(SPELLINGS[kind] for kind in more)


def _accepts_all(limits: Limits, other: Limits, kind: str) -> bool:
    """Say whether a rule accepts all that another one permits in a kind of request."""
    return permits(limits, kind) and _is_as_wide(limits, other, kind)


def _is_as_wide(limits: Limits, other: Limits, kind: str) -> bool:
    """Say whether the values that one rule permits in a kind of request include those of another rule."""
    if kind == "bandwidth":
        is_free = other.is_bandwidth_required or not limits.is_bandwidth_required
        pairs = ((limits.ingress_max, other.ingress_max), (limits.egress_max, other.egress_max))
        return is_free and all(own is None or (theirs is not None and theirs <= own) for own, theirs in pairs)
    if kind == "ips" and limits.ips_max is not None and (other.ips_max is None or other.ips_max > limits.ips_max):
        return False
    fields = [_DETAILS[kind][0]] if kind in _DETAILS else []
    fields += ["protocols"] if kind == "portMappings" else []
    return all(_includes(getattr(limits, field), getattr(other, field)) for field in fields)


def _includes(own: Any, theirs: Any) -> bool:
    if own is None:
        return True
    if theirs is None:
        return False
    return bool(theirs <= own if isinstance(own, frozenset) else own.covers(theirs))


def _beyond(limits: Limits, usage: Usage) -> Iterator[str]:
    """Yield the requests of a permitted kind whose values are beyond the limits."""
    element = usage.element
    yield from _outside("address", limits.cidrs, usage.ips)
    if limits.ips_max is not None and len(usage.ips) > limits.ips_max:
        yield f"the request has {len(usage.ips)} addresses, and the rule permits {limits.ips_max}"
    guids = (element.infiniband_guid,) if element.infiniband_guid else ()
    yield from _other_beginning("MAC address", limits.macs, usage.macs)
    yield from _other_beginning("GUID", limits.guids, guids)
    yield from _beyond_bandwidth(limits, element.bandwidth)
    for port in element.port_mappings:
        if limits.host_ports is not None and not limits.host_ports.contain(port.host_port, port.host_port):
            yield f"host port {port.host_port} is outside {', '.join(limits.host_ports.texts)}"
        yield from _unlisted("protocol", limits.protocols, [(port.protocol or "TCP").upper()])
    yield from _outside("gateway", limits.gateways, element.default_route or ())
    if limits.interfaces is not None and element.interface and not limits.interfaces.matches(element.interface):
        yield f"interface {element.interface} is not one of {', '.join(limits.interfaces.texts)}"
    yield from _unlisted("cni-args key", limits.cni_args, element.cni_args or ())
    yield from _unlisted("key", limits.extra_keys, element.foreign)


def _outside(what: str, cidrs: Cidrs | None, addresses: Iterable[str]) -> Iterator[str]:
    for address in addresses:
        if cidrs is not None and not cidrs.contain(address):
            yield f"{what} {address} is outside {', '.join(cidrs.texts)}"


def _other_beginning(what: str, prefixes: HexPrefixes | None, addresses: Iterable[str]) -> Iterator[str]:
    for address in addresses:
        if prefixes is not None and not prefixes.match(address):
            yield f"{what} {address} does not begin with {' or '.join(prefixes.texts)}"


def _unlisted(what: str, allowed: frozenset[str] | None, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        if allowed is not None and key not in allowed:
            yield f"{what} {key} is not one of {', '.join(sorted(allowed)) or 'none'}"


def _beyond_bandwidth(limits: Limits, bandwidth: Bandwidth | None) -> Iterator[str]:
    """NB: a cap does not apply to a direction that the pod does not limit; `required` makes the pod limit it."""
    if limits.is_bandwidth_required and bandwidth is None and limits.ingress_max is None and limits.egress_max is None:
        yield "the request sets no bandwidth, which the rule requires"
    for way, cap in (("ingress", limits.ingress_max), ("egress", limits.egress_max)):
        rate = getattr(bandwidth, f"{way}_rate") if bandwidth else None
        if cap is not None and rate is not None and rate > cap:
            yield f"{way}Rate {rate} is above {cap} bits per second"
        elif cap is not None and not rate and limits.is_bandwidth_required:
            yield f"the request sets no {way}Rate, which the rule requires"


def describe(limits: Limits) -> str:
    """Return the allowed requests of a rule, in the order of its schema; a request without details has no limit."""
    details = {kind: _details(limits, kind) for kind in SPELLINGS if kind in limits.listed}
    if limits.default == "Allow":
        return ", ".join(["everything", *(f"but {SPELLINGS[kind]}{text}" for kind, text in details.items() if text)])
    if limits.default == "Basic":
        details |= {kind: "" for kind in BASIC if kind not in details}
    return ", ".join(f"{SPELLINGS[kind]}{text}" for kind, text in details.items()) or "nothing but the network itself"


def _details(limits: Limits, kind: str) -> str:
    """Return the limits of a kind of request; most kinds have one."""
    listed, words = _DETAILS.get(kind, ("", ""))
    value = getattr(limits, listed) if listed else None
    texts: Iterable[str] = sorted(value) if isinstance(value, frozenset) else value.texts if value else ()
    details = f" {words}{' or '.join(texts)}" if value is not None else ""
    if kind == "ips" and limits.ips_max is not None:
        details += f" (at most {limits.ips_max})"
    elif kind == "bandwidth":
        details = _describe_bandwidth(limits)
    elif kind == "portMappings" and limits.protocols is not None:
        details += f" ({' or '.join(sorted(limits.protocols)) or 'no protocol'})"
    return details


_DETAILS = {
    "ips": ("cidrs", "in "),
    "mac": ("macs", "beginning with "),
    "infinibandGuid": ("guids", "beginning with "),
    "portMappings": ("host_ports", ""),
    "defaultRoute": ("gateways", "to "),
    "interface": ("interfaces", ""),
    "cniArgs": ("cni_args", ""),
    "extraKeys": ("extra_keys", ""),
}
"""The list of each kind of request, and the words before it."""


def _describe_bandwidth(limits: Limits) -> str:
    parts = ["required"] if limits.is_bandwidth_required else []
    parts += [f"ingressRate up to {limits.ingress_max}"] if limits.ingress_max is not None else []
    parts += [f"egressRate up to {limits.egress_max}"] if limits.egress_max is not None else []
    return f" ({', '.join(parts)})" if parts else ""
