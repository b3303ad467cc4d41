"""Passes over the reports of a real API server, with both groups: its schemas, its rights, its garbage."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.rig.installation import empty_server
from tests.fakes.waiting import wait_until
from tests.realapi.server import MERGE_PATCH, RealApiServer
from webhook.kube.apierrors import ForbiddenError
from webhook.openreports.passresult import PassResult
from webhook.openreports.reportform import APIS, OPEN_REPORTS, POLICY_REPORTS, RESULTS_MAX, ReportApi, name_of
from webhook.openreports.reportpass import REFUSALS_MAX
from webhook.openreports.reportstore import NoReportsError
from webhook.report.scan.finding import INFO, LEVELS, WARNING, ObjectName

from .reportrig import VERBS, Object, RealPasses, Subjects, finding, grant, installed, path_of

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]


@pytest.fixture(scope="module")
def server() -> Iterator[RealApiServer]:
    with empty_server() as server:
        for api in APIS:
            grant(server, api, *VERBS)
        yield server


@pytest.fixture(params=APIS, ids=lambda api: api.group)
def api(request: pytest.FixtureRequest, server: RealApiServer) -> Iterator[ReportApi]:
    made: ReportApi = request.param
    with installed(server, made):
        yield made


@pytest.fixture
def subjects(server: RealApiServer) -> Subjects:
    made = Subjects(server)
    made.namespace("blue")
    return made


def report_about(server: RealApiServer, api: ReportApi, subject: ObjectName) -> Object | None:
    path = path_of(api, api.kind_for(subject.namespace), subject.namespace)
    status, value = server.ask("GET", f"{path}/{name_of(subject)}")
    return value if status == 200 else None


def versions(server: RealApiServer, api: ReportApi) -> dict[str, str]:
    """Return the resourceVersion of every report, of anybody, by namespace/name."""
    found = [one["metadata"] for kind in api.kinds for one in server.must("GET", path_of(api, kind))["items"]]
    return {f"{one.get('namespace', '')}/{one['name']}": one["resourceVersion"] for one in found}


def writes(result: PassResult) -> tuple[int, int, int]:
    return result.created, result.changed, result.deleted


def put_foreign(server: RealApiServer, api: ReportApi, subject: ObjectName) -> None:
    """Write the report that Kyverno has about the same object, and a copy of one of ours under another name."""
    scope = {"apiVersion": subject.api_version, "kind": subject.kind, "name": subject.name, "uid": subject.uid}
    for name, manager in ((subject.uid, "kyverno"), ("a-copy", "nadmit")):
        labels = {"app.kubernetes.io/managed-by": manager}
        metadata = {"name": name, "namespace": subject.namespace, "labels": labels}
        result = {"source": manager, "policy": "a-policy", "result": "pass"}
        kind = api.kind_for(subject.namespace).kind
        server.put(
            {"apiVersion": api.api_version, "kind": kind, "metadata": metadata, "scope": scope, "results": [result]}
        )


def test_a_fault_comes_changes_and_goes(server: RealApiServer, api: ReportApi, subjects: Subjects) -> None:
    web, blue = subjects.config_map("web", "blue"), subjects.namespace("blue")
    put_foreign(server, api, web)
    foreign = versions(server, api)
    passes = RealPasses(server)
    found = [finding(web, f"{level} of web", level)._replace(others=(blue,)) for level in LEVELS]
    found += [finding(blue, "about the namespace", WARNING)]
    assert writes(passes.run(*found)) == (2, 0, 0)
    assert passes.asked == {"get": 2, "list": 2, "create": 2}
    before = versions(server, api)
    passes.now += 600
    assert writes(passes.run(*reversed(found))) == (0, 0, 0)
    assert passes.asked == {"get": 2, "list": 2}
    assert versions(server, api) == before
    made = report_about(server, api, web)
    assert made is not None
    assert made["summary"] == {"pass": 0, "fail": 1, "warn": 2, "error": 0, "skip": 0}
    assert [one["severity"] for one in made["results"]] == ["high", "medium", "info"]
    assert {one["timestamp"]["seconds"] for one in made["results"]} == {passes.now - 600}
    listed = server.kubectl("get", api.namespaced.plural, "-n", "blue", name_of(web), "-o", "wide").stdout
    assert listed.split()[:8] == ["NAME", "KIND", "NAME", "PASS", "FAIL", "WARN", "ERROR", "SKIP"]
    assert listed.split()[9:17] == [name_of(web), "ConfigMap", "web", "0", "1", "2", "0", "0"]
    changed = [found[0], finding(web, "something new", INFO), found[-1]]
    assert writes(passes.run(*changed)) == (0, 1, 0)
    assert passes.asked == {"get": 2, "list": 2, "patch": 1}
    again = report_about(server, api, web)
    assert again is not None
    times = {one["message"]: one["timestamp"]["seconds"] for one in again["results"]}
    assert times == {"error of web": passes.now - 600, "something new": passes.now}
    assert writes(passes.run(found[-1])) == (0, 0, 1)
    assert passes.asked == {"get": 2, "list": 2, "delete": 1}
    assert writes(passes.run()) == (0, 0, 1)
    assert versions(server, api) == foreign, "reports of others are never touched"


def test_the_largest_report_is_accepted(server: RealApiServer, api: ReportApi, subjects: Subjects) -> None:
    web = subjects.config_map("web", "blue")
    long = "\N{PILE OF POO}" * 10_000
    properties = tuple((f"key-{number}", long) for number in range(100))
    found = [finding(web, f"{number} {long}")._replace(properties=properties) for number in range(2 * RESULTS_MAX)]
    passes = RealPasses(server)
    assert writes(passes.run(*found)) == (1, 0, 0)
    assert writes(passes.run(*found)) == (0, 0, 0)
    made = report_about(server, api, web)
    assert made is not None
    assert made["summary"]["fail"] == 2 * RESULTS_MAX


def test_the_report_is_garbage_without_its_object(server: RealApiServer, api: ReportApi, subjects: Subjects) -> None:
    """The garbage collector of Kubernetes deletes a report whose ownerReference names an object that is gone."""
    web, other = subjects.config_map("web", "blue"), subjects.config_map("other", "blue")
    red = subjects.put(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "red"},
            "rules": [],
        }
    )
    RealPasses(server).run(finding(web), finding(other), finding(red))
    with garbage_collector(server):
        server.must("DELETE", "/api/v1/namespaces/blue/configmaps/web")
        server.must("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/red")
        wait_until(lambda: report_about(server, api, web) is None)
        wait_until(lambda: report_about(server, api, red) is None)
    assert report_about(server, api, other) is not None


@contextmanager
def garbage_collector(server: RealApiServer) -> Iterator[None]:
    """Run kube-controller-manager with its garbage collector alone."""
    program = server.assets.kube_apiserver.with_name("kube-controller-manager")
    if not program.exists():
        pytest.skip(f"nobody collects garbage: there is no {program}")
    command = [
        str(program),
        "--controllers=garbage-collector-controller",
        "--leader-elect=false",
        "--secure-port=0",
        f"--kubeconfig={server.admin_kubeconfig}",
        "--concurrent-gc-syncs=2",
    ]
    with (server.directory / "controllers.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def test_without_the_kinds_it_says_what_to_install(server: RealApiServer, subjects: Subjects) -> None:
    web = subjects.config_map("web", "blue")
    with pytest.raises(
        NoReportsError, match=r"serves neither .*; install the CustomResourceDefinitions of openreports"
    ):
        RealPasses(server).run(finding(web))


def test_the_newer_group_takes_over(server: RealApiServer, subjects: Subjects) -> None:
    web = subjects.config_map("web", "blue")
    passes = RealPasses(server)
    with installed(server, POLICY_REPORTS):
        passes.run(finding(web))
        with installed(server, OPEN_REPORTS):
            assert writes(passes.run(finding(web))) == (1, 0, 1)
            assert report_about(server, POLICY_REPORTS, web) is None
            assert report_about(server, OPEN_REPORTS, web) is not None
            assert writes(passes.run(finding(web))) == (0, 0, 0)


def test_a_report_that_changes_meanwhile_is_for_the_next_pass(
    server: RealApiServer, api: ReportApi, subjects: Subjects
) -> None:
    web = subjects.config_map("web", "blue")
    passes = RealPasses(server)
    passes.run(finding(web))
    path = f"{path_of(api, api.namespaced, 'blue')}/{name_of(web)}"
    server.must("PATCH", path, {"results": [], "metadata": {"labels": {"team": "net"}}}, kind=MERGE_PATCH)
    assert writes(passes.run(finding(web))) == (0, 1, 0)
    made = report_about(server, api, web)
    assert made is not None
    assert (len(made["results"]), made["metadata"]["labels"]["team"]) == (1, "net")


@pytest.mark.parametrize("missing", ["create", "patch", "delete"])
def test_a_missing_right_to_write_is_one_line(
    server: RealApiServer, api: ReportApi, subjects: Subjects, missing: str
) -> None:
    found = [subjects.config_map(f"web-{number}", "blue") for number in range(REFUSALS_MAX + 5)]
    passes = RealPasses(server)
    if missing != "create":
        passes.run(*map(finding, found))
    message = "another" if missing == "patch" else "there is no network"
    grant(server, api, *(verb for verb in VERBS if verb != missing))
    try:
        result = passes.run(*(() if missing == "delete" else [finding(one, message) for one in found]))
    finally:
        grant(server, api, *VERBS)
    (note,) = result.notes
    assert f"{missing} is forbidden" in note
    assert f"grant {missing} on {api.namespaced.plural}.{api.group} to this account in a ClusterRole" in note
    assert result.refused == len(found)
    assert passes.asked[missing] == REFUSALS_MAX


def test_a_missing_right_to_list_ends_the_pass(server: RealApiServer, api: ReportApi, subjects: Subjects) -> None:
    web = subjects.config_map("web", "blue")
    passes = RealPasses(server)
    grant(server, api, *VERBS[1:])
    try:
        with pytest.raises(ForbiddenError) as caught:
            passes.run(finding(web))
    finally:
        grant(server, api, *VERBS)
    assert f"grant list and watch on {api.namespaced.plural}.{api.group} to this account" in str(caught.value)
    assert passes.asked == {"get": 2, "list": 1}
