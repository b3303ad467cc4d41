"""One review from bytes to bytes, as the HTTP application calls it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.paths import EXAMPLES
from tests.webhook.admission.world import RULES, cluster
from webhook.admission.model.limitsettings import ReviewLimits
from webhook.admission.model.requests import Decision, Request
from webhook.admission.mutation import jsonpatch
from webhook.admission.view.decisioncontext import Cluster, Configuration
from webhook.review.reviews import Reviews
from webhook.serving.http import RETRY_HEADER, RequestError
from webhook.trees.manifests import load_snapshot

RECORDINGS = sorted((EXAMPLES / "recordings").glob("*.json"))


class Noted:
    def __init__(self) -> None:
        self.reviews: list[tuple[str, str, str, float]] = []

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        self.reviews.append((path, request.uid, decision.verdict, seconds))


def reviews(
    noted: Noted,
    *,
    problems: list[str | None] | None = None,
    world: Cluster | None = None,
    configuration: Configuration | None = None,
) -> Reviews:
    left = list(problems or [None])
    known = world or cluster()
    return Reviews(
        snapshot=lambda: known,
        problem=lambda: left.pop(0),
        rules=lambda _cluster: RULES,
        configuration=lambda: configuration or Configuration(),
        network_namespace="kube-system",
        observer=noted,
    )


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_an_answer_is_the_same_each_time_and_changes_nothing_without_need(path: Path) -> None:
    """Reinvocation and dry runs repeat a review. No network of this cluster needs anything."""
    noted = Noted()
    asked = reviews(noted)
    body = path.read_bytes()
    first, again, mutated = (asked(where, body) for where in ("/validate", "/validate", "/mutate"))
    assert isinstance(first, bytes)
    assert isinstance(mutated, bytes)
    assert first == again
    uid = json.loads(body)["request"]["uid"]
    answer = json.loads(mutated)["response"]
    assert (answer["uid"], answer["allowed"]) == (uid, True)
    assert not {"patch", "patchType"} & (answer.keys() | json.loads(first)["response"].keys())
    assert answer["auditAnnotations"] == {"decision": "allow"}
    assert json.loads(first)["response"]["auditAnnotations"]["decision"] in {"allow", "warn", "deny"}
    assert [(where, who) for where, who, _, _ in noted.reviews] == [("/validate", uid)] * 2 + [("/mutate", uid)]
    assert all(seconds > 0 for *_, seconds in noted.reviews)


# Mutation


def sent(name: str, **changes: object) -> dict[str, Any]:
    """A recorded review; `changes` are made to its object."""
    review: dict[str, Any] = json.loads((EXAMPLES / "recordings" / f"create-pods-{name}.json").read_text())
    review["request"]["object"] |= changes
    return review


def ask(asked: Reviews, path: str, review: dict[str, Any]) -> dict[str, Any]:
    answer = asked(path, json.dumps(review).encode())
    assert isinstance(answer, bytes)
    response: dict[str, Any] = json.loads(answer)["response"]
    return response


def patched(review: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """The review after the patch, which applies to the object as sent."""
    assert response["patchType"] == "JSONPatch"
    operations = json.loads(base64.b64decode(response["patch"], validate=True))
    after = jsonpatch.apply(operations, review["request"]["object"])
    return {**review, "request": {**review["request"], "object": after}}


CHANGED = ("alice-pod", "dry", "once", "pod-c")


@pytest.mark.parametrize("name", CHANGED)
def test_validate_accepts_recorded_pods_after_mutate(name: str) -> None:
    asked = reviews(Noted(), world=load_snapshot(EXAMPLES / "cluster"))
    review = sent(name)
    assert ask(asked, "/validate", review)["status"]["details"]["causes"][0]["field"] == "spec.containers"
    after = patched(review, ask(asked, "/mutate", review))
    assert ask(asked, "/validate", after)["allowed"]
    assert "patch" not in ask(asked, "/mutate", after)


@pytest.mark.parametrize("name", CHANGED)
def test_without_injection_mutate_changes_nothing_and_validate_asks_for_nothing(name: str) -> None:
    configuration = Configuration(injection=None)
    asked = reviews(Noted(), world=load_snapshot(EXAMPLES / "cluster"), configuration=configuration)
    assert "patch" not in ask(asked, "/mutate", sent(name))
    assert ask(asked, "/validate", sent(name))["allowed"]


def test_an_object_that_cannot_be_read_whole_is_a_bad_request() -> None:
    """NB: a usual pod is never read whole, so its image does not matter; null is no environment variable."""
    asked = reviews(Noted(), world=load_snapshot(EXAMPLES / "cluster"))
    review = sent("alice-pod")
    review["request"]["object"]["spec"]["containers"][0]["env"] = [None]
    body = json.dumps(review).encode().replace(b'"busybox"', b'"\xff\xfe"')
    for path in ("/mutate", "/validate"):
        with pytest.raises(RequestError) as caught:
            asked(path, body)
        assert caught.value.status == 400
        assert "cannot be read" in caught.value.text


@pytest.mark.plain
def test_a_patch_that_cannot_be_made_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP application answers 500 with an id, and the log has the traceback (`test_app`)."""

    def fail(_before: object, _after: object) -> None:
        raise LookupError

    asked = reviews(Noted(), world=load_snapshot(EXAMPLES / "cluster"))
    monkeypatch.setattr(jsonpatch, "diff", fail)
    with pytest.raises(LookupError):
        ask(asked, "/mutate", sent("alice-pod"))


