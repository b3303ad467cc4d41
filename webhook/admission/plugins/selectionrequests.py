"""Compares the requests of one network selection element with the support of its network (NPWG v1.3 §4.1.2.1).

A request is refused if the plugin refuses it on every node: host-local refuses an address that it does not hand out,
static and whereabouts an address without prefix, the kernel a gateway that is not on the link. The other findings are
warnings. `cniplugin.netspec.plan` refuses a request whose capability no plugin declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from cniplugin.netspec.attachers import BURST, NAMES, PROTOCOL, ROUTE_MOVES, YES, value_of
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import Address, read_address, read_cidr
from webhook.admission.plugins.intervals import Network, Spans, place_of, place_of_text
from webhook.admission.plugins.networksupport import Ipam, Range, Support
from webhook.admission.plugins.rules.ipam import OLD_VERSIONS

SHOWN_MAX = 4
"""The number of ranges and subnets that a message names."""

BURST_SHOWN_MIN = 1_000_000
"""Bits: the burst that a message suggests for small rates."""

BURST_MAX = 34_359_738_359
"""Bits: an eighth of it, in whole bytes, is below 2^32 - 1 (plugins/meta/bandwidth/main.go validateRateAndBurst)."""

_REQUESTS = (
    ("ips", "ips", "ips"),
    ("mac", "mac", "mac"),
    ("port_mappings", "portMappings", "portMappings"),
    ("bandwidth", "bandwidth", "bandwidth"),
    ("infiniband_guid", "infiniband-guid", "infinibandGUID"),
)
"""(field, annotation key, capability that a plugin must read)"""


def asks_for_anything(element: NetworkSelectionElement) -> bool:
    """Say whether an element has a request that its network may not support. NB: `needs_ips` is about the others."""
    return bool(
        element.ips
        or element.mac
        or element.default_route
        or element.port_mappings
        or element.bandwidth
        or element.infiniband_guid
    )


def request_findings(element: NetworkSelectionElement, support: Support) -> Findings:
    """Yield the findings about an element's requests; paths such as `ips[0]` begin at the element."""
    yield from _address_findings(element, support)
    if element.mac is not None and support.sets_mac:
        yield from _mac_findings(element.mac)
    if element.bandwidth is not None:
        yield from _bandwidth_findings(element, support)
    if support.unread:
        yield from _unread_findings(element, support)
    if element.port_mappings:
        yield from _port_findings(element, support)
    if element.default_route:
        yield from _default_route_findings(element, support, element.default_route)


def is_granted(ips: Sequence[str], mac: str | None, support: Support) -> bool:
    """Say whether `request_findings` yields nothing for an element that asks for these addresses at most.

    `ips` are without prefixes. `support.is_usual`. False if it may yield something. A property test compares both.
    """
    if mac is not None and ("mac" in support.unread or (support.sets_mac and _cannot_be_set(mac))):
        return False
    if not ips:
        return True
    if "ips" in support.unread:
        return False
    places = list(map(place_of_text, ips))
    for ipam in support.ipams:  # noqa: SIM110 - `all` makes a generator, for one of them
        if ipam.gets_ips and not ipam.grants(places):
            return False
    return True


def _address_findings(element: NetworkSelectionElement, support: Support) -> Findings:
    for ipam in support.ipams:
        if element.ips and ipam.gets_ips:
            yield from _IPS[ipam.type](element, ipam, support.attached_by)
        if ipam.route_gateways:
            yield from _route_findings(element, ipam, support)
    if element.ips and support.controller_ips is not None:
        yield from _controller_findings(element, support)
    if not element.ips and support.needs_ips and not _asks_elsewhere(element):
        yield from _no_address_findings()


def _unread_findings(element: NetworkSelectionElement, support: Support) -> Findings:
    for field, key, capability in _REQUESTS:
        if getattr(element, field) and capability in support.unread:
            detail = f'the network declares the capability "{capability}", and none of its plugins reads it'
            yield PluginFinding(code="NAD608", path=key, detail=detail, fix=f'remove "{key}", or use another network')


def read_ip(text: str) -> Address | None:
    """Return the address of an item of `ips`, which may have a prefix. IPv4 inside IPv6 is IPv4."""
    return read_address(text.partition("/")[0])


def read_ips(ips: Iterable[str]) -> Iterator[tuple[str, str, Address]]:
    """Yield path, text and address of each item of `ips` that is an address."""
    for at, text in enumerate(ips):
        address = read_ip(text)
        if address is not None:
            yield f"ips[{at}]", text, address


