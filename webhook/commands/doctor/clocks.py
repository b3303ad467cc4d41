"""The clocks: of this machine, of the API server, of the nodes, and of the replica that writes statuses.

A kubelet writes its time into its Lease each ten seconds, and the replica into its own each five. The API server's time
is the header Date of an answer. Certificates begin five minutes early, so a difference beyond that breaks TLS.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from certs.authority import BACKDATED
from webhook.kube.apierrors import ForbiddenError
from webhook.kube.resources import LEASES, ObjectPath
from webhook.policystatus.statuswriter import LEASE
from webhook.report.plaintext import counted

from .asking import NODES, Asking
from .installation import Installation
from .results import Result, error, listed, ok, unknown, warning

CHECK = "clocks"
NODE_LEASES = "kube-node-lease"
NOTABLE_S = 10.0
"""A second of the header Date, and the way of an answer, are no difference."""
BROKEN_S = BACKDATED.total_seconds()
SILENT_S = 60.0
"""A node Lease is renewed each 10 s; after 40 s Kubernetes takes the node for lost."""
WRITER_SILENT_S = 30.0
NTP = "synchronise the clocks: chronyc tracking, timedatectl"

Object = dict[str, Any]


def check_here(server_time: float | None, here: float, *, is_pod: bool) -> Iterator[Result]:
    """Compare the clock of this machine with that of the API server. `is_pod`: a replica will use this clock."""
    if server_time is None:
        yield unknown(CHECK, "the API server sends no date")
        return
    ahead = here - server_time
    text = f"the clock of this machine is {_shown(ahead)} the API server's"
    if abs(ahead) < NOTABLE_S:
        yield ok(CHECK, "this machine and the API server have the same time")
    elif is_pod and abs(ahead) >= BROKEN_S:
        yield error(CHECK, f"{text}: certificates that begin now are refused", NTP)
    else:
        yield warning(CHECK, text, NTP)


def check_nodes(asking: Asking, server_time: float | None) -> Iterator[Result]:
    """Compare the clock of each node that is ready with that of the API server."""
    if server_time is None:
        return
    try:
        ready = {node["metadata"]["name"] for node in asking.all_of(NODES) if _is_ready(node)}
        leases = asking.all_of(LEASES, NODE_LEASES)
    except ForbiddenError as forbidden:
        yield unknown(CHECK, f"the clocks of the nodes: {forbidden}")
        return
    ahead: dict[str, float] = {}
    for lease in leases:
        name = lease["metadata"]["name"]
        renewed = _renewed(lease)
        if name in ready and renewed is not None:
            ahead[name] = renewed - server_time
    fast = {name: by for name, by in ahead.items() if by >= NOTABLE_S}
    slow = {name: by for name, by in ahead.items() if by <= -SILENT_S}
    for found, what in ((fast, "ahead of"), (slow, "behind, or silent to,")):
        if found:
            worst = sorted(found, key=lambda name: -abs(found[name]))
            shown = listed([f"{name} ({abs(found[name]):.0f} s)" for name in worst])
            make = error if found is fast and found[worst[0]] >= BROKEN_S else warning
            yield make(CHECK, f"{counted(len(found), 'node')} {what} the API server: {shown}", NTP)
    if not fast and not slow and ahead:
        yield ok(CHECK, f"{counted(len(ahead), 'node')} and the API server have the same time")


def check_writer(asking: Asking, installed: Installation, server_time: float | None) -> Iterator[Result]:
    """Look at the Lease of the replica that writes the status of policies."""
    if "write-status" not in installed.options or server_time is None:
        return
    lease = asking.get(ObjectPath(LEASES, installed.namespace, LEASE))
    where = f"Lease {installed.namespace}/{LEASE}"
    renewed = None if lease is None else _renewed(lease)
    holder = ((lease or {}).get("spec") or {}).get("holderIdentity")
    if lease is None:
        yield error(
            CHECK, f"{where}: there is none; no replica writes the status of policies", "kubectl apply -k manifests"
        )
    elif renewed is None or not holder or server_time - renewed > WRITER_SILENT_S:
        yield warning(
            CHECK,
            f"{where}: no replica has renewed it lately, so none writes the status of policies",
            f"kubectl -n {installed.namespace} logs deployment/nadmit-webhook",
        )
    elif renewed - server_time >= NOTABLE_S:
        yield warning(CHECK, f"the clock of replica {holder} is {_shown(renewed - server_time)} the API server's", NTP)


def _renewed(lease: Object) -> float | None:
    text = (lease.get("spec") or {}).get("renewTime")
    try:
        return None if not text else datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _shown(ahead: float) -> str:
    return f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
