"""AdmissionReview on the wire: bytes to a `Request`, a `Decision` to bytes (S/api/admission/v1/types.go, 1.36).

msgspec decodes straight into the few fields that decisions need: of a pod of 5 KiB nine tenths (managedFields, spec)
are skipped without making an object, and a wrong type is reported with its path. The objects inside stay raw until the
kind is known. The answer never echoes the request and carries no patch unless something changes (§2).
"""

from __future__ import annotations

from typing import Any

import msgspec

from webhook.admission.model import Decision, GroupKind, Object, Request, User
from webhook.serving.http import RequestError

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"


class _Metadata(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: str | None = None
    generate_name: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletion_timestamp: str | None = None


class _PodSpec(msgspec.Struct, rename="camel", frozen=True, gc=False):
    service_account_name: str | None = None


class _Pod(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata = _Metadata()
    spec: _PodSpec | None = None


class _NetworkSpec(msgspec.Struct, frozen=True, gc=False):
    config: Any = None


class _Network(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata = _Metadata()
    spec: _NetworkSpec | None = None


class _TemplateHolder(msgspec.Struct, frozen=True, gc=False):
    template: _Pod | None = None


class _Workload(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata = _Metadata()
    spec: _TemplateHolder | None = None


class _PodTemplate(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata = _Metadata()
    template: _Pod | None = None


class _JobTemplate(msgspec.Struct, frozen=True, gc=False):
    spec: _TemplateHolder | None = None


class _CronJobSpec(msgspec.Struct, rename="camel", frozen=True, gc=False):
    job_template: _JobTemplate | None = None


class _CronJob(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata = _Metadata()
    spec: _CronJobSpec | None = None


class _GroupVersionKind(msgspec.Struct, frozen=True, gc=False):
    kind: str
    group: str = ""


class _UserInfo(msgspec.Struct, frozen=True, gc=False):
    username: str = ""
    groups: list[str] | None = None


class _Request(msgspec.Struct, rename="camel", frozen=True, gc=False):
    uid: str
    kind: _GroupVersionKind
    operation: str
    namespace: str = ""
    name: str = ""
    sub_resource: str = ""
    user_info: _UserInfo = _UserInfo()
    object: msgspec.Raw = msgspec.Raw(b"null")
    old_object: msgspec.Raw = msgspec.Raw(b"null")
    dry_run: bool | None = None


class _Review(msgspec.Struct, rename="camel", frozen=True, gc=False):
    api_version: str
    kind: str
    request: _Request


_NULL = msgspec.Raw(b"null")
_review = msgspec.json.Decoder(_Review)
_pod = msgspec.json.Decoder(_Pod)
_network = msgspec.json.Decoder(_Network)
_workload = msgspec.json.Decoder(_Workload)
_pod_template = msgspec.json.Decoder(_PodTemplate)
_cron_job = msgspec.json.Decoder(_CronJob)
_encode = msgspec.json.Encoder().encode


def decode(body: bytes) -> Request:
    """Return the request of an AdmissionReview. Raises RequestError(400) that says what cannot be read, and where."""
    try:
        review = _review.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, f"the AdmissionReview cannot be read: {_reason(error)}") from None
    if review.api_version != API_VERSION or review.kind != KIND:
        found = f"{review.api_version[:80]} {review.kind[:80]}"
        raise RequestError(400, f"the body is a {found}; allowed: {API_VERSION} {KIND}")
    asked = review.request
    if not asked.uid:
        raise RequestError(400, "the AdmissionReview cannot be read: request.uid is empty")
    kind = GroupKind(asked.kind.group, asked.kind.kind)
    user = asked.user_info
    return Request(
        uid=asked.uid,
        kind=kind,
        operation=asked.operation,
        namespace=asked.namespace,
        name=asked.name,
        subresource=asked.sub_resource,
        user=User(name=user.username, groups=tuple(user.groups or ())),
        object=_decode_object(asked.object, kind, "object"),
        old_object=_decode_object(asked.old_object, kind, "oldObject"),
        is_dry_run=bool(asked.dry_run),
    )


def _reason(error: Exception) -> str:
    text = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
    return text.replace("`", "'")[:300]


def _decode_object(raw: msgspec.Raw, kind: GroupKind, where: str) -> Object | None:
    if raw == _NULL:
        return None
    try:
        return _read_object(raw, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, f"request.{where} cannot be read: {_reason(error)}") from None


def _read_object(raw: msgspec.Raw, kind: GroupKind) -> Object:
    """Return the object of a kind; an unknown kind is read as far as its metadata."""
    if kind.kind == "NetworkAttachmentDefinition":
        network = _network.decode(raw)
        return _object(network.metadata, network.metadata, config=network.spec.config if network.spec else None)
    if kind.kind == "CronJob":
        cron = _cron_job.decode(raw)
        job = cron.spec.job_template if cron.spec else None
        return _templated(cron.metadata, job.spec.template if job and job.spec else None)
    if kind.kind == "PodTemplate":
        holder = _pod_template.decode(raw)
        return _templated(holder.metadata, holder.template)
    if kind.group in {"apps", "batch"} or kind.kind == "ReplicationController":
        workload = _workload.decode(raw)
        return _templated(workload.metadata, workload.spec.template if workload.spec else None)
    pod = _pod.decode(raw)
    return _object(pod.metadata, pod.metadata, spec=pod.spec)


def _templated(own: _Metadata, template: _Pod | None) -> Object:
    return _object(own, template.metadata if template else _Metadata(), spec=template.spec if template else None)


def _object(own: _Metadata, judged: _Metadata, *, spec: _PodSpec | None = None, config: object = None) -> Object:
    return Object(
        name=own.name or "",
        generate_name=own.generate_name or "",
        labels=judged.labels or {},
        annotations=judged.annotations or {},
        service_account=(spec.service_account_name if spec else None) or "default",
        config=config,
        is_being_deleted=own.deletion_timestamp is not None,
    )


def encode(request: Request, decision: Decision) -> bytes:
    """Return the AdmissionReview with the answer. Audit annotations name the verdict, the rules and who decided."""
    response: dict[str, object] = {"uid": request.uid, "allowed": decision.is_allowed}
    if not decision.is_allowed:
        response["status"] = _status(request, decision)
    if decision.warnings:
        response["warnings"] = decision.warnings
    response["auditAnnotations"] = _audit(decision)
    return _encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def _audit(decision: Decision) -> dict[str, str]:
    """Keys are qualified names without a slash: the API server puts the webhook's name before them (§4)."""
    audit = {"decision": decision.verdict}
    if decision.rules:
        audit["rule"] = ",".join(decision.rules)
    if decision.decided:
        audit["decided-by"] = decision.decided
    return audit


def _status(request: Request, decision: Decision) -> dict[str, object]:
    causes = [{"reason": cause.reason, "field": cause.field, "message": cause.message} for cause in decision.causes]
    details = {
        "group": request.kind.group,
        "kind": request.kind.kind,
        "name": request.object_name,
        "causes": causes,
    }
    return {
        "status": "Failure",
        "code": decision.code,
        "reason": decision.reason,
        "message": decision.message,
        "details": details,
    }
