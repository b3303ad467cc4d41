"""`nadmit serve --reports` as a process, against the in-process API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.process import Served, serving
from tests.fakes.objects import namespace, network, pod, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS, PODS
from tests.fakes.waiting import wait_until
from webhook.openreports.reportform import OPEN_REPORTS

from .reportserver import ReportServer

pytestmark = pytest.mark.slow

LEASE = "/apis/coordination.k8s.io/v1/namespaces/nadmit-system/leases/nadmit-status"
ONE_NETWORK = "apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfiguration\nlimits: {networksPerPod: 1}\n"
ANY_NUMBER = ONE_NETWORK.replace(": 1}", ": 100}")


@pytest.fixture
def server() -> Iterator[ReportServer]:
    """A cluster with a pod that has two networks, and the Lease of the writer of statuses."""
    with ReportServer(OPEN_REPORTS) as server:
        server.has_whole_pods = True
        server.put(LEASE, {"spec": {}})
        server.put(NAMESPACES, namespace("blue"))
        server.put(NETWORKS, network("a", "blue", uid="uid-of-a"), network("b", "blue", uid="uid-of-b"))
        server.put(PODS, pod("web", "a,b", "blue", phase="Pending"))
        yield server


def rules(server: ReportServer) -> set[str]:
    return {result["policy"] for report in server.reports().values() for result in report["results"]}


def options(server: ReportServer, directory: Path, *more: str) -> list[str]:
    kubeconfig = write_kubeconfig(directory / "kubeconfig", server.url)
    return ["--kubeconfig", str(kubeconfig), "--write-status", "--namespace", "nadmit-system", *more]


def passes(served: Served) -> bool:
    return 'nadmit_reports_passes_total{result="ok"} 0.0' not in served.get("/metrics")[1]


def test_a_pass_judges_by_the_configuration_in_force(server: ReportServer, tmp_path: Path) -> None:
    """Also after the configuration has changed, and while a wrong one is refused."""
    config = tmp_path / "config.yaml"
    config.write_text(ONE_NETWORK)
    more = options(server, tmp_path, "--config", str(config), "--reports", "--reports-every=10s")
    with serving(tmp_path / "certs", *more, manifests=None) as served:
        wait_until(lambda: passes(served), lambda: served.get("/metrics"))
        assert rules(server) == {"limit-networks"}
        config.write_text("kind: what?\n")
        wait_until(lambda: "last_reload_successful 0.0" in served.get("/metrics")[1])
        config.write_text(ANY_NUMBER)
        wait_until(lambda: 'writes_total{result="deleted"} 1.0' in served.get("/metrics")[1], lambda: rules(server))
        assert rules(server) == set()
        assert served.get("/readyz") == (200, "ready")
        metrics = served.get("/metrics")[1]
    assert served.process.returncode == 0
    assert "reports: 1 created, 0 changed, 0 deleted; 1 object with findings" in served.errors
    assert "reports: 0 created, 0 changed, 1 deleted; 0 objects with findings" in served.errors
    assert 'nadmit_reports_passes_total{result="error"} 0.0' in metrics


def test_without_the_option_there_are_no_reports_and_no_metrics(server: ReportServer, tmp_path: Path) -> None:
    with serving(tmp_path / "certs", *options(server, tmp_path), manifests=None) as served:
        wait_until(lambda: "nadmit_status_writer 1.0" in served.get("/metrics")[1])
        assert "nadmit_reports" not in served.get("/metrics")[1]
    assert not any("openreports" in request.path for request in server.requests)
