"""What other programs left of containers that are gone: addresses of host-local, records of Multus and libcni.

The usual complaint after a crash of a node is a pool without free addresses, as a reservation is a file. `gc` frees a
reservation if all of this is certain:

- It is in the directory of a network of ours: of the plugin's configuration on this node, or of a record.
- The runtime was asked and does not know its container, and no process runs in that container. Without the runtime's
  list nothing says where the container's namespace was, so the reservation is listed only. The list counts if the
  runtime knows another container of ours, or if each namespace of the node has a process: else it is perhaps the list
  of another runtime.
- No record of ours names the container: its DEL frees it, or says why not.
- The address is not one of a namespace with processes, and the file is older than a minute.

Everything else is listed with its path, and stays.
"""

from __future__ import annotations

import os
import time

from cniplugin.cnierrors import CniError
from cniplugin.netspec.record import Record
from cniplugin.records import hostlocal, resultscache

from .commandline import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cniplugin.records.hostlocal import Reservation

    from .evidence import Evidence

LISTED_MAX = 20
"""Lines of one kind. A node can have thousands of such files."""
LOCK_S = 5.0
RESULTS = "/var/lib/cni"
"""libcni's cacheDir of containerd and CRI-O; `results` is below."""


class Places(Record):
    """Where to look: in directories of our networks, of all networks of host-local, of records of Multus and libcni."""

    networks: tuple[str, ...]
    data_dirs: tuple[str, ...]
    caches: tuple[str, ...]


class Count(Record):
    """How many reservations can be freed or were freed, and how many could not be freed."""

    freed: int = 0
    failed: int = 0


def collect(places: Places, recorded: Iterable[str], evidence: Evidence, *, is_applied: bool) -> Count:
    """Free or print the reservations of ours, and print the rest. `recorded`: the containers with a record."""
    with_record = frozenset(recorded)
    ours = [one for path in places.networks for one in _gone(path, with_record, evidence)]
    doubt = evidence.doubt
    failed = 0 if doubt else sum(not _free(one, evidence, is_applied=is_applied) for one in ours)
    if doubt:
        _list(f"gc does not free it: {doubt}", ours)
    others = [path for top in places.data_dirs for path in hostlocal.networks_below(top) if path not in places.networks]
    for path in others:
        _list_of_others(path, with_record, evidence)
    for directory in places.caches:
        _list_cache(directory, with_record, evidence)
    return Count(freed=0 if doubt else len(ours) - failed, failed=failed)


def owners(places: Places) -> set[str]:
    """Return the containers that have a reservation in a network of ours."""
    return {one.container_id for path in places.networks for one in hostlocal.load_reservations(path)}


def _gone(network: str, with_record: frozenset[str], evidence: Evidence) -> list[Reservation]:
    """Return the reservations in the directory of a network whose container is gone."""
    return [
        one
        for one in hostlocal.load_reservations(network)
        if _is_gone(one.container_id, one.written_at, with_record, evidence) and not evidence.view.uses(one.address)
    ]


def _is_gone(container_id: str, written_at: float, with_record: frozenset[str], evidence: Evidence) -> bool:
    """Say whether a container without a record is gone, as far as the node shows it."""
    is_alive = container_id in with_record or evidence.is_known(container_id) or evidence.has_cgroup(container_id)
    return not is_alive and not evidence.is_young(written_at)


def _free(one: Reservation, evidence: Evidence, *, is_applied: bool) -> bool:
    """Free a reservation, or print that it can be freed; return False if that fails."""
    text = f"address {one.address} of container {one.container_id}: {one.path}"
    if not is_applied:
        say(f"{'would free':<13} {text}: the runtime at {evidence.socket} does not know it")
        return True
    try:
        hostlocal.release(one, deadline=time.monotonic() + LOCK_S)
    except CniError as error:
        say(f"{'not freed':<13} {text}: {error.msg}")
        return False
    say(f"{'freed':<13} {text}")
    return True


def _list(why: str, reservations: Sequence[Reservation]) -> None:
    _say_some([f"address {one.address} of container {one.container_id}: {one.path}: {why}" for one in reservations])


def _list_of_others(network: str, with_record: frozenset[str], evidence: Evidence) -> None:
    """Print the reservations of a network that is not ours."""
    why = "gc does not free it: the network is not in the configuration of this node's nadmit or in its records"
    try:
        _list(why, _gone(network, with_record, evidence))
    except OSError as error:
        say(f"{'left':<13} {error.filename}: it cannot be read: {error.strerror}")


def _list_cache(directory: str, with_record: frozenset[str], evidence: Evidence) -> None:
    """Print the records of Multus and libcni about containers that are gone."""
    why = "gc does not free what it names; if its addresses and links are gone, remove this file"
    try:
        records = list(resultscache.load_containers(directory))
    except OSError as error:
        say(f"{'left':<13} {error.filename}: it cannot be read: {error.strerror}")
        return
    gone = [one for one in records if _is_gone(one[1], _written_at(one[0]), with_record, evidence)]
    _say_some([f"record of container {container_id}: {path}: {why}" for path, container_id in gone])


def _written_at(path: str) -> float:
    """Return when a file was written; if it is gone meanwhile, a time that counts as young."""
    try:
        return os.stat(path).st_mtime  # noqa: PTH116  # no pathlib in this package
    except FileNotFoundError:
        return float("inf")


def _say_some(lines: Sequence[str]) -> None:
    for line in lines[:LISTED_MAX]:
        say(f"{'left':<13} {line}")
    if len(lines) > LISTED_MAX:
        say(f"{'left':<13} and {len(lines) - LISTED_MAX} more of this kind")
