"""The decision about one request: picks the check for kind and operation. Pure: values in, a `Decision` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from cniplugin.access.model.decision import Rules
from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND
from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from cniplugin.netspec.netattachdef import GROUP as NAD_GROUP
from cniplugin.netspec.netattachdef import KIND as NAD_KIND
from webhook.admission.checks import (
    bindings,
    definitions,
    deviceclaims,
    in_use,
    namespaces,
    network_status,
    networks,
    podclaims,
    policies,
    resources,
)
from webhook.admission.dra.claims import CLASS, KINDS
from webhook.admission.dra.claims import GROUP as DEVICE_GROUP
from webhook.admission.dra.drivers import Drivers
from webhook.admission.model.injection import Injection
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits
from webhook.admission.model.requests import ALLOWED, Decision, GroupKind, Request
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.listers import Cluster

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
CLUSTER_SCOPED = frozenset({NAMESPACE, *POLICIES, GroupKind(DEVICE_GROUP, CLASS)})
"""All others are in namespaces."""
DEVICE_KINDS = frozenset(GroupKind(DEVICE_GROUP, kind) for kind in KINDS)
"""Claims, templates and classes of dynamic resource allocation."""
NETWORK_NAMESPACE = "kube-system"
"""Where a bare name in the default-network annotation is looked up (Multus' `multusNamespace`)."""


def evaluate(  # noqa: PLR0913 - one argument for each thing that an admin sets
    request: Request,
    cluster: Cluster,
    rules: Rules,
    *,
    network_namespace: str = NETWORK_NAMESPACE,
    network_in_use: str = in_use.WARN,
    injection: Injection | None = None,
    plugins: PluginChecks | None = None,
    drivers: Drivers | None = None,
    limits: ReviewLimits = DEFAULTS,
) -> Decision:
    """Decide one request against one snapshot and one set of rules.

    Everything but CREATE and UPDATE of the kinds above, and DELETE of a definition, is allowed. An object that is being
    deleted is judged like any other: a finalizer or a grace period keeps it in use. Each check allows an UPDATE that
    leaves alone what the check judges, so finalizers, labels and status can always change.

    `network_in_use`: what becomes of a definition that running pods use, one of `in_use.MODES`.
    `injection`: what /mutate puts into pods, whose final state is then checked, too; None where there is no /mutate.
    `plugins`: what is known of CNI plugins; None: only the envelope of definitions is checked, and no request of a pod
    is compared with its network. `drivers`: what is known of DRA drivers; None: claims are not looked at. `limits`: how
    much one object may ask for.
    """
    if request.operation not in {"CREATE", "UPDATE"} or request.object is None:
        is_deletion = request.operation == "DELETE" and request.kind == NETWORK
        return in_use.check_deletion(request, cluster, network_in_use) if is_deletion else ALLOWED
    settings = _Settings(network_namespace, plugins, drivers, limits)
    if request.kind == POD:
        status = network_status.check(request, rules.config)
        if not status.is_allowed:
            return status
        judged = _judge_networks(request, cluster, rules, settings)
        decided = judged
        if injection is not None:
            decided = resources.check(
                request, judged, cluster, injection, network_namespace=network_namespace, limits=limits
            )
        return _with_unknown(network_status.join(status, decided), judged)
    if request.kind == NETWORK:
        judged = definitions.check(request, cluster, rules, plugins, limits=limits)
        return _with_unknown(in_use.check_change(request, cluster, network_in_use, judged), judged)
    if request.kind in WORKLOADS:
        return _judge_networks(request, cluster, rules, settings)
    if request.kind in DEVICE_KINDS:
        return (
            ALLOWED if drivers is None else deviceclaims.check(request, cluster, rules, drivers, plugins, limits=limits)
        )
    check = _BY_RULES.get(request.kind)
    return check(request, cluster, rules, limits) if check is not None else ALLOWED


_BY_RULES: Mapping[GroupKind, Callable[[Request, Cluster, Rules, ReviewLimits], Decision]] = {
    BINDING: lambda request, _cluster, _rules, _limits: bindings.check(request),
    NAMESPACE: lambda request, cluster, rules, _limits: namespaces.check(request, cluster, rules),
    POLICY: lambda request, cluster, _rules, limits: policies.check(request, cluster, limits=limits),
    POLICY_CONFIG: lambda request, _cluster, _rules, limits: policies.check_config(request, limits=limits),
}
"""The check of each kind that needs nothing else."""


class _Settings(NamedTuple):
    """What a decision about a pod's networks depends on, beside the snapshot and its rules; see `evaluate`."""

    network_namespace: str
    plugins: PluginChecks | None
    drivers: Drivers | None
    limits: ReviewLimits


def _judge_networks(request: Request, cluster: Cluster, rules: Rules, settings: _Settings) -> Decision:
    """Judge the networks of a pod or of a pod template: those of its annotations, and those of its claims."""
    judged = networks.check(
        request,
        cluster,
        rules,
        network_namespace=settings.network_namespace,
        plugins=settings.plugins,
        limits=settings.limits,
    )
    if settings.drivers is None:
        return judged
    return _with_unknown(podclaims.check(request, judged, cluster, rules, settings.drivers), judged)


def _with_unknown(decided: Decision, judged: Decision) -> Decision:
    """Return a decision with what an earlier check does not know, whatever a later one has made of its decision."""
    if not judged.unknown and not judged.unknown_devices:  # nearly always
        return decided
    unknown = tuple(dict.fromkeys((*decided.unknown, *judged.unknown)))
    devices = tuple(dict.fromkeys((*decided.unknown_devices, *judged.unknown_devices)))
    if (unknown, devices) == (decided.unknown, decided.unknown_devices):
        return decided
    return decided._replace(unknown=unknown, unknown_devices=devices)
