"""Links and network namespaces over rtnetlink (RFC 3549; linux/rtnetlink.h, rtnetlink(7)).

A request and its answers; numbers and layouts are the kernel's:

    nlmsghdr  = length u32, type u16, flags u16, sequence u32, port u32
    attribute = length u16, type u16, payload, padded to 4

`_socket` is the C module of `socket`, which costs 2 ms more, for `enum` and `selectors`.
"""

from __future__ import annotations

import os
import struct
from _socket import SOCK_CLOEXEC, SOCK_RAW, if_nametoindex, socket

from cniplugin.cnierrors import INVALID_NETNS, IO_FAILURE, CniError
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

CLONE_NEWNET = 0x40000000
AF_NETLINK, NETLINK_ROUTE = 16, 0
RTM_DELLINK, RTM_GETLINK, RTM_SETLINK, RTM_NEWNSID, RTM_GETNSID = 17, 18, 19, 88, 90
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NETNSA_NSID, NETNSA_FD, NSID_NONE = 1, 3, -1
IFLA_IFNAME, IFLA_LINK, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_NET_NS_FD = 3, 5, 18, 20, 28
IFLA_LINK_NETNSID, IFLA_TARGET_NETNSID = 37, 46
BUFFER_BYTES = 1 << 16

U32 = struct.Struct("=I")
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_S32 = struct.Struct("=i")
_GENERIC = bytes(4)
"""rtgenmsg: any family."""
_LINK = struct.Struct("=BxHiII")
"""ifinfomsg: family, type, index, flags, change."""


class Namespace:
    """Moves this thread into a network namespace and back: `with Namespace(path): ...`.

    Raises CniError 8 if the path is not a namespace, or if this process may not enter it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._home = -1

    def __enter__(self) -> None:
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            target = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                _setns(target)
            finally:
                os.close(target)
        except OSError as error:
            os.close(self._home)
            raise _no_namespace(self._path, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """NB: a failure to come back leaves the process in the pod, so it must end the process."""
        try:
            _setns(self._home)
        finally:
            os.close(self._home)


def _setns(descriptor: int) -> None:
    if hasattr(os, "setns"):  # Python 3.12
        os.setns(descriptor, CLONE_NEWNET)
        return
    import ctypes  # noqa: PLC0415  # only for a default route on 3.11

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def interface_index(name: str) -> int | None:
    """Return the index of an interface in this thread's namespace, None if it does not exist."""
    try:
        return if_nametoindex(name)
    except OSError:
        return None


class Link(Record):
    """A link of a namespace. `peer`: the index of the other end of a veth pair, or of the link below; 0 without one.

    `peer_namespace`: the number of the peer's namespace as this namespace knows it, None if it is the same one.
    `is_virtual`: software made it, so it can be deleted. `alias`: a text that somebody has given it.
    """

    name: str
    index: int
    peer: int = 0
    peer_namespace: int | None = None
    is_virtual: bool = False
    alias: str = ""


def interface_names(path: str) -> frozenset[str]:
    """Return the names of all interfaces of the network namespace at `path`, without entering it. Raises CniError 8."""
    return frozenset(link.name for link in links(path)[0])


def links(path: str) -> tuple[tuple[Link, ...], int]:
    """Return the links of the network namespace at `path`, without entering it, and its number in ours.

    The kernel lists the links of a namespace that has a number in ours. A namespace without a number gets one, as at
    each dump of a veth pair, and keeps it for life. Entering would need `ctypes` before Python 3.12. Raises CniError 8.
    """
    netlink = Netlink()
    try:
        target = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            number = _number_of(netlink, target)
        finally:
            os.close(target)
        return _dump_links(netlink, attribute(IFLA_TARGET_NETNSID, _S32.pack(number))), number
    except OSError as error:
        raise _no_namespace(path, error) from error
    except CniError as error:
        raise CniError(INVALID_NETNS, f"network namespace {path}: {error.msg}") from error
    finally:
        netlink.close()


def own_links() -> tuple[Link, ...]:
    """Return the links of this thread's namespace. Raises CniError 5."""
    netlink = Netlink()
    try:
        return _dump_links(netlink, b"")
    finally:
        netlink.close()


def _dump_links(netlink: Netlink, target: bytes) -> tuple[Link, ...]:
    return tuple(map(_link, netlink.ask(RTM_GETLINK, NLM_F_DUMP, bytes(_LINK.size) + target, "list interfaces")))


