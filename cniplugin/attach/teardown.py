"""Detach what a record says, and nothing else: no API server, no definitions, no guesses.

All attachments are tried, last one first; what could not be detached stays in the record and is an error (NPWG v1.3
§7.2). Detaching is idempotent, so a record that was lost in the middle only costs a second try.
"""

from __future__ import annotations

import os
import time

from cniplugin.cnierrors import IO_FAILURE, VERSION_INCOMPATIBLE, CniError, PluginError
from cniplugin.host.log import LOG
from cniplugin.netspec import cniconfig
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.record import Record
from cniplugin.protocol import delegate
from cniplugin.protocol.delegate import Target
from cniplugin.protocol.skel import from_spec_errors
from cniplugin.records import journal
from cniplugin.records.journal import DamagedError
from cniplugin.records.journaltext import ATTEMPTED, DETACHED, Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cniplugin.records.journal import Store
    from cniplugin.records.journaltext import Entry

TURN_S = 2.0
"""The least that one attachment gets of the time, so that many of them do not leave each too little."""

MARK = "NADMIT_CONTAINER"
"""In the environment of each delegate: whose it is. With the namespace, as two runtimes may use one ID."""

SIGKILL = 9
"""signal(7); `signal` itself brings `enum`, 4 ms."""

_KILLED_WITHIN_S = 1.0
_TICK_S = 0.01


class Run(Record):
    """What holds for a whole verb: where plugins are, the runtime's environment, the moment of `time.monotonic`."""

    path: tuple[str, ...]
    environ: Mapping[str, str]
    deadline: float

    def turn(self, waiting: int) -> Run:
        """Return this with the deadline of the next of `waiting` equal turns.

        A delegate that hangs must not take the time of all others, in each DEL anew: they would never be freed.
        """
        now = time.monotonic()
        left = self.deadline - now
        return self.replace(deadline=now + min(left, max(left / waiting, TURN_S)))


def target_of(record: Journal, entry: Entry, run: Run) -> Target:
    """Return what the delegates of a recorded attachment are told."""
    return Target(
        container_id=record.container_id,
        netns=record.netns,
        ifname=entry.ifname,
        args=entry.args,
        path=run.path,
        environ={**run.environ, MARK: _mark_of(record)},
    )


def _mark_of(record: Journal) -> str:
    return f"{record.container_id} {record.netns}"


def label_of(record: Journal, entry: Entry) -> str:
    """Return the attachment as errors name it."""
    pod = f"pod {record.pod_namespace}/{record.pod_name}: " if record.pod_name else ""
    return f"{pod}{name_of(entry)}"


def name_of(entry: Entry) -> str:
    """Return the attachment as errors of one pod name it; the first item of the annotation is 1, as in refusals."""
    item = "" if entry.item is None else f"item {entry.item + 1}: "
    return f"{item}network {entry.reference} ({entry.ifname})"


def detach_all(record: Journal, run: Run) -> tuple[tuple[Entry, ...], list[CniError]]:
    """Detach every attachment of a record, last one first; return what is left, in order, and why.

    What is left is no whole attachment any more: CHECK finds fault with it, and a new ADD takes it back first.
    """
    left: list[Entry] = []
    failures: list[CniError] = []
    waiting = [entry for entry in reversed(record.entries) if entry.state != DETACHED]
    reachable = record.replace(netns=_reachable(record.netns, run.environ))
    for position, entry in enumerate(waiting):
        try:
            detach(reachable, entry, run.turn(len(waiting) - position))
        except CniError as failure:
            left.append(entry.replace(state=ATTEMPTED))
            failures.append(failure)
    return tuple(reversed(left)), failures


def _reachable(netns: str, environ: Mapping[str, str]) -> str:
    """Return the path of a network namespace, "" if another thing is there now (CNI 1.1 §2 DEL: it may be missing).

    What is left of a bind mount is a plain file, on which plugins fail for ever. NB: after a reboot, `/proc/<pid>/ns`
    may be that of a process of the host, whose interfaces must not be removed for the pod's.
    """
    try:
        found, own = os.stat(netns), os.stat("/proc/self/ns/net")  # noqa: PTH116  # pathlib costs 5 ms
    except (OSError, ValueError):  # it is gone, which plugins know
        return netns
    is_own = found.st_ino == own.st_ino and environ.get("CNI_NETNS_OVERRIDE", "").upper() not in {"TRUE", "1"}
    return "" if found.st_dev != own.st_dev or is_own else netns


def detach(record: Journal, entry: Entry, run: Run) -> None:
    """Detach one attachment. Raises CniError that names the pod, the network and the plugin."""
    _delete(record, entry, run)
    if entry.device_info_file is not None:
        _remove_device_info(record, entry, entry.device_info_file)


