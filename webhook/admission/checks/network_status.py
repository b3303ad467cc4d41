"""Only nodes and listed writers change the network status.

Fields restricted: `metadata.annotations[k8s.v1.cni.cncf.io/network-status]` of a pod. Values allowed: what it was.
Operations: UPDATE of pods and their subresources; on CREATE it is overwritten at ADD. Exempt: members of
`system:nodes`, users in `statusWriters`; everybody if `protectNetworkStatus` is false.
"""

from __future__ import annotations

from cniplugin.access.model import Config
from cniplugin.netspec.selection import NETWORK_STATUS
from webhook.admission import messages
from webhook.admission.model import Decision, Request

NODES_GROUP = "system:nodes"


def check(request: Request, config: Config) -> Decision | None:
    """Return the refusal of a forged status, or None."""
    new, old = request.object, request.old_object
    if request.operation != "UPDATE" or new is None or old is None or not config.protect_network_status:
        return None
    if new.annotations.get(NETWORK_STATUS, "") == old.annotations.get(NETWORK_STATUS, ""):
        return None
    if NODES_GROUP in request.user.groups or request.user.name in config.status_writers:
        return None
    return messages.status_protected(request, config)
