"""The values of a review: the request, the objects in it, and the decision.

`webhook.review.wire` parses them once; everywhere else, a value of the right type is right. They are named tuples
rather than frozen dataclasses, because a review makes several of them, and a frozen dataclass costs twice as much.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from webhook.admission.model.kinds import GroupKind

NOTHING: Mapping[str, str] = MappingProxyType({})

Operation = dict[str, Any]
"""One operation of a JSON Patch (RFC 6902 §4), as plain JSON."""
WARNING_MAX = 256
"""Characters of one warning; the API server cuts longer ones."""


class User(NamedTuple):
    """The requester (`request.userInfo`).

    `node`: the node of the pod that the requester's token is bound to (ServiceAccountTokenPodNodeInfo); "" if the token
    is not bound to a pod.
    """

    name: str = ""
    groups: tuple[str, ...] = ()
    node: str = ""


class Read(NamedTuple):
    """Keys of the labels and annotations that injection reads. Of all others it sees only whether there are any.

    `names`: whether it may look for a container by its name, though the pod's own annotations do not ask for that.
    """

    labels: frozenset[str] = frozenset()
    annotations: frozenset[str] = frozenset()
    names: bool = False


class SentPod(Protocol):
    """A pod, or the pod of a template, whose bytes are decoded on request."""

    def read(self) -> dict[str, Any]:
        """Return the whole pod as plain JSON."""

    def read_parts(self) -> dict[str, Any] | None:
        """Return the parts of the pod that injection reads or changes, in their places, as plain JSON.

        None if one of them has another type than the API server enforces (`podspec.is_readable`).
        """

    def sketch(self, read: Read) -> Hashable | None:
        """Return all that injection reads in the pod: pods with equal sketches get equal patches.

        `read` is `Injection.read`. Returns None for a pod whose answer is not to be remembered.
        """

    def sketch_requests(self) -> Hashable | None:
        """Return all that determines how much the containers request; None as for `sketch`."""


class ClaimReference(NamedTuple):
    """One element of a pod's `spec.resourceClaims`, which names a claim or a claim template; the other one is ""."""

    claim: str = ""
    template: str = ""


class SentDevices(Protocol):
    """The devices of a pod or of a pod template, decoded on request."""

    def claims(self) -> tuple[ClaimReference, ...]:
        """Return `spec.resourceClaims`."""

    def resources(self, *, prefix: str = "") -> tuple[str, ...]:
        """Return the names of the extended resources that the containers request or limit, each once, sorted.

        With a `prefix`, return only names that begin with it; this is cheap for a pod without such names.
        """


class SentObject(Protocol):
    """An object of a kind whose form an admin describes, or a table of ours: nothing of it is decoded yet."""

    def mentions(self, texts: Sequence[str]) -> bool:
        """Say whether the request has one of these texts anywhere; cheap."""

    def read(self) -> dict[str, Any]:
        """Return the object as plain JSON."""

    def read_old(self) -> dict[str, Any] | None:
        """Return the object before an UPDATE; None if there is none."""


class PodPlace(Protocol):
    """Where an object has the pod that it is judged as, if its kind has no fixed place for a pod template.

    An annotation of the pod may be written as other fields of the object, as in a virtual machine.
    """

    @property
    def path(self) -> str:
        """The path of the pod template with a dot at its end; "" if the object itself has the pod's metadata."""

    def field(self, annotation: str, path: str) -> str:
        """Return the field of the object that holds a part of an annotation of the pod; `path`: inside its value."""

    def item(self, position: int | None) -> str:
        """Name one network in a refusal, None for the default network; "" for the usual name."""

    def source(self, position: int | None) -> str:
        """Name what the author changes or removes; "" for the item of the annotation."""


