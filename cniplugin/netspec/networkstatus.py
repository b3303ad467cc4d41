"""The status of attachments: CNI results to the entries of the network-status annotation (NPWG v1.3 §5).

The shape is Multus' (net-attach-def client, CreateNetworkStatuses), which many programs read: addresses without
prefix length, one entry for each interface in the pod, the first of them as in §5.1.1, `dns` always, `gateway`.
A result with exactly one interface gives one entry with every address. With several, an address goes to the
interface of its index, one without index to the last interface in the pod.

Deviations from Multus, where it differs from the standard or reports something wrong:

- `default` is always written (§5.3.5), and exactly one entry of the default network has true, also when the gateway
  belongs to an interface outside the pod.
- There is always an entry (§5.1.1, §5.2): without an interface in the pod, a minimal one with the interface name
  that the attachment was asked for (CNI_IFNAME, §5.3.2.1) and the addresses that have no index (§5.3.3.1).
- `gateway` never has "<nil>", and only a route of length 0 is a default route: 0.0.0.0/1 is not.
- `default-route` (§5.3.6.4) is written if the selection has that key. There, an empty list means that the attachment
  keeps its own default routes, so their gateways are written.
"""

from __future__ import annotations

from .rawjson import dumps_indented
from .record import Record
from .result import Dns, convert_dns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from .result import Interface, IPConfig, Result

ANNOTATION = "k8s.v1.cni.cncf.io/network-status"
"""Network CRD v1.3 §5."""

_DEFAULT_ROUTES = ("0.0.0.0/0", "::/0")


class StatusEntry(Record):
    """One map of the annotation (§5.3). An empty text or tuple, 0 and None are not written."""

    name: str
    interface: str = ""
    ips: tuple[str, ...] = ()
    mac: str = ""
    mtu: int = 0
    default: bool
    dns: Dns = Dns()
    device_info: dict[str, Any] | None = None
    gateway: tuple[str, ...] = ()
    default_route: tuple[str, ...] | None = None


def entries(
    name: str,
    result: Result | None,
    *,
    is_default: bool,
    ifname: str = "",
    default_route: tuple[str, ...] | None = None,
    device_info: dict[str, Any] | None = None,
) -> tuple[StatusEntry, ...]:
    """Return the entries of one attachment, at least one.

    `name`: of the network, with its namespace. `result`: of ADD, or None. `is_default`: the
    cluster-wide default network. `ifname`: the CNI_IFNAME of the attachment. `default_route`: that key of its
    selection, None if absent. `device_info`: as in the device information file.
    """
    gateway = _gateway(result)
    minimal = StatusEntry(
        name=name,
        interface=ifname,
        default=is_default,
        dns=result.dns if result else Dns(),
        device_info=device_info,
        gateway=gateway,
        default_route=gateway if default_route == () else default_route,
    )
    if result is None:
        return (minimal,)
    in_pod = [index for index, interface in enumerate(result.interfaces) if interface.sandbox]
    if len(result.interfaces) == 1:
        return (_of_interface(minimal, result.interfaces[0]).replace(ips=_bare(result.ips)),)
    if not in_pod:
        return (minimal.replace(ips=_bare(config for config in result.ips if config.interface is None)),)
    ips = _ips_by_index(result, last=in_pod[-1])
    chosen = _default_index(result, in_pod)
    return tuple(
        _of_interface(minimal, result.interfaces[index]).replace(
            ips=_bare(ips.get(index, ())), default=is_default and index == chosen
        )
        for index in in_pod
    )


def render(entries: Sequence[StatusEntry]) -> str:
    """Return the text of the annotation, laid out as Multus does: maps indented by four, a list around them."""
    maps = (dumps_indented(_map(entry)) for entry in entries)
    return f"[{','.join(maps)}]"


def _gateway(result: Result | None) -> tuple[str, ...]:
    routes = result.routes if result else ()
    return tuple(route.gw for route in routes if route.dst in _DEFAULT_ROUTES and route.gw)


def _of_interface(minimal: StatusEntry, interface: Interface) -> StatusEntry:
    """NB: an interface outside the pod, such as the host's end of a veth, is not the pod's."""
    if not interface.sandbox:
        return minimal
    return minimal.replace(interface=interface.name, mac=interface.mac, mtu=interface.mtu)


def _ips_by_index(result: Result, *, last: int) -> dict[int, list[IPConfig]]:
    """Return the addresses by the index of their interface, those without index under `last`."""
    ips: dict[int, list[IPConfig]] = {}
    for config in result.ips:
        ips.setdefault(last if config.interface is None else config.interface, []).append(config)
    return ips


def _default_index(result: Result, in_pod: Sequence[int]) -> int:
    """Return the interface of the first address with gateway and index, if it is in the pod, else the first."""
    with_gateway = (config.interface for config in result.ips if config.gateway and config.interface is not None)
    chosen = next(with_gateway, in_pod[0])
    return chosen if chosen in in_pod else in_pod[0]


def _bare(configs: Iterable[IPConfig]) -> tuple[str, ...]:
    """Return addresses without prefix length."""
    return tuple(config.address.partition("/")[0] for config in configs)


def _map(entry: StatusEntry) -> dict[str, Any]:
    """Return the keys of an entry in the order of Multus."""
    return {
        "name": entry.name,
        **({"interface": entry.interface} if entry.interface else {}),
        **({"ips": entry.ips} if entry.ips else {}),
        **({"mac": entry.mac} if entry.mac else {}),
        **({"mtu": entry.mtu} if entry.mtu else {}),
        "default": entry.default,
        "dns": convert_dns(entry.dns),
        **({"device-info": entry.device_info} if entry.device_info is not None else {}),
        **({"gateway": entry.gateway} if entry.gateway else {}),
        **({"default-route": entry.default_route} if entry.default_route is not None else {}),
    }
