"""`nadmit serve --reports` with the account of the manifests: reports come, change and go, and nothing else is written."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.rig.installation import NAMESPACE, apply, empty_server, webhook_options
from tests.cluster.running.test_rbac import USER, covers
from tests.e2e.process import Served, serving
from tests.fakes.objects import network
from tests.fakes.waiting import wait_until
from tests.manifests.verbs_used import REPORT_KINDS, REPORT_VERBS_USED, VERBS_USED
from tests.realapi.audit import Asked
from tests.realapi.server import RealApiServer
from webhook.openreports.reportform import OPEN_REPORTS, ReportApi

from .reportrig import Object, installed, path_of

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

NETWORKS = "/apis/k8s.cni.cncf.io/v1/namespaces/blue/network-attachment-definitions"
BROKEN = '{"cniVersion": "1.0.0", "type": "bridge", "ipam": {"type": "host-local", "subnet": "10.1.0.1/24"}}'
GOOD = '{"cniVersion": "1.0.0", "type": "bridge"}'


@pytest.fixture(scope="module")
def server() -> Iterator[RealApiServer]:
    """A server with the overlay, a definition with a mistake, and a pod that asks for a network that is not there."""
    with empty_server() as server:
        done = apply(server, "overlays/reports")
        assert done.returncode == 0, done.stderr
        server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}})
        server.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "blue"}})
        server.put(pod("web", "lan"))
        server.put(network("typo", "blue", BROKEN, managedFields=None, uid=None))
        yield server


def pod(name: str, networks: str) -> Object:
    metadata = {"name": name, "namespace": "blue", "annotations": {"k8s.v1.cni.cncf.io/networks": networks}}
    containers = [{"name": "a", "image": "a"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def options(server: RealApiServer, *more: str) -> list[str]:
    return [*webhook_options(server, "https://127.0.0.1:1", "overlays/reports"), "--reports-every=10s", *more]


def rules(server: RealApiServer, api: ReportApi = OPEN_REPORTS) -> dict[str, set[str]]:
    """Return the rules of our reports, by the name of the object."""
    items = [one for kind in api.kinds for one in server.must("GET", path_of(api, kind))["items"]]
    return {one["scope"]["name"]: {result["policy"] for result in one["results"]} for one in items}


def metric(served: Served, name: str) -> float:
    lines = served.get("/metrics")[1].splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"nadmit_reports_{name} ")), 0.0)


def passes(served: Served, result: str = "ok") -> float:
    return metric(served, f'passes_total{{result="{result}"}}')


def report_writes(server: RealApiServer, offset: int) -> list[Asked]:
    kinds = {resource for _, resource in REPORT_KINDS}
    return [
        one
        for one in server.requests(offset=offset, user=USER)
        if one.resource in kinds and one.verb not in {"list", "watch"}
    ]


def test_reports_come_change_and_go(server: RealApiServer, tmp_path: Path) -> None:
    offset = server.audit_offset()
    with installed(server, OPEN_REPORTS):
        with serving(tmp_path / "a", *options(server), manifests=None) as served:
            wait_until(lambda: passes(served), lambda: served.get("/metrics"))
            assert rules(server) == {"web": {"network-not-found"}, "typo": {"NAD303", "network-unused"}}
            assert served.get("/readyz") == (200, "ready")
            assert metric(served, 'findings{level="error"}') == 2
            report = server.must("GET", path_of(OPEN_REPORTS, OPEN_REPORTS.namespaced, "blue"))["items"][0]
            assert {result["category"] for result in report["results"]} <= {
                "annotations and definitions", "IPAM and addresses", "stock-taking",
            }  # fmt: skip
            server.put(network("lan", "blue", GOOD, managedFields=None, uid=None))
            server.must("DELETE", f"{NETWORKS}/typo")
            wait_until(lambda: rules(server) == {}, lambda: rules(server))
        assert served.process.returncode == 0
        assert "orbidden" not in served.errors
        assert [one.verb for one in report_writes(server, offset)] == ["create", "create", "delete", "delete"]
        used = [one for one in server.requests(offset=offset, user=USER) if one.resource]
        tables = (*VERBS_USED, *REPORT_VERBS_USED)
        assert [one.line for one in used if not any(covers(use, one) for use in tables)] == []
        always = {(use.group, use.resource, use.verb) for use in REPORT_VERBS_USED if not use.only_when}
        unasked = always - {(one.group, one.resource, one.verb) for one in used}
        assert {resource for _, resource, _ in unasked} == {"policyreports", "clusterpolicyreports"}, (
            "kinds that are not installed are not asked for"
        )


def test_a_restart_writes_nothing(server: RealApiServer, tmp_path: Path) -> None:
    with installed(server, OPEN_REPORTS):
        server.put(pod("web", "wan"))
        with serving(tmp_path / "a", *options(server), manifests=None) as served:
            wait_until(lambda: rules(server) == {"web": {"network-not-found"}}, lambda: rules(server))
            wait_until(lambda: passes(served))
        offset = server.audit_offset()
        with serving(tmp_path / "b", *options(server), manifests=None) as served:
            wait_until(lambda: passes(served) >= 2, lambda: served.get("/metrics"))
        assert report_writes(server, offset) == []


def test_without_the_kinds_the_server_serves_and_says_so_once(server: RealApiServer, tmp_path: Path) -> None:
    with serving(tmp_path / "a", *options(server), manifests=None) as served:
        wait_until(lambda: passes(served, "error") >= 2, lambda: served.get("/metrics"))
        assert served.get("/readyz") == (200, "ready")
    said = [line for line in served.errors.splitlines() if "reports: " in line]
    assert len(said) == 1
    assert "serves neither openreports.io/v1alpha1 nor wgpolicyk8s.io/v1alpha2; install the" in said[0]


def test_a_pass_ends_with_its_server(server: RealApiServer, tmp_path: Path) -> None:
    """A pass whose server stops is ended, even if it is stopped itself, and the Lease is free at once."""
    with installed(server, OPEN_REPORTS), serving(tmp_path / "a", *options(server), manifests=None) as served:
        wait_until(lambda: running_passes(served.process.pid), lambda: served.get("/metrics"))
        (child,) = running_passes(served.process.pid)
        os.kill(child, signal.SIGSTOP)
        served.process.terminate()
        served.process.wait(10)
        assert not Path(f"/proc/{child}").exists()
    assert served.process.returncode == 0
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/nadmit-status"
    assert server.must("GET", lease)["spec"]["holderIdentity"] == ""


def running_passes(pid: int) -> list[int]:
    """Return the passes that a process has started. NB: at first a child is a copy of its parent."""
    texts = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    children = [int(word) for text in texts for word in text.split()]
    return [child for child in children if b"--write-reports" in Path(f"/proc/{child}/cmdline").read_bytes()]
