"""The API server with kinds of reports, findings about objects of it, and passes over them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.apiserver import Answer, ApiServer, Request
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import Object, Place
from webhook.kube.connection import Connection
from webhook.openreports.passresult import PassResult
from webhook.openreports.reportform import OPEN_REPORTS, ReportApi, RuleName
from webhook.openreports.reportpass import ReportPass
from webhook.openreports.reportstore import ReportStore
from webhook.report.scan.finding import ERROR, Finding, ObjectName

NOW = 1_800_000_000


def name_rule(rule: str) -> RuleName:
    return RuleName(f"title of {rule}", "a category")


def pod(name: str = "web-0", namespace: str = "blue") -> ObjectName:
    return ObjectName("v1", "Pod", namespace, name, f"uid-of-{namespace}-{name}")


BLUE = ObjectName("v1", "Namespace", "", "blue", "uid-of-blue")


def finding(subject: ObjectName | None = None, message: str = "there is no network", level: str = ERROR) -> Finding:
    return Finding("network-not-found", level, subject or pod(), message, field="metadata.annotations", fix="add it")


class ReportServer(ApiServer):
    """Use as a context. It has the kinds of some API groups."""

    def __init__(self, *apis: ReportApi) -> None:
        super().__init__()
        self.instead = self._discovery
        self._served: dict[str, Object] = {}
        for api in apis:
            self.install(api)

    def install(self, api: ReportApi) -> None:
        """Serve both kinds of a group."""
        self._served[f"/apis/{api.api_version}"] = {"resources": [{"name": kind.plural} for kind in api.kinds]}
        self.serve(*(collection(api, kind.plural) for kind in api.kinds))

    def before(self, call: Callable[[Request], Answer | None]) -> None:
        """Call this before each answer; what it returns is the answer."""
        self.instead = lambda request: call(request) or self._discovery(request)

    def _discovery(self, request: Request) -> Answer | None:
        found = self._served.get(request.path)
        return None if found is None else Answer(200, json.dumps(found).encode())

    def create(self, place: Place, value: Object) -> Object:
        self._uids += 1
        return super().create(place, {**value, "metadata": {**value["metadata"], "uid": f"uid-of-{self._uids}"}})

    def reports(self, api: ReportApi = OPEN_REPORTS) -> dict[tuple[str, str], Object]:
        """Return all reports of a group, by namespace and name."""
        with self.changed:
            return {
                key: value for kind in api.kinds for key, value in self.objects[collection(api, kind.plural)].items()
            }

    def verbs(self) -> Counter[str]:
        """Return how many requests of each method have come since the last call, and forget them."""
        with self.changed:
            asked = Counter(request.method for request in self.requests)
            self.requests.clear()
        return asked


def collection(api: ReportApi, plural: str) -> str:
    return f"/apis/{api.api_version}/{plural}"


class Passes:
    """Makes passes at a server, as its own program each time."""

    def __init__(self, server: ReportServer, directory: Path) -> None:
        self._kubeconfig = write_kubeconfig(directory / "kubeconfig", server.url)
        self.now = NOW
        self.pauses: list[float] = []

    def run(self, *findings: Finding, unread_kinds: Sequence[str] = ()) -> PassResult:
        with self.store() as store:
            made = ReportPass(store, name_rule=name_rule, now=self.now, pause=self.pauses.append)
            return made.write(findings, unread_kinds=unread_kinds)

    @contextmanager
    def store(self) -> Iterator[ReportStore]:
        """Give the reports of the server."""
        connection = Connection(self._kubeconfig, environ={})
        try:
            yield ReportStore(connection)
        finally:
            connection.close()
