"""Detach the attachments of a record, from the record alone: without API server and definitions.

All attachments are tried, last one first (NPWG v1.3 §7.2). Detaching is idempotent, so a repetition does no harm.
"""

from __future__ import annotations

import os
import time

from cniplugin.cnierrors import VERSION_INCOMPATIBLE, CniError, PluginError
from cniplugin.host.log import LOG
from cniplugin.netspec.errors import SpecErrors
from cniplugin.protocol import delegate
from cniplugin.protocol.skel import OWN_NETNS, allows_own_netns, from_spec_errors
from cniplugin.records.journal import ATTEMPTED, config_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cniplugin.protocol.invoke import RuntimeConf
    from cniplugin.records.journal import Entry, Journal

    Undone = tuple[Entry, CniError]
    """An attachment that could not be detached, and why."""

TURN_S = 2.0
"""The least time for one attachment; with many attachments, equal shares would be too short."""

MARK = "NADMIT_CONTAINER"
"""Variable in the environment of each delegate. Its value has the namespace too, as two runtimes may use one ID."""


def turn(runtime: RuntimeConf, waiting: int) -> RuntimeConf:
    """Return the values with the deadline of the next of `waiting` equal turns.

    Without turns, a delegate that hangs would use up the time of the others in each DEL, and nothing would ever be
    freed.
    """
    now = time.monotonic()
    left = runtime.deadline - now
    return runtime.replace(deadline=now + min(left, max(left / waiting, TURN_S)))


def runtime_of(runtime: RuntimeConf, record: Journal, entry: Entry) -> RuntimeConf:
    """Return the values of a verb with those of a recorded attachment."""
    return runtime.replace(
        container_id=record.container_id,
        netns=record.netns,
        ifname=entry.ifname,
        args=entry.args,
        capability_args=entry.capability_args,
        cni_args=entry.cni_args,
        environ={**runtime.environ, MARK: mark_of(record)},
    )


def mark_of(record: Journal) -> str:
    """Return the value of MARK for the delegates of a container."""
    return f"{record.container_id} {record.netns}"


def is_delegate_of(environ: Mapping[str, str], container_id: str) -> bool:
    """Say whether a process has the mark of a delegate of this container, so that another process holds its lock."""
    marked, _, _ = environ.get(MARK, "").partition(" ")
    return marked == container_id != ""


def detach_all(record: Journal, runtime: RuntimeConf) -> list[Undone]:
    """Detach every attachment of a record, last one first. Return those that could not be detached, in this order.

    Their entries become ATTEMPTED: CHECK refuses such an entry, and a new ADD detaches it first.
    """
    undone: list[Undone] = []
    reachable = record.replace(netns=reachable_netns(record.netns, runtime.environ))
    for waiting, entry in reversed(list(enumerate(record.entries, start=1))):
        try:
            detach(reachable, entry, turn(runtime, waiting))
        except CniError as failure:
            undone.append((entry.replace(state=ATTEMPTED), failure))
    return undone


def entries_of(undone: Sequence[Undone]) -> tuple[Entry, ...]:
    """Return the entries of attachments that could not be detached, in the order of ADD."""
    return tuple(entry for entry, _ in reversed(undone))


def reachable_netns(netns: str, environ: Mapping[str, str]) -> str:
    """Return the path of a network namespace, "" if another file is there now (CNI 1.1 §2 DEL: it may be missing).

    A plain file can remain of a bind mount, and plugins fail on it for ever. NB: after a reboot, `/proc/<pid>/ns` may
    belong to a process of the host, whose interfaces must not be removed.
    """
    try:
        given, own = os.stat(netns), os.stat(OWN_NETNS)  # noqa: PTH116  # pathlib costs 5 ms
    except (OSError, ValueError):  # it is gone, which plugins handle
        return netns
    is_own = given.st_ino == own.st_ino and not allows_own_netns(environ)
    return "" if given.st_dev != own.st_dev or is_own else netns


def detach(record: Journal, entry: Entry, runtime: RuntimeConf) -> None:
    """Detach one attachment. Raises CniError with the network and the plugin."""
    try:
        _delete(record, entry, runtime)
        if entry.device_info_file is not None:
            _remove_device_info(record, entry, entry.device_info_file)
    except SpecErrors as errors:
        raise from_spec_errors(errors).within(entry.label) from errors
    except CniError as error:
        raise error.within(entry.label) from error


def _delete(record: Journal, entry: Entry, runtime: RuntimeConf) -> None:
    config = config_of(entry)
    given = runtime_of(runtime, record, entry)
    try:
        if entry.was_attached:
            delegate.delete_list(config, given, cached_result=entry.result)
        else:
            delegate.delete_failed(config, given, failed_at=(entry.failure or {}).get("plugin"))
    except PluginError as error:
        # The plugin does not support the version, so its ADD failed for the same reason and there is nothing to free.
        if error.code != VERSION_INCOMPATIBLE or entry.result is not None or len(config.plugins) > 1:
            raise


def _remove_device_info(record: Journal, entry: Entry, path: str) -> None:
    """NB: after DEL, because its plugins may read the file. A path from Multus' cache can be anything."""
    from .devices import is_info_file_of, remove_info  # noqa: PLC0415  # few attachments have devices

    if is_info_file_of(path, record.container_id, entry.ifname):
        remove_info(path)
    else:
        text = f"the record names a file that does not belong to this attachment, and it is not removed: {path!a}"
        LOG.error(f"{entry.label}: {text}")
