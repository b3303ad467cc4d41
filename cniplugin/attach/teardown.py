"""Detach the attachments of a record, from the record alone: without API server and definitions.

All attachments are tried, last one first. Those that cannot be detached stay in the record and are an error (NPWG v1.3
§7.2). Detaching is idempotent, so a loss of the record in the middle only costs a repetition.
"""

from __future__ import annotations

import os
import time

from cniplugin.cnierrors import IO_FAILURE, VERSION_INCOMPATIBLE, CniError, PluginError, joined
from cniplugin.host.log import LOG
from cniplugin.netspec.errors import SpecErrors
from cniplugin.protocol import delegate
from cniplugin.protocol.invoke import SIGKILL, RuntimeConf
from cniplugin.protocol.skel import OWN_NETNS, allows_own_netns, from_spec_errors
from cniplugin.records.journal import ATTEMPTED, DamagedError, Journal, config_of, salvage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cniplugin.records.journal import Entry, Store

TURN_S = 2.0
"""The least time for one attachment; with many attachments, equal shares would be too short."""

MARK = "NADMIT_CONTAINER"
"""Variable in the environment of each delegate. Its value has the namespace too, as two runtimes may use one ID."""

_KILLED_WITHIN_S = 1.0
_TICK_S = 0.01


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
        environ={**runtime.environ, MARK: _mark_of(record)},
    )


def _mark_of(record: Journal) -> str:
    return f"{record.container_id} {record.netns}"


def detach_all(record: Journal, runtime: RuntimeConf) -> tuple[tuple[Entry, ...], list[CniError]]:
    """Detach every attachment of a record, last one first. Return the entries that are left, in order, and the errors.

    An entry that is left becomes ATTEMPTED: CHECK refuses it, and a new ADD detaches it first.
    """
    left: list[Entry] = []
    failures: list[CniError] = []
    reachable = record.replace(netns=_reachable(record.netns, runtime.environ))
    for waiting, entry in reversed(list(enumerate(record.entries, start=1))):
        try:
            detach(reachable, entry, turn(runtime, waiting))
        except CniError as failure:
            left.append(entry.replace(state=ATTEMPTED))
            failures.append(failure)
    return tuple(reversed(left)), failures


def _reachable(netns: str, environ: Mapping[str, str]) -> str:
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
    try:
        delegate.delete_list(config, runtime_of(runtime, record, entry), cached_result=entry.result)
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


def delete_container(store: Store, container_id: str, runtime: RuntimeConf, *, netns: str | None = None) -> bool:
    """Detach a container and remove its record; return False if there was none. Hold its lock.

    `netns` is the path that the runtime gives now, "" if the namespace is gone; None means the recorded one. Of a
    damaged record, the readable attachments are detached, and the rest is an error, never a success.
    """
    try:
        record = store.read(container_id)
    except DamagedError as damaged:
        LOG.set_subject(container_id)
        _delete_damaged(store, container_id, damaged, runtime, netns=netns)
        return True
    if record is None:
        store.remove(container_id)  # the temporary file of a process that was killed in its first write
        return False
    LOG.set_subject(container_id, record.pod)
    if any(entry.state == ATTEMPTED for entry in record.entries):
        end_delegates(record)
    left, failures = detach_all(_in(record, netns), runtime)
    if failures:
        try:
            store.write(record.replace(entries=left))
        except CniError as failure:  # the old record stays, with more entries than are left
            failures.append(failure)
        raise joined(failures).of(record.owner)
    store.remove(container_id)
    LOG.attachments = (LOG.attachments or 0) + len(record.entries)
    return True


def end_delegates(record: Journal) -> None:
    """Kill the delegates that survived a killed plugin process, and wait for their end. Hold the container's lock.

    Otherwise they would attach during our detaching, or after it, without a record.
    """
    until = time.monotonic() + _KILLED_WITHIN_S
    mark = os.fsencode(f"{MARK}={_mark_of(record)}")
    while _kill_marked(mark) and time.monotonic() < until:
        time.sleep(_TICK_S)


def _kill_marked(mark: bytes) -> bool:
    """Kill each process with this variable in its environment, except daemons; say whether there was one."""
    is_any = False
    for name in os.listdir("/proc"):  # noqa: PTH208  # pathlib costs 5 ms
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123  # as above
                is_marked = mark in file.read().split(b"\0")
            if is_marked and not _is_daemon(name):
                os.kill(int(name), SIGKILL)
                is_any = True
        except OSError:  # the process ended
            continue
    return is_any


def _is_daemon(pid: str) -> bool:
    """Say whether a process leads a session of its own (setsid), as one that a delegate left running on purpose."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # as above
        _state, _parent, group, session, *_ = file.read().rpartition(b")")[2].split()
    return group == session


def _in(record: Journal, netns: str | None) -> Journal:
    return record if netns is None else record.replace(netns=netns)


def _delete_damaged(
    store: Store, container_id: str, damaged: DamagedError, runtime: RuntimeConf, *, netns: str | None
) -> None:
    """Detach the readable attachments of a damaged record; remove the record only if it had no others."""
    known = salvage(damaged.path)
    head = known.head
    if head is None or head.container_id != container_id:
        raise CniError(damaged.code, f"{damaged.msg}; nothing can be detached by it; see docs/node.md")
    end_delegates(head)
    _, failures = detach_all(_in(head.replace(entries=known.entries), netns), runtime)
    if failures:
        raise joined([*failures, damaged]).of(head.owner)
    if known.missing != 0:
        lost = "an unknown number" if known.missing is None else str(known.missing)
        text = f"{damaged.msg}; {len(known.entries)} attachments were detached, {lost} may be left; see docs/node.md"
        raise CniError(IO_FAILURE, text)
    store.remove(container_id)
