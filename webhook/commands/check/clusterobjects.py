"""The objects of a cluster as documents for `nadmit check`: what it judges, and what it judges it against.

Each kind is listed once, in pages. An object that a controller makes from a template that is listed as well is left
out, except pods: those that run are what an admin asks about. Of the pods of one controller that access rules cannot
tell apart, one is judged, and stands for the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from webhook.admission.model.kinds import POD, GroupKind
from webhook.admission.templates.workloadtable import KUBEVIRT
from webhook.kube.apierrors import ForbiddenError, GoneError, NotFoundError
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath, Resource
from webhook.kube.responses import decode
from webhook.report.diagnosis.objectset import controller_of, part, text
from webhook.snapshot.pods import ENDED
from webhook.snapshot.source import CLAIMS, CLASSES, CONFIGS, NAMESPACES, NETWORKS, PODS, POLICIES, TEMPLATES
from webhook.trees.documents import Document
from webhook.trees.positions import Source
from webhook.trees.problems import Position

from .runningpods import as_created, without_status

PLACE = "cluster"
"""In place of a file in the report."""

PAGE_SIZE = 500
PAGE_TIMEOUT_S = 60.0
ROUNDS_MAX = 3
"""A list may take longer than the API server keeps its pages (410); then it begins anew."""


def _workload(group: str, version: str, plural: str) -> Resource:
    return Resource(plural, group, version, plural, is_optional=True)


KINDS: tuple[tuple[Resource, GroupKind], ...] = (
    (NETWORKS, GroupKind(NETWORKS.group, "NetworkAttachmentDefinition")),
    (NAMESPACES, GroupKind("", "Namespace")),
    (POLICIES, GroupKind(POLICIES.group, "NetworkAttachmentPolicy")),
    (CONFIGS, GroupKind(CONFIGS.group, "NetworkAttachmentPolicyConfig")),
    (CLAIMS, GroupKind(CLAIMS.group, "ResourceClaim")),
    (TEMPLATES, GroupKind(TEMPLATES.group, "ResourceClaimTemplate")),
    (CLASSES, GroupKind(CLASSES.group, "DeviceClass")),
    (_workload("apps", "v1", "deployments"), GroupKind("apps", "Deployment")),
    (_workload("apps", "v1", "statefulsets"), GroupKind("apps", "StatefulSet")),
    (_workload("apps", "v1", "daemonsets"), GroupKind("apps", "DaemonSet")),
    (_workload("apps", "v1", "replicasets"), GroupKind("apps", "ReplicaSet")),
    (_workload("batch", "v1", "cronjobs"), GroupKind("batch", "CronJob")),
    (_workload("batch", "v1", "jobs"), GroupKind("batch", "Job")),
    (_workload("", "v1", "replicationcontrollers"), GroupKind("", "ReplicationController")),
    (_workload("", "v1", "podtemplates"), GroupKind("", "PodTemplate")),
    # A machine that is halted has no pod; the pods of other programs' workloads run, and are judged themselves.
    (_workload(KUBEVIRT, "v1", "virtualmachines"), GroupKind(KUBEVIRT, "VirtualMachine")),
    (PODS._replace(is_metadata_only=False), POD),
)
"""What is listed, with the kind of its objects, which the items of a list do not have."""

CONTEXT = tuple(
    entry
    for entry in KINDS
    if entry[0] in {NETWORKS, NAMESPACES, POLICIES, CONFIGS, CLAIMS, TEMPLATES, CLASSES} or entry[1] == POD
)
"""What decisions about other objects read."""

TEMPLATED = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "Job", "ReplicationController"}
)
"""Kinds with a template of pods, of which some make others."""

REQUIRED = frozenset({NETWORKS.kind, NAMESPACES.kind, POLICIES.kind, CONFIGS.kind, PODS.kind})
"""Without the right to list these, no verdict would be right.

