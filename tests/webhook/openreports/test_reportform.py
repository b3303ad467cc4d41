"""One report about one object: what it says, and its bounds."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from tests.paths import ROOT
from webhook.openreports.reportform import (
    APIS,
    MESSAGE_BYTES_MAX,
    OPEN_REPORTS,
    POLICY_REPORTS,
    PROPERTIES_MAX,
    RESULTS_BYTES_MAX,
    RESULTS_MAX,
    Object,
    ReportApi,
    is_same,
    render_report,
)
from webhook.report.scan.finding import ERROR, INFO, LEVELS, WARNING, Finding, ObjectName

from .reportserver import BLUE, NOW, finding, name_rule, pod

CRDS = ROOT / "tests" / "cluster" / "rig" / "reportkinds"


def render(*findings: Finding, api: ReportApi = OPEN_REPORTS, stored: Object | None = None, now: int = NOW) -> Any:
    return render_report(api, findings[0].subject, findings, name_rule=name_rule, stored=stored, now=now)


def schema(api: ReportApi, plural: str) -> Object:
    """Return the schema of a kind, in which an unknown field is an error: the API server would drop it."""
    kind = yaml.safe_load((CRDS / f"{api.group}_{plural}.yaml").read_text())
    (found,) = [one for one in kind["spec"]["versions"] if one["name"] == api.version]
    made: Object = closed(found["schema"]["openAPIV3Schema"])
    return made


def closed(value: Any) -> Any:
    if isinstance(value, list):
        return [closed(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: closed(one) for key, one in value.items()}
    if isinstance(value.get("properties"), dict) and "type" in value:
        made["additionalProperties"] = False
    return made


def test_a_report_says_what_was_found() -> None:
    other = pod("web-1")
    found = finding()._replace(others=(other,), properties=(("address", "10.1.0.5"),))
    assert render(found) == {
        "apiVersion": "openreports.io/v1alpha1",
        "kind": "Report",
        "metadata": {
            "name": "nadmit-uid-of-blue-web-0",
            "namespace": "blue",
            "labels": {"app.kubernetes.io/managed-by": "nadmit"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "web-0", "uid": "uid-of-blue-web-0"}],
        },
        "source": "nadmit",
        "scope": {
            "apiVersion": "v1", "kind": "Pod", "namespace": "blue", "name": "web-0", "uid": "uid-of-blue-web-0",
        },
        "summary": {"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0},
        "results": [
            {
                "source": "nadmit",
                "policy": "network-not-found",
                "rule": "title of network-not-found",
                "category": "a category",
                "severity": "high",
                "result": "fail",
                "scored": True,
                "message": "there is no network",
                "properties": {
                    "address": "10.1.0.5", "field": "metadata.annotations", "fix": "add it", "others": "pod blue/web-1",
                },
                "timestamp": {"seconds": NOW, "nanos": 0},
            }
        ],
    }  # fmt: skip


def test_an_object_without_a_namespace_has_a_report_without_one() -> None:
    made = render(finding(BLUE), api=POLICY_REPORTS)
    assert made["kind"] == "ClusterPolicyReport"
    assert "namespace" not in made["metadata"]
    assert "namespace" not in made["scope"]
    assert "source" not in made


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.group)
@pytest.mark.parametrize("subject", [pod(), BLUE], ids=["pod", "namespace"])
def test_the_schema_of_the_kind_accepts_every_field(api: ReportApi, subject: ObjectName) -> None:
    found = [
        finding(subject, f"{level} {number}", level)._replace(properties=(("a", "b"),))
        for level in LEVELS
        for number in range(RESULTS_MAX)
    ]
    made = render(*found, api=api)
    assert made["results"][-1]["policy"] == "left-out"
    plural = api.kind_for(subject.namespace).plural
    checked = schema(api, plural)
    metadata = made.pop("metadata")
    jsonschema.validate({**made, "metadata": {}}, checked)
    assert metadata["name"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**made, "metadata": {}, "source ": "nadmit"}, checked)


def test_the_worst_come_first_and_equal_ones_count_once() -> None:
    found = [finding(message=level, level=level) for level in (INFO, WARNING, ERROR)]
    made = render(*found, *found)
    assert [(one["result"], one["severity"]) for one in made["results"]] == [
        ("fail", "high"), ("warn", "medium"), ("warn", "info"),
    ]  # fmt: skip
    assert made["summary"] == {"pass": 0, "fail": 1, "warn": 2, "error": 0, "skip": 0}
    assert made == render(*reversed(found))


def test_a_report_has_room_for_so_many_results() -> None:
    made = render(*(finding(message=f"number {number:04}") for number in range(RESULTS_MAX + 3)))
    assert len(made["results"]) == RESULTS_MAX + 1
    assert made["results"][-1]["message"].startswith("3 more are left out")
    assert made["summary"]["fail"] == RESULTS_MAX + 3
    assert len(render(*(finding(message=f"{number}") for number in range(RESULTS_MAX)))["results"]) == RESULTS_MAX


def test_texts_are_bounded_in_bytes() -> None:
    """A tenant chooses texts that a message quotes. The API server refuses requests of more than 3 MiB."""
    long = "\N{PILE OF POO}" * 10_000
    properties = tuple((f"key-{number}", long) for number in range(100))
    found = [finding(message=f"{number}{long}")._replace(properties=properties) for number in range(RESULTS_MAX)]
    made = render(*found)
    assert len(json.dumps(made)) < RESULTS_BYTES_MAX + 4096
    assert len(made["results"][0]["message"].encode()) <= MESSAGE_BYTES_MAX
    assert len(made["results"][0]["properties"]) == PROPERTIES_MAX
    assert "more are left out" in made["results"][-1]["message"]


NET = ObjectName("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", "infra", "lan", "uid-of-lan")
POOL = ObjectName("whereabouts.cni.cncf.io/v1alpha1", "IPPool", "kube-system", "10.1.0.0-24", "uid-of-pool")


def colliding(subject: ObjectName, *others: ObjectName) -> Finding:
    names = " ".join(other.title for other in others)
    properties = (("address", "10.1.0.5"), ("networks", names), ("segment", names))
    return finding(subject, f"so has {names}")._replace(others=others, properties=properties, fix=f"ask {names}")


@pytest.mark.parametrize(
    ("subject", "other"),
    [
        (pod(), pod("secret", "tenant-b")),
        (NET, pod("secret", "tenant-b")),
        (NET, NET._replace(namespace="tenant-b", name="secret")),
    ],
    ids=["pods", "network-and-pod", "networks"],
)
def test_nothing_of_other_namespaces_is_named(subject: ObjectName, other: ObjectName) -> None:
    (result,) = render(colliding(subject, other, other._replace(name="hidden")))["results"]
    assert result["message"] == (
        "title of network-not-found: this one and 2 objects of other namespaces; `nadmit scan` names them"
    )
    assert result["properties"] == {"address": "10.1.0.5", "field": "metadata.annotations"}
    text = json.dumps(result)
    assert not [word for word in ("tenant-b", "secret", "hidden") if word in text]


@pytest.mark.parametrize(
    ("subject", "other"),
    [
        (pod(), pod("web-1")),
        (pod(), NET),
        (POOL, pod("web", "tenant-b")),
        (BLUE, pod("web", "tenant-b")),
        (pod(), BLUE),
    ],
    ids=["own-namespace", "network-of-a-pod", "pool", "object-without-namespace", "namespace"],
)
def test_what_a_reader_may_know_is_named(subject: ObjectName, other: ObjectName) -> None:
    (result,) = render(colliding(subject, other))["results"]
    assert result["message"] == f"so has {other.title}"
    assert result["properties"]["others"] == other.title


def test_no_text_of_a_tenant_stops_a_pass() -> None:
    """JSON in an annotation may escape half a character, which no UTF-8 has, and control characters of terminals."""
    found = finding(message='a "\ud800" and \x1b[2J')._replace(properties=(("address", "\udfff"),), fix="x\ny")
    (result,) = render(found)["results"]
    assert result["message"] == 'a "?" and ?[2J'
    assert (result["properties"]["address"], result["properties"]["fix"]) == ("?", "x?y")
    assert msgspec.json.encode(result)


def test_a_result_keeps_the_time_of_its_first_report() -> None:
    first = render(finding(message="a"))
    later = render(finding(message="a"), finding(message="b"), stored=first, now=NOW + 600)
    assert {one["message"]: one["timestamp"]["seconds"] for one in later["results"]} == {"a": NOW, "b": NOW + 600}
    assert is_same(render(finding(message="a"), stored=first, now=NOW + 600), first)


def test_what_others_add_is_no_difference() -> None:
    made = render(finding())
    labels = {**made["metadata"]["labels"], "team": "net"}
    stored = {**made, "metadata": {**made["metadata"], "labels": labels, "uid": "1"}, "configuration": {"limits": {}}}
    assert is_same(made, stored)
    assert not is_same(made, {**stored, "results": []})
    assert not is_same(made, {**stored, "metadata": {**stored["metadata"], "ownerReferences": []}})
    assert not is_same(made, {**stored, "metadata": {**stored["metadata"], "labels": {"team": "net"}}})


def test_no_property_takes_the_place_of_the_identity() -> None:
    """Policy Reporter takes the property resultID for the identity of a result: all with one ID would be one."""
    made = render(finding()._replace(properties=(("resultID", "1"),)))
    assert "resultID" not in made["results"][0]["properties"]
