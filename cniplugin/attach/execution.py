"""Execute a plan: record all of it, attach one network after the other, and take everything back if one fails.

Theory of operation. The plan is known before the first delegate runs, so the record of all its attachments is made
durable once, before (`attempted`). Each result is written while the next delegate runs, and the last one at the end
(`attached`). That is two fsyncs on the way, instead of two per attachment. If this process ends in between, DEL finds
every attachment that a plugin may have begun; DEL of one that was never begun is harmless (CNI 1.1 §2). After a
failure, the attempted attachments are detached, last first, and the record is removed only if that succeeded.
"""

from __future__ import annotations

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError, PluginError
from cniplugin.host.netlink import interface_names
from cniplugin.netspec import cniconfig
from cniplugin.protocol import delegate
from cniplugin.protocol.cniargs import for_further_networks
from cniplugin.protocol.netconf import POD_ANNOTATIONS
from cniplugin.records.journal import ATTACHED, Entry, Journal

from . import detach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn

    from cniplugin.netspec.cniconfig import NetworkConfigList
    from cniplugin.netspec.plan import Attachment, Plan
    from cniplugin.protocol.invoke import RuntimeConf
    from cniplugin.records.journal import Store


DEVICE_INFO_FILE = "CNIDeviceInfoFile"
"""Capability (Device Information Specification 1.1 §5.1): the path of the attachment's device information."""

TAKE_BACK_S = 10.0
"""More time for detaching after a failure: a delegate that hangs must not keep the others attached."""


def attach_all(
    plan: Plan,
    record: Journal,
    store: Store,
    runtime: RuntimeConf,
    *,
    runtime_config: Mapping[str, Any],
    args: str,
    device_info_dir: str,
) -> Journal:
    """Attach everything and return the record. Raises CniError after detaching the attempted attachments.

    `runtime_config` has the runtime's requests, which are for the default network only (NPWG v1.3 §7.5), as are those
    in `args`, its CNI_ARGS.
    """
    entries = []
    for attachment in plan.attachments:
        entry = _entry(attachment, runtime_config if attachment.is_default else {}, args)
        entries.append(_with_device_info(entry, attachment, record, device_info_dir))
    record = record.replace(entries=tuple(entries))
    _check(plan, record, runtime)
    _save(record, store, runtime, attempted=0)
    for index, attachment in enumerate(plan.attachments):
        saving = _Saving(store, record, is_needed=index > 0)
        try:
            _provide_device_info(record.entries[index], attachment, device_info_dir)
            record = _attach(record, index, attachment, runtime, meanwhile=saving)
            saving.check()
        except CniError as error:
            entry = record.entries[index]
            attempted = (*record.entries[:index], _failed(entry, error))
            labelled = error.within(entry.label) if isinstance(error, PluginError) else error
            take_back(record.replace(entries=attempted), store, labelled, runtime)
    _save(record, store, runtime, attempted=len(entries))
    return record


def _save(record: Journal, store: Store, runtime: RuntimeConf, *, attempted: int) -> None:
    """Write a record. If that fails, take back the first `attempted` attachments and raise."""
    try:
        store.write(record)
    except CniError as error:
        take_back(record.replace(entries=record.entries[:attempted]), store, error, runtime)


class _Saving:
    """Writes a record while a delegate runs. NB: it keeps a failure until the delegate has ended."""

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
        """Raise the failure, if there was one."""
        if self._failure is not None:
            raise self._failure


def _check(plan: Plan, record: Journal, runtime: RuntimeConf) -> None:
    """Raise CniError if the pod has an interface of a planned name, or if an executable is missing.

    NB: this happens before anything is recorded. A delegate would fail on an existing interface too, but taking its
    attachment back would then remove that interface, which is not ours.
    """
    existing = interface_names(record.netns)
    for attachment, entry in zip(plan.attachments, record.entries, strict=True):
        if entry.ifname in existing:
            text = f"{entry.label}: the pod has an interface {entry.ifname} already"
            raise CniError(INVALID_NETWORK_CONFIG, text)
        try:
            delegate.find_all(_config_of(attachment), detach.runtime_of(runtime, record, entry))
        except PluginError as error:
            raise error.within(entry.label) from error


