"""What one item asks for beyond the attachment itself, in one form whichever key it came by (side door 10).

`cni-args.ips` and `cni-args.ip` count as `ips`, `cni-args.mac` as `mac`, in any letter case; they remain `cni-args`
too, for a plugin may read them there.
"""

from __future__ import annotations

from cniplugin.netspec.record import Record
from cniplugin.netspec.whitespace import trim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cniplugin.netspec.selection import Bandwidth, NetworkSelectionElement, PortMapping

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
