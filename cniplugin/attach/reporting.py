"""Reports to the cluster about an attachment: network-status and events. A failure never fails a pod that works.

Reporting must not delay the pod either: an API server that answers every PATCH with 500 would be asked until the
deadline of the verb. So reporting gets a share of the time that is left, and network-status a part of that share, so
that time is left for an event about its failure. After the first event that fails, no other event is tried, because
the same cause would keep it away.
"""

from __future__ import annotations

import os
import time

from cniplugin.cluster.kubeapi import Event
from cniplugin.cnierrors import ACCESS_DENIED, CniError
from cniplugin.host.log import LOG
from cniplugin.netspec import networkstatus, result
from cniplugin.netspec.errors import SpecErrors

from .podnetworks import NO_NETWORK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cniplugin.cluster.accessrules import Remark
    from cniplugin.cluster.kubeapi import Client
    from cniplugin.cluster.objects import Pod
    from cniplugin.netspec.networkstatus import StatusEntry
    from cniplugin.netspec.plan import Plan
    from cniplugin.records.journal import Entry, Journal


REPORT_S = 10.0
REPORT_SHARE = 1 / 3
"""The limit of all reports, in seconds and as a part of the time that is left; the smaller one counts."""

STATUS_SHARE = 2 / 3
"""The part of this that network-status may take."""


def status_of(plan: Plan, record: Journal) -> tuple[StatusEntry, ...]:
    """Return the network-status of a container. Raises SpecErrors for a result that cannot be read."""
    asked = {attachment.interface: attachment.element.default_route for attachment in plan.attachments}
    return tuple(
        line
        for entry in record.entries
        for line in networkstatus.entries(
            entry.reference,
            result.parse(entry.result, cni_version="0.1.0"),
            is_default=entry.is_default,
            ifname=entry.ifname,
            default_route=asked.get(entry.ifname),
            device_info=_device_info(entry),
        )
    )


def _device_info(entry: Entry) -> dict[str, Any] | None:
    """Return the attachment's device information as its plugins left it; a failure is a log line."""
    if entry.device_info_file is None:
        return None
    from cniplugin.attach.devices import load_info  # noqa: PLC0415  # few attachments have devices

    try:
        return load_info(entry.device_info_file)
    except CniError as error:
        LOG.error(f"{entry.label}: network-status has no device-info: {error.msg}")
        return None


def publish(client: Client, pod: Pod, plan: Plan, record: Journal, remarks: Sequence[Remark]) -> None:
    """Write network-status by one PATCH, and one event per remark and attachment. A failure is a log line and an event.

    NB: the client is of no use afterwards, because its time is limited to that of the reports.
    """
    share_s = _share_of(client)
    client.limit(share_s * STATUS_SHARE)
    until = time.monotonic() + share_s
    try:
        text = networkstatus.render(status_of(plan, record))
        client.patch_status(pod.namespace, pod.name, {networkstatus.ANNOTATION: text}, uid=pod.uid)
    except (CniError, SpecErrors) as error:
        LOG.error(f"pod {pod.namespace}/{pod.name}: network-status is not written: {error}")
        client.limit(until - time.monotonic())
        if not event(client, pod, "NetworkStatusNotWritten", str(error), is_warning=True):
            return
    client.limit(until - time.monotonic())
    if not _create_remarks(client, pod, remarks):
        return
    for entry in record.entries:
        if not event(client, pod, "AddedInterface", _added(entry), is_warning=False):
            return


def _share_of(client: Client) -> float:
    return min(REPORT_S, client.left_s() * REPORT_SHARE)


def _added(entry: Entry) -> str:
    """Return Multus' wording, because people grep for it: `Add net1 [10.1.1.11/24] from ns/nad`."""
    try:
        addresses = [ip.address for ip in result.parse(entry.result, cni_version="0.1.0").ips]
    except SpecErrors:
        addresses = []
    return f"Add {entry.ifname} [{' '.join(addresses)}] from {entry.reference}"


def report_refusal(client: Client, pod: Pod, error: CniError, remarks: Sequence[Remark]) -> None:
    """Create events for a refusal and the remarks, which `kubectl describe pod` shows."""
    if error.code == ACCESS_DENIED:
        client.limit(_share_of(client))
        if event(client, pod, "NetworkAccessDenied", f"{error.msg}\n{error.details}", is_warning=True):
            _create_remarks(client, pod, remarks)


def report_missing(client: Client, pod: Pod, remarks: Sequence[Remark]) -> None:
    """Create an event for each definition that does not exist, each once."""
    missing = dict.fromkeys(remark for remark in remarks if remark.reason == NO_NETWORK)
    if missing:
        client.limit(_share_of(client))
        _create_remarks(client, pod, tuple(missing))


def _create_remarks(client: Client, pod: Pod, remarks: Sequence[Remark]) -> bool:
    return all(event(client, pod, remark.reason, remark.message, is_warning=True) for remark in remarks)


def event(client: Client, pod: Pod, reason: str, message: str, *, is_warning: bool) -> bool:
    """Create an event about the pod; say whether this succeeded. A failure is a log line."""
    created = Event(
        namespace=pod.namespace,
        pod=pod.name,
        uid=pod.uid,
        reason=reason,
        message=message,
        is_warning=is_warning,
        at_ns=time.time_ns(),
        host=os.uname().nodename,
    )
    try:
        client.create_event(created)
    except CniError as error:
        text = f"event {reason} is not written, and later events are not tried: {error.msg}"
        LOG.error(f"pod {pod.namespace}/{pod.name}: {text}")
        return False
    return True
