"""Records for administrators: their number, the damaged ones, and how to give up a damaged one.

A damaged record keeps DEL failing, so that no attachment leaks silently. An administrator who has looked at the
remains ends that with `forget`. It detaches the readable attachments, as DEL does, and renames the record so that no
verb finds it.
"""

from __future__ import annotations

import os
import time

from cniplugin.attach import teardown
from cniplugin.attach.teardown import Run
from cniplugin.netspec import result
from cniplugin.netspec.errors import SpecErrors
from cniplugin.protocol.netconf import NetConf
from cniplugin.records.journal import SUFFIX, DamagedError, Journal, Store, salvage

from .commandline import DONE, FAILED, InstallError, say

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
        say(f"{'attached':<13} {number} containers have records in {directory}")
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
    head = known.head
    if head is None:
        return ": its pod and network namespace are unknown"
    return f"{f', pod {head.pod}' if head.pod else ''}, network namespace {head.netns}"


def _entry_text(entry: Entry) -> str:
    try:
        addresses = [ip.address for ip in result.parse(entry.result, cni_version="0.1.0").ips] if entry.result else []
    except SpecErrors:
        addresses = []
    return " ".join([entry.ifname, entry.reference, f"({entry.state})", *addresses])


def _missing_text(known: Salvage) -> str:
    if known.missing is None:
        return "an unknown number of attachments"
    return f"{known.missing} attachments" if known.missing else "no attachment"


def forget(container_id: str, options: Mapping[str, str], environ: Mapping[str, str], *, is_forced: bool) -> int:
    """Detach the readable part of a damaged record, and rename the record; return the exit code.

    Delegates are found in `cni-bin-dir`, then in CNI_PATH, as for a runtime. A failure keeps the record, unless
    `is_forced`. Raises InstallError if there is no record, or if it is sound.
    """
    directory = options["record-dir"]
    if not count(directory):
        raise InstallError(
            f"{directory}: there is no record of any container; give another directory with --record-dir"
        )
    store, deadline = Store(directory), time.monotonic() + FORGET_S
    path = (options["cni-bin-dir"], *filter(None, environ.get("CNI_PATH", "").split(":")))
    run = Run(path=path, environ=environ, deadline=deadline)
    with store.lock(container_id, deadline):
        damaged = _damage_of(store, container_id)
        known = salvage(damaged.path)
        _show_damaged(container_id, damaged)
        if not _detach(container_id, known, run) and not is_forced:
            say("not forgotten: repair this and run forget again, or use --force")
            return FAILED
        moved = store.set_aside(container_id)
    say(f"forgotten: the record is now {moved}, and DEL of container {container_id} can succeed")
    return DONE


def _damage_of(store: Store, container_id: str) -> DamagedError:
    try:
        record = store.read(container_id)
    except DamagedError as damaged:
        return damaged
    if record is None:
        raise InstallError(f"{store.path(container_id)}: there is no record of this container")
    raise InstallError(f"{store.path(container_id)}: this record is sound; DEL of the runtime detaches the container")


def _detach(container_id: str, known: Salvage, run: Run) -> bool:
    """Detach the readable attachments and report them; return True if nothing failed.

    NB: a record without its head belongs to this container by its name. Then delegates get no network namespace.
    """
    head = known.head or Journal(container_id=container_id, netns="", runtime_ifname="")
    if head.container_id != container_id:
        say(f"nothing is detached: the record belongs to container {head.container_id}")
        return True
    head = head.replace(entries=known.entries)
    if known.head is not None:
        teardown.end_delegates(head)
    _, failures = teardown.detach_all(head, run)
    for failure in failures:
        say(f"not detached: {failure.msg}")
    say(f"detached: {len(head.entries) - len(failures)} of {len(head.entries)} known attachments")
    return not failures