def _host_local(element: NetworkSelectionElement, ipam: Ipam, attached_by: str) -> Findings:
    """Compare each address with the ranges (host-local main.go cmdAdd, allocator.go Get)."""
    if ipam.by_argument and len(element.ips) > 1:
        detail = f"{NAMES[attached_by]} passes the addresses to IPAM host-local in CNI_ARGS, where it reads one address"
        refusal = f"ARGS: error parsing value of pair 'IP={','.join(element.ips[:2])}'"
        yield PluginFinding(code="NAD616", path="ips", detail=detail, fix="ask for one address", refusal=refusal)
        return
    taken: dict[int, Address] = {}
    for path, text, address in read_ips(element.ips):
        match = ipam.find_range(address)
        refusal = "failed to allocate all requested IPs"
        if match is None:
            detail = "IPAM host-local of this network does not hand out this address"
            allowed, refusal = _allowed(ipam.ranges), f"{refusal}: {address}"
            yield PluginFinding(code="NAD601", path=path, detail=detail, value=text, allowed=allowed, refusal=refusal)
        elif address == match.gateway:
            detail = f"this address is the gateway of {match.subnet}, which no pod gets"
            refusal = f"failed to allocate for range {match.group}: requested ip {address} is subnet's gateway"
            yield PluginFinding(code="NAD602", path=path, detail=detail, value=text, refusal=refusal)
        elif taken.setdefault(match.group, address) != address:
            detail = f"IPAM host-local gives one address of each set of ranges, and {taken[match.group]} is of this set"
            yield PluginFinding(
                code="NAD603", path=path, detail=detail, value=text, fix="keep one of them", refusal=refusal
            )


def _allowed(ranges: tuple[Range, ...]) -> str:
    shown = [_handed_out(item) for item in ranges[:SHOWN_MAX]]
    return ", ".join([*shown, *(["..."] if len(ranges) > SHOWN_MAX else [])])


def _handed_out(item: Range) -> str:
    """Return the addresses of a range without its gateway, which no pod gets."""
    first, last, gateway = item.first, item.last, item.gateway
    if gateway == first != last:
        first += 1
    elif gateway == last != first:
        last -= 1
    inside = gateway is not None and int(first) < int(gateway) < int(last)
    return f"{first} to {last}{f' without {gateway}' if inside else ''}"


def _static(element: NetworkSelectionElement, ipam: Ipam, _attached_by: str) -> Findings:
    """Check that addresses have prefixes, and that the CNI version has room for them (static main.go)."""
    refusal = "an entry in the 'ips' field is NOT in CIDR notation, got: '{value}'"
    yield from _without_prefix(element, "IPAM static", refusal)
    families = [address.version for _, _, address in read_ips(element.ips)]
    if ipam.cni_version in OLD_VERSIONS and len(families) > len(set(families)):
        detail = f"CNI version {ipam.cni_version} of the network has room for one IPv4 and one IPv6 address"
        refusal = f"CNI version {ipam.cni_version} does not support more than 1 address per family"
        yield PluginFinding(code="NAD605", path="ips", detail=detail, fix="keep one of each", refusal=refusal)


def _whereabouts(element: NetworkSelectionElement, ipam: Ipam, _attached_by: str) -> Findings:
    """Check that addresses have prefixes, and that no other pod gets them (whereabouts config.go handleEnvArgs)."""
    yield from _without_prefix(element, "IPAM whereabouts", "invalid CIDR {value}: invalid CIDR address: {value}")
    allowed = _subnets(ipam.subnets)
    for path, text, address in read_ips(element.ips):
        if "/" not in text:
            continue
        if ipam.find_range(address) is not None:
            detail = "IPAM whereabouts does not reserve this address of its range, and may also give it to another pod"
            fix = 'ask for one outside the range, or have it excluded by "exclude"'
            yield PluginFinding(code="NAD609", path=path, detail=detail, value=text, fix=fix)
        elif not ipam.has_subnet_of(address):
            detail = "this address is outside the subnets of the network"
            yield PluginFinding(code="NAD610", path=path, detail=detail, value=text, allowed=allowed)


def _without_prefix(element: NetworkSelectionElement, plugin: str, refusal: str) -> Findings:
    for at, text in enumerate(element.ips):
        if "/" not in text:
            detail = f"{plugin} takes only addresses with a prefix"
            fix = f'write it with the prefix of its subnet, such as "{text}/{64 if ":" in text else 24}"'
            yield PluginFinding(code="NAD604", path=f"ips[{at}]", detail=detail, value=text, fix=fix, refusal=refusal)


