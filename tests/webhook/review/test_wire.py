"""AdmissionReview on the wire: the fields that are read, refusals, and the API server's checks of an answer (§2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec.selection import NETWORK_STATUS
from tests.paths import EXAMPLES
from webhook.admission.model.kinds import GroupKind
from webhook.admission.model.requests import AdmissionWarning, Cause, Decision, Object, Request, User
from webhook.review import wire
from webhook.serving.http import RequestError

RECORDINGS = sorted((EXAMPLES / "recordings").glob("*.json"))


def review(kind: str = "Pod", group: str = "", obj: object = None, **more: object) -> bytes:
    request = {
        "uid": "u",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "operation": "CREATE",
        "object": obj,
    }
    return json.dumps({"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": {**request, **more}}).encode()


def read(kind: str, group: str, obj: object) -> Object:
    found = wire.decode(review(kind, group, obj)).object
    assert found is not None
    return found


def test_recordings_are_found() -> None:
    assert len(RECORDINGS) == 29


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recordings_are_read(path: Path) -> None:
    """The request equals the one that a plain JSON reader gives."""
    body = path.read_bytes()
    raw = json.loads(body)["request"]
    request = wire.decode(body)
    assert (request.uid, request.operation, request.namespace) == (raw["uid"], raw["operation"], raw["namespace"])
    assert (request.object is None) == (raw["object"] is None)
    assert (request.old_object is None) == (raw["oldObject"] is None)
    assert request.user == User(raw["userInfo"]["username"], tuple(raw["userInfo"]["groups"]))
    if request.object and request.kind == GroupKind("", "Pod"):
        assert request.object.annotations == raw["object"]["metadata"].get("annotations", {})
        assert request.object.service_account == "default"


TEMPLATE = {"metadata": {"annotations": {"a": "b"}, "labels": {"c": "d"}}, "spec": {"serviceAccountName": "robot"}}


@pytest.mark.parametrize(
    ("kind", "group", "obj"),
    [
        ("Pod", "", TEMPLATE),
        ("Deployment", "apps", {"spec": {"template": TEMPLATE}}),
        ("Job", "batch", {"spec": {"template": TEMPLATE}}),
        ("ReplicationController", "", {"spec": {"template": TEMPLATE}}),
        ("CronJob", "batch", {"spec": {"jobTemplate": {"spec": {"template": TEMPLATE}}}}),
        ("PodTemplate", "", {"template": TEMPLATE}),
    ],
)
def test_the_pod_of_every_kind_is_found(kind: str, group: str, obj: dict[str, Any]) -> None:
    found = read(kind, group, obj)
    assert (found.annotations, found.labels, found.service_account) == ({"a": "b"}, {"c": "d"}, "robot")
    assert found.sent is not None
    assert found.sent.read() == TEMPLATE


@pytest.mark.parametrize(("value", "expected"), [(True, True), (False, False), (None, False), ("true", False)])
def test_the_network_namespace_of_the_node(value: object, *, expected: bool) -> None:
    pod = {"spec": {"hostNetwork": value}}
    objects = [
        ("Pod", "", pod),
        ("DaemonSet", "apps", {"spec": {"template": pod}}),
        ("PodTemplate", "", {"template": pod}),
    ]
    objects += [("CronJob", "batch", {"spec": {"jobTemplate": {"spec": {"template": pod}}}})]
    for kind, group, obj in objects:
        assert read(kind, group, obj).is_host_network is expected
    assert not read("DaemonSet", "apps", {"spec": {"hostNetwork": True, "template": {}}}).is_host_network


def test_annotations_that_no_pod_gets() -> None:
    own = {"metadata": {"annotations": {"a": "1"}}}
    jobs = {"spec": {"jobTemplate": {"metadata": {"annotations": {"b": "2"}}}}}
    assert read("Deployment", "apps", own).own_annotations == {"metadata.annotations": {"a": "1"}}
    assert read("CronJob", "batch", {**own, **jobs}).own_annotations == {
        "metadata.annotations": {"a": "1"},
        "spec.jobTemplate.metadata.annotations": {"b": "2"},
    }
    assert read("Pod", "", own).own_annotations == {}
    assert read("CronJob", "batch", {"spec": {"jobTemplate": {"metadata": None}}}).own_annotations == {}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        ({"status": {"phase": "Running"}}, True),
        ({"status": {"phase": "Pending"}}, False),
        ({"status": {"phase": ["Running"]}}, False),
        ({"status": "Running"}, False),
        ({"metadata": {"annotations": {NETWORK_STATUS: "[]"}}}, True),
        ({}, False),
    ],
)
def test_a_stored_pod_that_has_its_networks(obj: dict[str, Any], *, expected: bool) -> None:
    request = wire.decode(review(obj=obj, oldObject=obj))
    assert request.old_object is not None
    assert request.old_object.has_started is expected
    assert request.object is not None
    assert not request.object.has_started


@pytest.mark.parametrize("kind", ["Pod", "Binding", "NetworkAttachmentDefinition"])
def test_a_template_is_only_read_where_its_kind_keeps_it(kind: str) -> None:
    """A definition may have unknown fields, which must not replace its own annotations."""
    forged = {"metadata": {"annotations": {"own": "1"}}, "template": TEMPLATE, "spec": {"template": TEMPLATE}}
    assert read(kind, "k8s.cni.cncf.io" if kind.startswith("Network") else "", forged).annotations == {"own": "1"}


def test_a_kind_that_is_not_judged_may_have_fields_of_other_types() -> None:
    request = wire.decode(review("Other", "x.example", {"metadata": 5, "spec": {"template": "x"}}))
    assert request.object is not None
    assert request.object._replace(unread=None) == Object()


def test_an_object_of_another_kind_is_read_on_request() -> None:
    obj, old = {"metadata": {"name": "a"}, "spec": {"x": [1]}}, {"metadata": {"name": "a"}}
    created, updated = (wire.decode(review("Other", "x.example", obj, oldObject=one)) for one in (None, old))
    for request, before in ((created, None), (updated, old)):
        assert request.object is not None
        assert request.object.unread is not None
        assert request.old_object is None
        assert (request.object.unread.read(), request.object.unread.read_old()) == (obj, before)
        assert request.object.unread.mentions(["none", '"x"'])
        assert not request.object.unread.mentions(["none"])


@pytest.mark.parametrize(
    "kind", ["Pod", "Deployment", "CronJob", "PodTemplate", "NetworkAttachmentDefinition", "Other"]
)
@pytest.mark.parametrize("obj", [{}, {"metadata": {}}, {"spec": None}, {"metadata": {"annotations": None}}])
def test_absent_members_are_empty(kind: str, obj: object) -> None:
    found = read(kind, "apps" if kind == "Deployment" else "batch" if kind == "CronJob" else "", obj)
    assert (found.name, found.annotations, found.config) == ("", {}, None)


def test_a_definition_keeps_its_config_as_it_is() -> None:
    assert read("NetworkAttachmentDefinition", "k8s.cni.cncf.io", {"spec": {"config": "{"}}).config == "{"
    assert read("NetworkAttachmentDefinition", "k8s.cni.cncf.io", {"spec": {"config": {"a": 1}}}).config == {"a": 1}


def test_a_name_that_is_still_generated() -> None:
    request = wire.decode(review(obj={"metadata": {"generateName": "web-"}}))
    assert request.object_name == "web-*"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "truncated"),
        (b"[]", "wrong type: a list; allowed: an object"),
        (b"\xff", "malformed"),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', "missing required field 'request'"),
        (
            b'{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u","kind":{"kind":"Pod"},"operation":"CREATE"}}',
            "allowed: admission.k8s.io/v1 AdmissionReview",
        ),
        (review(uid=""), "request.uid is empty"),
        (review(uid=5), "$.request.uid"),
        (review(obj=[]), "$.request.object"),
        (review(obj={"metadata": {"annotations": {"a": 1}}}), "$.request.object.metadata.annotations"),
        (review(oldObject="x"), "$.request.oldObject"),
        (b"[" * 100_000, "a list"),
    ],
)
def test_a_bad_review_is_refused_with_one_clear_line(body: bytes, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        wire.decode(body)
    assert caught.value.status == 400
    assert words in caught.value.text
    assert "\n" not in caught.value.text


@given(st.binary() | st.text().map(str.encode))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        wire.decode(body)
    except RequestError as error:
        assert error.status == 400


REQUEST = Request(uid="a-b", kind=GroupKind("", "Pod"), operation="CREATE", object=Object(name="web"), name="web")


def response(decision: Decision) -> dict[str, Any]:
    answer = json.loads(wire.encode(REQUEST, decision))
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer.keys() == {"apiVersion", "kind", "response"}
    assert answer["response"]["uid"] == "a-b"
    assert not {"patch", "patchType"} & answer["response"].keys()
    return dict(answer["response"])


def test_an_allowed_review() -> None:
    assert response(Decision()) == {"uid": "a-b", "allowed": True, "auditAnnotations": {"decision": "allow"}}


def test_warnings() -> None:
    assert response(Decision(warnings=(AdmissionWarning("spec", "w"),)))["warnings"] == ["spec: w"]


def test_a_refused_review() -> None:
    decision = Decision(
        is_allowed=False,
        code=422,
        reason="Invalid",
        message="m",
        causes=(Cause("spec.config", "c"),),
        rules=("a", "b"),
        decided="d",
    )
    assert response(decision) == {
        "uid": "a-b",
        "allowed": False,
        "status": {
            "status": "Failure",
            "code": 422,
            "reason": "Invalid",
            "message": "m",
            "details": {
                "group": "",
                "kind": "Pod",
                "name": "web",
                "causes": [{"reason": "FieldValueInvalid", "field": "spec.config", "message": "c"}],
            },
        },
        "auditAnnotations": {"decision": "deny", "rule": "a,b", "decided-by": "d"},
    }


def test_the_policies_that_decided_are_in_the_audit_log() -> None:
    audit = response(Decision(rules=("AllowRule",), policies=("blue-storage", "guardrails")))["auditAnnotations"]
    assert audit == {"decision": "allow", "rule": "AllowRule", "policy": "blue-storage,guardrails"}


@pytest.mark.parametrize("text", ["n" * 253, "two\nlines\x7f", "ü"])
def test_audit_annotations_are_bounded_lines(text: str) -> None:
    decision = Decision(policies=(text,) * 500, decided=text * 9, trials=(f"Warn: {text}",) * 500)
    audit = response(decision)["auditAnnotations"]
    assert all(len(value) <= wire.AUDIT_MAX and value.isprintable() for value in audit.values())
    assert audit["policy"].startswith(text[:3])


def test_a_deletion_is_named_by_its_old_object() -> None:
    body = review(
        "NetworkAttachmentDefinition", "k8s.cni.cncf.io", operation="DELETE", oldObject={"metadata": {"name": "n"}}
    )
    request = wire.decode(body)
    assert (request.object, request.object_name) == (None, "n")


def test_trials_are_in_the_audit_log() -> None:
    request = Request(uid="u", kind=GroupKind("", "Pod"), operation="CREATE")
    answer = json.loads(wire.encode(request, Decision(trials=("Warn: a", "Audit: b"))))
    assert answer["response"]["auditAnnotations"] == {"decision": "allow", "trial": "Warn: a; Audit: b"}
    assert "trial" not in json.loads(wire.encode(request, Decision()))["response"]["auditAnnotations"]


def _large(kind: dict[str, str], obj: dict[str, object]) -> bytes:
    request = {"uid": "u", "kind": kind, "operation": "CREATE", "namespace": "blue", "object": obj}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


LABELS = {f"key-{number}": "value" for number in range(20_000)}


def test_labels_of_a_large_definition_are_skipped_and_all_else_is_read() -> None:
    kind = {"group": "k8s.cni.cncf.io", "kind": "NetworkAttachmentDefinition"}
    metadata = {"name": "lan", "labels": LABELS, "annotations": {"a": "b"}}
    read = wire.decode(_large(kind, {"metadata": metadata, "spec": {"config": "{}"}})).object
    assert read is not None
    assert (read.name, dict(read.labels), dict(read.annotations), read.config) == ("lan", {}, {"a": "b"}, "{}")


def test_labels_of_a_large_pod_are_read() -> None:
    kind = {"group": "", "kind": "Pod"}
    read = wire.decode(_large(kind, {"metadata": {"name": "web-0", "labels": LABELS}})).object
    assert read is not None
    assert read.labels == LABELS


@pytest.mark.parametrize("kind", ["Pod", "Deployment"])
def test_a_request_does_not_show_the_variables_of_its_containers(kind: str) -> None:
    """Whoever logs one, or a traceback with its values, logs no passwords."""
    pod = {
        "metadata": {"name": "web"},
        "spec": {
            "containers": [{"name": "app", "env": [{"name": "PASSWORD", "value": "s3cret"}]}],
            "resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}],
        },
    }
    group, obj = ("", pod) if kind == "Pod" else ("apps", {"metadata": {"name": "web"}, "spec": {"template": pod}})
    sent = {"uid": "u", "kind": {"group": group, "kind": kind}, "operation": "CREATE", "object": obj}
    review = {"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": sent}
    shown = repr(wire.decode(json.dumps(review).encode()))
    assert "web" in shown
    assert "s3cret" not in shown


def test_a_large_object_of_another_kind_is_not_read() -> None:
    kind = {"group": "example.com", "kind": "Widget"}
    read = wire.decode(_large(kind, {"metadata": {"name": 5, "labels": {**LABELS, "z": 1}}}))
    assert read.object is not None
    assert (read.kind.kind, read.object._replace(unread=None)) == ("Widget", Object())


def test_a_large_body_that_cannot_be_read_says_why() -> None:
    kind = {"group": "", "kind": "Pod"}
    with pytest.raises(RequestError, match="labels"):
        wire.decode(_large(kind, {"metadata": {"name": "web-0", "labels": {**LABELS, "z": 1}}}))
    with pytest.raises(RequestError, match="cannot be read"):
        wire.decode(_large(kind, {"metadata": {"name": "web-0", "labels": LABELS}})[:-1])
