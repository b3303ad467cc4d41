"""Routes and links inside a pod's network namespace, over rtnetlink (RFC 3549; linux/rtnetlink.h, rtnetlink(7)).

Only what the default route needs (NPWG v1.3 §4.1.2.1.9): list default routes, delete one, add one. Numbers and layouts
are the kernel's; a request and its answer are

    nlmsghdr = length u32, type u16, flags u16, sequence u32, port u32
    rtmsg    = family u8, dst_len u8, src_len u8, tos u8, table u8, protocol u8, scope u8, type u8, flags u32
    rtattr   = length u16, type u16, payload, padded to 4

`socket` and `ctypes` are imported where they are used: most attachments ask for no default route.
"""

from __future__ import annotations

import os
import struct

from .errors import INVALID_NETNS, IO_FAILURE, CniError
from .netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

CLONE_NEWNET = 0x40000000
NETLINK_ROUTE = 0
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_TABLE, RTA_MULTIPATH = 1, 4, 5, 6, 15, 9
RT_TABLE_UNSPEC, RT_TABLE_MAIN = 0, 254
RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST = 4, 0, 1
AF_INET, AF_INET6 = 2, 10
BUFFER_BYTES = 1 << 16

_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_U32 = struct.Struct("=I")
_NEXTHOP = struct.Struct("=HBBi")


class DefaultRoute(Record):
    """A default route of the main table. `gateway` is "" for one without; `metric` 0 is the kernel's default.

    `raw` is the kernel's own message, which deletes exactly this route.
    """

    family: int
    interface_index: int
    gateway: str = ""
    metric: int = 0
    raw: bytes = b""


class Namespace:
    """A network namespace to work in: `with Namespace(path): ...` moves this thread there and back.

    Raises CniError 8 for a path that is none, or that this process may not enter.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._home = -1

    def __enter__(self) -> None:
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            target = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(target)
            finally:
                os.close(target)
        except OSError as error:
            os.close(self._home)
            reason = (error.strerror or str(error)).lower()
            raise CniError(INVALID_NETNS, f"network namespace {self._path}: cannot be entered: {reason}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """NB: failing to come back would leave the process in the pod; that must end it."""
        try:
            _setns(self._home)
        finally:
            os.close(self._home)


def _setns(descriptor: int) -> None:
    if hasattr(os, "setns"):  # Python 3.12
        os.setns(descriptor, CLONE_NEWNET)
        return
    import ctypes  # noqa: PLC0415  # 10 ms, and only for a default route on 3.11

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def interface_index(name: str) -> int | None:
    """Return the index of an interface of this thread's namespace, None if there is none of that name."""
    import socket  # noqa: PLC0415

    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


class Routes:
    """A netlink socket of the namespace in which it was opened. A context manager.

    Every failure of the kernel is a CniError 5 that names the request.
    """

    def __init__(self) -> None:
        import socket  # noqa: PLC0415

        self._sequence = 0
        self._socket: socket.socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE
        )
        self._socket.bind((0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def defaults(self, index: int | None = None) -> list[DefaultRoute]:
        """Return the default routes of both families in the main table, of one interface if an index is given."""
        found = [
            route
            for family in (AF_INET, AF_INET6)
            for message in self._ask(
                RTM_GETROUTE, NLM_F_DUMP, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), "list routes"
            )
            if (route := _default_route(message)) is not None
        ]
        return [route for route in found if index is None or route.interface_index == index]

    def delete(self, route: DefaultRoute) -> None:
        """Delete a route that `defaults` returned; one that is gone already is fine."""
        self._ask(RTM_DELROUTE, NLM_F_ACK, route.raw, "delete a default route", tolerated=(3,))  # ESRCH

    def add_default(self, index: int, gateway: str, *, metric: int = 0) -> None:
        """Add a default route through a gateway (an IPv4 or IPv6 address); the same one twice is fine."""
        import socket  # noqa: PLC0415

        family = AF_INET6 if ":" in gateway else AF_INET
        body = _ROUTE.pack(family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0)
        body += _attribute(RTA_GATEWAY, socket.inet_pton(socket.AddressFamily(family), gateway))
        body += _attribute(RTA_OIF, _U32.pack(index))
        if metric:
            body += _attribute(RTA_PRIORITY, _U32.pack(metric))
        flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
        self._ask(RTM_NEWROUTE, flags, body, f"add a default route through {gateway}", tolerated=(17,))  # EEXIST

    def _ask(self, kind: int, flags: int, body: bytes, what: str, *, tolerated: tuple[int, ...] = ()) -> list[bytes]:
        """Send one request; return the payloads of the answers."""
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, flags | NLM_F_REQUEST, self._sequence, 0)
        payloads: list[bytes] = []
        try:
            self._socket.sendall(header + body)
            while True:
                for answer, payload in _messages(self._socket.recv(BUFFER_BYTES)):
                    if answer == NLMSG_DONE:
                        return payloads
                    if answer == NLMSG_ERROR:
                        _check(payload, tolerated)
                        return payloads
                    payloads.append(payload)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CniError(IO_FAILURE, f"the kernel refuses to {what}: {reason}") from error


def _check(payload: bytes, tolerated: tuple[int, ...]) -> None:
    """Raise the kernel's error: a negative errno, 0 for an acknowledgement."""
    number = -_ERROR.unpack_from(payload)[0]
    if number and number not in tolerated:
        raise OSError(number, os.strerror(number))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, payload) of each netlink message of a datagram."""
    while len(data) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[_padded(length) :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        found[kind & 0x3FFF] = data[_ATTRIBUTE.size : length]  # without NLA_F_NESTED, NLA_F_NET_BYTEORDER
        data = data[max(_padded(length), _ATTRIBUTE.size) :]
    return found


def _attribute(kind: int, payload: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(_padded(length) - length)


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _default_route(payload: bytes) -> DefaultRoute | None:
    """Return a unicast default route of the main table; None for any other route."""
    family, dst_len, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(payload)
    attributes = _attributes(payload[_ROUTE.size :])
    table = _U32.unpack(attributes[RTA_TABLE])[0] if RTA_TABLE in attributes else table
    if dst_len or kind != RTN_UNICAST or table != RT_TABLE_MAIN:
        return None
    gateway = attributes.get(RTA_GATEWAY, b"")
    index = _U32.unpack(attributes[RTA_OIF])[0] if RTA_OIF in attributes else 0
    if RTA_MULTIPATH in attributes:
        _, _, _, index = _NEXTHOP.unpack_from(attributes[RTA_MULTIPATH])
        gateway = _attributes(attributes[RTA_MULTIPATH][_NEXTHOP.size :]).get(RTA_GATEWAY, b"")
    metric = _U32.unpack(attributes[RTA_PRIORITY])[0] if RTA_PRIORITY in attributes else 0
    return DefaultRoute(
        family=family, interface_index=index, gateway=_text(family, gateway), metric=metric, raw=payload
    )


def _text(family: int, address: bytes) -> str:
    import socket  # noqa: PLC0415

    return socket.inet_ntop(socket.AddressFamily(family), address) if address else ""
