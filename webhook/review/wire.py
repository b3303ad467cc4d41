"""AdmissionReview on the wire: bytes to a `Request`, a `Decision` to bytes (S/api/admission/v1/types.go, 1.36).

msgspec decodes straight into the few fields that decisions need: of a pod of 5 KiB nine tenths (managedFields, spec)
are skipped without making an object, and a wrong type is reported with its path. One set of structs serves every kind
that is judged, so that one pass over the bytes is enough; of other kinds nothing is read. Access policies, which are
written seldom, cost a second pass for their whole spec, and so does a pod of which more is asked. The answer never
echoes the request and carries no patch unless something changes (§2).
"""

from __future__ import annotations

import base64
from collections.abc import Hashable, Mapping
from typing import Any

import msgspec

from webhook.admission.dra.claims import GROUP as DEVICE_GROUP
from webhook.admission.dra.claims import DeviceSpec
from webhook.admission.evaluate import (
    BINDING,
    DEVICE_KINDS,
    NAMESPACE,
    NETWORK,
    POD,
    POLICIES,
    POLICY,
    WORKLOADS,
)
from webhook.admission.model.requests import NOTHING, ClaimReference, Decision, GroupKind, Object, Read, Request, User
from webhook.admission.view.statuswriters import NODE_NAME
from webhook.review.podsketch import PodSpec, Texts, sketch_pod, sketch_requests
from webhook.serving.http import RequestError
from webhook.snapshot.devicespecs import UNREADABLE as UNREADABLE_SPEC
from webhook.snapshot.devicespecs import read_spec

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"
LARGE_BODY = 262_144
"""Bytes of a review whose kind is looked at first: skipping 8 MB takes 5 ms, and making all labels in them 180."""
AUDIT_MAX = 1024
"""Characters of an audit annotation; rule ids are a closed list, and shorter together."""

WITHOUT_TEMPLATE = frozenset({POD.kind, BINDING.kind, NAMESPACE.kind, NETWORK.kind, *(kind.kind for kind in POLICIES)})
JUDGED = {
    (kind.group, kind.kind): kind for kind in (POD, BINDING, NAMESPACE, NETWORK, *WORKLOADS, *POLICIES, *DEVICE_KINDS)
}


