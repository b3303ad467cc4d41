"""Reads a cluster for `nadmit scan`: what `nadmit check --cluster` judges, pools of whereabouts, the Service of DNS.

Each object goes to the stock, which reduces it at once. Pods come last, and each is judged when it comes, so that none
is kept. They must be readable; for everything else a missing right becomes a sentence.

Pools are read before and after the pods. A pod that comes or goes meanwhile is in one of both readings only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from webhook.admission.model.kinds import POD
from webhook.commands.check.clusterobjects import KINDS, PAGE_TIMEOUT_S, is_wanted, pages
from webhook.commands.check.runningpods import without_status
from webhook.commands.who.graphreading import CLAIM_KINDS, RUNNING_PODS, read_kind
from webhook.kube.apierrors import ForbiddenError, NotFoundError
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath, Resource
from webhook.kube.responses import decode
from webhook.report.diagnosis.objectset import part
from webhook.report.scan.stock import DNS_SERVICES, MULTI_POLICY_KIND, Stock
from webhook.snapshot.pods import ENDED
from webhook.snapshot.source import CLASSES, CONFIGS, NAMESPACES, NETWORKS, POLICIES
from webhook.trees.documents import Document

from .judgedobjects import Judge, document_of

POOLS = next((resource, kind) for resource, kind in CLAIM_KINDS if kind == "IPPool")

CLUSTER_WIDE = frozenset({one.plural for one in (NAMESPACES, NETWORKS, POLICIES, CONFIGS, CLASSES, POOLS[0])})
"""Kinds that are read for all namespaces, even if one is asked about: its pods name them, or they decide about pods."""

MULTI_POLICIES = Resource(
    "multi-networkpolicies", NETWORKS.group, "v1beta2", "multi-networkpolicies", is_optional=True, older=("v1beta1",)
)
NOT_JUDGED = frozenset({"IPPool", MULTI_POLICY_KIND})

SERVICE = Resource("services", "", "v1", "services", is_single=True)

_OBJECT: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


JudgeOf = Callable[[Sequence[Document], Mapping[str, str]], Judge | None]
"""(all objects but pods, missing rights by kind) -> what judges pods; None if too much is missing for that."""


class Read:
    """Takes what is read, first everything but pods.

    `counts`: the number of objects, `unread`: the missing rights, both by kind. `judge`: once pods are read.
    """

    def __init__(self, stock: Stock, judge_of: JudgeOf) -> None:
        self.stock = stock
        self.counts: dict[str, int] = {}
        self.unread: dict[str, str] = {}
        self.judge: Judge | None = None
        self._judge_of = judge_of
        self._context: list[Document] = []

    def add(self, one: dict[str, Any]) -> None:
        """Take an object, of which there may be a newer one."""
        self.stock.add(one)

    def add_first(self, one: dict[str, Any]) -> None:
        """Take an object that was not taken before."""
        kind = one["kind"]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == POD.kind:
            if self.judge is not None and not one["metadata"].get("deletionTimestamp"):
                self.judge.take_pod(one)
        elif kind not in NOT_JUDGED and is_wanted(one):
            self._context.append(document_of(one))

    def begin_pods(self) -> None:
        """Judge what was taken; pods follow."""
        self.judge = self._judge_of(self._context, self.unread)

    def has_lost(self, kind: str, right: str) -> None:
        """Note that not all objects of a kind could be read."""
        self.unread[kind] = right
        self.stock.unread.add(kind)


def read_files(objects: Iterable[dict[str, Any]], read: Read) -> None:
    """Take copies of objects. A pod that has ended does not count."""
    every = list(objects)
    pods = [one for one in every if one["kind"] == POD.kind and part(one, "status").get("phase") not in ENDED]
    for one in every:
        if one["kind"] != POD.kind:
            read.add(one)
            read.add_first(one)
    read.begin_pods()
    for one in pods:
        read.add(one)
        read.add_first(_without_status(one))
    for kind in (POD.kind, "NetworkAttachmentDefinition", "Namespace"):
        if kind not in read.counts:
            read.stock.unread.add(kind)


def _without_status(one: dict[str, Any]) -> dict[str, Any]:
    """Return a pod without network-status, if a node has taken it. A copy need not have the uid."""
    metadata = one["metadata"]
    if not part(one, "spec").get("nodeName") or not metadata.get("annotations"):
        return one
    return {**one, "metadata": {**metadata, "annotations": without_status(metadata["annotations"])}}


def read_cluster(kubeconfig: Path | None, read: Read, tell: Callable[[str], None]) -> None:
    """Read everything. Raises ClusterError, and ForbiddenError for pods."""
    connection = Connection(kubeconfig, environ=os.environ)
    connection.open()
    reader = _Reader(connection, read, tell)
    try:
        reader.try_pods()
        reader.add_all(*POOLS)
        for resource, kind in KINDS:
            if kind != POD:
                reader.add_all(resource, kind.kind)
        reader.add_all(MULTI_POLICIES, MULTI_POLICY_KIND)
        reader.add_dns()
        read.begin_pods()
        reader.add_all(RUNNING_PODS, POD.kind)
        if "IPPool" not in read.unread:
            reader.add_all(*POOLS)
    finally:
        connection.close()


class _Reader:
    def __init__(self, connection: Connection, read: Read, tell: Callable[[str], None]) -> None:
        self.connection = connection
        self.read = read
        self.tell = tell

    def try_pods(self) -> None:
        """Read one pod, so that a missing right is known before everything else is read."""
        namespace = self.read.stock.namespace
        next(pages(self.connection, _placed(RUNNING_PODS, namespace), namespace=namespace, query={"limit": "1"}), None)

    def add_all(self, resource: Resource, kind: str) -> None:
        """Add the objects of a kind, of all namespaces or of one."""
        namespace = "" if resource.plural in CLUSTER_WIDE else self.read.stock.namespace
        seen: set[tuple[str, str]] = set()

        def take(one: dict[str, Any]) -> None:
            """NB: a list that expires begins anew, and brings objects again."""
            key = (one["metadata"].get("namespace", ""), one["metadata"]["name"])
            self.read.add(one)
            if key not in seen:
                seen.add(key)
                self.read.add_first(one)

        try:
            read_kind(self.connection, _placed(resource, namespace), kind, take, self.tell, namespace)
        except ForbiddenError as error:
            if kind == POD.kind:
                raise
            self.read.has_lost(kind, str(error))

    def add_dns(self) -> None:
        """Add the Service of the cluster's DNS; a cluster may have none."""
        for namespace, name in DNS_SERVICES:
            path = ObjectPath(SERVICE, namespace, name)
            try:
                content = self.connection.get(path, timeout_s=PAGE_TIMEOUT_S)
            except NotFoundError:
                continue
            except ForbiddenError as error:
                self.read.has_lost("Service", str(error))
                return
            stored: dict[str, Any] = decode(_OBJECT, content, path.described)
            self.read.stock.add({**stored, "apiVersion": "v1", "kind": "Service"})
            return


def _placed(resource: Resource, namespace: str) -> Resource:
    """Return a resource of one namespace, for which a Role suffices, or of all."""
    return resource._replace(is_single=bool(namespace))
