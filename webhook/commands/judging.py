"""Judges objects from files as a server would: each is wrapped into an AdmissionReview and decoded.

As in a cluster, a pod goes through /mutate first, and the changed pod through /validate.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cniplugin.access.model.decision import NamespaceLabels, Rules
from webhook.admission.checks.otherworkloads import has_pods
from webhook.admission.checks.unknownnamespaces import warn_of_unknown
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import CLUSTER_SCOPED, JUDGED, NAMESPACE, GroupKind
from webhook.admission.model.requests import Decision, Operation, Request, User
from webhook.admission.mutate import answer_mutation
from webhook.admission.mutation import jsonpatch
from webhook.admission.templates.workloadtable import CLUSTER_KINDS, KNOWN, Workloads
from webhook.admission.view.decisioncontext import Cluster, DecisionContext
from webhook.review import wire
from webhook.review.wire import UnreadableError
from webhook.serving.http import RequestError
from webhook.trees.documents import Document
from webhook.trees.problems import Position, Problem

NOBODY = User("nadmit-review", ("system:authenticated",))
"""The user who creates the objects of files, by default."""
UNPROTECTED = NamespaceLabels(mode="Off")
"""The setting for namespaces in files whose writer is not known."""

_IN_REVIEW = "request.object."
"""Path of an object in its AdmissionReview."""
_UID_NAMESPACE = uuid.UUID("8b1d1e0c-7f0a-5d52-9a39-2f6a0d2b9d11")
_RESOURCES = {
    "NetworkAttachmentDefinition": "network-attachment-definitions",
    "NetworkAttachmentPolicy": "networkattachmentpolicies",
    "DeviceClass": "deviceclasses",
}
"""Plurals that are not the kind with an s."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One document, its request, and the decision about it.

    `operations`: the patch of /mutate, which comes first. `is_mutation`: the decision is a refusal by /mutate.
    """

    document: Document
    request: Request
    decision: Decision
    operations: tuple[Operation, ...] = ()
    is_mutation: bool = False

    @property
    def object(self) -> dict[str, Any]:
        """The object as the file has it; in an AdmissionReview it is inside the request."""
        written: dict[str, Any] = self.document.object
        return written["request"]["object"] if is_review(self.document) else written

    @property
    def changed_object(self) -> dict[str, Any]:
        """The object after /mutate."""
        changed: dict[str, Any] = jsonpatch.apply(self.operations, self.object)
        return changed

    def locate(self, field: str) -> Position:
        """Return the position of a field of the object; in an AdmissionReview it is inside the request."""
        return self.document.locate(f"{_IN_REVIEW}{field}" if is_review(self.document) else field)


def is_review(document: Document) -> bool:
    """Whether a document is a whole AdmissionReview."""
    return document.kind == wire.KIND and document.group == "admission.k8s.io"


def is_judged(document: Document, workloads: Workloads = KNOWN) -> bool:
    """Whether a document is judged.

    That is an object of a judged kind, an AdmissionReview, a namespace with labels, or an object of any other kind that
    has a pod template. `workloads`: the kinds whose templates are known.
    """
    kind = GroupKind(document.group, document.kind)
    if kind == NAMESPACE:
        return bool(document.object["metadata"].get("labels"))
    if is_review(document) or kind in JUDGED:
        return True
    if not isinstance(document.object.get("metadata"), dict):  # for a program, not for an API server
        return False
    known = workloads.get(kind)
    if known is None and _is_global(document):
        return False
    return has_pods(document.object, known)


def _is_global(document: Document) -> bool:
    """Say whether an object is in no namespace: a known kind, or one whose name says so."""
    kind = GroupKind(document.group, document.kind)
    if kind in CLUSTER_SCOPED or kind in CLUSTER_KINDS:
        return True
    is_known = kind in JUDGED or kind in KNOWN
    return not is_known and document.kind.startswith("Cluster") and not document.object["metadata"].get("namespace")


def admission_review(
    written: Mapping[str, Any],
    *,
    namespace: str,
    user: User = NOBODY,
    old: Mapping[str, Any] | None = None,
    is_deletion: bool = False,
) -> bytes:
    """Return the AdmissionReview for the creation of an object (S/api/admission/v1/types.go), or for its change.

    The object has apiVersion, kind and metadata. `old` is the object before. `is_deletion`: the review is about the
    deletion of the object. The uid follows from the object, so runs are repeatable.
    """
    group, _, version = written["apiVersion"].rpartition("/")
    kind, name = written["kind"], written["metadata"].get("name") or ""
    resource = _RESOURCES.get(kind, f"{kind.lower()}s")
    request = {
        "uid": str(uuid.uuid5(_UID_NAMESPACE, f"{group}/{kind}/{namespace}/{name}")),
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": resource},
        "name": name,
        "namespace": namespace,
        "operation": "DELETE" if is_deletion else "CREATE" if old is None else "UPDATE",
        "userInfo": {"username": user.name, "groups": user.groups},
        "object": None if is_deletion else written,
        "oldObject": written if is_deletion else old,
        "dryRun": True,
    }
    return json.dumps({"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": request}).encode()


def judge(documents: Iterable[Document], webhook: Webhook, problems: list[Problem]) -> Iterable[Judgement]:
    """Yield the judgement of each document that is judged; unreadable documents add to `problems`."""
    workloads = webhook.context.configuration.workloads
    for document in documents:
        if not is_judged(document, workloads):
            continue
        try:
            yield webhook.judge(document)
        except RequestError as error:
            problems.append(_unreadable(document, error))


RulesFor = Callable[[Request, Rules, Cluster], Rules]
"""(request, rules, cluster) -> the rules for this request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Answers reviews of objects. `user` creates the objects; an AdmissionReview has a user of its own.

    `rules_for`: makes the rules for an object whose user is not known; None if `user` is known.
    """

    context: DecisionContext
    user: User = NOBODY
    rules_for: RulesFor | None = None

    def judge(self, document: Document, *, old: Mapping[str, Any] | None = None) -> Judgement:
        """Return the judgement of one document; `old` is the object before a change.

        Raises RequestError for one that cannot be read.
        """
        request = wire.decode(_body(document, self.user, old))
        context = self.context
        if self.rules_for is not None and not is_review(document):
            context = context._replace(rules=self.rules_for(request, context.rules, context.cluster))
        if request.kind == NAMESPACE and request.user.name == NOBODY.name:
            rules = context.rules
            unprotected = rules.replace(config=rules.config.replace(namespace_labels=UNPROTECTED))
            return Judgement(document, request, evaluate(request, context._replace(rules=unprotected)))
        mutated = answer_mutation(request, context)
        if not mutated.is_allowed:
            return Judgement(document, request, mutated, is_mutation=True)
        if mutated.operations:
            request = wire.decode(_body(_patched(document, mutated.operations), self.user, old))
        decision = warn_of_unknown(evaluate(request, context))
        if mutated.warnings:
            decision = decision._replace(warnings=(*mutated.warnings, *decision.warnings))
        return Judgement(document, request, decision, operations=mutated.operations)

    def judge_deletion(self, document: Document) -> Judgement:
        """Return the judgement of the deletion of an object. Raises RequestError as `judge` does."""
        body = admission_review(document.object, namespace=document.namespace, user=self.user, is_deletion=True)
        request = wire.decode(body)
        return Judgement(document, request, evaluate(request, self.context))


def _patched(document: Document, operations: Sequence[Operation]) -> Document:
    """Return a document with the patched object."""
    if not is_review(document):
        return replace(document, object=jsonpatch.apply(operations, document.object))
    review = document.object
    changed = {**review["request"], "object": jsonpatch.apply(operations, review["request"]["object"])}
    return replace(document, object={**review, "request": changed})


def _unreadable(document: Document, error: RequestError) -> Problem:
    """Return the problem at the field of the object; the AdmissionReview around the object is not in the file."""
    if not is_review(document) and isinstance(error, UnreadableError):
        field = error.path.removeprefix(_IN_REVIEW)
        if field != error.path:
            return Problem(document.locate(field), "unreadable-object", f"{field}: {error.problem}")
    return Problem(document.locate(), "unreadable-object", f"{error.text}; correct it")


def _body(document: Document, user: User, old: Mapping[str, Any] | None = None) -> bytes:
    if is_review(document):
        return json.dumps(document.object).encode()
    namespace = "" if _is_global(document) else document.namespace
    return admission_review(document.object, namespace=namespace, user=user, old=old)
