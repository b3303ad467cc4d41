"""Passes at an API server: they write only differences, and name each kind of refusal once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.apiserver import Request, failure
from webhook.kube.apierrors import ClusterError, ForbiddenError
from webhook.openreports.passresult import PassResult
from webhook.openreports.reportform import APIS, OPEN_REPORTS, POLICY_REPORTS, ReportApi
from webhook.openreports.reportpass import BETWEEN_WRITES_S, REFUSALS_MAX, REFUSING_MAX
from webhook.openreports.reportstore import NoReportsError
from webhook.report.scan.finding import WARNING

from .reportserver import BLUE, Passes, ReportServer, collection, finding, pod

FOREIGN = {
    "metadata": {
        "name": "uid-of-blue-web-0",
        "namespace": "blue",
        "labels": {"app.kubernetes.io/managed-by": "kyverno"},
    },
    "scope": {"kind": "Pod", "name": "web-0"},
}
COPY = {"metadata": {"name": "a-copy", "namespace": "blue", "labels": {"app.kubernetes.io/managed-by": "nadmit"}}}
REPORTS = collection(OPEN_REPORTS, "reports")
IN_BLUE = "/apis/openreports.io/v1alpha1/namespaces/blue/reports"


def writes(result: PassResult) -> dict[str, int]:
    """Return the reports that a pass has written, without what is zero."""
    counts = {"created": result.created, "changed": result.changed, "deleted": result.deleted}
    return {what: count for what, count in counts.items() if count}


@pytest.fixture
def server() -> Iterator[ReportServer]:
    with ReportServer(OPEN_REPORTS) as server:
        yield server


@pytest.fixture
def passes(server: ReportServer, tmp_path: Path) -> Passes:
    return Passes(server, tmp_path)


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.group)
def test_only_differences_are_written(api: ReportApi, tmp_path: Path) -> None:
    with ReportServer(api) as server:
        passes = Passes(server, tmp_path)
        server.put(collection(api, api.namespaced.plural), FOREIGN, COPY)
        first = passes.run(finding(), finding(BLUE))
        assert writes(first) == {"created": 2}
        assert (first.api, first.reports, first.findings["error"]) == (api.api_version, 2, 2)
        assert server.verbs() == {"GET": 4, "POST": 2}  # both groups are looked for, both kinds are listed
        before = server.reports(api)
        passes.now += 600
        assert writes(passes.run(finding(), finding(BLUE))) == {}
        assert server.verbs() == {"GET": 4}
        assert server.reports(api) == before
        assert writes(passes.run(finding(message="another"), finding(BLUE))) == {"changed": 1}
        assert server.verbs() == {"GET": 4, "PATCH": 1}
        assert writes(passes.run(finding(BLUE))) == {"deleted": 1}
        assert server.verbs() == {"GET": 4, "DELETE": 1}
        assert set(server.reports(api)) == {
            ("blue", "uid-of-blue-web-0"),
            ("blue", "a-copy"),
            ("", "nadmit-uid-of-blue"),
        }
        assert first.notes == []


def test_what_somebody_changes_in_a_report_is_corrected(server: ReportServer, passes: Passes) -> None:
    passes.run(finding())
    before = server.reports()["blue", "nadmit-uid-of-blue-web-0"]
    path = f"{IN_BLUE}/nadmit-uid-of-blue-web-0"
    server.modify(path, lambda report: report.update(results=[], summary={"fail": 0}))
    server.modify(path, lambda report: report["metadata"].update(annotations={"note": "mine"}))
    assert writes(passes.run(finding())) == {"changed": 1}
    after = server.reports()["blue", "nadmit-uid-of-blue-web-0"]
    assert (after["results"], after["summary"]) == (before["results"], before["summary"])
    assert after["metadata"]["annotations"] == {"note": "mine"}


def test_many_reports_are_listed_in_pages(server: ReportServer, passes: Passes) -> None:
    found = [finding(pod(f"web-{number}")) for number in range(1200)]
    assert writes(passes.run(*found)) == {"created": 1200}
    assert passes.pauses == [BETWEEN_WRITES_S] * 1200
    server.verbs()
    assert writes(passes.run(*found)) == {}
    assert server.verbs() == {"GET": 6}


def test_a_list_that_takes_too_long_begins_anew(server: ReportServer, passes: Passes) -> None:
    found = [finding(pod(f"web-{number}")) for number in range(600)]
    passes.run(*found)
    gone = [failure(410, "the provided continue parameter is too old")]
    server.before(lambda request: gone.pop() if gone and "continue" in request.query else None)
    assert writes(passes.run()) == {"deleted": 600}
    assert [request.code for request in server.list_requests(REPORTS)][-3:] == [200, 410, 200]
    assert server.reports() == {}


def test_the_older_group_is_emptied_when_the_newer_one_comes(tmp_path: Path) -> None:
    with ReportServer(POLICY_REPORTS) as server:
        passes = Passes(server, tmp_path)
        server.put(collection(POLICY_REPORTS, "policyreports"), FOREIGN)
        passes.run(finding(), finding(BLUE))
        server.install(OPEN_REPORTS)
        assert writes(passes.run(finding(), finding(BLUE))) == {"created": 2, "deleted": 2}
        assert set(server.reports()) == {("blue", "nadmit-uid-of-blue-web-0"), ("", "nadmit-uid-of-blue")}
        assert set(server.reports(POLICY_REPORTS)) == {("blue", "uid-of-blue-web-0")}
        old = collection(POLICY_REPORTS, "policyreports")
        server.answer_always[old] = failure(403, "no")
        (note,) = passes.run(finding(), finding(BLUE)).notes
    assert note.startswith("reports of wgpolicyk8s.io/v1alpha2, if there are any, stay: policyreports.wgpolicyk8s.io: ")


def test_without_the_kinds_one_line_says_what_to_install(tmp_path: Path) -> None:
    with ReportServer() as server:
        with pytest.raises(NoReportsError) as caught:
            Passes(server, tmp_path).run(finding())
        assert str(caught.value) == (
            f"no report can be written: {server.url} serves neither openreports.io/v1alpha1 nor wgpolicyk8s.io/v1alpha2; "
            "install the CustomResourceDefinitions of openreports.io, as docs/reports.md says"
        )
        assert server.written() == []


def test_without_the_right_to_list_nothing_is_written(server: ReportServer, passes: Passes) -> None:
    server.answer_always[REPORTS] = failure(403, "User nadmit cannot list")
    with pytest.raises(ForbiddenError, match=r"grant list and watch on reports\.openreports\.io to this account"):
        passes.run(finding())
    assert server.written() == []


def test_without_the_right_to_create_one_line_says_so(server: ReportServer, passes: Passes) -> None:
    server.answer_always[IN_BLUE] = failure(403, "User nadmit cannot create")
    found = [finding(pod(f"web-{number}")) for number in range(50)]
    written = passes.run(*found, finding(BLUE))
    assert writes(written) == {"created": 1}
    assert written.refused == 50
    assert server.verbs()["POST"] == REFUSALS_MAX + 1
    (note,) = written.notes
    assert "grant create on reports.openreports.io to this account" in note


def test_a_namespace_that_refuses_keeps_the_reports_of_no_other_away(server: ReportServer, passes: Passes) -> None:
    """As one that is being deleted, or that has a quota of reports."""
    server.answer_always[IN_BLUE] = failure(403, "unable to create new content in namespace blue")
    found = [finding(pod(f"web-{number}", namespace)) for namespace in ("blue", "red") for number in range(50)]
    written = passes.run(*found)
    assert (writes(written), written.refused) == ({"created": 50}, 50)
    assert server.verbs()["POST"] == REFUSALS_MAX + 50
    assert len(written.notes) == 1


def test_if_each_namespace_refuses_the_pass_leaves_out_the_others(server: ReportServer, passes: Passes) -> None:
    namespaces = [f"team-{number}" for number in range(REFUSING_MAX + 20)]
    for namespace in namespaces:
        server.answer_always[IN_BLUE.replace("blue", namespace)] = failure(403, "User nadmit cannot create")
    written = passes.run(*(finding(pod("web", namespace)) for namespace in namespaces), finding(BLUE))
    assert (writes(written), written.refused) == ({"created": 1}, len(namespaces))
    assert server.verbs()["POST"] == REFUSING_MAX + 1
    assert len(written.notes) == 1


def test_reports_are_read_one_by_one(server: ReportServer, passes: Passes) -> None:
    """A page can be large: 500 reports that somebody else has made under our label."""
    passes.run(finding())
    (report,) = server.reports().values()
    server.answer_always[REPORTS] = (200, json.dumps({"metadata": {}, "items": [report, 5]}).encode())
    with passes.store() as store:
        reports = store.list(OPEN_REPORTS)
        assert next(reports) == report
        with pytest.raises(ClusterError, match="not what an API server answers"):
            next(reports)


def test_one_refused_report_keeps_no_other_away(server: ReportServer, passes: Passes) -> None:
    server.answers[IN_BLUE].append(failure(422, "too long"))
    written = passes.run(finding(), finding(pod("web-1")))
    assert (written.refused, writes(written)) == (1, {"created": 1})
    assert writes(passes.run(finding(), finding(pod("web-1")))) == {"created": 1}


def test_another_replica_was_first(server: ReportServer, passes: Passes) -> None:
    passes.run(finding(), finding(pod("web-1")), finding(pod("web-2")))

    def by_another(request: Request) -> None:
        """Change one report, delete one and create one, before the first of our changes."""
        if request.method != "GET" and ("blue", "nadmit-uid-of-blue-web-3") not in server.reports():
            server.modify(f"{IN_BLUE}/nadmit-uid-of-blue-web-0", lambda report: report.update(summary={}))
            server.delete(f"{IN_BLUE}/nadmit-uid-of-blue-web-1")
            server.put(IN_BLUE, {"metadata": {"name": "nadmit-uid-of-blue-web-3", "namespace": "blue"}})

    server.before(by_another)
    found = [finding(pod(f"web-{number}"), "another", WARNING) for number in (0, 1, 2, 3)]
    written = passes.run(*found)
    assert (writes(written), written.conflicts, written.refused) == ({"changed": 1}, 2, 0)
    server.before(lambda _request: None)
    server.delete(f"{IN_BLUE}/nadmit-uid-of-blue-web-3")
    assert writes(passes.run(*found)) == {"changed": 1, "created": 2}
    assert writes(passes.run(*found)) == {}


def test_a_server_that_fails_ends_the_pass_and_the_next_one_goes_on(server: ReportServer, passes: Passes) -> None:
    server.answers[IN_BLUE].append(failure(500))
    with pytest.raises(ClusterError, match="etcd has a bad day"):
        passes.run(finding(), finding(pod("web-1")))
    assert writes(passes.run(finding(), finding(pod("web-1")))) == {"created": 2}


def test_no_finding_writes_nothing(server: ReportServer, passes: Passes) -> None:
    written = passes.run()
    assert (writes(written), written.reports) == ({}, 0)
    assert server.verbs() == {"GET": 4}
