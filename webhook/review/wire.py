"""AdmissionReview on the wire: bytes to a `Request`, a `Decision` to bytes (S/api/admission/v1/types.go, 1.36).

msgspec decodes straight into the few fields that decisions need. It skips nine tenths of a pod of 5 KiB (managedFields,
spec) without making an object, and reports a wrong type with its path. One set of structs serves all judged kinds, so
one pass over the bytes is enough; other kinds are not read. The whole spec of an access policy takes a second
pass, and so does a pod if a decision needs more of it. The answer does not repeat the request, and has a patch only if
something changes (§2).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from cniplugin.netspec.selection import NETWORK_STATUS_KEYS
from webhook.admission.model import kinds
from webhook.admission.model.kinds import BINDING, DEVICE_KINDS, NAMESPACE, NETWORK, POD, POLICIES, GroupKind
from webhook.admission.model.requests import NOTHING, ClaimReference, Decision, Object, Read, Request, User
from webhook.admission.view.statuswriters import NODE_NAME
from webhook.review.decisioncache import ENCODED, keep_encoded
from webhook.review.podsketch import PodSpec, Texts, read_parts, sketch_pod, sketch_requests
from webhook.serving.http import RequestError
from webhook.snapshot.devicespecs import UNREADABLE as UNREADABLE_SPEC
from webhook.snapshot.devicespecs import read_spec

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"
LARGE_BODY = 262_144
"""Bytes of a review whose kind is decoded first: skipping 8 MB takes 5 ms, and decoding all labels in them 180 ms."""
TEXT_MAX = 336
"""Characters of an error's text."""
AUDIT_MAX = 1024
"""Characters of an audit annotation; all rule ids together are shorter."""

POLICY_KINDS = frozenset(kind.kind for kind in POLICIES)
WITHOUT_TEMPLATE = frozenset({POD.kind, BINDING.kind, NAMESPACE.kind, NETWORK.kind})
WITH_SPEC = POLICIES | DEVICE_KINDS
JUDGED: dict[tuple[str, str], GroupKind] = {kind: kind for kind in kinds.JUDGED}


