"""One review from bytes to bytes, as the HTTP application calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.admission.world import RULES, cluster
from webhook.admission.configuration import Configuration
from webhook.admission.model import Decision, Request
from webhook.serving.http import RequestError
from webhook.serving.reviews import Reviews

RECORDINGS = sorted((Path(__file__).parents[2] / "examples" / "recordings").glob("*.json"))


class Noted:
    def __init__(self) -> None:
        self.reviews: list[tuple[str, str, str, float]] = []

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        self.reviews.append((path, request.uid, decision.verdict, seconds))


def reviews(noted: Noted, *, problems: list[str | None] | None = None) -> Reviews:
    left = list(problems or [None])
    return Reviews(
        snapshot=cluster,
        problem=lambda: left.pop(0),
        rules=lambda _cluster: RULES,
        configuration=Configuration,
        network_namespace="kube-system",
        observer=noted,
    )


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_an_answer_is_the_same_each_time_and_patches_nothing(path: Path) -> None:
    """Reinvocation and dry runs ask again; nothing is mutated yet."""
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


def test_before_it_is_ready_the_api_server_is_asked_to_try_again() -> None:
    asked = reviews(Noted(), problems=["networks not listed yet", None])
    body = RECORDINGS[0].read_bytes()
    with pytest.raises(RequestError) as caught:
        asked("/validate", body)
    assert (caught.value.status, caught.value.headers) == (503, (("retry-after", "1"),))
    assert asked("/validate", body) == asked("/validate", body)  # and the problem is not asked for again


def test_a_bad_review_is_not_counted() -> None:
    noted = Noted()
    with pytest.raises(RequestError):
        reviews(noted)("/validate", b"{}")
    assert noted.reviews == []