class Object(NamedTuple):
    """The parts of an API object that decisions need.

    `labels`, `annotations` and `service_account` of a workload are those of its pod template: a workload is judged as
    the pod that it would create. `config` is `spec.config` of a definition, None when absent; it may have any JSON
    type, because a file may hold values that the API server would refuse. `spec` is the whole spec of a policy or of
    the configuration as plain JSON; of a ResourceClaim, a claim template or a DeviceClass it is a value of
    `dra.claims`; of other kinds it is None. `sent` is the pod, or the pod of a template, as it was sent; most decisions
    never decode it. `node_name` is the node of a pod, "" until it is scheduled. `devices` is None for an object without
    a pod. `own_annotations` are those of a workload that no pod gets, by their path; `is_host_network`: the pod uses
    the node's network namespace; `has_started`: a pod that was stored has a sandbox with its networks. `namespace` is
    the one that the object itself names; "" in a file that leaves it to kubectl.
    `has_capital_config`: a definition has `spec.Config` and not `spec.config`. `unread`: the object, if its kind is not
    one of those that `webhook.review.wire` decodes.
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
    namespace: str = ""
    own_annotations: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    is_host_network: bool = False
    has_started: bool = False
    has_capital_config: bool = False
    unread: SentObject | None = None


class Request(NamedTuple):
    """One admission request (`admission.k8s.io/v1`, AdmissionRequest).

    `place`: where the object has the pod that is judged; None for kinds with a fixed place.
    """

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
    place: PodPlace | None = None

    @property
    def object_name(self) -> str:
        """The name of the object; for a name that the API server will generate, its prefix and a star.

        NB: to delete a collection, the API server asks about each object and leaves `request.name` empty.
        """
        if self.name:
            return self.name
        if self.object is None:
            return self.old_object.name if self.old_object is not None else ""
        return f"{self.object.generate_name}*" if self.has_generated_name else self.object.name

    @property
    def has_generated_name(self) -> bool:
        """Whether the API server will generate the name."""
        new = self.object
        return not self.name and new is not None and not new.name and bool(new.generate_name)


class NetworkUsers(NamedTuple):
    """The pods that use a network and have not ended.

    `own` counts those in the network's own namespace, and `names` has the names of some of them. `waiting` counts those
    that have nothing attached yet.
    """

    total: int = 0
    own: int = 0
    names: tuple[str, ...] = ()
    waiting: int = 0

    @property
    def attached(self) -> int:
        """The number of pods that have the network."""
        return self.total - self.waiting


NO_USERS = NetworkUsers()


class Cause(NamedTuple):
    """One problem of a refused object, self-contained: kubectl shows nothing else for reason Invalid.

    `rule` is the id of the broken rule; the API server does not get it.
    """

    field: str
    message: str
    reason: str = "FieldValueInvalid"
    rule: str = ""


class AdmissionWarning(NamedTuple):
    """One warning about an object. `field`: the path that the message is about, "" for the whole object.

    `rule` is the id of the rule behind it; the API server does not get it.
    """

    field: str
    message: str
    rule: str = ""

    def __str__(self) -> str:
        """Return the text for the API server: one line of printable ASCII, at most WARNING_MAX characters."""
        text = f"{self.field}: {self.message}" if self.field else self.message
        if not (text.isascii() and text.isprintable()):
            text = text.encode("ascii", "backslashreplace").decode()  # annotations may hold anything
            text = "".join(char if char.isprintable() else " " for char in text)
        return text if len(text) <= WARNING_MAX else _shortened(text)


def _shortened(text: str) -> str:
    """Return the first parts of a long warning: whole sentences and whole quotes, as many as there is room for."""
    kept = text[: WARNING_MAX - 2]
    while "; " in kept:
        kept = kept.rpartition("; ")[0]
        if kept.count('"') % 2 == 0:
            return f"{kept}; ..."[:WARNING_MAX]
    return f"{text[: WARNING_MAX - 3]}..."


class Decision(NamedTuple):
    """The decision about one request.

    `rules`: ids of the rules that decided, for logs, metrics and the audit log; empty if no rule applied. `policies`:
    names of the policies that decided, for the audit log. `trials`: the refusals of policies of mode Warn and Audit,
    for logs and the audit log. `missing`: namespace and name of the networks that do not exist, if nothing else is
    wrong with the object. `unknown`: namespaces that are not known and whose labels matter. `unknown_devices`: kind,
    namespace and name of unknown claims, templates and classes that may change the decision. A decision with either of
    these is final only if the caller cannot ask the API server. `operations`: the JSON Patch for the object.
    `is_observed`: stage Observe admits an object that would be refused, and the other fields are those of the refusal.
    """

    is_allowed: bool = True
    code: int = 200
    reason: str = ""
    message: str = ""
    causes: tuple[Cause, ...] = ()
    warnings: tuple[AdmissionWarning, ...] = ()
    rules: tuple[str, ...] = ()
    decided: str = ""
    trials: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    operations: tuple[Operation, ...] = ()
    unknown: tuple[str, ...] = ()
    unknown_devices: tuple[tuple[str, str, str], ...] = ()
    is_observed: bool = False

    @property
    def verdict(self) -> str:
        """One of `allow`, `warn`, `deny` and `would-deny`, for logs and metrics."""
        if self.is_observed:
            return "would-deny"
        if not self.is_allowed:
            return "deny"
        return "warn" if self.warnings else "allow"


ALLOWED = Decision()