Pods that are a context only tell which networks and addresses are in use.
"""


class ClusterDocuments:
    """The documents of a cluster, and how many pods each of them stands for beside itself.

    `is_every_pod`: each pod is a document, even if it is like another one.
    """

    def __init__(self, *, is_every_pod: bool = False) -> None:
        self._is_every_pod = is_every_pod
        self.documents: list[Document] = []
        self._alike: dict[tuple[object, ...], int] = {}
        self._keys: dict[int, tuple[object, ...]] = {}

    def add(self, written: dict[str, Any]) -> None:
        """Take an object of the cluster."""
        if not is_wanted(written):
            return
        key = None if self._is_every_pod else key_of(written)
        if key is not None and key in self._alike:
            self._alike[key] += 1
            return
        document = as_created(Document(Unplaced(PLACE, ""), written, 0, 0))
        self.documents.append(document)
        if key is not None:
            self._alike[key] = 0
            self._keys[id(document)] = key

    def join(self, more: ClusterDocuments) -> None:
        """Take the documents of another kind."""
        self.documents += more.documents
        self._alike |= more._alike
        self._keys |= more._keys

    def others(self, document: Document) -> int:
        """Return for how many more pods a document stands."""
        key = self._keys.get(id(document))
        return 0 if key is None else self._alike[key]


class Unplaced(Source):
    """The source of an object that is in no file."""

    def locate(self, steps: object, *, number: int = 0) -> Position:  # noqa: ARG002 - as the class it replaces
        """Return the cluster as a whole."""
        return Position(self.file)


def read_cluster(
    kubeconfig: Path | None,
    tell: Callable[[str], None],
    *,
    kinds: Sequence[tuple[Resource, GroupKind]] = KINDS,
    is_every_pod: bool = False,
) -> ClusterDocuments:
    """List everything of some kinds. `tell` gets a line for each kind. Raises ClusterError."""
    connection = Connection(kubeconfig, environ=os.environ)
    connection.open()
    found = ClusterDocuments()
    try:
        for resource, kind in kinds:
            found.join(_read_kind(connection, resource, kind, tell, is_every_pod=is_every_pod))
    finally:
        connection.close()
    return found


def _read_kind(
    connection: Connection, resource: Resource, kind: GroupKind, tell: Callable[[str], None], *, is_every_pod: bool
) -> ClusterDocuments:
    """Return the objects of a kind; none if it is not installed, or is not required and may not be listed."""
    for _ in range(len(resource.older) + 1):
        try:
            return _read_again(connection, resource, kind, tell, is_every_pod=is_every_pod)
        except NotFoundError:
            resource = resource.in_next_version()
        except ForbiddenError as error:
            if resource.kind in REQUIRED and not (is_every_pod and resource.kind == PODS.kind):
                raise
            tell(f"{resource.kind}: not checked: {error}")
            return ClusterDocuments()
    tell(f"{resource.kind}: not installed")
    return ClusterDocuments()


def _read_again(
    connection: Connection, resource: Resource, kind: GroupKind, tell: Callable[[str], None], *, is_every_pod: bool
) -> ClusterDocuments:
    head = {"apiVersion": f"{kind.group}/{resource.version}" if kind.group else resource.version, "kind": kind.kind}
    for _ in range(ROUNDS_MAX):
        found, count = ClusterDocuments(is_every_pod=is_every_pod), 0
        try:
            for count, item in enumerate(pages(connection, resource), 1):  # noqa: B007 - the last one
                found.add({**head, **slim(item)})
        except GoneError as error:
            gone = error
        else:
            tell(f"{resource.kind}: {count}")
            return found
    raise gone


def pages(
    connection: Connection, resource: Resource, *, namespace: str = "", query: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the objects of a resource, whole, in a namespace or in all, page by page. Raises ClusterError."""
    selected = {"fieldSelector": resource.field_selector} if resource.field_selector else {}
    path = ObjectPath(resource, namespace)
    asked = {**selected, **(query or {})}
    for raw in connection.list_all(path, page_size=PAGE_SIZE, timeout_s=PAGE_TIMEOUT_S, query=asked):
        yield decode(_OBJECT, raw, f"{path.title}: list")


_OBJECT: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def slim(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object without the large parts that nothing reads."""
    metadata = {key: value for key, value in part(item, "metadata").items() if key != "managedFields"}
    phase = part(item, "status").get("phase")
    rest = {key: value for key, value in item.items() if key not in {"status", "apiVersion", "kind"}}
    return {**rest, "metadata": metadata, **({"status": {"phase": phase}} if phase else {})}


def is_wanted(written: Mapping[str, Any]) -> bool:
    """Say whether an object is judged for itself: no ended pod, and no workload that another one makes."""
    if written["kind"] == POD.kind:
        return text(written, "status", "phase") not in ENDED
    owner = controller_of(written) if written["kind"] in TEMPLATED else None
    return owner is None or owner.get("kind") not in TEMPLATED


def key_of(written: Mapping[str, Any]) -> tuple[object, ...] | None:
    """Return what pods have in common that are judged alike; None for everything else.

    NB: whoever creates a pod writes its controller into it, so the controller alone must not hide a pod.
    """
    owner = controller_of(written) if written["kind"] == POD.kind else None
    if owner is None:
        return None
    metadata, spec = written["metadata"], part(written, "spec")
    account, is_on_host = spec.get("serviceAccountName"), spec.get("hostNetwork")
    if not isinstance(account, str | None) or not isinstance(is_on_host, bool | None):
        return None
    every = without_status(metadata.get("annotations") or {})
    annotations = {key: value for key, value in every.items() if key not in WRITTEN_BY_NODES}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in OF_ONE_POD}
    place = (metadata.get("namespace"), text(owner, "uid"), account, is_on_host)
    return (*place, *sorted(annotations.items()), *sorted(labels.items()))


WRITTEN_BY_NODES = frozenset(
    {
        "cni.projectcalico.org/containerID",
        "cni.projectcalico.org/podIP",
        "cni.projectcalico.org/podIPs",
        "k8s.ovn.org/pod-networks",
    }
)
"""Annotations that a plugin of the default network writes with another value into each pod, and no decision reads."""

OF_ONE_POD = frozenset(
    {
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
    }
)
"""Labels that a controller writes with another value into each of its pods."""
