"""The answer of /mutate to one request: a patch for a pod that is created, or a refusal.

NB: a problem or a warning shows something of a network's definition, so only a pod that may attach to the network gets
it. The networks are judged first, as they are after the patch; if that refuses the pod, the refusal is the answer. The
same holds for missing networks: the cluster is asked for a network only if nothing else is wrong. /mutate does not
refuse a pod because of a missing network: another webhook may still change the annotation, and /validate refuses it.
"""

from __future__ import annotations

from webhook.admission.checks import reservedannotations
from webhook.admission.evaluate import evaluate
from webhook.admission.model import podspec
from webhook.admission.model.injection import Injection
from webhook.admission.model.kinds import POD
from webhook.admission.model.requests import ALLOWED, AdmissionWarning, Decision, Object, Operation, Request
from webhook.admission.mutation.podmutation import Mutation, mutate
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.admission.wording import answers, injectiontext


def answer_mutation(request: Request, context: DecisionContext) -> Decision:
    """Return the answer to one request; everything but the creation of a pod is allowed without a patch.

    An answer without a warning follows from the pod's sketch and the context, so the context's memory keeps it. Raises
    PatchError, which is a bug.
    """
    new, injection = request.object, context.configuration.injection
    if injection is None or request.kind != POD or request.operation != "CREATE" or request.subresource:
        return ALLOWED
    if new is None or new.sent is None:
        return ALLOWED
    dropped = reservedannotations.dropped_status(request, context.rules.config)
    sketch = None if dropped else new.sent.sketch(injection.read)  # NB: sketches do not have these annotations
    key = ("answer of /mutate", request.namespace, sketch)
    known: Decision | None = None if sketch is None else context.memory.get(key)
    if known is not None:
        return known
    mutation = mutate(new.sent.read(), context, injection, namespace=request.namespace, dropped=dropped)
    answer = _answer(request, mutation, context, injection)
    # NB: whether the cluster is asked for missing networks depends on the service account, which no sketch has.
    if sketch is not None and answer.is_allowed and not answer.warnings and not mutation.missing:
        context.memory.put(key, answer)
    return answer


def _answer(request: Request, mutation: Mutation, context: DecisionContext, injection: Injection) -> Decision:
    if not mutation.problems and not mutation.warnings and not mutation.missing:
        return _allowed(mutation.operations, mutation.notes)
    annotations = podspec.annotations_of(mutation.pod)
    after = request._replace(object=(request.object or Object())._replace(annotations=annotations))
    given = context.configuration
    judging = Configuration(injection=None, limits=given.limits, attached_by=given.attached_by)  # not for /validate
    judged = evaluate(after, context._replace(configuration=judging))
    answer = _judged(after, mutation, judged, context, injection)
    return answer._replace(unknown=judged.unknown) if judged.unknown else answer


def _judged(
    after: Request, mutation: Mutation, judged: Decision, context: DecisionContext, injection: Injection
) -> Decision:
    """Return the answer about a pod; `judged` is the decision about its networks after the mutation."""
    if mutation.missing and (judged.missing or not (mutation.problems or mutation.warnings)):
        return Decision(operations=mutation.operations, warnings=mutation.notes, missing=judged.missing)
    if judged.is_allowed and not mutation.problems:
        return _allowed(mutation.operations, (*mutation.notes, *mutation.warnings))
    if judged.is_allowed:
        judged = answers.invalid(after, mutation.problems)
    refusal = judged._replace(warnings=(*mutation.notes, *judged.warnings))
    return injectiontext.tell_origin(after, refusal, context.cluster, injection)


def _allowed(operations: tuple[Operation, ...], warnings: tuple[AdmissionWarning, ...]) -> Decision:
    return Decision(operations=operations, warnings=warnings) if operations or warnings else ALLOWED
