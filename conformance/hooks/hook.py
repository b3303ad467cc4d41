"""The webhook under test, as tests see it: an object goes in, a verdict or a changed pod comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from . import jsonpatches
from .admissionresponse import Verdict, read_verdict
from .calls import Answer, Caller
from .envelopes import encode, kind_of, review
from .samples import POD, Object

QUERY = "?timeout=10s"
"""What the API server appends to each path."""
DEFINITIONS, PODS, CHANGES = "definitions", "pods", "changes"
"""The kinds of reviews: of definitions, of pods, and of pods that may be changed."""


class Injected(NamedTuple):
    """What became of a pod: the verdict, and the pod after its patch."""

    verdict: Verdict
    pod: Object

    def container(self, index: int = 0) -> Object:
        """Return an ordinary container."""
        found: Object = self.pod["spec"]["containers"][index]
        return found

    def resources(self, index: int = 0) -> dict[str, dict[str, str]]:
        """Return requests and limits of a container; each is {} if there are none."""
        given = self.container(index).get("resources") or {}
        return {key: given.get(key) or {} for key in ("requests", "limits")}


class Webhook:
    """`paths`: for each kind of review that the webhook answers. `operations`: for which it is registered.

    `features`: those that the subject claims.
    """

    def __init__(
        self,
        caller: Caller,
        paths: Mapping[str, str],
        operations: Mapping[str, tuple[str, ...]],
        features: frozenset[str],
        add: Callable[[dict[str, str]], str] | None = None,
    ) -> None:
        self.caller = caller
        self.paths = paths
        self.operations = operations
        self.features = features
        self._add = add

    def add_definition(self, annotations: dict[str, str]) -> str:
        """Store a new definition in the cluster and return its name; skip the test if the cluster is not ours."""
        if self._add is None:
            pytest.skip("the webhook runs in a cluster of its own")
        return self._add(annotations)

    def needs_operation(self, kind: str, operation: str) -> None:
        """Skip the test unless the webhook is registered for an operation on a kind."""
        if operation not in self.operations.get(kind, ()):
            pytest.skip(f"the webhook is not registered for {operation} of {kind}")

    def needs_feature(self, feature: str) -> None:
        """Skip the test unless the subject claims a feature."""
        if feature not in self.features:
            pytest.skip(f"the subject does not claim the feature {feature}")

    def send(self, body: bytes, kind: str, **fields: Any) -> Answer:
        """Send the bytes of a review of a kind."""
        return self.caller.send(self.paths[kind] + QUERY, body, **fields)

    def answer(self, value: Object, kind: str) -> Verdict:
        """Send a review of a kind and return the verdict; fails where an API server would."""
        answer = self.send(encode(value), kind)
        return read_verdict(answer, value["request"]["uid"], may_patch=kind == CHANGES)

    def judge(self, thing: Object | None, **fields: Any) -> Verdict:
        """Return the verdict about an object of the kinds that are judged; `fields` as in `envelopes.review`."""
        value = review(thing, **fields)
        kind = PODS if value["request"]["resource"]["resource"] == POD.resource else DEFINITIONS
        return self.answer(value, kind)

    def change(self, pod: Object, **fields: Any) -> Injected:
        """Return what becomes of a new pod; fails if the patch does not apply."""
        assert kind_of(pod) == POD
        verdict = self.answer(review(pod, **fields), CHANGES)
        try:
            return Injected(verdict, jsonpatches.apply(verdict.patch, pod))
        except jsonpatches.PatchError as error:
            raise AssertionError(f"the API server would answer 500 under any failurePolicy: {error}") from error

    # What most tests expect

    def admits(self, thing: Object | None, **fields: Any) -> None:
        """Fail unless an object is admitted."""
        verdict = self.judge(thing, **fields)
        assert verdict.is_allowed, verdict

    def refuses(self, thing: Object) -> Verdict:
        """Fail unless an object is refused."""
        verdict = self.judge(thing)
        assert not verdict.is_allowed, "admitted"
        return verdict

    def inject(self, pod: Object, **fields: Any) -> Injected:
        """Return what becomes of a new pod; fails if it is refused."""
        injected = self.change(pod, **fields)
        assert injected.verdict.is_allowed, injected.verdict
        return injected
