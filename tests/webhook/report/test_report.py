"""Formats of results: escaping, required fields, the rules of kubectl."""

from __future__ import annotations

import json

import pytest

from webhook.admission.model.kinds import GroupKind
from webhook.admission.model.requests import ALLOWED, AdmissionWarning, Cause, Decision, Object, Request
from webhook.report import kubectl, lint, sarif
from webhook.report.lint import ERROR, WARNING, Finding, Report
from webhook.trees.problems import Position

FINDINGS = (
    Finding(Position("a b/ü.yaml", 3, 5), ERROR, "json-syntax", "50% is\nno JSON", "pod blue/web", "spec.config"),
    Finding(Position("x,y:z.yaml"), ERROR, "unreadable-file", "cannot be read"),
    Finding(Position("a b/ü.yaml", 9, 1), WARNING, "config-name", "odd", "pod blue/web"),
    Finding(Position("/abs/a.yaml", 1, 1), ERROR, "json-syntax", "no JSON"),
)
REPORT = Report(findings=FINDINGS, files=3, objects=1, judged=1)
EMPTY = Report(findings=(), files=1, objects=2, judged=0)


def plain(words: str, role: str) -> str:
    return words


def test_text() -> None:
    assert lint.render_text(REPORT, plain).splitlines() == [
        "a b/ü.yaml:3:5: error: pod blue/web: spec.config: 50% is [json-syntax]",
        "    no JSON",
        "x,y:z.yaml: error: cannot be read [unreadable-file]",
        "a b/ü.yaml:9:1: warning: pod blue/web: odd [config-name]",
        "/abs/a.yaml:1:1: error: no JSON [json-syntax]",
        "1 object in 3 files (1 judged), 3 problems, 1 warning",
    ]


def test_github_escapes_what_its_runner_reads() -> None:
    assert lint.render_github(REPORT).splitlines()[:3] == [
        "::error file=a b/ü.yaml,line=3,col=5,title=pod blue/web::spec.config: 50%25 is%0Ano JSON [json-syntax]",
        "::error file=x%2Cy%3Az.yaml,title=unreadable-file::cannot be read [unreadable-file]",
        "::warning file=a b/ü.yaml,line=9,col=1,title=pod blue/web::odd [config-name]",
    ]


def test_json() -> None:
    value = json.loads(lint.render_json(REPORT))
    assert value["summary"] == {
        "files": 3,
        "objects": 1,
        "judged": 1,
        "problems": 3,
        "warnings": 1,
        "environments": 1,
        "suppressed": {"comment": 0, "baseline": 0, "skip": 0},
    }
    assert value["passedOver"] == []
    assert value["findings"][0] == {
        "file": "a b/ü.yaml",
        "line": 3,
        "column": 5,
        "level": "error",
        "rule": "json-syntax",
        "object": "pod blue/web",
        "field": "spec.config",
        "message": "50% is\nno JSON",
    }


@pytest.mark.parametrize("report", [REPORT, EMPTY])
def test_sarif_has_what_2_1_0_requires(report: Report) -> None:
    log = json.loads(sarif.render(report, version="1.2.3"))
    assert log["version"] == "2.1.0"  # §3.13.2
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]  # §3.13.4
    driver = run["tool"]["driver"]  # §3.14.6, §3.18.2
    assert driver["name"] == "nadmit"  # §3.19.8
    ids = [rule["id"] for rule in driver["rules"]]  # §3.49.3
    assert len(set(ids)) == len(ids)
    assert isinstance(run["results"], list)  # §3.14.23
    assert len(run["results"]) == len(report.findings)
    for result in run["results"]:
        assert result["message"]["text"]  # §3.27.11, §3.11.8
        assert result["level"] in {"none", "note", "warning", "error"}  # §3.27.10
        assert ids[result["ruleIndex"]] == result["ruleId"]  # §3.27.5, §3.27.6
        location = result["locations"][0]["physicalLocation"]
        assert ":" not in location["artifactLocation"]["uri"].split("/")[0].replace("file:", "")
        region = location.get("region", {"startLine": 1, "startColumn": 1})
        assert region["startLine"] >= 1  # §3.30.5
        assert region["startColumn"] >= 1  # §3.30.6


