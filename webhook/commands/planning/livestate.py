"""The base of a plan: the objects of a cluster, or of copies in files, and the pods that run, each counted once.

Pods come last and are counted as they come, so that 100,000 of them fit into memory. The definitions and what decides
about them must be readable; of everything else a missing right becomes a sentence in `unread`, and the plan says less.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from cniplugin.netspec.annotation import texts_of
from cniplugin.netspec.selection import NETWORK_STATUS_KEYS
from webhook.admission.model.kinds import POD, VERDICT_KINDS, GroupKind
from webhook.admission.templates.workloadtable import Workloads
from webhook.commands.check.clusterobjects import KINDS, PLACE, Unplaced
from webhook.commands.who.graphreading import read_kind
from webhook.kube.apierrors import ClusterError, ForbiddenError, NotFoundError
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath, Resource
from webhook.kube.singleobjects import CONFIG_MAP_TIMEOUT_S, KubeConfigMap, get_object
from webhook.registration.configurations import DEFAULT_NAME, OBSERVE, registered_stage, webhooks_of
from webhook.report.changeplan.workloadpods import WorkloadPods, name_of
from webhook.report.diagnosis.objectset import part
from webhook.trees.documents import Document

from .plannedstate import State, key_of

CONFIG_KEY = "config.yaml"
REGISTERED = Resource(
    "validatingwebhookconfigurations", "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"
)

Tell = Callable[[str], None]
Name = tuple[str, str]
"""Namespace and name."""


class Base:
    """What was read. `kept`: pods of these names are kept whole, because the change has them as well.

    `settings`: the text of the NadmitConfiguration of the cluster, None without one.
    """

    def __init__(self, workloads: Workloads, kept: Collection[Name] = ()) -> None:
        self.state = State()
        self.unread: list[str] = []
        self.notes: list[str] = []
        self.settings: bytes | None = None
        self._pods = WorkloadPods(workloads)
        self._kept = set(kept)

    def keep(self, names: Iterable[Name]) -> None:
        """Keep these pods whole as well. NB: before they are added."""
        self._kept.update(names)

    def add(self, document: Document) -> None:
        """Take an object; pods after everything else."""
        if (document.group, document.kind) == POD:
            self._add_pod(document)
            return
        self.state.objects[key_of(document)] = document
        self._pods.add_workload(document.object, document.namespace)

    def add_all(self, documents: Iterable[Document]) -> None:
        """Take objects of files, in any order; of two of one name, the last one counts."""
        found = {key_of(one): one for one in documents}
        for is_pod in (False, True):
            for key, document in found.items():
                if ((key[0], key[1]) == POD) is is_pod:
                    self.add(document)

    def forget_pods(self) -> None:
        """Forget all pods, because their list begins anew."""
        self._pods.forget_pods()
        self.state.users.clear()

    def finish(self) -> None:
        """Count the pods."""
        self.state.made = self._pods.finish()

    def _add_pod(self, document: Document) -> None:
        one, namespace = document.object, document.namespace
        is_kept = (namespace, document.name) in self._kept
        if is_kept:
            self.state.objects[key_of(document)] = document
        self._pods.add_pod(one, namespace, is_single=is_kept)
        user = user_of(document)
        if user is not None:
            self.state.users[namespace, name_of(one)] = user


def user_of(pod: Document) -> Document | None:
    """Return what tells that a pod uses networks; None if it uses none."""
    annotations = part(pod.object, "metadata", "annotations")
    uses = any(texts_of({key: text for key, text in annotations.items() if isinstance(text, str)}))
    return _slim(pod) if uses else None


def _slim(document: Document) -> Document:
    """Return what tells that a pod uses networks."""
    one = document.object
    annotations = {
        key: "[]" if key in NETWORK_STATUS_KEYS else text
        for key, text in part(one, "metadata", "annotations").items()
        if key in NETWORK_STATUS_KEYS or "cncf" in key or "multus" in key
    }
    phase, is_host = part(one, "status").get("phase"), part(one, "spec").get("hostNetwork")
    kept = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": document.name, "namespace": document.namespace, "annotations": annotations},
        "spec": {"hostNetwork": True} if is_host is True else {},
        "status": {"phase": phase} if phase else {},
    }
    return Document(document.source, kept, 0, 0)


# The cluster


def read_cluster(kubeconfig: Path | None, base: Base, tell: Tell, *, config_map: Name | None) -> None:
    """Read the objects of a cluster. `config_map`: that of the NadmitConfiguration, None if it is not asked for.

    Raises ClusterError.
    """
    connection = Connection(kubeconfig, environ=os.environ)
    connection.open()
    try:
        missing = [error for resource, kind in KINDS if (error := _read_kind(connection, resource, kind, base, tell))]
        if config_map is not None:
            _read_settings(connection, base, config_map)
        _read_stage(connection, base)
    finally:
        connection.close()
    if missing:
        raise ClusterError("\nnadmit: ".join(missing))
    base.finish()


def _read_kind(connection: Connection, resource: Resource, kind: GroupKind, base: Base, tell: Tell) -> str:
    """Read the objects of a kind; return the right that is missing if no plan can be made without it."""

    def take(one: dict[str, Any]) -> None:
        metadata = {key: value for key, value in one["metadata"].items() if key != "managedFields"}
        base.add(Document(Unplaced(PLACE, ""), {**one, "metadata": metadata}, 0, 0))

    # NB: an object that comes again replaces itself; pods are counted.
    begin_again = base.forget_pods if kind == POD else None
    try:
        read_kind(connection, resource, kind.kind, take, tell, begin_again=begin_again)
    except ForbiddenError as error:
        if kind.kind in VERDICT_KINDS:
            return str(error)
        base.unread.append(str(error))
    return ""


def _read_settings(connection: Connection, base: Base, name: Name) -> None:
    config_map = KubeConfigMap(connection, *name)
    try:
        found = config_map.read()
    except ForbiddenError as error:
        base.unread.append(f"{error}; the defaults of the NadmitConfiguration count, or name a copy with --config")
        return
    if found is not None:
        base.settings = found.texts.get(CONFIG_KEY)


def _read_stage(connection: Connection, base: Base) -> None:
    """Note that nothing is refused yet. Without the right to see it, the plan is that of a webhook that refuses."""
    try:
        found = get_object(connection, ObjectPath(REGISTERED, "", DEFAULT_NAME), timeout_s=CONFIG_MAP_TIMEOUT_S)
    except (ForbiddenError, NotFoundError):
        return
    if registered_stage(webhooks_of(found)) == OBSERVE:
        base.notes.append(
            "the webhook is in stage Observe: it refuses nothing yet; the plan is that of stage Ignore or Fail"
        )
