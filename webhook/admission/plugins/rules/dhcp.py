"""The options of IPAM dhcp (containernetworking/plugins ipam/dhcp/options.go, lease.go).

option = one of OPTION_NAMES / decimal 0 to 255, in quotes

An item of `request` may do without: `{"skipDefault": true}` asks for nothing, and stops what is asked for by default.
"""

from __future__ import annotations

from collections.abc import Iterator

from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding

OPTION_NAMES = (
    "dhcp-client-identifier",
    "subnet-mask",
    "routers",
    "host-name",
    "user-class",
    "vendor-class-identifier",
)
VALUE_BYTES_MAX = 255
"""The length of an option is one byte (RFC 2132 §2)."""


def option_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield options that the plugin cannot name, and values that are too long."""
    for key in ("provide", "request"):
        for at, item in enumerate(placed.values.get(key) or ()):
            path = f"{placed.where(key)}[{at}]"
            option = (item or {}).get("option", "")
            if option or key == "provide":
                yield from _one(option, (item or {}).get("value", ""), path)


def _one(option: str, value: str, path: str) -> Iterator[PluginFinding]:
    if option not in OPTION_NAMES and not _is_number(option):
        refusal = f"Can not parse option '{option[:40]}'"
        detail = "IPAM dhcp knows no such option"
        allowed = f"{', '.join(OPTION_NAMES)}, 0 to 255 in quotes"
        yield PluginFinding(
            code="NAD202", path=f"{path}.option", detail=detail, value=option, allowed=allowed, refusal=refusal
        )
    if len(value.encode()) > VALUE_BYTES_MAX:
        detail = f"an option has at most {VALUE_BYTES_MAX} bytes"
        refusal = f"value too long for option '{option[:40]}'"
        yield PluginFinding(
            code="NAD201", path=f"{path}.value", detail=detail, value=len(value.encode()), refusal=refusal
        )


def _is_number(option: str) -> bool:
    return option.isascii() and option.isdecimal() and len(option) <= 20 and int(option) <= 255