def test_sarif_writes_files_as_uris() -> None:
    results = json.loads(sarif.render(REPORT, version="1"))["runs"][0]["results"]
    assert [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in results] == [
        "a%20b/%C3%BC.yaml",
        "x%2Cy%3Az.yaml",
        "a%20b/%C3%BC.yaml",
        "file:///abs/a.yaml",
    ]


POD = Request(uid="1", kind=GroupKind("", "Pod"), operation="CREATE", namespace="blue", name="web-0")
WEB = Request(uid="1", kind=GroupKind("apps", "Deployment"), operation="CREATE", namespace="blue", name="web")
GENERATED = Request(
    uid="1", kind=GroupKind("", "Pod"), operation="CREATE", namespace="blue", object=Object(generate_name="web-")
)
ONE = (Cause("spec.config", "no JSON"),)
TWO = (*ONE, Cause("metadata.name", "too long"), *ONE)

KUBECTL = [
    (POD, ALLOWED, None, "pod/web-0 allowed"),
    (WEB, ALLOWED, None, "deployment.apps/web allowed"),
    (GENERATED, ALLOWED, None, "pod/web-* allowed"),
    (
        POD,
        Decision(is_allowed=False, code=403, reason="Forbidden", message="no\n  why"),
        "web.yaml",
        'Error from server (Forbidden): error when creating "web.yaml": admission webhook "w" denied the request: no\n  why',
    ),
    (
        POD,
        Decision(is_allowed=False, code=403, reason="Forbidden", message="no"),
        None,
        'Error from server (Forbidden): admission webhook "w" denied the request: no',
    ),
    (
        POD,
        Decision(is_allowed=False, code=403, message="no"),
        None,
        'Error from server: admission webhook "w" denied the request: no',
    ),
    (
        POD,
        Decision(is_allowed=False, code=403, reason="Forbidden"),
        None,
        'Error from server (Forbidden): admission webhook "w" denied the request: Forbidden',
    ),
    (
        POD,
        Decision(is_allowed=False, code=403),
        None,
        'Error from server: admission webhook "w" denied the request without explanation',
    ),
    (
        POD,
        Decision(is_allowed=False, code=422, reason="Invalid", message="not shown", causes=ONE),
        "web.yaml",
        'The Pod "web-0" is invalid: spec.config: no JSON',
    ),
    (
        POD,
        Decision(is_allowed=False, code=422, reason="Invalid", message="not shown", causes=TWO),
        None,
        'The Pod "web-0" is invalid: \n* spec.config: no JSON\n* metadata.name: too long',
    ),
    (POD, Decision(is_allowed=False, code=422, reason="Invalid", message="x"), None, 'The Pod "web-0" is invalid'),
]


@pytest.mark.parametrize(("request_", "decision", "file", "expected"), KUBECTL)
def test_the_output_of_kubectl(request_: Request, decision: Decision, file: str | None, expected: str) -> None:
    assert kubectl.render(request_, decision, webhook_name="w", file=file) == expected


def test_warnings_are_printed_once() -> None:
    assert kubectl.render_warnings(
        Decision(warnings=tuple(AdmissionWarning("", text) for text in ("a", "", "b", "a")))
    ) == ["Warning: a", "Warning: b"]


def test_warnings_name_their_object() -> None:
    decision = Decision(warnings=(AdmissionWarning("spec", "odd", "config-name"),))
    assert kubectl.render_warnings(decision, of="pod blue/web") == ["Warning: pod blue/web: spec: odd"]


@pytest.mark.parametrize(
    ("group", "kind", "name"),
    [
        ("", "Pod", "pods"),
        ("", "Binding", "bindings"),
        ("k8s.cni.cncf.io", "NetworkAttachmentDefinition", "networks"),
        ("batch", "CronJob", "workloads"),
        ("", "PodTemplate", "workloads"),
        ("access.nadmit.io", "NetworkAttachmentPolicy", "policies"),
    ],
)
def test_webhook_of_a_kind(group: str, kind: str, name: str) -> None:
    assert kubectl.webhook_name(GroupKind(group, kind)) == f"{name}.access.nadmit.io"
