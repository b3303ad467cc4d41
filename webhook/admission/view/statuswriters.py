"""Who may write `network-status`: nodes, their network plugins, and the users and groups of the configuration.

| writer | how it is recognised |
| --- | --- |
| a node | group `system:nodes`; NodeRestriction limits it to its own pods |
| a user or group of the configuration | `statusWriters` (users), `statusWriterGroups` |
| a network plugin, through `pods/status` only | PLUGIN_ACCOUNTS, or the group of Multus' certificates, one per node |
| another agent of the pod's node, through `pods/status` only | its token is bound to a pod of the same node |

The last two may write through `pods/status` only, which is a separate right. The roles that Kubernetes gives to tenants
(`edit`, `admin`) do not have it, so an administrator gave it to the account. The token alone proves little: a tenant's
pod on the same node has such a token as well.
"""

from __future__ import annotations

from cniplugin.access.model.decision import Config
from webhook.admission.model.requests import Request

NODES_GROUP = "system:nodes"
MULTUS_GROUP = "system:multus"
"""Organization of the certificates that a thick Multus requests, one for each node (`perNodeCertificate`)."""

PLUGIN_ACCOUNTS = (
    "system:serviceaccount:kube-system:dynamic-networks-controller",
    "system:serviceaccount:kube-system:multus",
    "system:serviceaccount:kube-system:nadmit-node",
)
"""Accounts of multus-dynamic-networks-controller, Multus and this project's plugin, as their manifests install them.

NB: only those of kube-system. Without OpenShift, a tenant may own a namespace called openshift-multus.
"""

STATUS = "status"
"""The subresource that CNI plugins write to (net-attach-def-client, `SetNetworkStatus`)."""

NODE_NAME = "authentication.kubernetes.io/node-name"
"""Key of `userInfo.extra` (Kubernetes 1.30): the node of the pod that a service account's token is bound to."""


def is_writer(request: Request, config: Config) -> bool:
    """Say whether the requester may write the network status of the request's pod."""
    user = request.user
    if NODES_GROUP in user.groups or user.name in config.status_writers:
        return True
    if not frozenset(user.groups).isdisjoint(config.status_writer_groups):
        return True
    if request.subresource != STATUS:
        return False
    return user.name in PLUGIN_ACCOUNTS or MULTUS_GROUP in user.groups or _is_of_the_pods_node(request)


def _is_of_the_pods_node(request: Request) -> bool:
    pod = request.object
    return pod is not None and bool(request.user.node) and request.user.node == pod.node_name
