"""The traces of one attachment that this node can show, for the decision whether anything of it is left.

| trace     | where                                                                                                    |
| --------- | -------------------------------------------------------------------------------------------------------- |
| interface | its name in the pod's network namespace                                                                  |
| peer      | the link of the host whose other end is this interface                                                   |
| address   | a file of host-local (plugins/ipam/host-local/backend/disk) with the container and the interface         |

What other programs keep elsewhere is not looked for: leases of a DHCP daemon, addresses of whereabouts and Calico in
the API, packet filter rules. `NOT_SEEN` names them for messages.
"""

from __future__ import annotations

import os

from cniplugin.cnierrors import CniError
from cniplugin.host.netlink import links, own_links
from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec.rawjson import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cniplugin.records.journal import Entry, Journal

HOST_LOCAL = "host-local"
HOST_LOCAL_DIRECTORY = "/var/lib/cni/networks"
"""host-local's default `dataDir`."""

LEASE_BYTES_MAX = 1024
"""A container ID and the name of an interface."""

NOT_SEEN = "leases of a DHCP daemon, addresses in the API, packet filter rules"


def is_namespace_gone(netns: str) -> bool:
    """Say whether no namespace is at the recorded path."""
    return not netns or not os.path.exists(netns)  # noqa: PTH110  # pathlib costs 5 ms


def find(record: Journal, entry: Entry) -> tuple[str, ...]:
    """Return the traces of an attachment as texts; empty if nothing of it is on this node.

    A namespace that exists and cannot be looked at counts as a trace, because it may hold the interface.
    """
    return (*_links_of(record.netns, entry.ifname), *_addresses(record.container_id, entry))


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


def _addresses(container_id: str, entry: Entry) -> tuple[str, ...]:
    try:
        conf = loads(entry.config)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(conf, dict):
        return ()
    name = str(conf.get("name") or "")
    directories = dict.fromkeys([HOST_LOCAL_DIRECTORY, *_data_directories(conf)])
    return tuple(
        f"address {address} in {directory}/{name}"
        for directory in directories
        for address in _leases(f"{directory}/{name}", container_id, entry.ifname)
    )


def _data_directories(value: Any) -> Iterator[str]:
    """Yield the directories of host-local that a configuration names, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _data_directories(item)
    elif isinstance(value, dict):
        directory = value.get("dataDir")
        if value.get("type") == HOST_LOCAL and isinstance(directory, str) and directory.startswith("/"):
            yield directory.rstrip("/")
        for item in value.values():
            yield from _data_directories(item)


def _leases(directory: str, container_id: str, ifname: str) -> Iterator[str]:
    """Yield the addresses of an attachment in a directory of host-local.

    A file is named by its address and has the container ID and, since version 0.7 of the plugins, the interface, one a
    line.
    """
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208  # pathlib costs 5 ms
    except (OSError, ValueError):
        return
    for name in names:
        try:
            holder = load_regular_file(f"{directory}/{name}", bytes_max=LEASE_BYTES_MAX).split()
        except OSError:
            continue
        if holder and holder[0] == container_id.encode() and holder[1:] in ([], [ifname.encode()]):
            yield name
