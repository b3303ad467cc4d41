"""One review from bytes to bytes: read, decide, answer; one log line and one count."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from webhook.admission.evaluate import evaluate
from webhook.admission.model import ALLOWED, Decision, Request
from webhook.serving import wire
from webhook.serving.http import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cniplugin.access.model import Rules
    from webhook.admission.listers import Cluster


class Observer(Protocol):
    """Where a finished review is counted and logged."""

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Take note of one review."""


class Reviews:
    """The callable that the HTTP application runs for /validate and /mutate.

    `snapshot` gives what is in force, and `rules` the rules of a snapshot; one review sees one state.
    `problem` says why there is no snapshot yet; once it has said None, it is not asked again.
    """

    def __init__(
        self,
        *,
        snapshot: Callable[[], Cluster],
        problem: Callable[[], str | None],
        rules: Callable[[Cluster], Rules],
        network_namespace: str,
        observer: Observer,
    ) -> None:
        self._snapshot = snapshot
        self._problem: Callable[[], str | None] | None = problem
        self._rules = rules
        self._network_namespace = network_namespace
        self._observer = observer

    def __call__(self, path: str, body: bytes) -> bytes:
        """Return the answer to one AdmissionReview. Raises RequestError for one that cannot be read, or not yet."""
        started = perf_counter()
        if self._problem is not None:
            self._check_ready(self._problem())
        request = wire.decode(body)
        decision = self.decide(path, request)
        answer = wire.encode(request, decision)
        self._observer.review(path, request, decision, perf_counter() - started)
        return answer

    def _check_ready(self, problem: str | None) -> None:
        """NB: an empty cache would refuse what is right; the API server tries a 503 again within its time."""
        if problem is not None:
            raise RequestError(503, f"not ready: {problem}; try again in 1 s", (("retry-after", "1"),))
        self._problem = None

    def decide(self, path: str, request: Request) -> Decision:
        """Return the decision about a request. Nothing is mutated yet: /mutate allows, without a patch."""
        if path == "/mutate":
            return ALLOWED
        cluster = self._snapshot()
        return evaluate(request, cluster, self._rules(cluster), network_namespace=self._network_namespace)