def _controller_findings(element: NetworkSelectionElement, support: Support) -> Findings:
    """Yield addresses that OVN-Kubernetes does not give: the pod waits for its annotation (pod_annotation.go)."""
    if support.controller_ips == "refused":
        detail = "OVN-Kubernetes hands out the addresses of this network itself, and takes none from a pod"
        fix = 'remove "ips", or use a network without "subnets"'
        refusal = "cannot allocate a static IP request with IPAM for pod"
        yield PluginFinding(code="NAD622", path="ips", detail=detail, fix=fix, refusal=refusal)
    else:
        yield from _without_prefix(element, "OVN-Kubernetes", "invalid CIDR address: {value}")


_IPS = {"host-local": _host_local, "static": _static, "whereabouts": _whereabouts}


def _cannot_be_set(mac: str) -> bool:
    """Say whether no interface can have a MAC address: a group address, or zeros only."""
    return _is_group(mac) or not mac.strip("0:-.")


def _is_group(mac: str) -> bool:
    return bool(int(mac[:2], 16) & 1)


def _mac_findings(mac: str) -> Findings:
    """Yield a MAC address that no interface can have."""
    is_group = _is_group(mac)
    if _cannot_be_set(mac):
        detail = f"{'a group address' if is_group else 'the address of zeros'} cannot be that of an interface"
        allowed = "an address whose first byte is even, such as 02:00:00:00:00:01"
        refusal = "cannot assign requested address"
        yield PluginFinding(code="NAD614", path="mac", detail=detail, value=mac, allowed=allowed, refusal=refusal)


def _bandwidth_findings(element: NetworkSelectionElement, support: Support) -> Findings:
    """Yield bursts that are too large for plugin bandwidth."""
    asked = element.bandwidth
    if asked is None or "bandwidth" not in support.readers.get("bandwidth", frozenset()):
        return
    for key, burst in (("ingressBurst", asked.ingress_burst), ("egressBurst", asked.egress_burst)):
        if burst is not None and burst > BURST_MAX:
            detail = "the plugin bandwidth has no room for this burst, which is in bits"
            yield PluginFinding(
                code="NAD615",
                path=f"bandwidth.{key}",
                detail=detail,
                value=burst,
                allowed=f"at most {BURST_MAX}",
                refusal="burst cannot be more than 4GB",
            )
    if value_of(BURST, support.attached_by) == YES:
        return
    for key, rate, burst in (
        ("ingressRate", asked.ingress_rate, asked.ingress_burst),
        ("egressRate", asked.egress_rate, asked.egress_burst),
    ):
        if rate and not burst:
            burst_key = key.replace("Rate", "Burst")
            yield PluginFinding(
                code="NAD619",
                path=f"bandwidth.{key}",
                detail=f"{NAMES[support.attached_by]} passes a rate without a burst on as it is",
                fix=f'add "{burst_key}", in bits, such as {min(max(rate, BURST_SHOWN_MIN), BURST_MAX)}',
                refusal="if rate is set, burst must also be set",
            )


def _port_findings(element: NetworkSelectionElement, support: Support) -> Findings:
    """Yield mappings without a protocol where the attacher fills none in."""
    if value_of(PROTOCOL, support.attached_by) == YES or "portmap" not in support.readers.get("portMappings", ()):
        return
    for at, port in enumerate(element.port_mappings):
        if not port.protocol:
            yield PluginFinding(
                code="NAD640",
                path=f"portMappings[{at}]",
                detail=f"{NAMES[support.attached_by]} passes a mapping without a protocol on as it is",
                fix='add "protocol": "tcp"',
                refusal="unknown protocol '' specified",
            )


def _no_address_findings() -> Findings:
    """Yield a network that gets no address: IPAM static has none of its own, and the pod asks for none."""
    detail = "IPAM static of this network has no addresses, and the pod asks for none"
    fix = 'ask for one, such as "ips": ["192.0.2.7/24"]'
    refusal = "IPAM plugin returned missing IP config"
    yield PluginFinding(code="NAD617", path="", detail=detail, fix=fix, refusal=refusal)


def _route_findings(element: NetworkSelectionElement, ipam: Ipam, support: Support) -> Findings:
    """Yield a route of the network whose gateway the pod's own addresses, which replace the network's, do not reach."""
    asked = _asked_subnets(element, ipam)
    if not asked.replace_own or not asked.networks or not support.is_plain or _asks_elsewhere(element):
        return
    spans = Spans(asked.networks)
    families = {network.version for network in asked.networks}
    for gateway in ipam.route_gateways:
        is_far = not spans.has(place_of(gateway)) and not (gateway.version == 6 and gateway.is_link_local)
        if is_far and (gateway.version in families or gateway.version == 4):
            detail = f"a route of the network goes through {gateway}, which these addresses do not reach"
            refusal = "network is unreachable" if gateway.version == 4 else "no route to host"
            allowed = f"an address in the subnet of {gateway}"
            yield PluginFinding(code="NAD641", path="ips", detail=detail, allowed=allowed, refusal=refusal)
            return


