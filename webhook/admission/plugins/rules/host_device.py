"""The device of plugin host-device (containernetworking/plugins main/host-device getLink): the first way that is there.

way = device / hwaddr / kernelpath / pciBusID
"""

from __future__ import annotations

from collections.abc import Iterator

from webhook.admission.plugins.context import Placed
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.formats import ALLOWED, fits

KERNEL_PATHS = "/sys/devices/"


def device_findings(placed: Placed) -> Iterator[PluginFinding]:
    """Yield the way to the device that the plugin takes and cannot read."""
    values = placed.values
    if values.get("device") or "device" in values.unreadable:
        return
    address, path = values.get("hwaddr"), values.get("kernelpath")
    if address:
        if not fits(address, "mac"):
            detail = "the plugin host-device cannot read this text"
            refusal = "failed to parse MAC address '{value}': address {value}: invalid MAC address"
            allowed = ALLOWED["mac"]
            where = placed.where("hwaddr")
            yield PluginFinding(
                code="NAD203", path=where, detail=detail, value=address, allowed=allowed, refusal=refusal
            )
    elif path and "hwaddr" not in values.unreadable and not path.startswith(KERNEL_PATHS):
        detail = "the plugin host-device takes paths of devices only"
        refusal = "kernel device path '{value}' must be absolute and begin with /sys/devices/"
        allowed = f"a path that begins with {KERNEL_PATHS}"
        where = placed.where("kernelpath")
        yield PluginFinding(code="NAD203", path=where, detail=detail, value=path, allowed=allowed, refusal=refusal)
