"""The questions to the API server. Nothing is changed: what is created is a dry run, or a review that is not stored."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from webhook.kube.apierrors import ClusterError, NotFoundError
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath, Resource
from webhook.kube.responses import decode

Object = dict[str, Any]

PAGE_SIZE = 500
TIMEOUT_S = 10.0
"""Of one request, from its beginning to its whole answer."""
TIMEOUT_MIN_S = 0.5

CRDS = Resource("crds", "apiextensions.k8s.io", "v1", "customresourcedefinitions")
DEPLOYMENTS = Resource("deployments", "apps", "v1", "deployments")
DAEMON_SETS = Resource("daemonsets", "apps", "v1", "daemonsets")
PODS = Resource("pods", "", "v1", "pods")
NODES = Resource("nodes", "", "v1", "nodes")
SERVICES = Resource("services", "", "v1", "services")
ENDPOINT_SLICES = Resource("endpointslices", "discovery.k8s.io", "v1", "endpointslices")

_OBJECT = msgspec.json.Decoder(Object)
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')
"""The warn-code, the warn-agent and the warn-text of a header Warning (RFC 7234 §5.5)."""


class Asking:
    """Asks with one connection, each object once. Each question raises ClusterError.

    `within_s`: how long all questions together may take; None for no bound.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        within_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self._clock = clock
        self._deadline = None if within_s is None else clock() + within_s
        self._known: dict[ObjectPath, Object | None] = {}
        self._lists: dict[tuple[ObjectPath, str], list[Object]] = {}

    def get(self, path: ObjectPath) -> Object | None:
        """Return an object; None if there is none."""
        if path not in self._known:
            try:
                content = self.connection.get(path, timeout_s=self._timeout_s())
            except NotFoundError:
                self._known[path] = None
            else:
                self._known[path] = decode(_OBJECT, content, path.described)
        return self._known[path]

    def all_of(self, resource: Resource, namespace: str = "", *, labels: str = "") -> list[Object]:
        """Return the objects of a kind; `labels` is a selector. A kind that is not served has none."""
        path = ObjectPath(resource, namespace)
        if (path, labels) not in self._lists:
            try:
                self._lists[path, labels] = self._pages(path, {"labelSelector": labels} if labels else {})
            except NotFoundError:
                return []
        return self._lists[path, labels]

    def is_served(self, resource: Resource) -> bool:
        """Say whether the API server serves a kind. Needs the right to list it."""
        path = ObjectPath(resource)
        try:
            self.connection.get(path, timeout_s=self._timeout_s(), verb="list", query={"limit": "1"})
        except NotFoundError:
            return False
        return True

    def review(self, resource: Resource, spec: Object) -> Object:
        """Return the status of an access review, which the API server answers and does not store."""
        body = {"apiVersion": f"{resource.group}/{resource.version}", "kind": resource.kind, "spec": spec}
        path = ObjectPath(resource)
        content = self.connection.write("create", path, body, timeout_s=self._timeout_s())
        status: Object = decode(_OBJECT, content, path.described).get("status") or {}
        return status

    def dry_run(self, path: ObjectPath, body: Object) -> list[str]:
        """Have an object created without keeping it, and return the warnings of the answer."""
        answer = self.connection.write_answered(
            "create", path, body, query={"dryRun": "All"}, timeout_s=self._timeout_s()
        )
        return [_unquoted(text) for line in answer.headers.getlist("Warning") for text in _WARNING.findall(line)]

    def version(self) -> tuple[str, float | None]:
        """Return the version of the API server, and its clock, Unix seconds; None if the answer has no date."""
        answer = self.connection.read_url("/version", timeout_s=self._timeout_s())
        version = str(decode(_OBJECT, answer.content, "/version").get("gitVersion", ""))
        date = answer.headers.get("Date")
        try:
            return version, None if date is None else parsedate_to_datetime(date).timestamp()
        except ValueError:
            return version, None

    def _pages(self, path: ObjectPath, query: Mapping[str, str]) -> list[Object]:
        found: list[Object] = []
        token = ""
        while True:
            asked = {**query, "limit": str(PAGE_SIZE), **({"continue": token} if token else {})}
            content = self.connection.get(path, timeout_s=self._timeout_s(), verb="list", query=asked)
            page = decode(_OBJECT, content, path.described)
            found += page.get("items") or ()
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return found

    def _timeout_s(self) -> float:
        if self._deadline is None:
            return TIMEOUT_S
        left = self._deadline - self._clock()
        if left < TIMEOUT_MIN_S:
            raise ClusterError(f"{self.connection.server}: not asked, the time for all questions is over")
        return min(left, TIMEOUT_S)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