def test_before_it_is_ready_the_api_server_shall_try_again() -> None:
    asked = reviews(Noted(), problems=["networks not listed yet", None])
    body = RECORDINGS[0].read_bytes()
    with pytest.raises(RequestError) as caught:
        asked("/validate", body)
    assert (caught.value.status, caught.value.headers) == (503, (RETRY_HEADER,))
    assert asked("/validate", body) == asked("/validate", body)  # and does not call `problem` again


def test_a_bad_review_is_not_counted() -> None:
    noted = Noted()
    with pytest.raises(RequestError):
        reviews(noted)("/validate", b"{}")
    assert noted.reviews == []


# Stage Observe


def both(name: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any], Noted, Reviews]:
    """Return the answers of both stages to one review, the refusal first."""
    noted = Noted()
    asked = reviews(noted, **more)
    review = sent(name)
    refused, admitted = (ask(asked, path, review) for path in ("/validate", "/validate/observe"))
    return refused, admitted, noted, asked


REFUSED = "web-7b9fbb666b"


def test_observe_admits_and_records_what_would_be_refused() -> None:
    refused, admitted, noted, _ = both(REFUSED)
    assert (refused["allowed"], admitted["allowed"]) == (False, True)
    assert "status" not in admitted
    audit, recorded = refused["auditAnnotations"], admitted["auditAnnotations"]
    assert (audit.pop("decision"), recorded.pop("decision")) == ("deny", "would-deny")
    trial = recorded.pop("trial")
    assert trial.startswith("Observe: ")
    assert "warnings" not in admitted
    assert recorded == audit
    assert [one[:3:2] for one in noted.reviews] == [("/validate", "deny"), ("/validate", "would-deny")]


def test_observe_warns_users_if_the_configuration_says_so() -> None:
    _, admitted, _, _ = both(REFUSED, configuration=Configuration(warns_observed=True))
    (warning,) = admitted["warnings"]
    assert warning.startswith("would be refused")
    assert len(warning) <= 256


def test_a_change_of_the_stage_is_never_stale() -> None:
    """Decisions are remembered without their stage, and encoded answers of observed ones are not."""
    noted = Noted()
    asked = reviews(noted)
    review = sent(REFUSED)
    verdicts = [
        ask(asked, path, review)["allowed"] for path in ["/validate/observe", "/validate", "/validate/observe"] * 3
    ]
    assert verdicts == [True, False, True] * 3


@pytest.mark.parametrize("name", CHANGED)
def test_observe_changes_nothing_about_objects_that_are_admitted(name: str) -> None:
    noted = Noted()
    asked = reviews(noted, world=load_snapshot(EXAMPLES / "cluster"))
    review = sent(name)
    assert ask(asked, "/mutate", review) == ask(asked, "/mutate/observe", review)


def test_observe_admits_what_mutate_would_refuse() -> None:
    limits = ReviewLimits(containers_per_pod=0)
    asked = reviews(Noted(), world=load_snapshot(EXAMPLES / "cluster"), configuration=Configuration(limits=limits))
    review = sent("dry")
    for path in ("/mutate", "/validate"):
        assert ask(asked, path, review)["auditAnnotations"]["decision"] == "deny"
        answer = ask(asked, f"{path}/observe", review)
        assert answer["auditAnnotations"]["decision"] == "would-deny"
        assert answer["allowed"]
        assert "patch" not in answer


def test_a_review_that_cannot_be_read_stays_an_error() -> None:
    """The API server then admits the object, because the failurePolicy of stage Observe is Ignore."""
    with pytest.raises(RequestError):
        reviews(Noted())("/validate/observe", b"{")
