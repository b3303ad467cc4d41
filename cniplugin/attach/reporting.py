"""Reports to the cluster about an attachment: network-status and events. A failure never fails a pod that works.

Reporting must not delay the pod either: an API server that answers every PATCH with 500 would be asked until the
deadline of the verb. So reporting gets a share of the time that is left, and network-status a part of that share, so
that time is left for an event about its failure. After the first event that fails, the others are not tried again,
because the same cause would keep them away.

The PATCH of network-status and the events go out in one flight (`kubeapi`). Multus creates an event for each network;
here one event has a line for each, in the same words, because each event costs a write of the API server. Lines that do
not fit into one event (EVENT_BYTES_MAX) go into further ones, and no line is cut in two.
"""

from __future__ import annotations

import os
import time

from cniplugin.cluster.kubeapi import EVENT_BYTES_MAX, Event, event_request, status_request
from cniplugin.cluster.objects import NO_NETWORK
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
    from cniplugin.records.journal import Entry, Journal


ADDED = "AddedInterface"
"""The reason of the event about the networks, as with Multus. All other events are warnings."""

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
    """Write network-status by one PATCH, and events about remarks and networks. A failure is a log line and an event.

    NB: the client is of no use afterwards, because its time is limited to that of the reports.
    """
    share_s = _share_of(client)
    client.limit(share_s * STATUS_SHARE)
    until = time.monotonic() + share_s
    texts = [(remark.reason, remark.message) for remark in remarks]
    events = _events(pod, [*texts, *((ADDED, text) for text in _added(record))])
    try:
        annotations = {networkstatus.ANNOTATION: networkstatus.render(status_of(plan, record))}
        client.send(
            status_request(pod.namespace, pod.name, annotations, uid=pod.uid),
            *(event_request(event) for event in events),
        )
        client.patch_status(pod.namespace, pod.name, annotations, uid=pod.uid)
    except (CniError, SpecErrors) as error:
        LOG.error(f"pod {pod.namespace}/{pod.name}: network-status is not written: {error}")
        client.limit(until - time.monotonic())
        if not _create(client, pod, _events(pod, [("NetworkStatusNotWritten", str(error))])):
            return
    client.limit(until - time.monotonic())
    _create(client, pod, events)


def _share_of(client: Client) -> float:
    return min(REPORT_S, client.left_s() * REPORT_SHARE)


def _added(record: Journal) -> list[str]:
    """Return the messages about the networks, as few as possible."""
    messages: list[str] = []
    for line in map(_added_line, record.entries):
        if messages and len(f"{messages[-1]}\n{line}".encode(errors="replace")) <= EVENT_BYTES_MAX:
            messages[-1] += f"\n{line}"
        else:
            messages.append(line)
    return messages


def _added_line(entry: Entry) -> str:
    """Return Multus' wording, because people grep for it: `Add net1 [10.1.1.11/24] from ns/nad`."""
    return f"Add {entry.ifname} [{' '.join(entry.addresses)}] from {entry.reference}"


def report_refusal(client: Client, pod: Pod, error: CniError, remarks: Sequence[Remark]) -> None:
    """Create events for a refusal and the remarks, which `kubectl describe pod` shows."""
    if error.code == ACCESS_DENIED:
        client.limit(_share_of(client))
        refusal = ("NetworkAccessDenied", f"{error.msg}\n{error.details}")
        create_events(client, pod, [refusal, *((remark.reason, remark.message) for remark in remarks)])


def report_missing(client: Client, pod: Pod, remarks: Sequence[Remark]) -> None:
    """Create an event for each definition that does not exist, each once."""
    missing = dict.fromkeys(remark for remark in remarks if remark.reason == NO_NETWORK)
    if missing:
        client.limit(_share_of(client))
        create_events(client, pod, [(remark.reason, remark.message) for remark in missing])


def create_events(client: Client, pod: Pod, texts: Sequence[tuple[str, str]]) -> bool:
    """Create events about the pod for pairs of reason and message; say whether this succeeded. A failure is logged."""
    events = _events(pod, texts)
    client.send(*map(event_request, events))
    return _create(client, pod, events)


def _events(pod: Pod, texts: Sequence[tuple[str, str]]) -> list[Event]:
    """Return events about the pod for pairs of reason and message. Each has a time of its own, so that names differ."""
    now_ns, host = time.time_ns(), os.uname().nodename
    return [
        Event(
            namespace=pod.namespace,
            pod=pod.name,
            uid=pod.uid,
            reason=reason,
            message=message,
            is_warning=reason != ADDED,
            at_ns=now_ns + number,
            host=host,
        )
        for number, (reason, message) in enumerate(texts)
    ]


def _create(client: Client, pod: Pod, events: Sequence[Event]) -> bool:
    """Create events, or take the answers to those that were sent; say whether this succeeded. A failure is logged."""
    for event in events:
        try:
            client.create_event(event)
        except CniError as error:
            text = f"event {event.reason} is not written, and other events are not tried again: {error.msg}"
            LOG.error(f"pod {pod.namespace}/{pod.name}: {text}")
            return False
    return True
