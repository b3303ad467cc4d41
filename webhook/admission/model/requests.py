"""The values of a decision: what was asked, and what is answered.

Parsed once, at the edge (`serving.wire`); inside, a value of the type is right. They are named tuples rather than
frozen dataclasses: several are made per review, and a frozen dataclass costs twice as much to make.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from webhook.admission.model.kinds import GroupKind

NOTHING: Mapping[str, str] = MappingProxyType({})

Operation = dict[str, Any]
"""Of a JSON Patch (RFC 6902 §4): its members."""


class User(NamedTuple):
    """The requester (`request.userInfo`).

    `node`: where the pod runs that the requester's token is bound to (ServiceAccountTokenPodNodeInfo), "" if it is
    bound to none.
    """

    name: str = ""
    groups: tuple[str, ...] = ()
    node: str = ""


class Read(NamedTuple):
    """Keys of labels and annotations whose values somebody reads; of all others, only whether there are any."""

    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()


class SentPod(Protocol):
    """A pod that is read only when somebody asks."""

    def read(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""

    def sketch(self, read: Read) -> Hashable | None:
        """Return all that injection reads in it: pods with one sketch get one patch. None: not to be remembered.

        `read`: `Injection.read`, of the labels and annotations.
        """

    def sketch_requests(self) -> Hashable | None:
        """Return all that says how much its containers request, as `sketch`."""


class ClaimReference(NamedTuple):
    """One element of a pod's `spec.resourceClaims`: a claim, or a template of one. "" where it names none."""

    claim: str = ""
    template: str = ""


class SentDevices(Protocol):
    """What a pod, or the pod of a template, says of devices; read only when somebody asks."""

    def claims(self) -> tuple[ClaimReference, ...]:
        """Return `spec.resourceClaims`."""

    def resources(self, *, prefix: str = "") -> tuple[str, ...]:
        """Return the names with a domain of the resources that its containers request or limit, each once, sorted.

        `prefix`: those that begin with it; it is cheap to see that there are none.
        """


class Object(NamedTuple):
    """An API object, as far as decisions need it.

    `annotations` and `labels` of a workload are those of its pod template, and `service_account` too: a workload is
    judged as the pod it would make. `config` is a definition's `spec.config`, None when absent; any JSON type, because
    a tree of files may hold what the API server would refuse. `spec` is the whole spec of a policy or of the
    configuration as plain JSON, that of a ResourceClaim, its template or a DeviceClass as a value of `dra.claims`; None
    for other kinds. `sent` is a pod as it was sent, which most decisions never read. `node_name` is where a pod runs,
    "" while it is not scheduled. `devices`: None where there is no pod.
    """

    name: str = ""
    generate_name: str = ""
    labels: Mapping[str, str] = NOTHING
    annotations: Mapping[str, str] = NOTHING
    service_account: str = "default"
    config: object = None
    is_being_deleted: bool = False
    spec: object = None
    sent: SentPod | None = None
    node_name: str = ""
    devices: SentDevices | None = None


class Request(NamedTuple):
    """One admission request (`admission.k8s.io/v1`, AdmissionRequest)."""

    uid: str
    kind: GroupKind
    operation: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    user: User = User()
    object: Object | None = None
    old_object: Object | None = None
    is_dry_run: bool = False

    @property
    def object_name(self) -> str:
        """The object's name; for a name that is still to be generated, its prefix and a star.

        NB: a request that deletes a collection is asked about once per object, and names none.
        """
        if self.name:
            return self.name
        if self.object is None:
            return self.old_object.name if self.old_object is not None else ""
        return self.object.name or (f"{self.object.generate_name}*" if self.object.generate_name else "")


class NetworkUsers(NamedTuple):
    """The running pods that use a network: how many, how many of them in its own namespace, and some of those."""

    total: int = 0
    own: int = 0
    names: tuple[str, ...] = ()


NO_USERS = NetworkUsers()


class Cause(NamedTuple):
    """One problem of a refused object, self-contained: kubectl shows nothing else for reason Invalid.

    `rule` is the id of what is broken; it stays in this process.
    """

    field: str
    message: str
    reason: str = "FieldValueInvalid"
    rule: str = ""


class Decision(NamedTuple):
    """The answer. `rules` are the ids of what decided, for logs, metrics and the audit log; none if nothing applied.

    `policies`: names of those that decided, for the audit log. `trials`: what policies of mode Warn and Audit would
    have refused, for logs and the audit log. `missing`: namespace and name of networks that are not known, where
    nothing else keeps the object from being allowed. `unknown`: namespaces that are not known and whose labels matter;
    `unknown_devices`: kind, namespace and name of claims, templates and classes that are not known and may change the
    decision. With either, this is an answer only where nobody can be asked. `operations` change the object (JSON
    Patch); none: no patch.
    """

    is_allowed: bool = True
    code: int = 200
    reason: str = ""
    message: str = ""
    causes: tuple[Cause, ...] = ()
    warnings: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    decided: str = ""
    trials: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    operations: tuple[Operation, ...] = ()
    unknown: tuple[str, ...] = ()
    unknown_devices: tuple[tuple[str, str, str], ...] = ()

    @property
    def verdict(self) -> str:
        """One of `allow`, `warn`, `deny`: a closed set for logs and metrics."""
        if not self.is_allowed:
            return "deny"
        return "warn" if self.warnings else "allow"


ALLOWED = Decision()
