"""IPAM plugins static and dhcp, and the findings that all IPAM plugins share.

Sources: containernetworking/plugins ipam/static/main.go; ipam/dhcp/options.go, lease.go.

    option = one of OPTION_NAMES / decimal 0 to 255, in quotes      ; of dhcp

An item of dhcp's `request` needs no option: `{"skipDefault": true}` requests nothing, not even the default options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import Block, interface_of, read_address, read_block
from webhook.admission.plugins.placement import Placed

OLD_VERSIONS = ("0.1.0", "0.2.0")
"""CNI versions whose result has room for one address of each family."""

OPTION_NAMES = (
    *("dhcp-client-identifier", "subnet-mask", "routers", "host-name", "user-class", "vendor-class-identifier"),
)
OPTION_BYTES_MAX = 255
"""The length of an option is one byte (RFC 2132 §2)."""


def family_findings(placed: Placed, families: list[int]) -> Findings:
    """Yield a finding if a family, 4 or 6, has two addresses and the CNI version has room for one."""
    if placed.cni_version in OLD_VERSIONS and len(families) > len(set(families)):
        refusal = "does not support more than 1 address per family"
        detail = f"CNI version {placed.cni_version} has room for one IPv4 and one IPv6 address"
        yield PluginFinding(code="NAD309", path=placed.path, detail=detail, fix='raise "cniVersion"', refusal=refusal)


def gateway_findings(conf: Mapping[str, Any], subnet: Block, path: str) -> Findings:
    """Return a gateway that is not on the link; a link-local one always is."""
    written = conf.get("gateway")
    gateway = read_address(written) if written else None
    if gateway is None or subnet.has(gateway) or gateway.is_link_local:
        return ()
    detail = f"the gateway is outside the subnet {interface_of(subnet).network}, so no route can use it"
    return (PluginFinding(code="NAD312", path=f"{path}.gateway", detail=detail, value=written),)


def static_findings(placed: Placed) -> Findings:
    """Yield findings about static: no addresses, too many for an old version, or a gateway that is not on the link."""
    gets_ips = "ips" in placed.declared or "ips" in placed.arguments
    if not placed.values.get("addresses") and not placed.values.unreadable and not gets_ips:
        detail = "without addresses, each pod must ask for its own"
        yield PluginFinding(code="NAD505", path=placed.path, detail=detail, fix='add "addresses", or capability ips')
    families: list[int] = []
    for at, item in enumerate(placed.values.get("addresses") or ()):
        block = read_block((item or {}).get("address"))
        if block is not None:
            families.append(block.version)
            yield from gateway_findings(item, block, f"{placed.where('addresses')}[{at}]")
    yield from family_findings(placed, families)


def dhcp_findings(placed: Placed) -> Findings:
    """Yield options that dhcp does not know, and values that are too long."""
    for key in ("provide", "request"):
        for at, item in enumerate(placed.values.get(key) or ()):
            path = f"{placed.where(key)}[{at}]"
            option = (item or {}).get("option", "")
            if option or key == "provide":
                yield from _option_findings(option, (item or {}).get("value", ""), path)


def _option_findings(option: str, value: str, path: str) -> Findings:
    if option not in OPTION_NAMES and not _is_option_number(option):
        refusal = f"Can not parse option '{option[:40]}'"
        allowed = f"{', '.join(OPTION_NAMES)}, 0 to 255 in quotes"
        where, detail = f"{path}.option", "IPAM dhcp does not know this option"
        yield PluginFinding(code="NAD202", path=where, detail=detail, value=option, allowed=allowed, refusal=refusal)
    size = len(value.encode())
    if size > OPTION_BYTES_MAX:
        detail = f"an option has at most {OPTION_BYTES_MAX} bytes"
        refusal = f"value too long for option '{option[:40]}'"
        yield PluginFinding(code="NAD201", path=f"{path}.value", detail=detail, value=size, refusal=refusal)


def _is_option_number(option: str) -> bool:
    return option.isascii() and option.isdecimal() and len(option) <= 20 and int(option) <= 255