class _Metadata(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: str | None = None
    generate_name: str | None = None
    labels: Texts = msgspec.UNSET
    annotations: Texts = msgspec.UNSET
    deletion_timestamp: str | None = None


_NO_METADATA = _Metadata()


class _TemplateSpec(msgspec.Struct, rename="camel", frozen=True, gc=False):
    service_account_name: str | None = None
    containers: msgspec.Raw = msgspec.Raw(b"")
    init_containers: msgspec.Raw = msgspec.Raw(b"")
    resource_claims: msgspec.Raw = msgspec.Raw(b"")


class _Template(msgspec.Struct, frozen=True, gc=False):
    """PodTemplateSpec."""

    metadata: _Metadata = _Metadata()
    spec: _TemplateSpec | None = None


class _JobSpec(msgspec.Struct, frozen=True, gc=False):
    template: _Template | None = None


class _JobTemplate(msgspec.Struct, frozen=True, gc=False):
    spec: _JobSpec | None = None


class _Spec(PodSpec, rename="camel", frozen=True, gc=False):
    """The specs of all judged kinds in one: each has its own of these fields."""

    service_account_name: str | None = None  # Pod
    node_name: Any = None  # Pod; whatever another kind has there is not judged
    config: Any = None  # NetworkAttachmentDefinition
    template: _Template | None = None  # Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job
    job_template: _JobTemplate | None = None  # CronJob


class _Object(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata = _NO_METADATA
    spec: _Spec | None = None
    template: _Template | None = None  # PodTemplate


class _Unread(msgspec.Struct, frozen=True, gc=False):
    """An object of a kind that is not judged."""


class _Policy(msgspec.Struct, frozen=True, gc=False):
    """A policy or the configuration: what its spec may hold is for `cniplugin.access` to say."""

    metadata: _Metadata = _Metadata()
    spec: Any = None


class _DeviceObject(msgspec.Struct, frozen=True, gc=False):
    """A ResourceClaim, a template of one, or a DeviceClass."""

    metadata: _Metadata = _Metadata()
    spec: msgspec.Raw = msgspec.Raw(b"null")


class _GroupVersionKind(msgspec.Struct, frozen=True, gc=False):
    kind: str
    group: str = ""


class _Extra(msgspec.Struct, frozen=True, gc=False):
    """`userInfo.extra`: what the authenticator knows besides."""

    nodes: list[str] | None = msgspec.field(name=NODE_NAME, default=None)


class _UserInfo(msgspec.Struct, frozen=True, gc=False):
    username: str = ""
    groups: list[str] | None = None
    extra: _Extra | None = None

    def node(self) -> str:
        """Return the node of the pod that the token is bound to; "" if there is none."""
        nodes = self.extra.nodes if self.extra is not None else None
        return nodes[0] if nodes and len(nodes) == 1 else ""


class _Request(msgspec.Struct, rename="camel", frozen=True, gc=False):
    uid: str
    kind: _GroupVersionKind
    operation: str
    namespace: str = ""
    name: str = ""
    sub_resource: str = ""
    user_info: _UserInfo = _UserInfo()
    object: _Object | None = None
    old_object: _Object | None = None
    dry_run: bool | None = None


class _Review(msgspec.Struct, rename="camel", frozen=True, gc=False):
    api_version: str
    kind: str
    request: _Request


class _UnreadRequest(_Request, frozen=True, gc=False):
    object: _Unread | None = None  # type: ignore[assignment]  # its fields are another kind's
    old_object: _Unread | None = None  # type: ignore[assignment]


class _UnreadReview(_Review, frozen=True, gc=False):
    request: _UnreadRequest


class _PolicyRequest(_Request, frozen=True, gc=False):
    object: _Policy | None = None  # type: ignore[assignment]  # its spec is read as it is
    old_object: _Policy | None = None  # type: ignore[assignment]


class _PolicyReview(_Review, frozen=True, gc=False):
    request: _PolicyRequest


class _DeviceRequest(_Request, frozen=True, gc=False):
    object: _DeviceObject | None = None  # type: ignore[assignment]  # its spec is read by its kind
    old_object: _DeviceObject | None = None  # type: ignore[assignment]


class _DeviceReview(_Review, frozen=True, gc=False):
    request: _DeviceRequest


class _ResourceClaim(msgspec.Struct, rename="camel", frozen=True, gc=False):
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class _Amounts(msgspec.Struct, frozen=True, gc=False):
    requests: dict[str, msgspec.Raw] | None = None
    limits: dict[str, msgspec.Raw] | None = None


class _Requesting(msgspec.Struct, frozen=True, gc=False):
    resources: _Amounts | None = None


class _DefinitionMetadata(_Metadata, frozen=True, gc=False):
    labels: msgspec.Raw = msgspec.Raw()  # type: ignore[assignment]  # no decision about a definition reads them


class _Definition(_Object, frozen=True, gc=False):
    """A NetworkAttachmentDefinition whose labels are skipped."""

    metadata: _DefinitionMetadata = _DefinitionMetadata()


class _DefinitionRequest(_Request, frozen=True, gc=False):
    object: _Definition | None = None
    old_object: _Definition | None = None


class _DefinitionReview(_Review, frozen=True, gc=False):
    request: _DefinitionRequest


class _WholeRequest(msgspec.Struct, frozen=True, gc=False):
    object: dict[str, Any]


class _WholeReview(msgspec.Struct, frozen=True, gc=False):
    request: _WholeRequest


_review = msgspec.json.Decoder(_Review)
_whole_review = msgspec.json.Decoder(_WholeReview)
_definition_review = msgspec.json.Decoder(_DefinitionReview)
_unread_review = msgspec.json.Decoder(_UnreadReview)
_policy_review = msgspec.json.Decoder(_PolicyReview)
_device_review = msgspec.json.Decoder(_DeviceReview)
_decode_claims = msgspec.json.Decoder(tuple[_ResourceClaim, ...] | None).decode
_decode_requesting = msgspec.json.Decoder(tuple[_Requesting, ...] | None).decode
_encode = msgspec.json.Encoder().encode


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode(body: bytes) -> Request:
    """Return the request of an AdmissionReview. Raises RequestError(400) that says what cannot be read, and where."""
    review = _decode_review(body)
    if review.api_version != API_VERSION or review.kind != KIND:
        found = f"{review.api_version[:80]} {review.kind[:80]}"
        raise RequestError(400, f"the body is a {found}; allowed: {API_VERSION} {KIND}")
    asked = review.request
    if not asked.uid:
        raise RequestError(400, "the AdmissionReview cannot be read: request.uid is empty")
    group, kind = asked.kind.group, asked.kind.kind
    user = asked.user_info
    # By position: keywords cost a microsecond for each review.
    return Request(
        asked.uid,
        JUDGED.get((group, kind)) or GroupKind(group, kind),
        asked.operation,
        asked.namespace,
        asked.name,
        asked.sub_resource,
        User(user.username, tuple(user.groups or ()), user.node()),
        None if asked.object is None else _object(asked.object, kind, body),
        None if asked.old_object is None else _object(asked.old_object, kind),
        bool(asked.dry_run),
    )


class _SentPod:
    """Implements `model.SentPod`, from the bytes of a review and what was read of them."""

    __slots__ = ("_body", "_known")

    def __init__(self, body: bytes, known: _Object) -> None:
        self._body = body
        self._known = known

    def read(self) -> dict[str, Any]:
        """Return the pod. Raises RequestError(400)."""
        try:
            return _whole_review.decode(self._body).request.object
        except _UNREADABLE as error:
            raise _unreadable(error) from None

    def sketch(self, read: Read) -> Hashable | None:
        """Return what injection reads in it."""
        known, metadata = self._known, self._known.metadata
        if known.spec is None or metadata is _NO_METADATA:
            return None
        return sketch_pod(read, metadata.labels, metadata.annotations, known.spec)

    def sketch_requests(self) -> Hashable | None:
        """Return what it requests."""
        return None if self._known.spec is None else sketch_requests(self._known.spec)


class _SentDevices:
    """Implements `model.SentDevices`."""

    __slots__ = ("_spec",)

    def __init__(self, spec: _TemplateSpec | _Spec) -> None:
        self._spec = spec

    def claims(self) -> tuple[ClaimReference, ...]:
        """Return the claims that the pod names. Raises RequestError(400)."""
        raw = self._spec.resource_claims
        if not raw:
            return ()
        try:
            read = _decode_claims(raw) or ()
        except _UNREADABLE as error:
            raise _unreadable(error) from None
        return tuple(
            ClaimReference(one.resource_claim_name or "", one.resource_claim_template_name or "") for one in read
        )

    def resources(self, *, prefix: str = "") -> tuple[str, ...]:
        """Return the extended resources that its containers name. Raises RequestError(400)."""
        found: set[str] = set()
        mark = prefix.encode()
        try:
            for raw in (self._spec.containers, self._spec.init_containers):
                text = bytes(raw)
                if mark not in text and b"\\" not in text:  # an escape may hide a letter
                    continue
                for container in (_decode_requesting(raw) or ()) if raw else ():
                    amounts = container.resources or _Amounts()
                    found.update(amounts.requests or (), amounts.limits or ())
        except _UNREADABLE as error:
            raise _unreadable(error) from None
        return tuple(sorted(name for name in found if "/" in name and name.startswith(prefix)))


def _decode_review(body: bytes) -> _Review:
    """Read a review. NB: a field may have another type in a kind that is not judged; that kind's object is unread."""
    problem: Exception | None = None
    review: _Review
    decoder: msgspec.json.Decoder[_Review] | msgspec.json.Decoder[_DefinitionReview] = _review
    if len(body) > LARGE_BODY:
        head = _decode_unread(body, None)
        kind = head.request.kind
        if (kind.group, kind.kind) not in JUDGED:
            return head
        decoder = _definition_review if JUDGED[kind.group, kind.kind] == NETWORK else _review
    try:
        review = decoder.decode(body)
    except _UNREADABLE as error:
        problem = error
        review = _decode_unread(body, error)
    kind = review.request.kind
    if kind.group == POLICY.group and (kind.group, kind.kind) in JUDGED:
        return _decode_policy(body)
    if kind.group == DEVICE_GROUP and (kind.group, kind.kind) in JUDGED:
        return _decode_device(body)
    if problem is not None and (kind.group, kind.kind) in JUDGED:
        raise _unreadable(problem)
    return review


def _decode_unread(body: bytes, problem: Exception | None) -> _Review:
    try:
        return _unread_review.decode(body)
    except _UNREADABLE as error:
        raise _unreadable(problem or error) from None


def _decode_policy(body: bytes) -> _Review:
    try:
        return _policy_review.decode(body)
    except _UNREADABLE as error:
        raise _unreadable(error) from None


def _decode_device(body: bytes) -> _Review:
    try:
        return _device_review.decode(body)
    except _UNREADABLE as error:
        raise _unreadable(error) from None


def _device_spec(kind: str, spec: msgspec.Raw) -> DeviceSpec:
    try:
        return read_spec(kind, spec)
    except UNREADABLE_SPEC as error:
        raise _unreadable(error) from None


def _unreadable(problem: Exception) -> RequestError:
    return RequestError(400, f"the AdmissionReview cannot be read: {_reason(problem)}")


def _reason(error: Exception) -> str:
    text = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
    return text.replace("`", "'")[:300]


def _object(read: _Object | _Policy | _DeviceObject | _Unread, kind: str, body: bytes | None = None) -> Object:
    """Return an object; of a kind with a pod template, the template's labels, annotations and service account.

    `body` is the review, if this is its `request.object`.
    """
    if isinstance(read, _Unread):
        return Object()
    own = read.metadata
    if isinstance(read, _Policy):
        return Object(
            name=own.name or "",
            generate_name=own.generate_name or "",
            is_being_deleted=own.deletion_timestamp is not None,
            spec=read.spec,
        )
    if isinstance(read, _DeviceObject):
        return Object(
            name=own.name or "",
            generate_name=own.generate_name or "",
            annotations=own.annotations or NOTHING,
            is_being_deleted=own.deletion_timestamp is not None,
            spec=_device_spec(kind, read.spec),
        )
    judged: _Metadata = own
    spec: _TemplateSpec | _Spec | None = read.spec
    if kind not in WITHOUT_TEMPLATE:
        template = _template(read, kind) or _Template()
        judged, spec = template.metadata, template.spec
    return Object(
        own.name or "",
        own.generate_name or "",
        _labels_of(judged),
        judged.annotations or NOTHING,
        (spec.service_account_name if spec else None) or "default",
        read.spec.config if read.spec else None,
        own.deletion_timestamp is not None,
        None,
        _SentPod(body, read) if body is not None and kind == POD.kind else None,
        node if isinstance(node := read.spec.node_name if read.spec else None, str) else "",
        None if spec is None else _SentDevices(spec),
    )


def _labels_of(metadata: _Metadata) -> Mapping[str, str]:
    """Return the labels; none where they were skipped."""
    labels = metadata.labels
    return labels if isinstance(labels, dict) else NOTHING


def _template(read: _Object, kind: str) -> _Template | None:
    """Return the pod template from where its kind keeps it. NB: never from elsewhere, or it could be forged."""
    if kind == "PodTemplate":
        return read.template
    if read.spec is None:
        return None
    if kind == "CronJob":
        job = read.spec.job_template
        return job.spec.template if job and job.spec else None
    return read.spec.template


def encode(request: Request, decision: Decision) -> bytes:
    """Return the AdmissionReview with the answer.

    Audit annotations name the verdict, the rules, the policies, who decided, and what policies on trial would have
    refused. NB: but for the uid, the answer of an allowed object is its decision's alone, and decisions are remembered.
    """
    if decision.is_allowed:
        return b"%b%b%b" % (_HEAD, _encode(request.uid), _allowed_rest(decision))
    response: dict[str, object] = {"allowed": False, "status": _status(request, decision)}
    return b"%b%b%b" % (_HEAD, _encode(request.uid), _rest(decision, response))


_HEAD = f'{{"apiVersion":"{API_VERSION}","kind":"{KIND}","response":{{"uid":'.encode()
_RESTS_MAX = 1024
_REST_BYTES_MAX = 8192
_rests: dict[int, tuple[Decision, bytes]] = {}
"""By the id of a decision, which is kept alive here, so that no other one gets its id; 8 MiB at most."""


def _allowed_rest(decision: Decision) -> bytes:
    known = _rests.get(id(decision))
    if known is not None:
        return known[1]
    rest = _rest(decision, {"allowed": True})
    if len(rest) <= _REST_BYTES_MAX:
        if len(_rests) >= _RESTS_MAX:
            _rests.clear()
        _rests[id(decision)] = decision, rest
    return rest


def _rest(decision: Decision, response: dict[str, object]) -> bytes:
    """Return what comes after the uid."""
    if decision.warnings:
        response["warnings"] = [str(warning) for warning in decision.warnings]
    if decision.operations:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(_encode(decision.operations)).decode()
    response["auditAnnotations"] = _audit(decision)
    return b",%b}" % _encode(response)[1:]


def _audit(decision: Decision) -> dict[str, str]:
    """Keys are qualified names without a slash: the API server puts the webhook's name before them (§4)."""
    audit = {"decision": decision.verdict}
    if decision.rules:
        audit["rule"] = ",".join(decision.rules)
    if decision.policies:
        audit["policy"] = _one_line(",".join(decision.policies))
    if decision.decided:
        audit["decided-by"] = _one_line(decision.decided)
    if decision.trials:
        audit["trial"] = _one_line("; ".join(decision.trials))
    return audit


def _one_line(text: str) -> str:
    """Return a text for the audit log: a pod may ask for thousands of networks."""
    line = text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= AUDIT_MAX else f"{line[: AUDIT_MAX - 3]}..."


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