def _remove_device_info(record: Journal, entry: Entry, path: str) -> None:
    """NB: after DEL, whose plugins may read it. Of a damaged record the path may be anything, and is looked at."""
    from .devicefiles import is_of, remove  # noqa: PLC0415  # few attachments have devices

    label = label_of(record, entry)
    if not is_of(path, record.container_id, entry.ifname):
        LOG.error(f"{label}: the record names a file that is not this attachment's, and it is left alone: {path!a}")
        return
    try:
        remove(path)
    except CniError as error:
        raise CniError(error.code, f"{label}: {error.msg}", error.details) from error


def _delete(record: Journal, entry: Entry, run: Run) -> None:
    label = label_of(record, entry)
    try:
        config = cniconfig.parse(entry.config, name=entry.reference.rpartition("/")[2])
        delegate.delete_list(
            config,
            target_of(record, entry, run),
            caps=entry.capability_args,
            cni_args=entry.cni_args,
            cached_result=entry.result,
            deadline=run.deadline,
        )
    except SpecErrors as errors:
        found = from_spec_errors(errors)
        raise CniError(found.code, f"{label}: {found.msg}", found.details) from errors
    except PluginError as error:
        if error.code == VERSION_INCOMPATIBLE and entry.result is None and len(config.plugins) == 1:
            return  # its ADD was refused for the same reason, so there is nothing to free
        raise PluginError(error.plugin, error.command, error.code, f"{label}: {error.msg}", error.details) from error


def joined(failures: Sequence[CniError]) -> CniError:
    """Return several failures as one: the code and text of the first, the others as details."""
    first, *others = failures
    details = [first.details, *(other.msg for other in others)]
    return CniError(first.code, first.msg, "\n".join(filter(None, details)))


def delete_container(store: Store, container_id: str, run: Run, *, netns: str | None = None) -> bool:
    """Detach a container and remove its record; say whether there was one. Hold its lock.

    `netns` is what the runtime says now, "" if the namespace is gone; None takes the recorded one.
    A damaged record: what can still be known is detached, and the rest is an error, never a success.
    """
    try:
        record = store.read(container_id)
    except DamagedError as damaged:
        LOG.tell_of(container_id)
        _delete_damaged(store, container_id, damaged, run, netns=netns)
        return True
    if record is None:
        store.remove(container_id)  # what a process left that was killed in its first write
        return False
    LOG.tell_of(container_id, f"{record.pod_namespace}/{record.pod_name}" if record.pod_name else "")
    if any(entry.state == ATTEMPTED for entry in record.entries):
        end_delegates(record)
    left, failures = detach_all(_in(record, netns), run)
    if failures:
        try:
            store.write(record.replace(entries=left))
        except CniError as failure:  # the old record stays, and names more than is left
            failures.append(failure)
        raise joined(failures)
    store.remove(container_id)
    LOG.attachments = (LOG.attachments or 0) + len(record.entries)
    return True


def end_delegates(record: Journal) -> None:
    """Kill the delegates that outlived a plugin which was killed, and wait for their end. Hold the container's lock.

    Else they would attach in the middle of our detaching, or after it, and nobody would know.
    """
    until = time.monotonic() + _KILLED_WITHIN_S
    mark = os.fsencode(f"{MARK}={_mark_of(record)}")
    while _kill_marked(mark) and time.monotonic() < until:
        time.sleep(_TICK_S)


def _kill_marked(mark: bytes) -> bool:
    """Kill each process with this in its environment, but for daemons; say whether there was one."""
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
        except OSError:  # it ended
            continue
    return is_any


def _is_daemon(pid: str) -> bool:
    """Say whether a process left its session (setsid): what a delegate left running on purpose."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # as above
        _state, _parent, group, session, *_ = file.read().rpartition(b")")[2].split()
    return group == session


def _in(record: Journal, netns: str | None) -> Journal:
    return record if netns is None else record.replace(netns=netns)


def _delete_damaged(store: Store, container_id: str, damaged: DamagedError, run: Run, *, netns: str | None) -> None:
    """Detach what a damaged record still tells; forget it only if that was everything."""
    known = journal.salvage(store.path(container_id))
    head = known.head
    if head is None or head.container_id != container_id:
        raise CniError(damaged.code, f"{damaged.msg}; nothing can be detached by it; see docs/node.md")
    end_delegates(head)
    _, failures = detach_all(_in(head.replace(entries=(*known.entries, *known.suspects)), netns), run)
    if failures:
        raise joined([*failures, damaged])
    if known.missing or known.missing is None or known.suspects:
        lost = "an unknown number" if known.missing is None else str(known.missing + len(known.suspects))
        text = f"{damaged.msg}; {len(known.entries)} attachments were detached, {lost} may be left; see docs/node.md"
        raise CniError(IO_FAILURE, text)
    store.remove(container_id)
