"""The topology that the options of a command name: of a cluster, or of files."""

from __future__ import annotations

from typing import Any

from cniplugin.netspec import netattachdef
from webhook.commands import objectfiles
from webhook.commands.options import fail
from webhook.report.topology.graph import Graph, Topology


def read(options: dict[str, Any], *, has_claims: bool) -> tuple[Topology, dict[str, str], list[str]]:
    """Return the topology, the rights that are missing by kind, and what the answer does not know.

    `has_claims`: whether to list workloads and pools in a cluster as well.
    """
    graph = Graph(options["network_namespace"])
    namespace = options["namespace"] or ""
    notes = [f"only pods of namespace {namespace} were read"] if namespace else []
    if not objectfiles.is_copy(options):
        return *_read_cluster(options, graph, namespace, has_claims=has_claims), notes
    documents = objectfiles.read(options["files"], options["directory"])
    for document in documents:
        if document.kind != "Pod" or not namespace or document.namespace == namespace:
            graph.add(objectfiles.placed(document))
    if not any(document.kind == "Pod" for document in documents):
        notes.append("the files have no pod; add pods to kubectl get")
    return graph.finish(), {}, notes


def _read_cluster(
    options: dict[str, Any], graph: Graph, namespace: str, *, has_claims: bool
) -> tuple[Topology, dict[str, str]]:
    from webhook.kube.apierrors import ClusterError, ForbiddenError  # noqa: PLC0415 - files do not pay for the client

    from . import graphreading  # noqa: PLC0415 - as above

    try:
        kinds = graphreading.NETWORK_KINDS + (graphreading.CLAIM_KINDS if has_claims else ())
        missing = graphreading.read(options["kubeconfig"], graph, objectfiles.tell, kinds=kinds, namespace=namespace)
    except ForbiddenError as error:
        fail(str(error) if namespace else f"{error}, or read one namespace with -n")
    except ClusterError as error:
        fail(str(error))
    definitions_of: str | None = ""
    if netattachdef.KIND in missing.rights:
        definitions_of = namespace if netattachdef.KIND in missing.own else None
    return graph.finish(definitions_of), missing.rights
