"""Documents of files to one snapshot of a cluster, and the problems of all of them together: duplicates, policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from cniplugin.access.compile import NO_POLICIES, Policies, read_policies
from cniplugin.access.model.decision import NAME_LABEL
from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from cniplugin.netspec.netattachdef import GROUP, KIND
from webhook.admission.dra.claims import CLAIM, CLASS, NO_DEVICES, TEMPLATE, ClaimSpec, DeviceClass, Devices, DeviceSpec
from webhook.admission.dra.claims import GROUP as DEVICE_GROUP
from webhook.admission.dra.claims import KINDS as DEVICE_KINDS
from webhook.admission.model.injection import DEFAULT_NETWORKS
from webhook.admission.model.kinds import NETWORK_NAMESPACE
from webhook.admission.model.podspec import is_host_network
from webhook.admission.wording import policytext
from webhook.snapshot.devicespecs import UNREADABLE, read_spec
from webhook.snapshot.pods import ENDED, Pods
from webhook.snapshot.snapshot import NOT_TEXT, Definition, Snapshot, Texts, find_network, kept_texts

from .documents import Document
from .problems import Problem


class _Builder:
    """Collects objects into a snapshot, one by one, so that the text of a file need not stay in memory."""

    def __init__(self, network_namespace: str) -> None:
        self._pods = Pods(network_namespace)
        self._terminating: set[str] = set()
        self._definitions: dict[str, dict[str, Definition]] = {}
        self._namespace_labels: dict[str, Mapping[str, str]] = {}
        self._default_networks: dict[str, str] = {}
        self._places: dict[tuple[str, ...], str] = {}
        self._texts: dict[Texts, Texts] = {}
        self._policies: list[Document] = []
        self._devices: dict[str, dict[tuple[str, str], DeviceSpec]] = {kind: {} for kind in DEVICE_KINDS}

    def add(self, document: Document, problems: list[Problem]) -> None:
        """Take an object. Kinds that no decision needs may occur twice, as those that kustomize patches do."""
        key = identity(document)
        if key is None or self._is_duplicate(key, document, problems):
            return
        if (document.group, document.kind) == (GROUP, KIND):
            definition = self._define(document)
            self._definitions.setdefault(definition.namespace, {})[definition.name] = definition
        elif (document.group, document.kind) == ("", "Namespace"):
            metadata = document.object["metadata"]
            self._namespace_labels[document.name] = {**(metadata.get("labels") or {}), NAME_LABEL: document.name}
            if DEFAULT_NETWORKS in (metadata.get("annotations") or {}):
                self._default_networks[document.name] = metadata["annotations"][DEFAULT_NETWORKS]
            if metadata.get("deletionTimestamp") is not None:
                self._terminating.add(document.name)
        elif document.group == ACCESS_GROUP:
            self._policies.append(document)
        elif (document.group, document.kind) == ("", "Pod"):
            self._add_pod(document)
        elif document.group == DEVICE_GROUP:
            self._add_device(document)

    def finish(self, warnings: list[Problem] | None = None) -> Snapshot:
        """Return the snapshot of all objects; add the problems of policies to `warnings`."""
        objects = [document.object for document in self._policies]
        policies = read_policies(objects) if objects else NO_POLICIES
        if warnings is not None:
            warnings += self._unreadable(policies)
        return Snapshot(
            self._definitions,
            self._namespace_labels,
            policies,
            pods=self._pods.copy(),
            terminating=frozenset(self._terminating),
            default_networks=self._default_networks,
            devices=_devices_of(self._devices),
        )

    def _add_device(self, document: Document) -> None:
        """Add a claim, a template or a class. NB: one that cannot be read is reported when it is judged."""
        namespace = "" if document.kind == CLASS else document.namespace
        with suppress(*UNREADABLE):
            spec = read_spec(document.kind, msgspec.json.encode(document.object.get("spec")))
            self._devices[document.kind][namespace, document.name] = spec

    def _add_pod(self, document: Document) -> None:
        status = document.object.get("status")
        phase = status.get("phase") if isinstance(status, dict) else None
        spec = document.object.get("spec")
        if phase in ENDED or (isinstance(spec, dict) and is_host_network({"spec": spec})):
            return
        annotations = document.object["metadata"].get("annotations") or {}
        networks = self._pods.read(annotations, document.namespace, is_running=phase == "Running")
        if networks is not None:
            self._pods.put((document.namespace, document.name), networks)

    def _unreadable(self, policies: Policies) -> Iterator[Problem]:
        documents = {(document.kind, document.name): document for document in self._policies}
        for one in policytext.find_unreadable(policies):
            document = documents[one.kind, one.name]
            yield Problem(document.locate(one.error.path), one.error.rule, str(one))

    def _is_duplicate(self, key: Identity, document: Document, problems: list[Problem]) -> bool:
        namespace = key[2]
        if key not in self._places:
            self._places[key] = document.place
            return False
        what = f"{document.kind} {namespace}/{document.name}" if namespace else f"{document.kind} {document.name}"
        text = f"a second {what}: the first is at {self._places[key]}; remove one of them"
        problems.append(Problem(document.locate("metadata.name"), "duplicate-object", text))
        return True

    def _define(self, document: Document) -> Definition:
        metadata: dict[str, Any] = document.object["metadata"]
        spec = document.object.get("spec")
        config = spec.get("config") if isinstance(spec, dict) else None
        text = config if isinstance(config, str | None) else NOT_TEXT
        kind, network = find_network(text, document.name)
        return Definition(
            namespace=document.namespace,
            name=document.name,
            config=text,
            labels=self._share(metadata.get("labels")),
            annotations=self._share(metadata.get("annotations")),
            kind=kind,
            network=network,
        )

    def _share(self, texts: Mapping[str, str] | None) -> Texts:
        """Return a map as a tuple. Equal maps share a tuple, because thousands of objects have the same labels."""
        pairs = kept_texts(texts)
        return self._texts.setdefault(pairs, pairs)


Identity = tuple[str, str, str, str]
"""Group, kind, namespace and name of an object; the namespace is "" for kinds of the whole cluster."""


def identity(document: Document) -> Identity | None:
    """Return what no two objects of a cluster share; None for kinds that no decision needs, which may occur twice."""
    if not document.name or not _is_needed(document):
        return None
    is_global = document.kind in {"Namespace", CLASS} or document.group == ACCESS_GROUP
    return document.group, document.kind, "" if is_global else document.namespace, document.name


def _is_needed(document: Document) -> bool:
    kind = (document.group, document.kind)
    if document.group == DEVICE_GROUP:
        return document.kind in DEVICE_KINDS
    return kind in {(GROUP, KIND), ("", "Namespace"), ("", "Pod")} or document.group == ACCESS_GROUP


def _devices_of(by_kind: Mapping[str, Mapping[tuple[str, str], DeviceSpec]]) -> Devices:
    if not any(by_kind.values()):
        return NO_DEVICES
    claims: dict[str, dict[str, dict[str, ClaimSpec]]] = {kind: {} for kind in DEVICE_KINDS}
    classes: dict[str, DeviceClass] = {}
    for kind, specs in by_kind.items():
        for (namespace, name), spec in specs.items():
            if isinstance(spec, DeviceClass):
                classes[name] = spec
            else:
                claims[kind].setdefault(namespace, {})[name] = spec
    return Devices(claims[CLAIM], claims[TEMPLATE], classes)


def build(
    documents: Iterable[Document],
    problems: list[Problem],
    *,
    warnings: list[Problem] | None = None,
    network_namespace: str = NETWORK_NAMESPACE,
) -> Snapshot:
    """Return the snapshot of documents. A second object of a kind, namespace and name is one of the `problems`.

    `warnings` get the parts of policies that cannot be read; the other parts count. `network_namespace`: where a bare
    name of a pod's default network is looked up.
    """
    builder = _Builder(network_namespace)
    for document in documents:
        builder.add(document, problems)
    return builder.finish(warnings)
