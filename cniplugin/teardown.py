"""Detach what a record says, and nothing else: no API server, no definitions, no guesses.

All attachments are tried, last one first; what could not be detached stays in the record and is an error (NPWG v1.3
§7.2). Detaching is idempotent, so a record that was lost in the middle only costs a second try.
"""

from __future__ import annotations

from . import delegate, journal
from .delegate import Target
from .errors import IO_FAILURE, CniError, PluginError
from .journal import DETACHED, DamagedError, Journal
from .netspec import cniconfig
from .netspec.errors import SpecErrors
from .netspec.record import Record
from .skel import from_spec_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .journal import Entry, Store


class Run(Record):
    """What holds for a whole verb: where plugins are, the runtime's environment, the moment of `time.monotonic`."""

    path: tuple[str, ...]
    environ: Mapping[str, str]
    deadline: float


def target_of(record: Journal, entry: Entry, run: Run) -> Target:
    """Return what the delegates of a recorded attachment are told."""
    return Target(
        container_id=record.container_id,
        netns=record.netns,
        ifname=entry.ifname,
        args=entry.args,
        path=run.path,
        environ=run.environ,
    )


def label_of(record: Journal, entry: Entry) -> str:
    """Return the attachment as errors name it."""
    pod = f"pod {record.pod_namespace}/{record.pod_name}: " if record.pod_name else ""
    return f"{pod}network {entry.reference} ({entry.ifname})"


def detach_all(record: Journal, run: Run) -> tuple[tuple[Entry, ...], list[CniError]]:
    """Detach every attachment of a record, last one first; return what is left, in order, and why."""
    left: list[Entry] = []
    failures: list[CniError] = []
    for entry in reversed(record.entries):
        if entry.state == DETACHED:
            continue
        try:
            detach(record, entry, run)
        except CniError as failure:
            left.append(entry)
            failures.append(failure)
    return tuple(reversed(left)), failures


def detach(record: Journal, entry: Entry, run: Run) -> None:
    """Detach one attachment. Raises CniError that names the pod, the network and the plugin."""
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
        raise PluginError(error.plugin, error.command, error.code, f"{label}: {error.msg}", error.details) from error


def joined(failures: Sequence[CniError]) -> CniError:
    """Return several failures as one: the code and text of the first, the others as details."""
    first, *others = failures
    details = [first.details, *(other.msg for other in others)]
    return CniError(first.code, first.msg, "\n".join(filter(None, details)))


def delete_container(store: Store, container_id: str, run: Run) -> bool:
    """Detach a container and remove its record; say whether there was one. Hold its lock.

    A damaged record: what can still be known is detached, and the rest is an error, never a success.
    """
    try:
        record = store.read(container_id)
    except DamagedError as damaged:
        _delete_damaged(store, container_id, damaged, run)
        return True
    if record is None:
        return False
    left, failures = detach_all(record, run)
    if failures:
        try:
            store.write(record.replace(entries=left))
        except CniError as failure:  # the old record stays, and names more than is left
            failures.append(failure)
        raise joined(failures)
    store.remove(container_id)
    return True


def _delete_damaged(store: Store, container_id: str, damaged: DamagedError, run: Run) -> None:
    """Detach what a damaged record still tells; forget it only if that was everything."""
    known = journal.salvage(store.path(container_id))
    head = known.head
    if head is None or head.container_id != container_id:
        raise CniError(damaged.code, f"{damaged.msg}; nothing can be detached by it; see docs/node.md")
    _, failures = detach_all(head.replace(entries=(*known.entries, *known.suspects)), run)
    if failures:
        raise joined([*failures, damaged])
    if known.missing or known.missing is None or known.suspects:
        lost = "an unknown number" if known.missing is None else str(known.missing + len(known.suspects))
        text = f"{damaged.msg}; {len(known.entries)} attachments were detached, {lost} may be left; see docs/node.md"
        raise CniError(IO_FAILURE, text)
    store.remove(container_id)
