"""The caches of reviews: their bounds, and the contexts that they belong to."""

from __future__ import annotations

import base64
import json
from typing import Any

from cniplugin.access.model.decision import Config
from tests.paths import EXAMPLES
from webhook.admission.model.injection import Injection
from webhook.admission.model.requests import AdmissionWarning, Decision, Request
from webhook.admission.view.decisioncontext import CompiledRules, Configuration
from webhook.review import decisioncache, wire
from webhook.review.decisioncache import (
    ENCODED,
    ENCODED_BYTES_MAX,
    ENCODED_MAX,
    REMEMBERED_MAX,
    DecisionCache,
)
from webhook.review.reviews import Reviews
from webhook.snapshot.snapshot import Snapshot
from webhook.trees.manifests import load_snapshot

BODY = (EXAMPLES / "recordings" / "create-pods-alice-pod.json").read_bytes()


class Ignoring:
    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Implements `Observer`."""


class Server:
    """Reviews whose snapshot and configuration a test can change."""

    def __init__(self) -> None:
        self.snapshot: Snapshot = load_snapshot(EXAMPLES / "cluster")
        self.configuration = Configuration()
        self._reviews = Reviews(
            snapshot=lambda: self.snapshot,
            problem=lambda: None,
            rules=CompiledRules(Config()),
            configuration=lambda: self.configuration,
            network_namespace="kube-system",
            observer=Ignoring(),
        )

    def patch(self) -> Any:
        answer = self._reviews("/mutate", BODY)
        assert isinstance(answer, bytes)
        patch = json.loads(answer)["response"].get("patch")
        return json.loads(base64.b64decode(patch)) if patch else []


def test_a_new_configuration_gets_new_answers() -> None:
    server = Server()
    first = server.patch()
    server.configuration = Configuration(injection=Injection(exposes_netinfo=False))
    assert 0 < len(server.patch()) < len(first)
    server.configuration = Configuration()
    assert server.patch() == first


def test_a_new_snapshot_gets_new_answers() -> None:
    server = Server()
    assert server.patch()
    server.snapshot = Snapshot({}, {})
    assert server.patch() == []


def test_a_full_cache_forgets_the_oldest_results() -> None:
    cache = DecisionCache(Configuration())
    for key in range(3 * REMEMBERED_MAX):
        cache.put(key, "result")
    assert list(cache) == list(range(2 * REMEMBERED_MAX, 3 * REMEMBERED_MAX))


def test_encoded_answers_are_bounded() -> None:
    ENCODED.clear()
    decisions = [Decision(rules=(str(number),)) for number in range(3 * ENCODED_MAX)]
    for decision in decisions:
        decisioncache.keep_encoded(decision, b"answer")
    assert list(ENCODED) == [id(decision) for decision in decisions[-ENCODED_MAX:]]


def test_a_large_answer_is_not_kept() -> None:
    ENCODED.clear()
    large = Decision(warnings=tuple(AdmissionWarning("", f"{number:0256}") for number in range(40)))
    request = wire.decode(BODY)
    assert len(wire.encode(request, large)) > ENCODED_BYTES_MAX
    assert not ENCODED
