"""Plugins that configure a link or its routes: bond, host-device, tuning, sbr, route-override.

    device of host-device = device / hwaddr / kernelpath / pciBusID       ; the first key that is set counts

Sources: bond-cni bond/util/validation.go; route-override-cni cmd/route-override addRoute; containernetworking/plugins
main/host-device getLink, meta/tuning/tuning.go, meta/sbr/main.go.
"""

from __future__ import annotations

from cniplugin.netspec.jsontext import join
from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.goparsing import ALLOWED, fits, read_address, read_cidr
from webhook.admission.plugins.placement import Placed

MTU_MIN = 68
"""Of IPv4 (RFC 791)."""
KERNEL_PATHS = "/sys/devices/"


def bond_mtu_findings(placed: Placed) -> Findings:
    """Yield an MTU of bond that is too small; 0 means 1500."""
    mtu = placed.values.get("mtu")
    if mtu and mtu < MTU_MIN:
        detail = f"the plugin bond takes {MTU_MIN} or more, or 0 for 1500"
        refusal = "invalid bond MTU value ({value}), should be 68 or bigger"
        yield PluginFinding(code="NAD201", path=placed.where("mtu"), detail=detail, value=mtu, refusal=refusal)


def host_device_findings(placed: Placed) -> Findings:
    """Yield the key that host-device takes its device from and cannot read."""
    values = placed.values
    if values.get("device") or "device" in values.unreadable:
        return
    address, path = values.get("hwaddr"), values.get("kernelpath")
    if address:
        if not fits(address, "mac"):
            yield PluginFinding(
                code="NAD203",
                path=placed.where("hwaddr"),
                detail="the plugin host-device cannot read this text",
                value=address,
                allowed=ALLOWED["mac"],
                refusal="failed to parse MAC address '{value}': address {value}: invalid MAC address",
            )
    elif path and "hwaddr" not in values.unreadable and not path.startswith(KERNEL_PATHS):
        yield PluginFinding(
            code="NAD203",
            path=placed.where("kernelpath"),
            detail="the plugin host-device takes paths of devices only",
            value=path,
            allowed=f"a path that begins with {KERNEL_PATHS}",
            refusal="kernel device path '{value}' must be absolute and begin with /sys/devices/",
        )


def sysctl_findings(placed: Placed) -> Findings:
    """Yield sysctls of tuning that are not below net.

    A key is written with dots or with slashes. The plugin replaces all dots by slashes, so `..` leads nowhere, and
    drops empty parts. One sysctl in both forms is set twice, in any order.
    """
    for key in placed.values.get("sysctl") or {}:
        if not _is_of_network(key):
            yield PluginFinding(
                code="NAD207",
                path=join(placed.where("sysctl"), key),
                detail="the plugin tuning sets sysctls of the network only",
                allowed="keys that begin with net.",
                refusal="invalid net sysctl key",
            )


def _is_of_network(key: str) -> bool:
    parts = [part for part in key.replace(".", "/").split("/") if part]
    return len(parts) > 1 and parts[0] == "net"


def sbr_findings(placed: Placed) -> Findings:
    """Yield an interface without addresses before sbr, empty gateways, and the second one of a family."""
    if placed.earlier and not placed.has_addresses:
        detail = "the plugin sbr needs an address on the interface, and no earlier plugin has IPAM"
        refusal = "No IP addresses supplied on interface: net1"
        fix = 'add "ipam" to the plugin that makes the interface'
        yield PluginFinding(code="NAD402", path=placed.path, detail=detail, fix=fix, refusal=refusal)
    first: dict[int, str] = {}
    for at, text in enumerate(placed.values.get("gateways") or ()):
        path = f"{placed.where('gateways')}[{at}]"
        if not text:
            refusal = "invalid static gateway IP address: "
            yield PluginFinding(code="NAD203", path=path, detail="the gateway is empty", refusal=refusal)
        address = read_address(text)
        if address is None:
            continue
        other = first.setdefault(address.version, text)
        if other is not text:
            detail = f"there is another IPv{address.version} gateway before it"
            refusal = f"gateways list contains multiple IPv{address.version} addresses: {other} and {text}"
            yield PluginFinding(code="NAD208", path=path, detail=detail, value=text, refusal=refusal)


def route_override_findings(placed: Placed) -> Findings:
    """Yield default routes that route-override adds without a gateway."""
    for at, route in enumerate(placed.values.get("addroutes") or ()):
        destination = read_cidr((route or {}).get("dst"))
        if destination is not None and not destination.network.prefixlen and not route.get("gw"):
            detail = "without gw, this default route sends all traffic of the pod to the link itself"
            path = f"{placed.where('addroutes')}[{at}]"
            yield PluginFinding(code="NAD505", path=path, detail=detail, fix='add "gw"')
