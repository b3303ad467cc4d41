"""The kinds that a decision knows, as the API server names them, and well-known names of Kubernetes and Multus."""

from __future__ import annotations

from typing import NamedTuple

from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND
from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from cniplugin.netspec.netattachdef import GROUP as NETWORK_GROUP
from cniplugin.netspec.netattachdef import KIND as NETWORK_KIND


class GroupKind(NamedTuple):
    """A kind and its API group; `group` is "" for core kinds."""

    group: str
    kind: str


POD = GroupKind("", "Pod")
BINDING = GroupKind("", "Binding")
NAMESPACE = GroupKind("", "Namespace")
NETWORK = GroupKind(NETWORK_GROUP, NETWORK_KIND)
WORKLOADS = frozenset(
    {
        GroupKind("apps", "Deployment"),
        GroupKind("apps", "StatefulSet"),
        GroupKind("apps", "DaemonSet"),
        GroupKind("apps", "ReplicaSet"),
        GroupKind("", "ReplicationController"),
        GroupKind("batch", "Job"),
        GroupKind("batch", "CronJob"),
        GroupKind("", "PodTemplate"),
    }
)
"""Kinds that hold a pod template."""
_TEMPLATE_STEPS = {"CronJob": ("spec", "jobTemplate", "spec", "template"), "PodTemplate": ("template",)}
POLICY = GroupKind(ACCESS_GROUP, POLICY_KIND)
POLICY_CONFIG = GroupKind(ACCESS_GROUP, CONFIG_KIND)
POLICIES = frozenset({POLICY, POLICY_CONFIG})
RESOURCE_CLAIM = GroupKind("resource.k8s.io", "ResourceClaim")
CLAIM_TEMPLATE = GroupKind("resource.k8s.io", "ResourceClaimTemplate")
DEVICE_CLASS = GroupKind("resource.k8s.io", "DeviceClass")
DEVICE_KINDS = frozenset({RESOURCE_CLAIM, CLAIM_TEMPLATE, DEVICE_CLASS})
"""The kinds of dynamic resource allocation that can name networks."""
JUDGED = frozenset({POD, BINDING, NAMESPACE, NETWORK, *WORKLOADS, *POLICIES, *DEVICE_KINDS})
CLUSTER_SCOPED = frozenset({NAMESPACE, *POLICIES, DEVICE_CLASS})
"""The judged kinds that are not in a namespace."""

VERDICT_KINDS = (NETWORK.kind, NAMESPACE.kind, POLICY.kind, POLICY_CONFIG.kind)
"""Without the objects of these kinds, the verdict about a pod cannot be known."""

NETWORK_NAMESPACE = "kube-system"
"""Namespace of a default network that is named without one (Multus' `multusNamespace`)."""

TEMPLATE_CONTROLLERS = "system:serviceaccount:kube-system:"
"""Prefix of the accounts of Kubernetes' own controllers, which create objects from templates."""
NAMESPACE_CONTROLLER = f"{TEMPLATE_CONTROLLERS}namespace-controller"
GARBAGE_COLLECTOR = f"{TEMPLATE_CONTROLLERS}generic-garbage-collector"


def template_steps(kind: str) -> tuple[str, ...]:
    """Return the keys that lead to the pod template in an object of a kind that has one."""
    return _TEMPLATE_STEPS.get(kind, ("spec", "template"))