def reference_of(attachment: Attachment) -> str:
    """Return the network as status and errors name it: `namespace/name`, or the name of a network of the node."""
    network = attachment.network
    return network.reference if network.namespace else network.name


def _config_of(attachment: Attachment) -> NetworkConfigList:
    """Return the configuration; a planned network has one, from the API or from the node's disk."""
    assert attachment.network.config is not None  # noqa: S101
    return attachment.network.config


def _entry(attachment: Attachment, runtime_config: Mapping[str, Any], args: str) -> Entry:
    return Entry(
        reference=reference_of(attachment),
        ifname=attachment.interface,
        item=attachment.item,
        is_default=attachment.is_default,
        config=cniconfig.render(_config_of(attachment)),
        capability_args={**_for_network(runtime_config, attachment), **attachment.runtime_config},
        cni_args=attachment.cni_args,
        args=args if attachment.is_default else for_further_networks(args),
        device=attachment.device or attachment.element.device_id,
    )


def _for_network(runtime_config: Mapping[str, Any], attachment: Attachment) -> Mapping[str, Any]:
    """Return the runtime's requests without the pod's annotations, if no plugin of the network wants these.

    NB: they would be recorded, and may be large or private.
    """
    if POD_ANNOTATIONS not in runtime_config or POD_ANNOTATIONS in _config_of(attachment).capabilities:
        return runtime_config
    return {name: value for name, value in runtime_config.items() if name != POD_ANNOTATIONS}


def _with_device_info(entry: Entry, attachment: Attachment, record: Journal, directory: str) -> Entry:
    """Return the entry with a file for device information, if a device plugin provides it or a plugin asks for it."""
    if attachment.device is None and DEVICE_INFO_FILE not in _config_of(attachment).capabilities:
        return entry
    from .devices import info_file_of  # noqa: PLC0415  # few networks have devices

    path = info_file_of(directory, entry.reference, record.container_id, entry.ifname)
    return entry.replace(device_info_file=path, capability_args={**entry.capability_args, DEVICE_INFO_FILE: path})


def _provide_device_info(entry: Entry, attachment: Attachment, directory: str) -> None:
    if entry.device_info_file is None:
        return
    from .devices import device_plugin_file, provide_info  # noqa: PLC0415  # as above

    resource, device = attachment.network.resource_name, attachment.device
    provide_info(entry.device_info_file, device_plugin_file(directory, resource, device) if device else None)


def _attach(
    record: Journal, index: int, attachment: Attachment, runtime: RuntimeConf, *, meanwhile: Callable[[], None]
) -> Journal:
    """Attach one entry of a record; return the record with its result."""
    entry = record.entries[index]
    given = detach.runtime_of(runtime, record, entry).replace(arguments=attachment.arguments)
    result = delegate.add_list(_config_of(attachment), given, meanwhile)
    done = entry.replace(state=ATTACHED, result=result)
    return record.replace(entries=(*record.entries[:index], done, *record.entries[index + 1 :]))


def _failed(entry: Entry, error: CniError) -> Entry:
    """Return an entry with the failure of its ADD. NB: after a success, the error is about the record."""
    if entry.state == ATTACHED:
        return entry
    position = error.position if isinstance(error, PluginError) else None
    return entry.failed(error.msg, position or 0)


def take_back(record: Journal, store: Store, error: CniError, runtime: RuntimeConf) -> NoReturn:
    """Detach the attempted attachments. Raise the error that made this necessary, with the failures as details."""
    undone = detach.detach_all(record, runtime.replace(deadline=runtime.deadline + TAKE_BACK_S))
    details = [f"not taken back, DEL will try again: {failure.msg}" for _, failure in undone]
    try:
        if undone:
            store.write(record.replace(entries=detach.entries_of(undone)))
        else:
            store.remove(record.container_id)
    except CniError as failure:
        details.append(failure.msg)
    raise error.with_details(*details) from error
