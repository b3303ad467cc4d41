"""The decision about one request: picks the check for kind and operation. Pure: values in, a `Decision` out."""

from __future__ import annotations

from cniplugin.access.model import Rules
from cniplugin.access.rules import CONFIG_KIND, POLICY_KIND
from cniplugin.access.rules import GROUP as ACCESS_GROUP
from cniplugin.netspec.netattachdef import GROUP as NAD_GROUP
from cniplugin.netspec.netattachdef import KIND as NAD_KIND
from webhook.admission.checks import bindings, definitions, in_use, network_status, networks, policies, resources
from webhook.admission.injection import Injection
from webhook.admission.limits import DEFAULTS, ReviewLimits
from webhook.admission.listers import Cluster
from webhook.admission.model import ALLOWED, Decision, GroupKind, Request
from webhook.admission.plugins.schema import PluginChecks

POD = GroupKind("", "Pod")
BINDING = GroupKind("", "Binding")
NETWORK = GroupKind(NAD_GROUP, NAD_KIND)
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
POLICY = GroupKind(ACCESS_GROUP, POLICY_KIND)
POLICY_CONFIG = GroupKind(ACCESS_GROUP, CONFIG_KIND)
POLICIES = frozenset({POLICY, POLICY_CONFIG})
"""Cluster-scoped, all others are in namespaces."""
NETWORK_NAMESPACE = "kube-system"
"""Where a bare name in the default-network annotation is looked up (Multus' `multusNamespace`)."""


def evaluate(  # noqa: PLR0913 - what a decision goes by: one argument per part
    request: Request,
    cluster: Cluster,
    rules: Rules,
    *,
    network_namespace: str = NETWORK_NAMESPACE,
    network_in_use: str = in_use.WARN,
    injection: Injection | None = None,
    plugins: PluginChecks | None = None,
    limits: ReviewLimits = DEFAULTS,
) -> Decision:
    """Decide one request against one snapshot and one set of rules.

    Everything but CREATE and UPDATE of the kinds above, and DELETE of a definition, is allowed, and so is an object
    that is being deleted. `network_in_use`: what becomes of a definition that running pods use, one of `in_use.MODES`.
    `injection`: what /mutate puts into pods, whose final state is then checked, too; None where there is no /mutate.
    `plugins`: what is known of CNI plugins; None: only the envelope of definitions is checked, and no request of a pod
    is compared with its network. `limits`: how much one object may ask for.
    """
    if request.operation not in {"CREATE", "UPDATE"} or request.object is None or request.object.is_being_deleted:
        is_deletion = request.operation == "DELETE" and request.kind == NETWORK
        return in_use.check_deletion(request, cluster, network_in_use) if is_deletion else ALLOWED
    if request.kind == POD:
        protected = network_status.check(request, rules.config)
        judged = protected or networks.check(
            request, cluster, rules, network_namespace=network_namespace, plugins=plugins, limits=limits
        )
        if injection is None:
            return judged
        return resources.check(request, judged, cluster, injection, network_namespace=network_namespace, limits=limits)
    if request.kind == NETWORK:
        judged = definitions.check(request, cluster, rules, plugins, limits=limits)
        return in_use.check_change(request, cluster, network_in_use, judged)
    if request.kind == BINDING:
        return bindings.check(request)
    if request.kind in WORKLOADS:
        return networks.check(
            request, cluster, rules, network_namespace=network_namespace, plugins=plugins, limits=limits
        )
    if request.kind == POLICY:
        return policies.check(request, cluster, limits=limits)
    if request.kind == POLICY_CONFIG:
        return policies.check_config(request, limits=limits)
    return ALLOWED
