"""What the cluster is told about an attachment: network-status, and events. Neither may fail a pod that works."""

from __future__ import annotations

import os
import time

from .errors import ACCESS_DENIED, CniError
from .kubeapi import Event
from .log import LOG
from .netspec import result, status
from .netspec.errors import SpecErrors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .journaltext import Entry, Journal
    from .kubeapi import Client
    from .netspec.plan import Plan
    from .netspec.status import StatusEntry
    from .sources import Pod


def status_of(plan: Plan, record: Journal) -> tuple[StatusEntry, ...]:
    """Return the network-status of a container. Raises SpecErrors for a result that cannot be read."""
    asked = {attachment.interface: attachment.element.default_route for attachment in plan.attachments}
    return tuple(
        line
        for entry in record.entries
        for line in status.entries(
            entry.reference,
            result.parse(entry.result, cni_version="0.1.0"),
            is_default=entry.is_default,
            ifname=entry.ifname,
            default_route=asked.get(entry.ifname),
        )
    )


def publish(client: Client, pod: Pod, plan: Plan, record: Journal) -> None:
    """Write network-status by one PATCH, and an event per attachment; what fails is a log line and an event."""
    try:
        text = status.render(status_of(plan, record))
        client.patch_status(pod.namespace, pod.name, {status.ANNOTATION: text}, uid=pod.uid)
    except (CniError, SpecErrors) as error:
        LOG.error(f"pod {pod.namespace}/{pod.name}: network-status is not written: {error}")
        event(client, pod, "NetworkStatusNotWritten", str(error), is_warning=True)
    for entry in record.entries:
        event(client, pod, "AddedInterface", _added(entry), is_warning=False)


def _added(entry: Entry) -> str:
    """As Multus says it, because people grep for it: `Add net1 [10.1.1.11/24] from ns/nad`."""
    try:
        addresses = [ip.address for ip in result.parse(entry.result, cni_version="0.1.0").ips]
    except SpecErrors:
        addresses = []
    return f"Add {entry.ifname} [{' '.join(addresses)}] from {entry.reference}"


def refused(client: Client, pod: Pod, error: CniError) -> None:
    """Put a refusal where `kubectl describe pod` shows it."""
    if error.code == ACCESS_DENIED:
        event(client, pod, "NetworkAccessDenied", f"{error.msg}\n{error.details}", is_warning=True)


def event(client: Client, pod: Pod, reason: str, message: str, *, is_warning: bool) -> None:
    """Create an event about the pod; a failure is a log line."""
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
        LOG.error(f"pod {pod.namespace}/{pod.name}: event {reason} is not written: {error.msg}")
