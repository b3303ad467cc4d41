"""Reads the objects of the topology from the API server: pods, definitions, workloads, pools of whereabouts.

Pods are taken one by one and reduced at once. They must be readable; for everything else a missing right becomes a
sentence in `unread`. Pods have the annotation of their ReplicaSet or Job, so these are not listed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from webhook.commands.check.clusterobjects import ROUNDS_MAX, pages
from webhook.kube.apierrors import ForbiddenError, GoneError, NotFoundError
from webhook.kube.connection import Connection
from webhook.kube.resources import Resource
from webhook.report.topology.graph import POOL_GROUP, Graph
from webhook.snapshot.source import CLAIMS, NETWORKS, PODS

TELL_EACH = 10_000


def _optional(group: str, version: str, plural: str) -> Resource:
    return Resource(plural, group, version, plural, is_optional=True)


RUNNING_PODS = PODS._replace(is_metadata_only=False, otherwise="")
Kinds = tuple[tuple[Resource, str], ...]
Take = Callable[[dict[str, Any]], None]
"""Takes an object, with apiVersion and kind. One may come again."""

NETWORK_KINDS: Kinds = ((NETWORKS, "NetworkAttachmentDefinition"), (CLAIMS, "ResourceClaim"))
CLAIM_KINDS: Kinds = (
    (_optional("apps", "v1", "deployments"), "Deployment"),
    (_optional("apps", "v1", "statefulsets"), "StatefulSet"),
    (_optional("apps", "v1", "daemonsets"), "DaemonSet"),
    (_optional("batch", "v1", "cronjobs"), "CronJob"),
    (_optional(POOL_GROUP, "v1alpha1", "ippools"), "IPPool"),
)


class Missing(NamedTuple):
    """`rights`: kind -> the right that is missing. `own`: kinds of which those of the one namespace were read."""

    rights: dict[str, str]
    own: set[str]


def read(
    kubeconfig: Path | None, graph: Graph, tell: Callable[[str], None], *, kinds: Kinds, namespace: str
) -> Missing:
    """Add objects to a graph, pods of one namespace or of all (""); return what was not read.

    Other objects are read of all namespaces; if that is not allowed, of the one namespace. Raises ClusterError, and
    ForbiddenError for pods.
    """
    connection = Connection(kubeconfig, environ=os.environ)
    connection.open()
    missing = Missing({}, set())
    try:
        read_kind(connection, RUNNING_PODS._replace(is_single=bool(namespace)), "Pod", graph.add, tell, namespace)
        for resource, kind in kinds:
            try:
                read_kind(connection, resource, kind, graph.add, tell)
            except ForbiddenError as error:
                missing.rights[kind] = str(error)
                if namespace:
                    with suppress(ForbiddenError):  # the first sentence names the right
                        read_kind(connection, resource._replace(is_single=True), kind, graph.add, tell, namespace)
                        missing.own.add(kind)
    finally:
        connection.close()
    return missing


def read_kind(
    connection: Connection,
    resource: Resource,
    kind: str,
    take: Take,
    tell: Callable[[str], None],
    namespace: str = "",
    *,
    begin_again: Callable[[], None] | None = None,
) -> None:
    """Take the objects of a kind; a kind that is not installed has none. Raises ClusterError.

    A list that expires begins anew: `begin_again` is called, and objects come again.
    """
    for _ in range(len(resource.older) + 1):
        try:
            _read_pages(connection, resource, kind, take, tell, namespace, begin_again)
        except NotFoundError:
            resource = resource.in_next_version()
        else:
            return
    tell(f"{resource.kind}: not installed")


def _read_pages(
    connection: Connection,
    resource: Resource,
    kind: str,
    take: Take,
    tell: Callable[[str], None],
    namespace: str,
    begin_again: Callable[[], None] | None,
) -> None:
    version = f"{resource.group}/{resource.version}" if resource.group else resource.version
    for _ in range(ROUNDS_MAX):
        count = 0
        try:
            for count, item in enumerate(pages(connection, resource, namespace=namespace), 1):
                take({**item, "apiVersion": version, "kind": kind})
                if count % TELL_EACH == 0:
                    tell(f"{resource.kind}: {count} so far")
        except GoneError as error:
            gone = error
            if begin_again is not None:
                begin_again()
        else:
            tell(f"{resource.kind}: {count}")
            return
    raise gone
