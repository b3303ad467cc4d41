"""Execute a plan: recorded as a whole, then one attachment after the other, all taken back if one fails.

Theory of operation. What a plan attaches is known before the first delegate runs, so the record of all of it is made
durable once, before (`attempted`). Each result goes into the record while the next delegate runs, and the last one's
at the end (`attached`): two syncs on the way instead of two per attachment. Whatever ends this process in between, DEL
finds every attachment that a plugin may have begun, and DEL of one that none has begun is harmless (CNI 1.1 §2). A
failure detaches what was attempted, last first; the record goes only if that succeeded.
"""

from __future__ import annotations

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError, PluginError
from cniplugin.host.netlink import interface_names
from cniplugin.netspec import cniconfig
from cniplugin.protocol import delegate
from cniplugin.records.journaltext import ATTACHED, Entry, Journal

from . import teardown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cniplugin.netspec.cniconfig import NetworkConfigList
    from cniplugin.netspec.plan import Attachment, Plan
    from cniplugin.records.journal import Store

    from .teardown import Run


DEVICE_INFO_FILE = "CNIDeviceInfoFile"
"""Capability (Device Information Specification 1.1 §5.1): the path of the attachment's device information."""


def attach_all(
    plan: Plan,
    record: Journal,
    store: Store,
    run: Run,
    *,
    runtime_config: Mapping[str, Any],
    args: str,
    device_info_dir: str,
) -> Journal:
    """Attach everything and return the record. Raises CniError after taking back what was attempted.

    `runtime_config` is what the runtime asks of the default network, and of no other (NPWG v1.3 §7.5).
    """
    entries = []
    for attachment in plan.attachments:
        entry = _entry(attachment, runtime_config if attachment.is_default else {}, args)
        entries.append(_with_device_info(entry, attachment, record, device_info_dir))
    record = record.replace(entries=tuple(entries))
    _check(record, run)
    _save(record, store, run, attempted=0)
    for index, attachment in enumerate(plan.attachments):
        saving = _Saving(store, record, is_needed=index > 0)
        try:
            _provide_device_info(record.entries[index], attachment, device_info_dir)
            record = _attach(record, index, run, meanwhile=saving)
            saving.check()
        except CniError as error:
            take_back(record.replace(entries=record.entries[: index + 1]), store, error, run)
    _save(record, store, run, attempted=len(entries))
    return record


def _save(record: Journal, store: Store, run: Run, *, attempted: int) -> None:
    """Write a record; if that fails, take back the first attachments that were attempted, and raise."""
    try:
        store.write(record)
    except CniError as error:
        take_back(record.replace(entries=record.entries[:attempted]), store, error, run)


class _Saving:
    """Writes a record while a delegate runs. NB: a failure waits for its end; it must not be left alone."""

    def __init__(self, store: Store, record: Journal, *, is_needed: bool) -> None:
        self._store = store
        self._record = record
        self._is_needed = is_needed
        self._failure: CniError | None = None

    def __call__(self) -> None:
        if self._is_needed:
            try:
                self._store.write(self._record)
            except CniError as failure:
                self._failure = failure

    def check(self) -> None:
        """Raise what went wrong."""
        if self._failure is not None:
            raise self._failure


def _check(record: Journal, run: Run) -> None:
    """Raise CniError if the pod has an interface of a planned name, or an executable is missing.

    NB: before anything is on record. A delegate would fail too, and taking it back would then remove that interface,
    which is not ours.
    """
    taken = interface_names(record.netns)
    for entry in record.entries:
        label = teardown.label_of(record, entry)
        if entry.ifname in taken:
            raise CniError(INVALID_NETWORK_CONFIG, f"{label}: the pod has an interface {entry.ifname} already")
        try:
            delegate.find_all(_config_of(entry), teardown.target_of(record, entry, run))
        except PluginError as error:
            raise _labelled(error, label) from error


def reference_of(attachment: Attachment) -> str:
    """Return the network as status and errors name it: `namespace/name`, a node's own network by its name."""
    network = attachment.network
    return network.reference if network.namespace else network.name


def _entry(attachment: Attachment, runtime_config: Mapping[str, Any], args: str) -> Entry:
    config = attachment.network.config
    text = cniconfig.render(config) if config else "{}"
    return Entry(
        reference=reference_of(attachment),
        ifname=attachment.interface,
        item=attachment.item,
        is_default=attachment.is_default,
        config=text,
        capability_args={**runtime_config, **attachment.runtime_config},
        cni_args=attachment.cni_args,
        args=args,
        device=attachment.device or attachment.element.device_id,
    )


def _config_of(entry: Entry) -> NetworkConfigList:
    return cniconfig.parse(entry.config, name=entry.reference)


def _has_device_info(attachment: Attachment) -> bool:
    """Say whether device information can come of it: from a device plugin, or from a plugin that asks for the file."""
    config = attachment.network.config
    return attachment.device is not None or (config is not None and DEVICE_INFO_FILE in config.capabilities)


def _with_device_info(entry: Entry, attachment: Attachment, record: Journal, directory: str) -> Entry:
    if not _has_device_info(attachment):
        return entry
    from .devicefiles import path_of  # noqa: PLC0415  # few networks have devices

    path = path_of(directory, entry.reference, record.container_id, entry.ifname)
    return entry.replace(device_info_file=path, capability_args={**entry.capability_args, DEVICE_INFO_FILE: path})


def _provide_device_info(entry: Entry, attachment: Attachment, directory: str) -> None:
    if entry.device_info_file is None:
        return
    from .devicefiles import provide, source_of  # noqa: PLC0415  # as above

    resource, device = attachment.network.resource_name, attachment.device
    provide(entry.device_info_file, source_of(directory, resource, device) if device else None)


def _attach(record: Journal, index: int, run: Run, *, meanwhile: Callable[[], None]) -> Journal:
    """Attach one entry of a record; return the record with its result."""
    entry = record.entries[index]
    try:
        result = delegate.add_list(
            _config_of(entry),
            teardown.target_of(record, entry, run),
            caps=entry.capability_args,
            cni_args=entry.cni_args,
            deadline=run.deadline,
            meanwhile=meanwhile,
        )
    except PluginError as error:
        raise _labelled(error, teardown.label_of(record, entry)) from error
    done = entry.replace(state=ATTACHED, result=result)
    return record.replace(entries=(*record.entries[:index], done, *record.entries[index + 1 :]))


def _labelled(error: PluginError, label: str) -> PluginError:
    return PluginError(error.plugin, error.command, error.code, f"{label}: {error.msg}", error.details)


def take_back(
    record: Journal,
    store: Store,
    error: CniError,
    run: Run,
) -> None:
    """Undo what was attempted, and raise the error that made it necessary, with what could not be undone."""
    left, failures = teardown.detach_all(record, run.replace(deadline=run.deadline + TAKE_BACK_S))
    details = [error.details, *(f"not taken back, DEL will try again: {failure.msg}" for failure in failures)]
    try:
        if failures:
            store.write(record.replace(entries=left))
        else:
            store.remove(record.container_id)
    except CniError as failure:
        details.append(failure.msg)
    raise CniError(error.code, error.msg, "\n".join(filter(None, details))) from error


TAKE_BACK_S = 10.0
"""More time for undoing: a delegate that hung until the deadline must not keep the others from being freed."""
