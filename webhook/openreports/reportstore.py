"""The requests about reports: which API group the API server has, lists of our reports, and their changes.

A change names the uid and the resourceVersion of the report from which it was computed. So it ends in 409 if another
client has changed the report meanwhile, or if another replica was faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from webhook.kube.apierrors import ClusterError, NotFoundError
from webhook.kube.connection import MERGE_PATCH, Connection
from webhook.kube.resources import ObjectPath, Resource
from webhook.kube.responses import decode

from .reportform import APIS, MANAGED_BY, SOURCE, Object, ReportApi, ReportKind, is_own
from .reportplan import Amend, Change, Create

PAGE_SIZE = 500
TIMEOUT_S = 30.0
"""Of one request, from its beginning to its whole answer."""


class NoReportsError(ClusterError):
    """The API server has no kind of reports."""


class ReportStore:
    """Asks the API server. Every method raises ClusterError, and StatusError for a refusal."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def served(self) -> tuple[ReportApi, ...]:
        """Return the API groups of which both kinds are installed, the one to use first.

        Raises NoReportsError if there is none.
        """
        found = tuple(api for api in APIS if self._plurals(api) >= {kind.plural for kind in api.kinds})
        if not found:
            wanted = " nor ".join(api.api_version for api in APIS)
            raise NoReportsError(
                f"no report can be written: {self._connection.server} serves neither {wanted}; install the "
                f"CustomResourceDefinitions of {APIS[0].group}, as docs/reports.md says"
            )
        return found

    def list(self, api: ReportApi) -> Iterator[dict[str, Any]]:
        """Yield our reports, page by page; none of a kind that is not installed."""
        for kind in api.kinds:
            try:
                yield from self._list(api, kind)
            except NotFoundError:
                continue

    def write(self, api: ReportApi, change: Change) -> None:
        """Make a change."""
        if isinstance(change, Create):
            metadata = change.report["metadata"]
            path = _path(api, metadata.get("namespace", ""))
            self._connection.write("create", path, change.report, timeout_s=TIMEOUT_S)
            return
        metadata = change.stored["metadata"]
        path = _path(api, metadata.get("namespace", ""), metadata["name"])
        if isinstance(change, Amend):
            self._connection.write("patch", path, change.patch, content_type=MERGE_PATCH, timeout_s=TIMEOUT_S)
        else:
            self._connection.write("delete", path, _delete_options(metadata), timeout_s=TIMEOUT_S)

    def _plurals(self, api: ReportApi) -> frozenset[str]:
        """Return the resources that the API server has in a group and version, none if it has no such group."""
        try:
            answer = self._connection.read_url(f"/apis/{api.api_version}", timeout_s=TIMEOUT_S)
        except NotFoundError:
            return frozenset()
        found = decode(_RESOURCES, answer.content, f"/apis/{api.api_version}")
        return frozenset(resource.name for resource in found.resources)

    def _list(self, api: ReportApi, kind: ReportKind) -> Iterator[dict[str, Any]]:
        path = ObjectPath(_resource(api, kind))
        query = {"labelSelector": f"{MANAGED_BY}={SOURCE}"}
        for raw in self._connection.list_all(path, page_size=PAGE_SIZE, timeout_s=TIMEOUT_S, query=query):
            report = decode(_REPORT, raw, f"{path.title}: list")
            metadata = report["metadata"]
            if is_own(metadata.get("labels") or {}, metadata["name"]):
                yield report


def _resource(api: ReportApi, kind: ReportKind) -> Resource:
    return Resource(kind.plural, api.group, api.version, kind.plural)


def _path(api: ReportApi, namespace: str, name: str = "") -> ObjectPath:
    return ObjectPath(_resource(api, api.kind_for(namespace)), namespace, name)


def _delete_options(metadata: Object) -> dict[str, Any]:
    preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    return {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}


class _ApiResource(msgspec.Struct, gc=False):
    name: str


class _ApiResources(msgspec.Struct, gc=False):
    resources: list[_ApiResource] = []


_RESOURCES = msgspec.json.Decoder(_ApiResources)
_REPORT: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
