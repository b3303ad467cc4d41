"""The decision about one request: picks the check for kind and operation. Pure: values in, a `Decision` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cniplugin.access.model import Rules
from cniplugin.access.rules import CONFIG_KIND, POLICY_KIND
from cniplugin.access.rules import GROUP as ACCESS_GROUP
from cniplugin.netspec.netattachdef import GROUP as NAD_GROUP
from cniplugin.netspec.netattachdef import KIND as NAD_KIND
from webhook.admission.checks import (
    bindings,
    definitions,
    in_use,
    namespaces,
    network_status,
    networks,
    policies,
    resources,
)
from webhook.admission.injection import Injection
from webhook.admission.listers import Cluster
from webhook.admission.model import ALLOWED, Decision, GroupKind, Request
from webhook.admission.plugins.schema import PluginChecks

POD = GroupKind("", "Pod")
BINDING = GroupKind("", "Binding")
NAMESPACE = GroupKind("", "Namespace")
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
CLUSTER_SCOPED = frozenset({NAMESPACE, *POLICIES})
"""All others are in namespaces."""
NETWORK_NAMESPACE = "kube-system"
"""Where a bare name in the default-network annotation is looked up (Multus' `multusNamespace`)."""


def evaluate(
    request: Request,
    cluster: Cluster,
    rules: Rules,
    *,
    network_namespace: str = NETWORK_NAMESPACE,
    network_in_use: str = in_use.WARN,
    injection: Injection | None = None,
    plugins: PluginChecks | None = None,
) -> Decision:
    """Decide one request against one snapshot and one set of rules.

    Everything but CREATE and UPDATE of the kinds above, and DELETE of a definition, is allowed. An object that is being
    deleted is judged like any other: a finalizer or a grace period keeps it in use. Each check allows an UPDATE that
    leaves alone what the check judges, so finalizers, labels and status can always change.

    `network_in_use`: what becomes of a definition that running pods use, one of `in_use.MODES`.
    `injection`: what /mutate puts into pods, whose final state is then checked, too; None where there is no /mutate.
    `plugins`: what is known of CNI plugins; None: only the envelope of definitions is checked, and no request of a pod
    is compared with its network.
    """
    if request.operation not in {"CREATE", "UPDATE"} or request.object is None:
        is_deletion = request.operation == "DELETE" and request.kind == NETWORK
        return in_use.check_deletion(request, cluster, network_in_use) if is_deletion else ALLOWED
    if request.kind == POD:
        status = network_status.check(request, rules.config)
        if not status.is_allowed:
            return status
        judged = networks.check(request, cluster, rules, network_namespace=network_namespace, plugins=plugins)
        decided = judged
        if injection is not None:
            decided = resources.check(request, judged, cluster, injection, network_namespace=network_namespace)
        return _with_unknown(network_status.join(status, decided), judged)
    if request.kind == NETWORK:
        judged = definitions.check(request, cluster, rules, plugins)
        return _with_unknown(in_use.check_change(request, cluster, network_in_use, judged), judged)
    if request.kind in WORKLOADS:
        return networks.check(request, cluster, rules, network_namespace=network_namespace, plugins=plugins)
    check = _BY_RULES.get(request.kind)
    return check(request, cluster, rules) if check is not None else ALLOWED


_BY_RULES: Mapping[GroupKind, Callable[[Request, Cluster, Rules], Decision]] = {
    BINDING: lambda request, _cluster, _rules: bindings.check(request),
    NAMESPACE: namespaces.check,
    POLICY: lambda request, cluster, _rules: policies.check(request, cluster),
    POLICY_CONFIG: lambda request, _cluster, _rules: policies.check_config(request),
}
"""The check of each kind that no setting concerns."""


def _with_unknown(decided: Decision, judged: Decision) -> Decision:
    """Return a decision with what an earlier check does not know, whatever a later one has made of its decision."""
    return decided if decided.unknown == judged.unknown else decided._replace(unknown=judged.unknown)