def _link(message: bytes) -> Link:
    _family, _kind, index, _flags, _change = _LINK.unpack_from(message)
    attrs = attributes(message[_LINK.size :])
    return Link(
        name=attrs.get(IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace"),
        index=index,
        peer=U32.unpack(attrs[IFLA_LINK])[0] if IFLA_LINK in attrs else 0,
        peer_namespace=_S32.unpack(attrs[IFLA_LINK_NETNSID])[0] if IFLA_LINK_NETNSID in attrs else None,
        is_virtual=IFLA_LINKINFO in attrs,
        alias=attrs.get(IFLA_IFALIAS, b"").rstrip(b"\0").decode(errors="replace"),
    )


def delete_link(link: Link, namespace: int) -> None:
    """Delete a link of the namespace that has this number in ours. Raises CniError 5."""
    _change(RTM_DELLINK, link, attribute(IFLA_TARGET_NETNSID, _S32.pack(namespace)), f"delete {link.name}")


def take_link(link: Link, path: str, name: str) -> None:
    """Move a link of the network namespace at `path` into ours, under a name. Raises CniError 5 or 8.

    NB: one message cannot name two namespaces, so the thread enters that of the link.
    """
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = attribute(IFLA_NET_NS_FD, U32.pack(own)) + attribute(IFLA_IFNAME, name.encode() + b"\0")
        with Namespace(path):
            _change(RTM_SETLINK, link, target, f"move {link.name} out of its namespace as {name}")
    finally:
        os.close(own)


def _change(kind: int, link: Link, attrs: bytes, what: str) -> None:
    netlink = Netlink()
    try:
        netlink.ask(kind, NLM_F_ACK, _LINK.pack(0, 0, link.index, 0, 0) + attrs, what)
    finally:
        netlink.close()


def _number_of(netlink: Netlink, target: int) -> int:
    """Return the number (nsid) of an open namespace in ours. Gives it a number if it has none."""
    about = _GENERIC + attribute(NETNSA_FD, U32.pack(target))
    what = "return its number"
    for _ in range(2):
        for answer in netlink.ask(RTM_GETNSID, 0, about, what):
            number: int = _S32.unpack(attributes(answer[len(_GENERIC) :])[NETNSA_NSID])[0]
            if number != NSID_NONE:
                return number
        anew = about + attribute(NETNSA_NSID, _S32.pack(NSID_NONE))
        netlink.ask(
            RTM_NEWNSID, NLM_F_ACK, anew, "give it a number", tolerated=(17,)
        )  # EEXIST: another process was faster
    raise CniError(IO_FAILURE, f"the kernel does not {what}")


def _no_namespace(path: str, error: OSError) -> CniError:
    reason = (error.strerror or str(error)).lower()
    return CniError(INVALID_NETNS, f"network namespace {path}: cannot be entered: {reason}")


class Netlink:
    """A netlink socket of the namespace in which it was opened."""

    def __init__(self) -> None:
        self._sequence = 0
        self._socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)
        self._socket.bind((0, 0))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def ask(self, kind: int, flags: int, body: bytes, what: str, *, tolerated: tuple[int, ...] = ()) -> list[bytes]:
        """Send one request; return the payloads of the answers.

        `tolerated` errnos are no failure. Raises CniError 5; its message says `what` the kernel refuses to do.
        """
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, flags | NLM_F_REQUEST, self._sequence, 0)
        payloads: list[bytes] = []
        is_many = flags & NLM_F_DUMP == NLM_F_DUMP
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
                if payloads and not is_many:
                    return payloads
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CniError(IO_FAILURE, f"the kernel refuses to {what}: {reason}") from error


def _check(payload: bytes, tolerated: tuple[int, ...]) -> None:
    """Raise OSError if the kernel answers with an error: a negative errno; 0 is an acknowledgement."""
    number = -_S32.unpack_from(payload)[0]
    if number and number not in tolerated:
        raise OSError(number, os.strerror(number))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, payload) of each netlink message of a datagram."""
    while len(data) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[_padded(length) :]


def attributes(data: bytes) -> dict[int, bytes]:
    """Return the attributes of a message by type; the last one of a type counts."""
    by_kind: dict[int, bytes] = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        by_kind[kind & 0x3FFF] = data[_ATTRIBUTE.size : length]  # without NLA_F_NESTED, NLA_F_NET_BYTEORDER
        data = data[max(_padded(length), _ATTRIBUTE.size) :]
    return by_kind


def attribute(kind: int, payload: bytes) -> bytes:
    """Return one attribute, padded."""
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(_padded(length) - length)


def _padded(length: int) -> int:
    return (length + 3) & ~3
