"""What the cluster is told about an attachment: network-status, and events. Neither may fail a pod that works.

Nor may they keep it from starting: an API server that answers every PATCH with 500 would be asked until the deadline of
the verb. So telling has a share of the time that is left, and the status a part of that, so that events can say what
became of it. The first event that fails is the last one tried: what kept it away keeps the others away too.
"""

from __future__ import annotations

import os
import time

from cniplugin.attach.teardown import label_of
from cniplugin.cluster.kubeapi import Event
from cniplugin.cnierrors import ACCESS_DENIED, CniError
from cniplugin.host.log import LOG
from cniplugin.netspec import networkstatus, result
from cniplugin.netspec.errors import SpecErrors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cniplugin.cluster.accessrules import Remark
    from cniplugin.cluster.kubeapi import Client
    from cniplugin.cluster.objects import Pod
    from cniplugin.netspec.networkstatus import StatusEntry
    from cniplugin.netspec.plan import Plan
    from cniplugin.records.journaltext import Entry, Journal


REPORT_S = 10.0
REPORT_SHARE = 1 / 3
"""What telling may take: this long, and this part of the time that is left, whichever is less."""

STATUS_SHARE = 2 / 3
"""The part of it that network-status may take."""


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
            device_info=_device_info(record, entry),
        )
    )


def _device_info(record: Journal, entry: Entry) -> dict[str, Any] | None:
    """Return what the plugins left in the attachment's file; a file that cannot be read is a log line."""
    if entry.device_info_file is None:
        return None
    from cniplugin.attach.devicefiles import load  # noqa: PLC0415  # few attachments have devices

    try:
        return load(entry.device_info_file)
    except CniError as error:
        LOG.error(f"{label_of(record, entry)}: network-status has no device-info: {error.msg}")
        return None


def publish(client: Client, pod: Pod, plan: Plan, record: Journal, remarks: Sequence[Remark]) -> None:
    """Write network-status by one PATCH, and an event per remark and attachment; what fails is a log line and an event.

    NB: nothing can be asked of the client afterwards; its time is cut to what telling may take.
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
    if not _remark(client, pod, remarks):
        return
    for entry in record.entries:
        if not event(client, pod, "AddedInterface", _added(entry), is_warning=False):
            return


def _share_of(client: Client) -> float:
    return min(REPORT_S, client.left_s() * REPORT_SHARE)


def _added(entry: Entry) -> str:
    """As Multus says it, because people grep for it: `Add net1 [10.1.1.11/24] from ns/nad`."""
    try:
        addresses = [ip.address for ip in result.parse(entry.result, cni_version="0.1.0").ips]
    except SpecErrors:
        addresses = []
    return f"Add {entry.ifname} [{' '.join(addresses)}] from {entry.reference}"


def refused(client: Client, pod: Pod, error: CniError, remarks: Sequence[Remark]) -> None:
    """Put a refusal, and what else there is to tell, where `kubectl describe pod` shows it."""
    if error.code == ACCESS_DENIED:
        client.limit(_share_of(client))
        if event(client, pod, "NetworkAccessDenied", f"{error.msg}\n{error.details}", is_warning=True):
            _remark(client, pod, remarks)


def _remark(client: Client, pod: Pod, remarks: Sequence[Remark]) -> bool:
    return all(event(client, pod, remark.reason, remark.message, is_warning=True) for remark in remarks)


def event(client: Client, pod: Pod, reason: str, message: str, *, is_warning: bool) -> bool:
    """Create an event about the pod and say whether it is there; a failure is a log line."""
    made = Event(
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
        client.create_event(made)
    except CniError as error:
        LOG.error(f"pod {pod.namespace}/{pod.name}: event {reason} is not written, nor any later one: {error.msg}")
        return False
    return True
