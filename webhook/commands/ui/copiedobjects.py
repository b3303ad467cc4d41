"""Copies of objects in files and trees, in place of a cluster. They are read once."""

from __future__ import annotations

from collections.abc import Sequence

from webhook.commands import objectfiles
from webhook.commands.scanning.scanreading import Read, read_files
from webhook.report.diagnosis.objectset import Json, text
from webhook.report.topology.graph import Graph
from webhook.trees import builder
from webhook.trees.documents import Document
from webhook.trees.problems import Problem

from .clusterview import Moment, PodObjects

NO_PODS = "the files have no pod; add pods to kubectl get"
NO_POLICIES = "the files have no access policy, so verdicts are those of the posture alone"


class CopiedObjects:
    """Implements `clusterview.Origin`. `problems`: what is wrong with the files as a whole, such as duplicates."""

    def __init__(self, documents: Sequence[Document], *, title: str, namespace: str, network_namespace: str) -> None:
        self.title = title
        self.is_live = False
        self.version = 1
        self.state = "1"
        self.namespace = ""  # of a copy, everything is there to be judged
        self.problems: list[Problem] = []
        kept = [one for one in documents if one.kind != "Pod" or not namespace or one.namespace == namespace]
        self._objects: list[Json] = [objectfiles.placed(document) for document in kept]
        graph = Graph(network_namespace)
        for one in self._objects:
            graph.add(one)
        judged = (document for document in documents if document.kind != "Event")
        snapshot = builder.build(judged, self.problems, warnings=self.problems, network_namespace=network_namespace)
        self._moment = Moment(
            snapshot,
            graph.finish(),
            {
                (text(one, "metadata", "namespace"), text(one, "metadata", "name")): one
                for one in self._objects
                if one.get("kind") == "NetworkAttachmentDefinition"
            },
            {},
            tuple(_notes(documents, namespace, has_policies=bool(snapshot.policies.policies))),
        )

    def moment(self) -> Moment:
        """Return what the files have."""
        return self._moment

    def read_everything(self, read: Read) -> None:
        """Take all objects."""
        read_files((dict(one) for one in self._objects), read)

    def read_pod(self, namespace: str, name: str) -> PodObjects | None:
        """Return all objects, None if there is no such pod."""
        asked = ("Pod", namespace, name)
        if not any(
            (one.get("kind"), text(one, "metadata", "namespace"), text(one, "metadata", "name")) == asked
            for one in self._objects
        ):
            return None
        return PodObjects(self._objects, {})


def _notes(documents: Sequence[Document], namespace: str, *, has_policies: bool) -> list[str]:
    kinds = {document.kind for document in documents}
    notes = [f"only pods of namespace {namespace} are read"] if namespace else []
    if "Pod" not in kinds:
        notes.append(NO_PODS)
    if not has_policies and "NetworkAttachmentPolicyConfig" not in kinds:
        notes.append(NO_POLICIES)
    return notes
