"""The reading of answers: each rule of an API server about the envelope fails a test that breaks it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from conformance.hooks.admissionresponse import read_verdict
from conformance.hooks.calls import Answer
from conformance.hooks.envelopes import API_VERSION

PATCH = base64.b64encode(b'[{"op":"add","path":"/a","value":1}]').decode()


def answer(response: Any, *, status: int = 200, version: str = API_VERSION, kind: str = "AdmissionReview") -> Answer:
    return Answer(status, {}, json.dumps({"apiVersion": version, "kind": kind, "response": response}).encode())


def test_an_admission() -> None:
    verdict = read_verdict(answer({"uid": "1", "allowed": True, "warnings": ["w"]}), "1")
    assert verdict == (True, "", 0, ("w",), [])


def test_a_refusal() -> None:
    verdict = read_verdict(answer({"uid": "1", "allowed": False, "status": {"code": 403, "message": "no"}}), "1")
    assert (verdict.is_allowed, verdict.code, verdict.message) == (False, 403, "no")
    assert verdict.says("NO")
    assert not verdict.says("no", "yes")


def test_a_patch() -> None:
    sent = {"uid": "1", "allowed": True, "patch": PATCH, "patchType": "JSONPatch"}
    assert read_verdict(answer(sent), "1", may_patch=True).patch == [{"op": "add", "path": "/a", "value": 1}]


def test_a_patch_of_null_changes_nothing() -> None:
    sent = {"uid": "1", "allowed": True, "patch": base64.b64encode(b"null").decode(), "patchType": "JSONPatch"}
    assert read_verdict(answer(sent), "1", may_patch=True).patch == []


GOOD = {"uid": "1", "allowed": True}
WRONG: dict[str, Answer] = {
    "another status": answer(GOOD, status=201),
    "another version": answer(GOOD, version="admission.k8s.io/v1beta1"),
    "another kind": answer(GOOD, kind="Status"),
    "no response": answer(None),
    "another uid": answer(GOOD | {"uid": "2"}),
    "no uid": answer({"allowed": True}),
    "allowed as text": answer(GOOD | {"allowed": "true"}),
    "a code as text": answer({"uid": "1", "allowed": False, "status": {"code": "403"}}),
    "warnings as text": answer(GOOD | {"warnings": [1]}),
    "no JSON": Answer(200, {}, b"ok"),
    "a list": Answer(200, {}, b"[]"),
}
WRONG_PATCHES: dict[str, Answer] = {
    "a patch without its type": answer(GOOD | {"patch": PATCH}),
    "a type without a patch": answer(GOOD | {"patchType": "JSONPatch"}),
    "an empty type": answer(GOOD | {"patch": PATCH, "patchType": ""}),
    "a merge patch": answer(GOOD | {"patch": PATCH, "patchType": "MergePatch"}),
    "no base64": answer(GOOD | {"patch": "[{}]", "patchType": "JSONPatch"}),
    "no list": answer(GOOD | {"patch": base64.b64encode(b"{}").decode(), "patchType": "JSONPatch"}),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("may_patch", [False, True])
def test_what_an_api_server_refuses(name: str, may_patch: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    with pytest.raises(AssertionError):
        read_verdict(WRONG[name], "1", may_patch=may_patch)


@pytest.mark.parametrize("name", WRONG_PATCHES)
def test_what_an_api_server_refuses_in_a_patch(name: str) -> None:
    with pytest.raises(AssertionError):
        read_verdict(WRONG_PATCHES[name], "1", may_patch=True)


def test_a_verdict_has_no_patch() -> None:
    with pytest.raises(AssertionError):
        read_verdict(answer(GOOD | {"patch": PATCH, "patchType": "JSONPatch"}), "1")
