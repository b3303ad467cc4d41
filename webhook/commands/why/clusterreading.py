"""Reads from the API server what a diagnosis needs: the object, its owners and pods, their events, what judges them.

Only the object itself must be readable. For everything else a missing right becomes a sentence in `unread`, because the
events of a pod often suffice. A kind that is not installed has no objects.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from webhook.commands.check.clusterobjects import CONTEXT, PAGE_TIMEOUT_S, pages
from webhook.kube.apierrors import ForbiddenError, NotFoundError
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath, Resource
from webhook.kube.responses import decode
from webhook.report.diagnosis.objectset import items, part, text
from webhook.snapshot.source import PODS

from .targets import KINDS, NETWORK_KIND, Target

RESOURCES = {kind: Resource(plural, group, "v1", plural, is_optional=True) for kind, (group, plural) in KINDS.items()}
EVENTS = Resource("events", "", "v1", "events", is_single=True)
OWNERS_MAX = 8
CHILDREN = {"Deployment": ("ReplicaSet",), "CronJob": ("Job",), "VirtualMachine": ("VirtualMachineInstance",)}
"""Kinds that make no pods themselves, with those that do."""

_OBJECT: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])

DEVICE_KINDS = frozenset({"ResourceClaim", "ResourceClaimTemplate", "DeviceClass"})
"""Kinds that matter only to a pod with ResourceClaims."""

Tell = Callable[[str], None]


class Read:
    """The objects that were read, with kind and apiVersion; `unread`: kind -> the right that is missing."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.unread: dict[str, str] = {}

    def add(self, one: dict[str, Any]) -> None:
        """Take an object; one that was read before stays."""
        key = (text(one, "kind"), text(one, "metadata", "namespace"), text(one, "metadata", "name"))
        self.objects.setdefault(key, one)


def read(kubeconfig: Path | None, target: Target, tell: Tell) -> Read:
    """Read all that a diagnosis needs. Raises ClusterError, NotFoundError and ForbiddenError for the object itself."""
    connection = Connection(kubeconfig, environ=os.environ)
    connection.open()
    try:
        return read_through(connection, target, tell, has_context=True)
    finally:
        connection.close()


def read_through(connection: Connection, target: Target, tell: Tell, *, has_context: bool) -> Read:
    """Read the same through an open connection.

    `has_context`: whether to list what decisions read, which a program that watches has; that about ResourceClaims is
    listed for a pod with claims.
    """
    reader = _Reader(connection, tell)
    reader.read(target, has_context=has_context)
    return reader.found


class _Reader:
    def __init__(self, connection: Connection, tell: Tell) -> None:
        self.connection = connection
        self.tell = tell
        self.found = Read()

    def read(self, target: Target, *, has_context: bool) -> None:
        if target.kind != NETWORK_KIND:
            self._add_object(target.kind, target.namespace, target.name)
        if has_context or self.has_claims:
            self._add_context()
        if target.kind == NETWORK_KIND:
            self._list("Pod", "")
            self._events("", {"fieldSelector": "type=Warning"})
        elif target.kind == "Pod":
            self._add_owners(("Pod", target.namespace, target.name))
            self._events(target.namespace, {"fieldSelector": f"involvedObject.name={target.name}"})
        else:
            for kind in (*CHILDREN.get(target.kind, ()), "Pod"):
                self._list(kind, target.namespace)
            self._events(target.namespace, {})

    def _add_object(self, kind: str, namespace: str, name: str) -> None:
        resource = RESOURCES[kind]
        path = ObjectPath(resource._replace(is_single=True), namespace, name)
        content = self.connection.get(path, timeout_s=PAGE_TIMEOUT_S)
        stored: dict[str, Any] = decode(_OBJECT, content, path.described)
        self.found.add({**_head(kind, resource), **stored})

    def _add_owners(self, key: tuple[str, str, str]) -> None:
        """Read the controller of an object, and the controller of that one."""
        for _ in range(OWNERS_MAX):
            owner = next((one for one in items(self.found.objects.get(key), "metadata", "ownerReferences")), None)
            kind = text(owner, "kind")
            if owner is None or kind not in RESOURCES:
                return
            key = (kind, key[1], text(owner, "name"))
            try:
                self._add_object(*key)
            except ForbiddenError as error:
                self.found.unread[kind] = str(error)
                return
            except NotFoundError:
                return

    def _list(self, kind: str, namespace: str) -> None:
        resource = RESOURCES[kind]._replace(is_single=bool(namespace))
        if kind == "Pod":
            resource = resource._replace(field_selector=PODS.field_selector)
        self._add_all(kind, resource, namespace)

    def _events(self, namespace: str, query: Mapping[str, str]) -> None:
        self._add_all("Event", EVENTS._replace(is_single=bool(namespace)), namespace, query)

    def _add_all(self, kind: str, resource: Resource, namespace: str, query: Mapping[str, str] | None = None) -> None:
        count = 0
        for _ in range(len(resource.older) + 1):
            try:
                for item in pages(self.connection, resource, namespace=namespace, query=query):
                    count += 1
                    whole = {**_head(kind, resource), **item}
                    self.found.events.append(whole) if kind == "Event" else self.found.add(whole)
            except ForbiddenError as error:
                self.found.unread[kind] = str(error)
                return
            except NotFoundError:
                resource = resource.in_next_version()
                continue
            self.tell(f"{resource.kind}: {count}")
            return

    @property
    def has_claims(self) -> bool:
        return any(map(_has_claims, self.found.objects.values()))

    def _add_context(self) -> None:
        for resource, kind in CONTEXT:
            if kind.kind != "Pod" and (self.has_claims or kind.kind not in DEVICE_KINDS):
                self._add_all(kind.kind, resource, "")


def _has_claims(one: Mapping[str, Any]) -> bool:
    """Say whether a pod, or the pod of a template, names ResourceClaims."""
    specs = (part(one, "spec"), part(one, "spec", "template", "spec"))
    jobs = part(one, "spec", "jobTemplate", "spec", "template", "spec")
    return any(spec.get("resourceClaims") for spec in (*specs, jobs))


def _head(kind: str, resource: Resource) -> dict[str, str]:
    version = f"{resource.group}/{resource.version}" if resource.group else resource.version
    return {"apiVersion": version, "kind": kind}
