"""Detach a container by its record, from the record alone: without API server and definitions.

All attachments are tried, last one first. Those that cannot be detached stay in the record and are an error (NPWG v1.3
§7.2). An attachment that was never complete must not keep its pod for ever: `lastresort` decides about the failures.
"""

from __future__ import annotations

import os
import time

from cniplugin.cnierrors import IO_FAILURE, CniError, joined
from cniplugin.host.log import LOG
from cniplugin.protocol.invoke import SIGKILL
from cniplugin.records.journal import ATTEMPTED, DamagedError, salvage

from . import detach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cniplugin.protocol.invoke import RuntimeConf
    from cniplugin.records.journal import Journal, Store

    from .lastresort import OpenClient

_KILLED_WITHIN_S = 1.0
_TICK_S = 0.01


def delete_container(
    store: Store,
    container_id: str,
    runtime: RuntimeConf,
    *,
    netns: str | None = None,
    open_client: OpenClient = lambda: None,
) -> bool:
    """Detach a container and remove its record; return False if there was none. Hold its lock.

    `netns` is the path that the runtime gives now, "" if the namespace is gone; None means the recorded one.
    `open_client` is called only for attachments that cannot be detached by their record. Of a damaged record, the
    readable attachments are detached, and the rest is an error, never a success.
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
    present = _in(record, netns)
    undone = detach.detach_all(present, runtime)
    if undone:
        from . import lastresort  # noqa: PLC0415  # only for failures

        undone = lastresort.resolve(present, undone, runtime, open_client)
    if undone:
        failures = [failure for _, failure in undone]
        try:
            store.write(record.replace(entries=detach.entries_of(undone)))
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
    mark = os.fsencode(f"{detach.MARK}={detach.mark_of(record)}")
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
    undone = detach.detach_all(_in(head.replace(entries=known.entries), netns), runtime)
    if undone:
        raise joined([*(failure for _, failure in undone), damaged]).of(head.owner)
    if known.missing != 0:
        lost = "an unknown number" if known.missing is None else str(known.missing)
        text = f"{damaged.msg}; {len(known.entries)} attachments were detached, {lost} may be left; see docs/node.md"
        raise CniError(IO_FAILURE, text)
    store.remove(container_id)
