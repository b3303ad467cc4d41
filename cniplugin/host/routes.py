"""Default routes inside a pod's network namespace, over rtnetlink (rtnetlink(7); NPWG v1.3 §4.1.2.1.9).

Lists, deletes and adds default routes; numbers and layouts are the kernel's:

    rtmsg = family u8, dst_len u8, src_len u8, tos u8, table u8, protocol u8, scope u8, type u8, flags u32
"""

from __future__ import annotations

import struct
from _socket import inet_ntop, inet_pton

from cniplugin.netspec.record import Record

from .netlink import NLM_F_ACK, NLM_F_DUMP, U32, Netlink, attribute, attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400
RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_TABLE, RTA_MULTIPATH = 4, 5, 6, 15, 9
RT_TABLE_MAIN = 254
RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST = 4, 0, 1
AF_INET, AF_INET6 = 2, 10

_ROUTE = struct.Struct("=BBBBBBBBI")
_NEXTHOP = struct.Struct("=HBBi")


class DefaultRoute(Record):
    """A default route of the main table. `gateway` may be ""; `metric` 0 is the kernel's default.

    `raw` is the kernel's own message. Sent back, it deletes exactly this route.
    """

    family: int
    interface_index: int
    gateway: str = ""
    metric: int = 0
    raw: bytes = b""


class Routes:
    """The default routes of the namespace in which this object was made, for `with`.

    Raises CniError 5, which names the request, for every failure of the kernel.
    """

    def __init__(self) -> None:
        self._netlink = Netlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._netlink.close()

    def defaults(self, index: int | None = None) -> list[DefaultRoute]:
        """Return the default routes of both families in the main table, or only those of one interface."""
        found = [
            route
            for family in (AF_INET, AF_INET6)
            for message in self._netlink.ask(
                RTM_GETROUTE, NLM_F_DUMP, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), "list routes"
            )
            if (route := _default_route(message)) is not None
        ]
        return [route for route in found if index is None or route.interface_index == index]

    def delete(self, route: DefaultRoute) -> None:
        """Delete a route that `defaults` returned, if it still exists."""
        self._netlink.ask(RTM_DELROUTE, NLM_F_ACK, route.raw, "delete a default route", tolerated=(3,))  # ESRCH

    def add_default(self, index: int, gateway: str, *, metric: int = 0) -> None:
        """Add a default route through a gateway, an IPv4 or IPv6 address, unless the same route exists."""
        family = AF_INET6 if ":" in gateway else AF_INET
        body = _ROUTE.pack(family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0)
        body += attribute(RTA_GATEWAY, inet_pton(family, gateway))
        body += attribute(RTA_OIF, U32.pack(index))
        if metric:
            body += attribute(RTA_PRIORITY, U32.pack(metric))
        flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
        what = f"add a default route through {gateway}"
        self._netlink.ask(RTM_NEWROUTE, flags, body, what, tolerated=(17,))  # EEXIST


def _default_route(payload: bytes) -> DefaultRoute | None:
    """Return a unicast default route of the main table; None for any other route."""
    family, dst_len, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(payload)
    found = attributes(payload[_ROUTE.size :])
    table = U32.unpack(found[RTA_TABLE])[0] if RTA_TABLE in found else table
    if dst_len or kind != RTN_UNICAST or table != RT_TABLE_MAIN:
        return None
    gateway = found.get(RTA_GATEWAY, b"")
    index = U32.unpack(found[RTA_OIF])[0] if RTA_OIF in found else 0
    if RTA_MULTIPATH in found:
        _, _, _, index = _NEXTHOP.unpack_from(found[RTA_MULTIPATH])
        gateway = attributes(found[RTA_MULTIPATH][_NEXTHOP.size :]).get(RTA_GATEWAY, b"")
    metric = U32.unpack(found[RTA_PRIORITY])[0] if RTA_PRIORITY in found else 0
    return DefaultRoute(
        family=family, interface_index=index, gateway=_text(family, gateway), metric=metric, raw=payload
    )


def _text(family: int, address: bytes) -> str:
    return inet_ntop(family, address) if address else ""
