"""The Lease in the cluster. A merge patch with the resourceVersion leaves the labels of its manifest alone."""

from __future__ import annotations

from typing import Any

import msgspec

from webhook.kube.apierrors import AbsentError, ClusterError
from webhook.kube.connection import JSON, MERGE_PATCH
from webhook.kube.lease import LeaseObject
from webhook.policystatus.api import Api


class _LeaseMetadata(msgspec.Struct, rename="camel", gc=False):
    resource_version: str = ""


class _Lease(msgspec.Struct, gc=False):
    metadata: _LeaseMetadata
    spec: dict[str, Any] | None = None


_lease = msgspec.json.Decoder(_Lease)


class ApiLease:
    """Implements `lease.LeaseStore`."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._metadata = {"namespace": namespace, "name": name}
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._named = f"{self._path}/{name}"
        self._what = f"leases.coordination.k8s.io {namespace}/{name}"

    def read(self) -> LeaseObject | None:
        """Return it, None if there is none."""
        try:
            return self._ask("GET", self._named, None, verb="get")
        except AbsentError:
            return None

    def create(self, spec: dict[str, Any]) -> LeaseObject:
        """Make it. Raises ConflictError if there is one."""
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": self._metadata, "spec": spec}
        return self._ask("POST", self._path, body, verb="create")

    def replace(self, version: str, spec: dict[str, Any]) -> LeaseObject:
        """Change it. Raises ConflictError if it is not of this version any more."""
        body = {"metadata": {"resourceVersion": version}, "spec": spec}
        return self._ask("PATCH", self._named, body, verb="patch", content_type=MERGE_PATCH)

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, *, verb: str, content_type: str = JSON
    ) -> LeaseObject:
        reply = self._api.ask(method, path, body, what=f"{verb} {self._what}", content_type=content_type)
        try:
            found = _lease.decode(reply.data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ClusterError(f"{self._what}: not what an API server answers: {error}") from error
        return LeaseObject(found.metadata.resource_version, found.spec or {})
