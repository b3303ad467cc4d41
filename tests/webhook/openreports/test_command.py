"""`nadmit scan --write-reports`: what it prints, its exit codes, and what keeps it from writing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from tests.fakes.apiserver import failure
from tests.fakes.objects import namespace, network, pod, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS, PODS
from tests.paths import ROOT
from webhook.cli import nadmit
from webhook.openreports.reportform import OPEN_REPORTS

from .reportserver import ReportServer, collection

SCHEMA = json.loads((ROOT / "docs" / "reports.schema.json").read_text())
REPORTS = collection(OPEN_REPORTS, "reports")
IN_BLUE = "/apis/openreports.io/v1alpha1/namespaces/blue/reports"


@pytest.fixture
def server() -> Iterator[ReportServer]:
    """A cluster with a pod that asks for a network that is not there."""
    with ReportServer(OPEN_REPORTS) as server:
        server.has_whole_pods = True
        server.put(NAMESPACES, namespace("blue"))
        server.put(NETWORKS, network("lan", "blue", uid="uid-of-lan"))
        server.put(PODS, pod("web", "lann", "blue", phase="Pending"))
        yield server


def scan(server: ReportServer, directory: Path, *words: str) -> Result:
    kubeconfig = write_kubeconfig(directory / "kubeconfig", server.url)
    return CliRunner().invoke(nadmit, ["scan", "--write-reports", "--kubeconfig", str(kubeconfig), *words])


def test_text(server: ReportServer, tmp_path: Path) -> None:
    done = scan(server, tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "reports of openreports.io/v1alpha1: 2 created, 0 changed, 0 deleted; 2 objects with findings\n"
    )
    assert scan(server, tmp_path, "--skip", "network-unused").stdout == (
        "reports of openreports.io/v1alpha1: 0 created, 0 changed, 1 deleted; 1 object with findings\n"
    )


def test_json(server: ReportServer, tmp_path: Path) -> None:
    done = scan(server, tmp_path, "-o", "json")
    value = json.loads(done.stdout)
    jsonschema.validate(value, SCHEMA)
    assert (value["created"], value["findings"]) == (2, {"error": 1, "warning": 0, "info": 1})


def test_refused_reports_are_exit_code_1(server: ReportServer, tmp_path: Path) -> None:
    server.answer_always[IN_BLUE] = failure(403, "User nadmit cannot create")
    done = scan(server, tmp_path)
    assert done.exit_code == 1
    assert "0 created, 0 changed, 0 deleted, 2 refused; 2 objects with findings" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("nadmit: reports.openreports.io blue: create is forbidden")
    assert "grant create on reports.openreports.io to this account in a ClusterRole" in line


def test_without_the_kinds_nothing_is_read(tmp_path: Path) -> None:
    with ReportServer() as server:
        done = scan(server, tmp_path)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("nadmit: no report can be written: http://127.0.0.1:")
        assert server.list_requests(PODS) == []


@pytest.mark.parametrize("path", [PODS, NETWORKS, NAMESPACES, REPORTS])
def test_without_a_right_that_verdicts_need_no_report_is_written_or_deleted(
    server: ReportServer, tmp_path: Path, path: str
) -> None:
    scan(server, tmp_path)
    server.requests.clear()
    server.answer_always[path] = failure(403, "User nadmit cannot list")
    done = scan(server, tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "list is forbidden" in line
    assert server.written() == []


def test_a_right_that_only_some_findings_need_is_a_note(server: ReportServer, tmp_path: Path) -> None:
    server.serve("/apis/apps/v1/deployments")
    server.answer_always["/apis/apps/v1/deployments"] = failure(403, "User nadmit cannot list")
    done = scan(server, tmp_path)
    assert done.exit_code == 0
    assert "grant list and watch on deployments.apps to this account" in done.stderr


@pytest.mark.parametrize("words", [["-n", "blue"], ["-f", "x.yaml"], ["--manifests", "x"]])
def test_a_part_of_a_cluster_is_not_reported(words: list[str]) -> None:
    """The reports about all the rest would be deleted."""
    done = CliRunner().invoke(nadmit, ["scan", "--write-reports", *words])
    assert done.exit_code == 2
    assert "--write-reports is for a whole cluster: leave out -n, -f and --manifests." in done.stderr


@pytest.mark.parametrize("form", ["sarif", "junit"])
def test_other_forms_are_for_findings(form: str) -> None:
    done = CliRunner().invoke(nadmit, ["scan", "--write-reports", "-o", form])
    assert done.exit_code == 2
    assert "--write-reports prints what it has written: give -o text or -o json." in done.stderr
