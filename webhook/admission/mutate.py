"""The answer of /mutate to one request: a patch for a pod that is created, or a refusal.

NB: a problem or a warning shows something of a network's definition, so only a pod that may attach to the network gets
it. The networks are judged first, as they are after the patch; if that refuses the pod, the refusal is the answer. The
same holds for missing networks: the cluster is asked for a network only if nothing else is wrong. /mutate does not
refuse a pod because of a missing network: another webhook may still change the annotation, and /validate refuses it.
"""

from __future__ import annotations

from collections.abc import Collection

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.checks import reservedannotations
from webhook.admission.evaluate import evaluate
from webhook.admission.model import podspec
from webhook.admission.model.injection import Injection
from webhook.admission.model.kinds import POD
from webhook.admission.model.requests import (
    ALLOWED,
    AdmissionWarning,
    Decision,
    Object,
    Operation,
    Request,
    SentPod,
)
from webhook.admission.mutation.podmutation import Mutation, mutate
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.admission.view.parsecache import read_pod
from webhook.admission.wording import answers, injectiontext

TEXTS_MAX = 4096
"""Characters of the annotations that select networks, of an answer that is kept."""
OPERATIONS_MAX = 32
"""Operations of a patch that is kept; each takes some 700 bytes, so 2,048 answers take at most 45 MiB."""
NETWORKS_MAX = 16
"""Networks of an answer that is kept for all texts that select them; their names take no more room than the texts."""


def answer_mutation(request: Request, context: DecisionContext) -> Decision:
    """Return the answer to one request; everything but the creation of a pod is allowed without a patch.

    An answer without a warning follows from the pod's sketch, the networks that it selects and the context, so the
    context's memory keeps it: for the networks, because different texts may select the same, or for the texts.
    """
    new, injection = request.object, context.configuration.injection
    if injection is None or request.kind != POD or request.operation != "CREATE" or request.subresource:
        return ALLOWED
    if new is None or new.sent is None:
        return ALLOWED
    dropped = reservedannotations.dropped_status(request, context.rules.config)
    texts = new.annotations.get(NETWORKS), new.annotations.get(DEFAULT_NETWORK)
    is_short = len(texts[0] or "") + len(texts[1] or "") <= TEXTS_MAX
    # NB: no sketch has the annotations that are dropped.
    sketch = new.sent.sketch(injection.read_beside) if is_short and not dropped else None
    if sketch is None:
        return _answer_new(request, new.sent, context, injection, dropped=dropped)[0]
    references = _references(request, new, context, injection)
    key = ("/mutate", request.namespace, references or texts, sketch)
    known: Decision | None = context.memory.get(key)
    if known is not None:
        return known
    answer, is_lasting = _answer_new(request, new.sent, context, injection, references=references)
    if is_lasting:
        context.memory.put(key, answer)
    return answer


def _references(
    request: Request, new: Object, context: DecisionContext, injection: Injection
) -> tuple[tuple[str, str], ...]:
    """Return namespace and name of the networks that a pod selects, in order; () if its texts decide as well.

    They do not if they can be read: /mutate looks for these networks and reads no more of the selection. NB: a label
    may replace the pod's annotation, unless it has the same text already, and an empty one may get default networks.
    """
    if injection.annotations_by_label or not new.annotations.get(NETWORKS):
        return ()
    selected = read_pod(
        new.annotations,
        namespace=request.namespace,
        network_namespace=context.network_namespace,
        limits=context.configuration.limits,
    )
    if selected.problems or selected.size > NETWORKS_MAX:
        return ()
    return tuple([(element.namespace, element.name) for _, element in selected.elements])


def _answer_new(
    request: Request,
    sent: SentPod,
    context: DecisionContext,
    injection: Injection,
    *,
    dropped: Collection[str] = (),
    references: tuple[tuple[str, str], ...] = (),
) -> tuple[Decision, bool]:
    """Return the answer, and whether pods of the same sketch and networks get the same."""
    parts = sent.read_parts()
    mutation = mutate(
        sent.read() if parts is None else parts,
        context,
        injection,
        namespace=request.namespace,
        dropped=dropped,
        is_readable=parts is not None,
        references=references,
    )
    answer = _answer(request, mutation, context, injection)
    # NB: whether the cluster is asked for missing networks depends on the service account, which no sketch has.
    is_lasting = answer.is_allowed and not answer.warnings and not mutation.missing
    return answer, is_lasting and len(answer.operations) <= OPERATIONS_MAX


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
