"""The kinds of reports at a real API server, objects with findings, and the account of a program that reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.running.test_statuses import rbac
from tests.fakes.waiting import wait_until
from tests.paths import ROOT
from tests.realapi.server import RealApiServer
from webhook.kube.connection import Connection
from webhook.openreports.passresult import PassResult
from webhook.openreports.reportform import ReportApi, ReportKind, RuleName
from webhook.openreports.reportpass import ReportPass
from webhook.openreports.reportstore import ReportStore
from webhook.report.scan.finding import ERROR, Finding, ObjectName

Object = dict[str, Any]

KINDS = ROOT / "tests" / "cluster" / "rig" / "reportkinds"
NAMESPACE, ACCOUNT = "reports-test", "nadmit"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
VERBS = ("list", "create", "patch", "delete")
NOW = 1_800_000_000


def path_of(api: ReportApi, kind: ReportKind, namespace: str = "") -> str:
    where = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{api.api_version}{where}/{kind.plural}"


def read_kinds(api: ReportApi) -> list[Object]:
    """Return the CustomResourceDefinitions of a group."""
    return [yaml.safe_load((KINDS / f"{api.group}_{kind.plural}.yaml").read_text()) for kind in api.kinds]


def _is_served(server: RealApiServer, api: ReportApi) -> bool:
    names = {one["name"] for one in server.ask("GET", f"/apis/{api.api_version}").value.get("resources", ())}
    return all(kind.plural in names and server.ask("GET", path_of(api, kind)).status == 200 for kind in api.kinds)


def _is_gone(server: RealApiServer, api: ReportApi) -> bool:
    return server.ask("GET", f"/apis/{api.api_version}").status == 404


@contextmanager
def installed(server: RealApiServer, *apis: ReportApi) -> Iterator[None]:
    """Install the kinds of some groups until they are served; remove them and their reports in the end."""
    for api in apis:
        for kind in read_kinds(api):
            server.put(kind)
    for api in apis:
        wait_until(partial(_is_served, server, api))
    try:
        yield
    finally:
        for api in apis:
            for kind in read_kinds(api):
                name = kind["metadata"]["name"]
                server.ask("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
            wait_until(partial(_is_gone, server, api))


def grant(server: RealApiServer, api: ReportApi, *verbs: str) -> None:
    """Let the account do some verbs, and no others, with all reports of a group."""
    server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    account = {"name": ACCOUNT, "namespace": NAMESPACE}
    server.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    rules = [{"apiGroups": [api.group], "resources": [kind.plural for kind in api.kinds], "verbs": list(verbs)}]
    name = f"reports-test-{api.group}"
    server.put(rbac("ClusterRole", name, rules=rules))
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    server.put(rbac("ClusterRoleBinding", name, roleRef=reference, subjects=[{"kind": "ServiceAccount", **account}]))


class Subjects:
    """Objects of a cluster that findings are about."""

    def __init__(self, server: RealApiServer) -> None:
        self._server = server

    def put(self, value: Object) -> ObjectName:
        made = self._server.put(value)
        metadata = made["metadata"]
        return ObjectName(
            value["apiVersion"], value["kind"], metadata.get("namespace", ""), metadata["name"], metadata["uid"]
        )

    def namespace(self, name: str) -> ObjectName:
        return self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def config_map(self, name: str, namespace: str) -> ObjectName:
        return self.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}})


def finding(subject: ObjectName, message: str = "there is no network", level: str = ERROR) -> Finding:
    return Finding("network-not-found", level, subject, message, field="metadata.annotations", fix="add it")


class RealPasses:
    """Makes passes with the rights of the account, as a program of its own each time."""

    def __init__(self, server: RealApiServer) -> None:
        self._server = server
        self._kubeconfig: Path = server.kubeconfig_for(NAMESPACE, ACCOUNT)
        self.now = NOW
        self.asked: Counter[str] = Counter()
        """The verbs of the last pass."""

    def run(self, *findings: Finding) -> PassResult:
        connection = Connection(self._kubeconfig, environ={})
        offset = self._server.audit_offset()
        try:
            made = ReportPass(
                ReportStore(connection),
                name_rule=lambda rule: RuleName(f"title of {rule}", "a category"),
                now=self.now,
                pause=lambda _seconds: None,
            )
            return made.write(findings)
        finally:
            connection.close()
            self.asked = Counter(one.verb for one in self._server.requests(offset=offset, user=USER))
