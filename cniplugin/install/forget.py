"""Records for administrators: their number, the damaged ones, and how to give one up.

A damaged record keeps DEL failing, so that no attachment leaks silently. So does an attachment whose plugin cannot
detach it any more. An administrator who has looked at the remains ends that with `forget`. It detaches what can be
detached, as DEL does, prints what is left behind, and renames the record so that no verb finds it.
"""

from __future__ import annotations

import os
import time

from cniplugin.attach import detach, remains, teardown
from cniplugin.protocol.invoke import RuntimeConf
from cniplugin.protocol.netconf import NetConf
from cniplugin.records.journal import DAMAGED, FORGOTTEN, SUFFIX, DamagedError, Journal, Store, salvage

from .commandline import DONE, FAILED, InstallError, containers_have, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cniplugin.records.journal import Entry, Salvage

DIRECTORY: str = NetConf.__defaults__["record_dir"]
FORGET_S = 60.0
"""The limit for all delegates of a container together; the administrator can run it again."""


def count(directory: str) -> int:
    """Return how many containers have a record; `directory` as this process sees it."""
    try:
        return sum(name.endswith(SUFFIX) for name in os.listdir(directory))  # noqa: PTH208  # no pathlib in this package
    except (FileNotFoundError, NotADirectoryError):
        return 0


def show(directory: str) -> bool:
    """Print the number of records, and the readable parts of damaged ones; say whether all are sound."""
    store = Store(directory)
    number = count(directory)
    if number:
        say(f"{'attached':<13} {containers_have(number)} records in {directory}")
    is_sound = True
    for container_id in store.containers():
        try:
            store.read(container_id)
        except DamagedError as damaged:
            is_sound = False
            _show_damaged(container_id, damaged)
    return is_sound


def _show_damaged(container_id: str, damaged: DamagedError) -> None:
    known = salvage(damaged.path)
    lines = [damaged.msg, f"container {container_id}{_head_of(known)}"]
    lines += [f"known: {_entry_text(entry)}" for entry in known.entries]
    lines.append(f"missing: {_missing_text(known)}")
    lines.append("DEL of this container fails until its record is given up. Look for its interfaces and addresses that")
    lines.append(f"are not listed here, free them by hand, then run: nadmit forget {container_id}")
    for index, line in enumerate(lines):
        say(f"{'' if index else 'damaged':<13} {line}")


def _head_of(known: Salvage) -> str:
    return ": its pod and network namespace are unknown" if known.head is None else _head_text(known.head)


def _head_text(head: Journal) -> str:
    return f"{f', pod {head.pod}' if head.pod else ''}, network namespace {head.netns}"


def _entry_text(entry: Entry) -> str:
    return " ".join([entry.ifname, entry.reference, f"({entry.state})", *entry.addresses])


def _missing_text(known: Salvage) -> str:
    if known.missing is None:
        return "an unknown number of attachments"
    return f"{known.missing} attachments" if known.missing else "no attachment"


def forget(container_id: str, options: Mapping[str, str], environ: Mapping[str, str], *, is_forced: bool) -> int:
    """Detach a container, and give up the part of its record that cannot be detached; return the exit code.

    Delegates are found in `cni-bin-dir`, then in CNI_PATH, as for a runtime. A failure keeps the record, unless
    `is_forced`. Raises InstallError if there is no record, or if the container may be alive.
    """
    directory = options["record-dir"]
    if not count(directory):
        raise InstallError(
            f"{directory}: there is no record of any container; give another directory with --record-dir"
        )
    store, deadline = Store(directory), time.monotonic() + FORGET_S
    path = (options["cni-bin-dir"], *filter(None, environ.get("CNI_PATH", "").split(":")))
    runtime = RuntimeConf(path=path, environ=environ, deadline=deadline)
    with store.lock(container_id, deadline):
        try:
            record = store.read(container_id)
        except DamagedError as damaged:
            return _forget_damaged(store, container_id, damaged, runtime, is_forced=is_forced)
        if record is None:
            raise InstallError(f"{store.path(container_id)}: there is no record of this container")
        return _forget_sound(store, record, runtime, is_forced=is_forced)


def _forget_damaged(
    store: Store, container_id: str, damaged: DamagedError, runtime: RuntimeConf, *, is_forced: bool
) -> int:
    known = salvage(damaged.path)
    _show_damaged(container_id, damaged)
    # NB: a record without its head belongs to this container by its name. Then delegates get no network namespace.
    head = known.head or Journal(container_id=container_id, netns="", runtime_ifname="")
    if head.container_id != container_id:
        say(f"nothing is detached: the record belongs to container {head.container_id}")
    elif _give_up(head.replace(entries=known.entries), runtime, is_forced=is_forced) is None:
        return _keep()
    _set_aside(store, container_id, DAMAGED)
    return DONE


def _forget_sound(store: Store, record: Journal, runtime: RuntimeConf, *, is_forced: bool) -> int:
    """Give up a record that can be read: its plugin was uninstalled, or its network is out of order for good."""
    if not is_forced and not remains.is_namespace_gone(record.netns):
        raise InstallError(
            f"{store.path(record.container_id)}: this record is sound, and {record.netns} exists, so {record.owner} "
            "may be running; delete the pod, whose DEL detaches it; to detach it at once all the same, give --force"
        )
    say(f"container {record.container_id}{_head_text(record)}")
    for entry in record.entries:
        say(f"known: {_entry_text(entry)}")
    left = _give_up(record, runtime, is_forced=is_forced)
    if left is None:
        return _keep()
    if left:
        _set_aside(store, record.container_id, FORGOTTEN)
    else:
        store.remove(record.container_id)
        say(f"forgotten: nothing is left, and the record of container {record.container_id} is removed")
    return DONE


def _keep() -> int:
    say("not forgotten: repair this and run forget again, or use --force")
    return FAILED


def _set_aside(store: Store, container_id: str, suffix: str) -> None:
    moved = store.set_aside(container_id, suffix)
    say(f"forgotten: the record is now {moved}, and DEL of container {container_id} can succeed")


def _show_left(record: Journal, entry: Entry) -> None:
    """Print what an attachment that is given up leaves on the node, as far as the node can show it."""
    traces = remains.find(record, entry)
    for trace in traces:
        say(f"left behind: {entry.label}: {trace}; free it by hand")
    if not traces:
        say(f"left behind: {entry.label}: nothing that can be found on this node")


def _give_up(record: Journal, runtime: RuntimeConf, *, is_forced: bool) -> int | None:
    """Detach the attachments of a record and report them. Return how many are left, None if they must not be given up.

    With `is_forced`, those that are left are given up, and what they leave on the node is printed.
    """
    if record.netns:
        teardown.end_delegates(record)
    undone = detach.detach_all(record, runtime)
    for _, failure in undone:
        say(f"not detached: {failure.msg}")
    say(f"detached: {len(record.entries) - len(undone)} of {len(record.entries)} known attachments")
    if undone and not is_forced:
        return None
    for entry, _ in undone:
        _show_left(record, entry)
    if undone:
        say(f"not looked for: {remains.NOT_SEEN}")
    return len(undone)
