"""The traces of one attachment that this node can show, for the decision whether anything of it is left.

| trace     | where                                                                                                    |
| --------- | -------------------------------------------------------------------------------------------------------- |
| interface | its name in the pod's network namespace                                                                  |
| peer      | the link of the host whose other end is this interface                                                   |
| address   | a reservation of host-local (`records.hostlocal`) by the container and the interface                     |

What other programs keep elsewhere is not looked for: leases of a DHCP daemon, addresses of whereabouts and Calico in
the API, packet filter rules. `NOT_SEEN` names them for messages.

If a damaged file of another program named the attachments, only the namespace can say whether something is left. While
it has other interfaces than its own and the default one, DEL is an error, so that the runtime asks again and somebody
notices. When the namespace is gone, its interfaces are gone, and DEL must not fail for ever: the log has named the
file.
"""

from __future__ import annotations

import os

from cniplugin.access.judging.baseline import MOVING
from cniplugin.cnierrors import IO_FAILURE, CniError
from cniplugin.host.netlink import delete_link, interface_names, links, own_links, take_link
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.rawjson import loads
from cniplugin.records import hostlocal
from cniplugin.records.journal import config_of

from .detach import reachable_netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from cniplugin.protocol.skel import Invocation
    from cniplugin.records.journal import Entry, Journal

OF_EACH_NAMESPACE = frozenset(
    ("lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6_vti0")
)
"""The loopback, and the devices that the kernel makes in each namespace (net.core.fb_tunnels_only_for_init_net)."""

NOT_SEEN = "leases of a DHCP daemon, addresses in the API, packet filter rules"


def is_namespace_gone(netns: str) -> bool:
    """Say whether no namespace is at the recorded path."""
    return not netns or not os.path.exists(netns)  # noqa: PTH110  # pathlib costs 5 ms


def find(record: Journal, entry: Entry) -> tuple[str, ...]:
    """Return the traces of an attachment as texts; empty if nothing of it is on this node.

    A namespace or directory that exists and cannot be read counts as a trace, because it may hold one.
    """
    return (*_links_of(record.netns, entry.ifname), *find_addresses(record, entry))


def _links_of(netns: str, ifname: str) -> tuple[str, ...]:
    if is_namespace_gone(netns):
        return ()
    try:
        inside, number = links(netns)
        own = next((link for link in inside if link.name == ifname), None)
        if own is None:
            return ()
        peers = [
            link.name
            for link in own_links()
            if link.index == own.peer and link.peer == own.index and link.peer_namespace == number
        ]
    except CniError as error:
        return (error.msg,)
    return (f"interface {ifname} in {netns}", *(f"its peer {name} on the host" for name in peers))


def free_link(record: Journal, entry: Entry) -> str:
    """Take the interface of an attachment that was never complete out of the pod's namespace; return what was done.

    ADD had made sure that there was none of this name, so its plugin has left this one. A link that plugins of MOVING
    take from the node goes back there, under the name that host-device keeps as its alias; others are deleted, as
    the kernel does at the end of the namespace. Raises CniError.
    """
    inside, number = links(record.netns)
    own = next((link for link in inside if link.name == entry.ifname), None)
    if own is None:
        return ""
    if own.is_virtual and not _moves(entry):
        delete_link(own, number)
        return f"its interface {own.name} is deleted"
    take_link(own, record.netns, own.alias or own.name)
    return f"its interface {own.name} is moved to the node as {own.alias or own.name}"


def _moves(entry: Entry) -> bool:
    try:
        return not MOVING.isdisjoint(config_of(entry).types)
    except SpecErrors:
        return True


def find_addresses(record: Journal, entry: Entry) -> tuple[str, ...]:
    """Return the traces of an attachment that stay when its namespace ends."""
    try:
        conf = loads(entry.config)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(conf, dict):
        return ()
    found: list[str] = []
    for directory in dict.fromkeys([hostlocal.DATA_DIR, *_data_directories(conf)]):
        network = f"{directory}/{conf.get('name') or ''}"
        try:
            found += [
                f"address {one.address} in {network}"
                for one in hostlocal.load_reservations(network)
                if one.container_id == record.container_id and one.ifname in ("", entry.ifname)
            ]
        except (OSError, ValueError) as error:
            found.append(f"{network}: it cannot be read: {getattr(error, 'strerror', None) or error}")
    return tuple(found)


def _data_directories(value: Any) -> Iterator[str]:
    """Yield the directories of host-local that a configuration names, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _data_directories(item)
    elif isinstance(value, dict):
        directory = value.get("dataDir")
        if value.get("type") == hostlocal.TYPE and isinstance(directory, str) and directory.startswith("/"):
            yield directory.rstrip("/")
        for item in value.values():
            yield from _data_directories(item)


def check_namespace(invocation: Invocation, damaged: Sequence[str]) -> None:
    """Raise CniError 5 if the namespace has further interfaces, with the damaged files in its message."""
    netns = reachable_netns(invocation.netns, invocation.environ)
    if is_namespace_gone(netns):
        return
    left = sorted(interface_names(netns) - OF_EACH_NAMESPACE - {invocation.ifname})
    if left:
        files = ", ".join(damaged)
        what = f"what it names is not detached, and the pod still has {', '.join(left)}"
        fix = "free its interfaces, addresses and rules by hand, then remove the file; or remove the namespace"
        raise CniError(IO_FAILURE, f"{files}: the record of another program cannot be read: {what}; {fix}")
