"""The decision of /mutate about one request: a patch for a pod that is created, or why it cannot have one.

NB: a problem or a remark tells something of a network's definition, and so it is told only to a pod that may attach to
it: the networks are judged first, as they are after the patch, and a refusal of theirs is the answer. So is what is
missing: the cluster is asked for a network only if nothing else is wrong. One that stays missing is no matter of
/mutate: another webhook may still change the annotation, and /validate refuses it.
"""

from __future__ import annotations

from typing import NamedTuple

from cniplugin.access.model.decision import Rules
from webhook.admission.checks import network_status
from webhook.admission.evaluate import NETWORK_NAMESPACE, POD, evaluate
from webhook.admission.model import podspec
from webhook.admission.model.injection import Injection
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits
from webhook.admission.model.requests import ALLOWED, Decision, Object, Operation, Request
from webhook.admission.mutation.podmutation import Mutation, mutate
from webhook.admission.view.listers import Cluster
from webhook.admission.wording import messages
from webhook.admission.wording.origins import tell_origin

_MUTATED = "answer of /mutate"


def answer_mutation(
    request: Request,
    cluster: Cluster,
    rules: Rules,
    injection: Injection,
    *,
    network_namespace: str = NETWORK_NAMESPACE,
    limits: ReviewLimits = DEFAULTS,
) -> Decision:
    """Return the answer to one request; everything but the creation of a pod is allowed without a patch.

    An answer without a remark follows from the pod's sketch, and is remembered with the snapshot. Raises PatchError,
    which is a bug.
    """
    known = request.object
    if request.kind != POD or request.operation != "CREATE" or request.subresource:
        return ALLOWED
    if known is None or known.sent is None:
        return ALLOWED
    sent = known.sent
    dropped = network_status.dropped(request, rules.config)
    sketch = None if dropped else sent.sketch(injection.read)  # NB: no sketch has these annotations
    made: list[Decision] = []

    def answer() -> tuple[Injection, Decision | None]:
        pod, namespace = sent.read(), request.namespace
        mutation = mutate(
            pod,
            cluster,
            injection,
            namespace=namespace,
            network_namespace=network_namespace,
            dropped=dropped,
            limits=limits,
        )
        terms = _Terms(rules, injection, network_namespace, limits)
        made.append(_answer(request, mutation, cluster, terms))
        return injection, made[0] if _is_worth_remembering(made[0], mutation) else None

    if sketch is not None:
        # What is remembered holds the injection, so that no other one gets its id.
        _, remembered = cluster.recall(
            (_MUTATED, id(injection), request.namespace, network_namespace, limits, sketch), answer
        )
        if remembered is not None:
            return remembered
    if not made:
        answer()
    return made[0]


def _is_worth_remembering(decision: Decision, mutation: Mutation) -> bool:
    """Say whether an answer names no object, and follows from the pod and the snapshot alone.

    NB: whether the cluster is asked for what is missing also depends on the service account, which no sketch has.
    """
    return decision.is_allowed and not decision.warnings and not mutation.missing


class _Terms(NamedTuple):
    """What an answer depends on, beside the request and the snapshot."""

    rules: Rules
    injection: Injection
    network_namespace: str
    limits: ReviewLimits


def _answer(request: Request, mutation: Mutation, cluster: Cluster, terms: _Terms) -> Decision:
    known = request.object or Object()
    if not mutation.problems and not mutation.warnings and not mutation.missing:
        return _allowed(mutation.operations, mutation.notes)
    after = request._replace(object=known._replace(annotations=podspec.annotations_of(mutation.pod)))
    judged = evaluate(after, cluster, terms.rules, network_namespace=terms.network_namespace, limits=terms.limits)
    answered = _judged(after, mutation, judged, cluster, terms.injection)
    return answered._replace(unknown=judged.unknown) if judged.unknown else answered


def _judged(after: Request, mutation: Mutation, judged: Decision, cluster: Cluster, injection: Injection) -> Decision:
    """Return the answer about a pod whose networks, as they are after the mutation, were judged."""
    if mutation.missing and (judged.missing or not (mutation.problems or mutation.warnings)):
        return Decision(operations=mutation.operations, warnings=mutation.notes, missing=judged.missing)
    if judged.is_allowed and not mutation.problems:
        return _allowed(mutation.operations, (*mutation.notes, *mutation.warnings))
    if judged.is_allowed:
        judged = messages.invalid(after, mutation.problems)
    refused = judged._replace(warnings=(*mutation.notes, *judged.warnings))
    return tell_origin(after, refused, cluster, injection)


def _allowed(operations: tuple[Operation, ...], warnings: tuple[str, ...]) -> Decision:
    return Decision(operations=operations, warnings=warnings) if operations or warnings else ALLOWED
