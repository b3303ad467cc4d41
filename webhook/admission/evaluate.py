"""The decision about one request: the check of its kind and operation. Pure: values in, a `Decision` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from webhook.admission.checks import (
    definitions,
    deviceclaims,
    hostports,
    namespaces,
    networkuse,
    otherworkloads,
    podclaims,
    podnetworks,
    policies,
    reservedannotations,
    shortfalls,
    unattached,
    workloads,
)
from webhook.admission.model.kinds import (
    BINDING,
    DEVICE_KINDS,
    NAMESPACE,
    NETWORK,
    POD,
    POLICY,
    POLICY_CONFIG,
    WORKLOADS,
    GroupKind,
)
from webhook.admission.model.requests import ALLOWED, Decision, Request
from webhook.admission.view.decisioncontext import DecisionContext


def evaluate(request: Request, context: DecisionContext) -> Decision:
    """Decide one request.

    Every request is allowed except CREATE and UPDATE of the judged kinds, and DELETE of a definition. An object that is
    being deleted is judged like any other, because a finalizer or a grace period keeps it in use. Each check allows an
    UPDATE that does not change what the check judges, so finalizers, labels and status can always change.
    """
    if request.operation in {"CREATE", "UPDATE"} and request.object is not None:
        check = _CHECKS.get(request.kind)
        return check(request, context) if check is not None else otherworkloads.check(request, context, _check_workload)
    if request.operation == "DELETE" and request.kind == NETWORK:
        return networkuse.check_deletion(request, context)
    return ALLOWED


def _check_pod(request: Request, context: DecisionContext) -> Decision:
    status = reservedannotations.check_status(request, context.rules.config)
    if not status.is_allowed:
        return status
    found = podnetworks.judge_networks(request, context)
    judged = unattached.check_running(request, _check_others(request, found.decision, context), context)
    decided = shortfalls.check(request, judged, found.needing, context)
    return _with_unknown(reservedannotations.join(status, decided), judged)


def _check_networks(request: Request, context: DecisionContext) -> Decision:
    """Judge the networks of a pod template: those of its annotations, and those of its claims."""
    return _check_others(request, podnetworks.check(request, context), context)


def _check_others(request: Request, judged: Decision, context: DecisionContext) -> Decision:
    """Return the decision about the networks of the annotations with what else keeps a pod from its networks."""
    judged = unattached.check_host_network(request, judged)
    judged = hostports.check(request, judged, context)
    if context.configuration.drivers is None:
        return judged
    return _with_unknown(podclaims.check(request, judged, context), judged)


def _check_workload(request: Request, context: DecisionContext) -> Decision:
    return workloads.check(request, _check_networks(request, context), context)


def _check_definition(request: Request, context: DecisionContext) -> Decision:
    judged = definitions.check(request, context)
    return _with_unknown(networkuse.check_change(request, context, judged), judged)


_CHECKS: Mapping[GroupKind, Callable[[Request, DecisionContext], Decision]] = {
    POD: _check_pod,
    **dict.fromkeys(WORKLOADS, _check_workload),
    NETWORK: _check_definition,
    **dict.fromkeys(DEVICE_KINDS, deviceclaims.check),
    BINDING: reservedannotations.check_binding,
    NAMESPACE: namespaces.check,
    POLICY: policies.check,
    POLICY_CONFIG: policies.check_config,
}


def _with_unknown(decided: Decision, judged: Decision) -> Decision:
    """Return a decision with the unknown namespaces and devices of an earlier check, which it may have replaced."""
    if not judged.unknown and not judged.unknown_devices:  # nearly always
        return decided
    unknown = tuple(dict.fromkeys((*decided.unknown, *judged.unknown)))
    devices = tuple(dict.fromkeys((*decided.unknown_devices, *judged.unknown_devices)))
    if (unknown, devices) == (decided.unknown, decided.unknown_devices):
        return decided
    return decided._replace(unknown=unknown, unknown_devices=devices)
