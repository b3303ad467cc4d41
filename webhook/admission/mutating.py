"""The decision of /mutate about one request: a patch for a pod that is created, or why it cannot have one.

NB: a problem or a remark tells something of a network's definition, and so it is told only to a pod that may attach to
it: the networks are judged first, as they are after the patch, and a refusal of theirs is the answer.
"""

from __future__ import annotations

from typing import NamedTuple

from cniplugin.access.model import Rules
from webhook.admission import messages, podspec
from webhook.admission.evaluate import NETWORK_NAMESPACE, POD, evaluate
from webhook.admission.injection import Injection
from webhook.admission.jsonpatch import Operation
from webhook.admission.listers import Cluster
from webhook.admission.model import ALLOWED, Decision, Request
from webhook.admission.mutation.mutate import mutate
from webhook.admission.podspec import Json


class Answer(NamedTuple):
    """What /mutate answers. No operations: no patch, and no patchType."""

    decision: Decision = ALLOWED
    operations: tuple[Operation, ...] = ()


NO_PATCH = Answer()


def answer_mutation(
    request: Request,
    pod: Json | None,
    cluster: Cluster,
    rules: Rules,
    injection: Injection,
    *,
    network_namespace: str = NETWORK_NAMESPACE,
) -> Answer:
    """Return the answer to one request; `pod` is `request.object` as plain JSON, all of it.

    Everything but the CREATE of a pod is allowed without a patch. Raises PatchError, which is a bug.
    """
    known = request.object
    if request.kind != POD or request.operation != "CREATE" or request.subresource or pod is None or known is None:
        return NO_PATCH
    if known.is_being_deleted:
        return NO_PATCH
    mutation = mutate(pod, cluster, injection, namespace=request.namespace, network_namespace=network_namespace)
    notes = Decision(warnings=mutation.notes)
    if not mutation.problems and not mutation.warnings:
        return Answer(notes, mutation.operations)
    after = request._replace(object=known._replace(annotations=podspec.annotations_of(mutation.pod)))
    judged = evaluate(after, cluster, rules, network_namespace=network_namespace)
    if not judged.is_allowed:
        return Answer(judged._replace(warnings=(*mutation.notes, *judged.warnings)))
    if mutation.problems:
        return Answer(messages.invalid(after, mutation.problems, warnings=mutation.notes))
    return Answer(notes._replace(warnings=(*mutation.notes, *mutation.warnings)), mutation.operations)
