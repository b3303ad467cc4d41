"""Reads a cluster for `nadmit scan`: what `nadmit check --cluster` judges, pools of whereabouts, the Service of DNS.

Each object goes to the stock, which reduces it at once, and to the documents that are judged, of which pods of one
controller that are alike are one. Pods must be readable; for everything else a missing right becomes a sentence.

Pools are read before and after the pods. A pod that comes or goes meanwhile is in one of both readings only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from webhook.admission.model.kinds import POD
from webhook.commands.check.clusterobjects import KINDS, PAGE_TIMEOUT_S, ClusterDocuments, slim
from webhook.commands.check.runningpods import without_status
from webhook.commands.who.graphreading import CLAIM_KINDS, RUNNING_PODS, Take, read_kind
from webhook.kube.apierrors import ForbiddenError, NotFoundError
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath, Resource
from webhook.kube.responses import decode
from webhook.report.diagnosis.objectset import part
from webhook.report.scan.stock import DNS_SERVICES, MULTI_POLICY_KIND, Stock
from webhook.snapshot.pods import ENDED
from webhook.snapshot.source import CLASSES, CONFIGS, NAMESPACES, NETWORKS, POLICIES

POOLS = next((resource, kind) for resource, kind in CLAIM_KINDS if kind == "IPPool")

CLUSTER_WIDE = frozenset({one.plural for one in (NAMESPACES, NETWORKS, POLICIES, CONFIGS, CLASSES, POOLS[0])})
"""Kinds that are read for all namespaces, even if one is asked about: its pods name them, or they decide about pods."""

MULTI_POLICIES = Resource(
    "multi-networkpolicies", NETWORKS.group, "v1beta2", "multi-networkpolicies", is_optional=True, older=("v1beta1",)
)
NOT_JUDGED = frozenset({"IPPool", MULTI_POLICY_KIND})

SERVICE = Resource("services", "", "v1", "services", is_single=True)

_OBJECT: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


class Read:
    """What is read: the stock, the documents to judge, the number of objects and the missing rights by kind."""

    def __init__(self, stock: Stock) -> None:
        self.stock = stock
        self.documents = ClusterDocuments()
        self.counts: dict[str, int] = {}
        self.unread: dict[str, str] = {}

    def add_object(self, one: dict[str, Any]) -> None:
        """Take an object of a file."""
        kind = one["kind"]
        if kind == POD.kind and part(one, "status").get("phase") in ENDED:
            return
        self.stock.add(one)
        if not _is_leaving(one):
            self.documents.add({**slim(_without_status(one)), "apiVersion": one["apiVersion"], "kind": kind})
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def has_lost(self, kind: str, right: str) -> None:
        """Note that not all objects of a kind could be read."""
        self.unread[kind] = right
        self.stock.unread.add(kind)


def read_cluster(kubeconfig: Path | None, read: Read, tell: Callable[[str], None]) -> None:
    """Read everything. Raises ClusterError, and ForbiddenError for pods."""
    connection = Connection(kubeconfig, environ=os.environ)
    connection.open()
    reader = _Reader(connection, read, tell)
    try:
        reader.add_all(*POOLS)
        reader.add_all(RUNNING_PODS, POD.kind)
        for resource, kind in KINDS:
            if kind != POD:
                reader.add_all(resource, kind.kind)
        if "IPPool" not in read.unread:
            reader.add_all(*POOLS)
        reader.add_all(MULTI_POLICIES, MULTI_POLICY_KIND)
        reader.add_dns()
    finally:
        connection.close()


def _is_leaving(one: dict[str, Any]) -> bool:
    """Say whether a pod is being deleted: whether it could be created again does not matter."""
    return one["kind"] == POD.kind and bool(one["metadata"].get("deletionTimestamp"))


def _without_status(one: dict[str, Any]) -> dict[str, Any]:
    """Return a pod of a file without network-status, if a node has taken it. A copy need not have the uid."""
    metadata = one["metadata"]
    if one["kind"] != POD.kind or not part(one, "spec").get("nodeName") or not metadata.get("annotations"):
        return one
    return {**one, "metadata": {**metadata, "annotations": without_status(metadata["annotations"])}}


class _Reader:
    def __init__(self, connection: Connection, read: Read, tell: Callable[[str], None]) -> None:
        self.connection = connection
        self.read = read
        self.tell = tell

    def add_all(self, resource: Resource, kind: str) -> None:
        """Add the objects of a kind, of all namespaces or of one."""
        namespace = "" if resource.plural in CLUSTER_WIDE else self.read.stock.namespace
        place = resource._replace(is_single=bool(namespace))
        counted: set[tuple[str, str]] = set()
        documents = ClusterDocuments()
        try:
            read_kind(self.connection, place, kind, self._taker(documents, counted), self.tell, namespace)
        except ForbiddenError as error:
            if kind == POD.kind:
                raise
            self.read.has_lost(kind, str(error))
            return
        self.read.counts[kind] = len(counted)
        self.read.documents.join(documents)

    def _taker(self, documents: ClusterDocuments, counted: set[tuple[str, str]]) -> Take:
        """Return what takes an object. NB: a list that begins anew brings objects again."""

        def take(one: dict[str, Any]) -> None:
            key = (one["metadata"].get("namespace", ""), one["metadata"]["name"])
            self.read.stock.add(one)
            if key not in counted and one["kind"] not in NOT_JUDGED and not _is_leaving(one):
                documents.add({**slim(one), "apiVersion": one["apiVersion"], "kind": one["kind"]})
            counted.add(key)

        return take

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