def _default_route_findings(element: NetworkSelectionElement, support: Support, gateways: Iterable[str]) -> Findings:
    """Yield gateways that cannot be reached; or, if there are none, that the route may not move."""
    is_without = support.has_no_ipam and not _asks_elsewhere(element)
    unreachable = [*(_without_ipam(gateways) if is_without else _gateway_findings(element, support))]
    yield from unreachable
    if not unreachable and value_of(ROUTE_MOVES, support.attached_by) != YES:
        detail = "Multus since 4.2.2 leaves the default route of the pod as it is, so this may have no effect"
        fix = "check the pod's routes; older versions of Multus move the route"
        yield PluginFinding(code="NAD618", path="default-route", detail=detail, fix=fix)


def _gateway_findings(element: NetworkSelectionElement, support: Support) -> Findings:
    """Yield gateways that are in no subnet of the attachment.

    NB: the gateway may be reached by a route from elsewhere: from IPAM, another plugin, or, for IPv6, a router.
    """
    if len(support.ipams) != 1 or _asks_elsewhere(element):
        return
    ipam = support.ipams[0]
    asked = _asked_subnets(element, ipam)
    subnets = asked.networks if asked.replace_own else (*ipam.subnets, *asked.networks)
    spans, allowed = Spans(asked.networks), _subnets(subnets)
    for at, text in enumerate(element.default_route or ()) if subnets else ():
        gateway = read_address(text)
        if gateway is None or spans.has(place_of(gateway)):
            continue
        if ipam.has_route_to(gateway) if asked.replace_own else ipam.reaches(gateway):
            continue
        if gateway.version == 6 and gateway.is_link_local:
            continue
        path = f"default-route[{at}]"
        if gateway.version == 4 and support.is_plain and ipam.type != "whereabouts":
            detail = "this gateway is in no subnet of the network, so the kernel refuses the route"
            yield PluginFinding(
                code="NAD606", path=path, detail=detail, value=text, allowed=allowed, refusal="network is unreachable"
            )
        else:
            detail = "this gateway is in no known subnet of the network"
            yield PluginFinding(code="NAD607", path=path, detail=detail, value=text, allowed=allowed)


def _without_ipam(gateways: Iterable[str]) -> Findings:
    """Yield gateways on a network without IPAM. NB: its interface has no address, so the kernel knows no way to them.

    An IPv6 interface always has a link-local address, and a router may give it more.
    """
    for at, text in enumerate(gateways):
        gateway = read_address(text)
        if gateway is None or (gateway.version == 6 and gateway.is_link_local):
            continue
        path, detail = f"default-route[{at}]", "the network has no IPAM, so no address of it reaches this gateway"
        fix = 'remove "default-route", or use a network with IPAM'
        if gateway.version == 4:
            refusal = "network is unreachable"
            yield PluginFinding(code="NAD606", path=path, detail=detail, value=text, fix=fix, refusal=refusal)
        else:
            yield PluginFinding(code="NAD607", path=path, detail=detail, value=text, fix=fix)


def _asks_elsewhere(element: NetworkSelectionElement) -> bool:
    """Say whether addresses come from a source that is not known here: an IPAMClaim, arguments of plugins."""
    return element.ipam_claim_reference is not None or bool(element.cni_args)


class _AskedSubnets(NamedTuple):
    """The subnets of the addresses that a pod requests. `replace_own`: whether they replace those of the network."""

    networks: tuple[Network, ...] = ()
    replace_own: bool = False


def _asked_subnets(element: NetworkSelectionElement, ipam: Ipam) -> _AskedSubnets:
    """Return the subnets that the requested addresses bring; with static, they replace those of the network."""
    if not element.ips or not ipam.gets_ips or ipam.type == "host-local":
        return _AskedSubnets()
    asked = tuple(network for text in element.ips if (network := _network(text)) is not None)
    if ipam.type == "static":
        return _AskedSubnets(asked if len(asked) == len(element.ips) else (), replace_own=True)
    return _AskedSubnets(asked)


def _network(text: str) -> Network | None:
    """Return the network of an address with its prefix. IPv4 inside IPv6 is IPv4."""
    written, address = read_cidr(text), read_ip(text)
    if written is None or address is None or address.version == written.version:
        return written.network if written else None
    inner = read_cidr(f"{address}/{written.network.prefixlen - 96}")
    return inner.network if inner else None


def _subnets(subnets: tuple[Network, ...]) -> str:
    shown = [f"an address of {subnet}" for subnet in islice(dict.fromkeys(subnets), SHOWN_MAX + 1)]
    return ", ".join([*shown[:SHOWN_MAX], *(["..."] if len(shown) > SHOWN_MAX else [])])