class _Metadata(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: str | None = None
    namespace: str | None = None
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
    host_network: msgspec.Raw = msgspec.Raw(b"")


class _Template(msgspec.Struct, frozen=True, gc=False):
    """PodTemplateSpec."""

    metadata: _Metadata = _Metadata()
    spec: _TemplateSpec | None = None


class _JobSpec(msgspec.Struct, frozen=True, gc=False):
    template: _Template | None = None


class _JobTemplate(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata | None = None
    spec: _JobSpec | None = None


class _Spec(PodSpec, rename="camel", frozen=True, gc=False):
    """The specs of all judged kinds in one: each has its own of these fields."""

    service_account_name: str | None = None  # Pod
    node_name: Any = None  # Pod; another kind may have any type here
    config: Any = None  # NetworkAttachmentDefinition
    capital_config: Any = msgspec.field(name="Config", default=None)  # the same, misspelt
    template: _Template | None = None  # Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job
    job_template: _JobTemplate | None = None  # CronJob


class _Object(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata = _NO_METADATA
    spec: _Spec | None = None
    template: _Template | None = None  # PodTemplate
    status: msgspec.Raw = msgspec.Raw(b"")


class _Status(msgspec.Struct, frozen=True, gc=False):
    """PodStatus."""

    phase: Any = None


class _Unread(msgspec.Struct, frozen=True, gc=False):
    """An object of a kind that is not judged."""


class _WithSpec(msgspec.Struct, frozen=True, gc=False):
    """A policy, the configuration, a ResourceClaim, a claim template or a DeviceClass."""

    metadata: _Metadata = _NO_METADATA
    spec: msgspec.Raw = msgspec.Raw(b"null")


class _GroupVersionKind(msgspec.Struct, frozen=True, gc=False):
    kind: str
    group: str = ""


class _Extra(msgspec.Struct, frozen=True, gc=False):
    """`userInfo.extra`: more facts from the authenticator."""

    nodes: list[str] | None = msgspec.field(name=NODE_NAME, default=None)

    def node(self) -> str:
        """Return the node of the pod that the token is bound to; "" for other tokens."""
        return self.nodes[0] if self.nodes and len(self.nodes) == 1 else ""


class _UserInfo(msgspec.Struct, frozen=True, gc=False):
    username: str = ""
    groups: tuple[str, ...] | None = None
    extra: _Extra | None = None


T = TypeVar("T")


class _Request(msgspec.Struct, Generic[T], rename="camel", frozen=True, gc=False):
    uid: str
    kind: _GroupVersionKind
    operation: str
    namespace: str = ""
    name: str = ""
    sub_resource: str = ""
    user_info: _UserInfo = _UserInfo()
    object: T | None = None
    old_object: T | None = None
    dry_run: bool | None = None


class _Review(msgspec.Struct, Generic[T], rename="camel", frozen=True, gc=False):
    api_version: str
    kind: str
    request: _Request[T]


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


class _WholeRequest(msgspec.Struct, frozen=True, gc=False):
    object: dict[str, Any]


class _WholeReview(msgspec.Struct, frozen=True, gc=False):
    request: _WholeRequest


class _BothObjects(msgspec.Struct, rename="camel", frozen=True, gc=False):
    object: dict[str, Any]
    old_object: dict[str, Any] | None = None


class _ReviewOfBoth(msgspec.Struct, frozen=True, gc=False):
    request: _BothObjects


_review = msgspec.json.Decoder(_Review[_Object])
_definition_review = msgspec.json.Decoder(_Review[_Definition])
_unread_review = msgspec.json.Decoder(_Review[_Unread])
_spec_review = msgspec.json.Decoder(_Review[_WithSpec])
_whole_review = msgspec.json.Decoder(_WholeReview)
_review_of_both = msgspec.json.Decoder(_ReviewOfBoth)
_decode_status = msgspec.json.Decoder(_Status).decode
_decode_claims = msgspec.json.Decoder(tuple[_ResourceClaim, ...] | None).decode
_decode_requesting = msgspec.json.Decoder(tuple[_Requesting, ...] | None).decode
_encode = msgspec.json.Encoder().encode

_TRUE = msgspec.Raw(b"true")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class UnreadableError(RequestError):
    """The bytes are not an AdmissionReview (status 400).

    `problem` says why, and `path` where, such as `request.object.metadata.name`; it is "" if the place is not known.
    """

    def __init__(self, problem: str, path: str = "") -> None:
        at = f" - at '$.{path}'" if path else ""
        super().__init__(400, f"the AdmissionReview cannot be read: {problem}{at}"[:TEXT_MAX])
        self.problem = problem
        self.path = path


_AT = " - at `$."
"""Before the path at the end of an error's text. NB: msgspec gives the path in the text only."""


def _unreadable(error: Exception) -> UnreadableError:
    if isinstance(error, RecursionError):
        return UnreadableError("it nests too deeply")
    problem, _, path = str(error).rpartition(_AT)
    return UnreadableError(_in_words(problem or path), path.rstrip("`") if problem else "")


_WRONG_TYPE = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_TYPES = {
    "object": "an object",
    "array": "a list",
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
}


def _in_words(problem: str) -> str:
    """Return a problem of msgspec in the words of other messages; it has no other form than text."""
    match = _WRONG_TYPE.fullmatch(problem)
    if match is None:
        return problem.replace("`", "'")
    allowed = [_TYPES.get(name, name) for name in match[1].split(" | ") if name != "null"]
    return f"wrong type: {_TYPES.get(match[2], match[2])}; allowed: {', or '.join(allowed)}"


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a body. Raises UnreadableError."""
    try:
        return decoder.decode(body)
    except _UNREADABLE as error:
        raise _unreadable(error) from None


def decode(body: bytes) -> Request:
    """Return the request of an AdmissionReview. Raises UnreadableError, or RequestError(400) for another kind."""
    review, judged = _decode_review(body)
    if review.api_version != API_VERSION or review.kind != KIND:
        actual = f"{review.api_version[:80]} {review.kind[:80]}"
        raise RequestError(400, f"the body is a {actual}; allowed: {API_VERSION} {KIND}")
    sent = review.request
    if not sent.uid:
        raise UnreadableError("request.uid is empty")
    kind = sent.kind.kind
    user = sent.user_info
    # By position: keywords cost a microsecond for each review.
    return Request(
        sent.uid,
        judged or GroupKind(sent.kind.group, kind),
        sent.operation,
        sent.namespace,
        sent.name,
        sent.sub_resource,
        User(user.username, user.groups or (), "" if user.extra is None else user.extra.node()),
        None if sent.object is None else _object(sent.object, kind, body) if judged else _other(body),
        None if sent.old_object is None or not judged else _object(sent.old_object, kind),
        bool(sent.dry_run),
    )


def _other(body: bytes) -> Object:
    """Return the object of a kind that is not decoded here."""
    return Object(unread=_SentObject(body))


class _SentPod(msgspec.Struct, eq=False, gc=False):
    """Implements `SentPod` with the bytes of a review and the object that was decoded from them.

    NB: a Struct is made in a third of the time that `__init__` takes.
    """

    _body: bytes
    _known: _Object

    def __repr__(self) -> str:
        """Show nothing of the pod: a log or a traceback must not get its variables, which may be secret."""
        return "_SentPod()"

    def read(self) -> dict[str, Any]:
        """Return the pod. Raises UnreadableError."""
        return _decode(_whole_review, self._body).request.object

    def read_parts(self) -> dict[str, Any] | None:
        """Return what injection reads or changes; None for an unusual pod."""
        known, metadata = self._known, self._known.metadata
        if known.spec is None or metadata is _NO_METADATA:
            return None
        return read_parts(metadata.labels, metadata.annotations, known.spec)

    def sketch(self, read: Read) -> Hashable | None:
        """Return the fields that injection reads in the pod."""
        known, metadata = self._known, self._known.metadata
        if known.spec is None or metadata is _NO_METADATA:
            return None
        return sketch_pod(read, metadata.labels, metadata.annotations, known.spec)

    def sketch_requests(self) -> Hashable | None:
        """Return the fields that determine the requests of the pod."""
        return None if self._known.spec is None else sketch_requests(self._known.spec)


class _SentTemplate:
    """Implements `SentPod` for the pod of a template. NB: it has no sketch, because few templates are reviewed."""

    __slots__ = ("_body", "_kind")

    def __init__(self, body: bytes, kind: str) -> None:
        self._body = body
        self._kind = kind

    def read(self) -> dict[str, Any]:
        """Return the template as a pod; {} if it is no object. Raises UnreadableError."""
        value: Any = _decode(_whole_review, self._body).request.object
        for key in kinds.template_steps(self._kind):
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def read_parts(self) -> None:
        """Return None."""

    def sketch(self, read: Read) -> None:
        """Return None."""

    def sketch_requests(self) -> None:
        """Return None."""


class _SentObject:
    """Implements `SentObject`."""

    __slots__ = ("_body", "_read")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._read: _BothObjects | None = None

    def mentions(self, texts: Sequence[str]) -> bool:
        """Look for texts in the bytes. NB: the API server escapes no letter."""
        return any(text.encode() in self._body for text in texts)

    def read(self) -> dict[str, Any]:
        """Return the object. Raises UnreadableError."""
        return self._both().object

    def read_old(self) -> dict[str, Any] | None:
        """Return the object before. Raises UnreadableError."""
        return self._both().old_object

    def _both(self) -> _BothObjects:
        if self._read is None:
            self._read = _decode(_review_of_both, self._body).request
        return self._read


class _SentDevices(msgspec.Struct, eq=False, gc=False):
    """Implements `SentDevices`."""

    _spec: _TemplateSpec | _Spec

    def __repr__(self) -> str:
        """Show nothing of the pod, as `_SentPod` does."""
        return "_SentDevices()"

    def claims(self) -> tuple[ClaimReference, ...]:
        """Return the claims that the pod names. Raises UnreadableError."""
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
        """Return the extended resources that the containers name. Raises UnreadableError."""
        names: set[str] = set()
        mark = prefix.encode()
        try:
            for raw in (self._spec.containers, self._spec.init_containers):
                text = bytes(raw)
                if mark not in text and b"\\" not in text:  # an escape may hide a letter
                    continue
                for container in (_decode_requesting(raw) or ()) if raw else ():
                    amounts = container.resources or _Amounts()
                    names.update(amounts.requests or (), amounts.limits or ())
        except _UNREADABLE as error:
            raise _unreadable(error) from None
        return tuple(sorted(name for name in names if "/" in name and name.startswith(prefix)))


def _decode_review(body: bytes) -> tuple[_Review[Any], GroupKind | None]:
    """Decode a review; return its kind as well, None if it is not judged.

    NB: a field may have another type in a kind that is not judged, so that object is not read.
    """
    decoder: msgspec.json.Decoder[Any] = _review
    if len(body) > LARGE_BODY:
        head = _decode(_unread_review, body)
        kind = _judged(head)
        if kind is None:
            return head, None
        decoder = _definition_review if kind == NETWORK else _review
    problem: Exception | None = None
    try:
        review: _Review[Any] = decoder.decode(body)
    except _UNREADABLE as error:
        problem = error
        try:
            review = _unread_review.decode(body)
        except _UNREADABLE:
            raise _unreadable(error) from None
    kind = _judged(review)
    if kind is None:
        return review, None
    if kind in WITH_SPEC:
        return _decode(_spec_review, body), kind
    if problem is not None:
        raise _unreadable(problem)
    return review, kind


def _judged(review: _Review[Any]) -> GroupKind | None:
    sent = review.request.kind
    return JUDGED.get((sent.group, sent.kind))


def _spec(kind: str, spec: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(spec) if kind in POLICY_KINDS else read_spec(kind, spec)
    except UNREADABLE_SPEC as error:
        raise _unreadable(error) from None


def _object(read: _Object | _WithSpec | _Unread, kind: str, body: bytes | None = None) -> Object:
    """Return an object; a kind with a pod template has the template's labels, annotations and service account.

    `body` is the review, if this is its `request.object`.
    """
    if isinstance(read, _Unread):
        return Object()
    own = read.metadata
    if isinstance(read, _WithSpec):
        return Object(
            name=own.name or "",
            generate_name=own.generate_name or "",
            annotations=own.annotations or NOTHING,
            is_being_deleted=own.deletion_timestamp is not None,
            spec=_spec(kind, read.spec),
        )
    judged: _Metadata = own
    spec: _TemplateSpec | _Spec | None = read.spec
    sent: _SentPod | _SentTemplate | None = None
    if kind not in WITHOUT_TEMPLATE:
        template = _template(read, kind) or _Template()
        judged, spec = template.metadata, template.spec
        sent = None if body is None else _SentTemplate(body, kind)
    elif kind == POD.kind and body is not None:
        sent = _SentPod(body, read)
    return Object(
        own.name or "",
        own.generate_name or "",
        judged.labels if isinstance(judged.labels, dict) else NOTHING,  # skipped in a large definition
        judged.annotations or NOTHING,
        (spec.service_account_name if spec else None) or "default",
        read.spec.config if read.spec else None,
        own.deletion_timestamp is not None,
        None,
        sent,
        node if isinstance(node := read.spec.node_name if read.spec else None, str) else "",
        None if spec is None else _SentDevices(spec),
        own.namespace or "",
        NO_OWN if judged is own else _own_annotations(read, kind),
        spec is not None and spec.host_network == _TRUE,
        body is None and kind == POD.kind and _has_started(read, own),
        read.spec is not None and read.spec.config is None and read.spec.capital_config is not None,
    )


NO_OWN: Mapping[str, Mapping[str, str]] = {}


def _own_annotations(workload: _Object, kind: str) -> Mapping[str, Mapping[str, str]]:
    """Return the annotations of a workload, and of the jobs of a CronJob, which no pod gets."""
    job = workload.spec.job_template if kind == "CronJob" and workload.spec else None
    places = (("metadata", workload.metadata), ("spec.jobTemplate.metadata", job.metadata if job else None))
    return {f"{path}.annotations": one.annotations for path, one in places if one is not None and one.annotations}


def _has_started(pod: _Object, metadata: _Metadata) -> bool:
    """Say whether a stored pod has its networks: it runs, or the node has written their status."""
    if any(key in (metadata.annotations or NOTHING) for key in NETWORK_STATUS_KEYS):
        return True
    try:
        return bool(pod.status) and _decode_status(pod.status).phase == "Running"
    except _UNREADABLE:
        return False


def _template(read: _Object, kind: str) -> _Template | None:
    """Return the pod template from the place where its kind has it. NB: one in another place could be forged."""
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

    Audit annotations name the verdict, the rules, the policies, who decided, and the refusals of policies on trial. NB:
    the answer for an allowed object follows from its decision, apart from the uid, so it is cached.
    """
    known = ENCODED.get(id(decision))
    if known is not None:
        rest = known[1]
    elif decision.is_allowed:
        rest = _rest(decision, _Response(True))
        if not decision.is_observed:  # it is made for one review
            keep_encoded(decision, rest)
    else:
        rest = _rest(decision, _Response(False, _failure(request, decision)))
    return b"%b%b%b" % (_HEAD, _encode(request.uid), rest)


_HEAD = f'{{"apiVersion":"{API_VERSION}","kind":"{KIND}","response":{{"uid":'.encode()


class _Cause(msgspec.Struct, gc=False):
    reason: str
    field: str
    message: str


class _Details(msgspec.Struct, gc=False):
    group: str
    kind: str
    name: str
    causes: list[_Cause]


class _Failure(msgspec.Struct, gc=False):
    """Status (metav1)."""

    status: str
    code: int
    reason: str
    message: str
    details: _Details


class _Audit(msgspec.Struct, omit_defaults=True, gc=False):
    """The audit annotations. The API server puts the webhook's name and a slash before each key (§4)."""

    decision: str
    rule: str = ""
    policy: str = ""
    decided_by: str = msgspec.field(name="decided-by", default="")
    trial: str = ""


class _Response(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """AdmissionResponse, apart from the uid. NB: the order of the fields is that of the bytes."""

    allowed: bool
    status: _Failure | None = None
    warnings: list[str] | None = None
    patch_type: str = ""
    patch: bytes = b""
    audit_annotations: _Audit | None = None


def _rest(decision: Decision, response: _Response) -> bytes:
    """Return the bytes after the uid."""
    if decision.warnings:
        response.warnings = [str(warning) for warning in decision.warnings]
    if decision.operations:
        response.patch_type = "JSONPatch"
        response.patch = _encode(decision.operations)  # of bytes, msgspec writes the Base64
    response.audit_annotations = _Audit(
        decision.verdict,
        ",".join(decision.rules),
        _one_line(",".join(decision.policies)) if decision.policies else "",
        _one_line(decision.decided),
        _one_line("; ".join(decision.trials)) if decision.trials else "",
    )
    return b",%b}" % _encode(response)[1:]


def _one_line(text: str) -> str:
    """Return a text for the audit log, shortened: a pod may ask for thousands of networks."""
    line = text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= AUDIT_MAX else f"{line[: AUDIT_MAX - 3]}..."


def _failure(request: Request, decision: Decision) -> _Failure:
    group, kind = request.kind
    causes = [_Cause(cause.reason, cause.field, cause.message) for cause in decision.causes]
    details = _Details(group, kind, request.object_name, causes)
    return _Failure("Failure", decision.code, decision.reason, decision.message, details)
