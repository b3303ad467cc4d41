"""Readers of what an Allow rule lets pods ask for: its `limits`."""

from __future__ import annotations

from cniplugin.access.model.limits import Limits
from cniplugin.access.model.usage import SPELLINGS

from . import policyfields
from .reader import Reader, choice, flag, integer, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .reader import Read

DEFAULTS = ("Basic", "Deny", "Allow")

_BITS = integer(least=1, most=2**63 - 1)
LIMITS: Mapping[str, Mapping[str, Read]] = {
    "ips": {"cidrs": policyfields.cidrs, "max": integer(least=1, most=64)},
    "mac": {"prefixes": policyfields.prefixes},
    "infinibandGuid": {"prefixes": policyfields.prefixes},
    "bandwidth": {"maxIngressBitsPerSecond": _BITS, "maxEgressBitsPerSecond": _BITS, "required": flag},
    "portMappings": {"hostPorts": policyfields.ranges, "protocols": texts(most=3, item=choice("TCP", "UDP", "SCTP"))},
    "defaultRoute": {"gateways": policyfields.cidrs},
    "cniArgs": {"keys": policyfields.keys(64, 253)},
    "interface": {"names": policyfields.names(policyfields.PATTERN)},
    "ipamClaim": {},
    "deviceID": {},
    "extraKeys": {"keys": policyfields.keys(64, 253)},
    "replaceDefaultNetwork": {},
}


def _limit(readers: Mapping[str, Read]) -> Read:
    return lambda reader, value, path: reader.members(value, path, readers)[0]


FIELDS: Mapping[str, Read] = {
    "default": choice(*DEFAULTS),
    **{kind: _limit(readers) for kind, readers in LIMITS.items()},
}


def limits(reader: Reader, value: object, path: str) -> Limits:
    """Read the `limits` of an Allow rule."""
    found, _ = reader.members(value, path, FIELDS)
    default = found.pop("default", "Basic")

    def of(kind: str, key: str) -> Any:
        return found.get(kind, {}).get(key)

    protocols = of("portMappings", "protocols")
    return Limits(
        default=default,
        listed=tuple(kind for kind in SPELLINGS if kind in found),
        cidrs=of("ips", "cidrs"),
        ips_max=of("ips", "max"),
        macs=of("mac", "prefixes"),
        guids=of("infinibandGuid", "prefixes"),
        ingress_max=of("bandwidth", "maxIngressBitsPerSecond"),
        egress_max=of("bandwidth", "maxEgressBitsPerSecond"),
        is_bandwidth_required=of("bandwidth", "required") is True,
        host_ports=of("portMappings", "hostPorts"),
        protocols=None if protocols is None else frozenset(protocols),
        gateways=of("defaultRoute", "gateways"),
        cni_args=of("cniArgs", "keys"),
        interfaces=of("interface", "names"),
        extra_keys=of("extraKeys", "keys"),
    )
