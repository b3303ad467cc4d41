"""Who may write `network-status`: nodes, the network plugins of the nodes, and whom the configuration names.

| writer | what shows it |
| --- | --- |
| a node | group `system:nodes`; NodeRestriction keeps it to its own pods |
| whom the configuration names | `statusWriters` (users), `statusWriterGroups` |
| a network plugin, through `pods/status` only | PLUGIN_ACCOUNTS, or the group of Multus' certificates, one a node |
| any other agent of the pod's node, through `pods/status` only | its token is bound to a pod of that very node |

The last two go through `pods/status` only, because that is a right of its own: no role that Kubernetes gives to tenants
(`edit`, `admin`) has it, so an account that has it got it from an administrator. A token alone proves little, as a
tenant's pod on the same node has one that says the same.
"""

from __future__ import annotations

from cniplugin.access.model.decision import Config
from webhook.admission.model.requests import Request

NODES_GROUP = "system:nodes"
MULTUS_GROUP = "system:multus"
"""Organization of the certificates that a thick Multus asks for, one for each node (`perNodeCertificate`)."""

PLUGIN_ACCOUNTS = (
    "system:serviceaccount:kube-system:dynamic-networks-controller",
    "system:serviceaccount:kube-system:multus",
    "system:serviceaccount:kube-system:nadmit-node",
)
"""Accounts of multus-dynamic-networks-controller, Multus and this project's plugin, as their manifests install them.

NB: of kube-system only. Where there is no OpenShift, a tenant may own a namespace openshift-multus.
"""

STATUS = "status"
"""The subresource that CNI plugins write through (net-attach-def-client, `SetNetworkStatus`)."""

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
