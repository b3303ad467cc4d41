"""Execute a plan: one attachment after the other, each recorded before it is tried, all taken back if one fails.

Theory of operation. The record of a container is written before each delegate's ADD (`attempted`) and after it
(`attached`, with the result), durably. Whatever ends this process in between, DEL finds every attachment that any
plugin may have begun. A failure detaches all that was attempted, last first; the record goes only if that succeeded.
"""

from __future__ import annotations

from . import delegate, teardown
from .errors import INVALID_NETWORK_CONFIG, CniError, PluginError
from .journaltext import ATTACHED, Entry, Journal
from .netlink import Namespace, interface_index
from .netspec import cniconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .journal import Store
    from .netspec.plan import Attachment, Plan
    from .teardown import Run


def attach_all(
    plan: Plan,
    record: Journal,
    store: Store,
    run: Run,
    *,
    runtime_config: Mapping[str, Any],
    args: str,
) -> Journal:
    """Attach everything and return the record. Raises CniError after taking back what was attempted.

    `runtime_config` is what the runtime asks of the default network, and of no other (NPWG v1.3 §7.5).
    """
    for attachment in plan.attachments:
        given = runtime_config if attachment.is_default else {}
        try:
            _check_name(attachment, record)
            record = record.replace(entries=(*record.entries, _entry(attachment, given, args)))
            store.write(record)
            record = _attach_last(record, run)
            store.write(record)
        except CniError as error:
            take_back(record, store, error, run)
    return record


def _check_name(attachment: Attachment, record: Journal) -> None:
    """Raise CniError if the pod has an interface of that name.

    NB: before the attachment is on record. Its delegate would fail too, and taking it back would then remove that
    interface, which is not ours.
    """
    with Namespace(record.netns):
        is_taken = interface_index(attachment.interface) is not None
    if is_taken:
        label = teardown.label_of(record, _entry(attachment, {}, args=""))
        raise CniError(INVALID_NETWORK_CONFIG, f"{label}: the pod has an interface {attachment.interface} already")


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
        device=attachment.element.device_id,
    )


def _attach_last(record: Journal, run: Run) -> Journal:
    """Attach the last entry of a record; return the record with its result."""
    entry = record.entries[-1]
    config = cniconfig.parse(entry.config, name=entry.reference)
    target = teardown.target_of(record, entry, run)
    try:
        result = delegate.add_list(
            config, target, caps=entry.capability_args, cni_args=entry.cni_args, deadline=run.deadline
        )
    except PluginError as error:
        text = f"{teardown.label_of(record, entry)}: {error.msg}"
        raise PluginError(error.plugin, error.command, error.code, text, error.details) from error
    done = entry.replace(state=ATTACHED, result=result)
    return record.replace(entries=(*record.entries[:-1], done))


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
