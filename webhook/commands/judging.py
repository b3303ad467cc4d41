"""Objects from files judged as the API server would have them judged: wrapped into an AdmissionReview and decoded.

A pod goes through /mutate first and, with what that puts into it, through /validate, as it would in a cluster.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cniplugin.access.model.decision import NamespaceLabels, Rules
from webhook.admission.checks.namespacelabels import told
from webhook.admission.evaluate import (
    BINDING,
    CLUSTER_SCOPED,
    DEVICE_KINDS,
    NAMESPACE,
    NETWORK,
    POD,
    POLICIES,
    WORKLOADS,
    evaluate,
)
from webhook.admission.model.requests import ALLOWED, Decision, GroupKind, Operation, Request, User
from webhook.admission.mutate import answer_mutation
from webhook.admission.mutation import jsonpatch
from webhook.admission.view.listers import Cluster
from webhook.admission.view.nadmitconfiguration import Configuration
from webhook.review import wire
from webhook.serving.http import RequestError
from webhook.trees.documents import Document
from webhook.trees.problems import Position, Problem

NOBODY = User("nadmit-review", ("system:authenticated",))
"""Who creates the objects of files, if nobody else is said to."""
UNPROTECTED = NamespaceLabels(mode="Off")
"""Who may write labels of namespaces, where nobody is said to write them."""
JUDGED = frozenset({POD, BINDING, NAMESPACE, NETWORK, *WORKLOADS, *POLICIES, *DEVICE_KINDS})
"""Kinds that a webhook is asked about."""

_IN_OBJECT = re.compile(r"(Expected .*) - at '\$\.request\.object\.([^']+)'")
_UID_NAMESPACE = uuid.UUID("8b1d1e0c-7f0a-5d52-9a39-2f6a0d2b9d11")
_RESOURCES = {
    "NetworkAttachmentDefinition": "network-attachment-definitions",
    "NetworkAttachmentPolicy": "networkattachmentpolicies",
    "DeviceClass": "deviceclasses",
}
"""Plurals that are not the kind with an s."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One document, the request it makes, and the decision about it.

    `operations` are what /mutate changes first. `is_mutation`: the decision is a refusal of /mutate.
    """

    document: Document
    request: Request
    decision: Decision
    operations: tuple[Operation, ...] = ()
    is_mutation: bool = False

    @property
    def thing(self) -> dict[str, Any]:
        """The object as it is written; in an AdmissionReview it is inside the request."""
        written: dict[str, Any] = self.document.object
        return written["request"]["object"] if is_review(self.document) else written

    @property
    def changed_thing(self) -> dict[str, Any]:
        """The object as /mutate leaves it."""
        changed: dict[str, Any] = jsonpatch.apply(list(self.operations), self.thing)
        return changed

    def locate(self, field: str) -> Position:
        """Return where a field of the object is written; in an AdmissionReview it is inside the request."""
        return self.document.locate(f"request.object.{field}" if is_review(self.document) else field)


def is_review(document: Document) -> bool:
    """Whether a document is a whole AdmissionReview."""
    return document.kind == wire.KIND and document.group == "admission.k8s.io"


def is_judged(document: Document) -> bool:
    """Whether a document is one that a webhook is asked about, or a review itself. Of namespaces, labels are judged."""
    if document.kind == NAMESPACE.kind and document.group == NAMESPACE.group:
        return bool(document.object["metadata"].get("labels"))
    return is_review(document) or GroupKind(document.group, document.kind) in JUDGED


def admission_review(thing: Mapping[str, Any], *, namespace: str, user: User = NOBODY) -> bytes:
    """Return the AdmissionReview that creating an object makes (S/api/admission/v1/types.go).

    `thing` has apiVersion, kind and metadata. The uid follows from the object, so that runs are repeatable.
    """
    group, _, version = thing["apiVersion"].rpartition("/")
    kind, name = thing["kind"], thing["metadata"].get("name") or ""
    resource = _RESOURCES.get(kind, f"{kind.lower()}s")
    what = {"group": group, "version": version, "kind": kind}
    request = {
        "uid": str(uuid.uuid5(_UID_NAMESPACE, f"{group}/{kind}/{namespace}/{name}")),
        "kind": what,
        "resource": {"group": group, "version": version, "resource": resource},
        "name": name,
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": user.name, "groups": user.groups},
        "object": thing,
        "oldObject": None,
        "dryRun": True,
    }
    return json.dumps({"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": request}).encode()


def judge(documents: Iterable[Document], webhook: Webhook, problems: list[Problem]) -> Iterable[Judgement]:
    """Yield the judgement of each document that a webhook is asked about; unreadable ones are added to `problems`."""
    for document in documents:
        if not is_judged(document):
            continue
        try:
            yield webhook.judge(document)
        except RequestError as error:
            problems.append(_unreadable(document, error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What answers reviews of objects. `user` creates them; an AdmissionReview has its own."""

    cluster: Cluster
    rules: Rules
    configuration: Configuration
    network_namespace: str
    user: User = NOBODY

    def judge(self, document: Document) -> Judgement:
        """Return the judgement of one document. Raises RequestError for one that cannot be read."""
        request = wire.decode(_body(document, self.user))
        if request.kind == NAMESPACE and request.user.name == NOBODY.name:
            rules = self.rules.replace(config=self.rules.config.replace(namespace_labels=UNPROTECTED))
            return Judgement(document, request, evaluate(request, self.cluster, rules))
        mutated = self._mutate(request)
        if not mutated.is_allowed:
            return Judgement(document, request, mutated, is_mutation=True)
        if mutated.operations:
            request = wire.decode(_body(_patched(document, mutated.operations), self.user))
        decision = evaluate(
            request,
            self.cluster,
            self.rules,
            network_namespace=self.network_namespace,
            injection=self.configuration.injection,
            plugins=self.configuration.plugins,
            drivers=self.configuration.drivers,
            limits=self.configuration.limits,
        )
        decision = told(decision)
        if mutated.warnings:
            decision = decision._replace(warnings=(*mutated.warnings, *decision.warnings))
        return Judgement(document, request, decision, operations=mutated.operations)

    def _mutate(self, request: Request) -> Decision:
        injection = self.configuration.injection
        if injection is None:
            return ALLOWED
        return answer_mutation(
            request,
            self.cluster,
            self.rules,
            injection,
            network_namespace=self.network_namespace,
            limits=self.configuration.limits,
        )


def _patched(document: Document, operations: Sequence[Operation]) -> Document:
    """Return a document with the object as it is after the operations."""
    if not is_review(document):
        return replace(document, object=jsonpatch.apply(list(operations), document.object))
    review = document.object
    changed = {**review["request"], "object": jsonpatch.apply(list(operations), review["request"]["object"])}
    return replace(document, object={**review, "request": changed})


def _unreadable(document: Document, error: RequestError) -> Problem:
    """Say where in a file a field of the wrong type is: the review around the object is ours."""
    found = None if is_review(document) else _IN_OBJECT.search(error.text)
    if found is None:
        return Problem(document.locate(), "unreadable-object", f"{error.text}; correct it")
    reason, path = found.groups()
    return Problem(document.locate(path), "unreadable-object", f"{path}: {reason}; correct it")


def _body(document: Document, user: User) -> bytes:
    if is_review(document):
        return json.dumps(document.object).encode()
    is_global = GroupKind(document.group, document.kind) in CLUSTER_SCOPED
    return admission_review(document.object, namespace="" if is_global else document.namespace, user=user)
