"""One review from bytes to bytes: read, decide, answer; one log line and one count.

The cluster is not asked while judging, with two exceptions, for objects that may have been created a moment ago. Both
are within bounds (`LiveLookups`), and with what was found the review is judged once more:

- a namespace that is not known and whose labels matter: without them there is no verdict, so what is not found is
  answered with 503 and Retry-After, and the API server tries again within its time;
- networks that are not known, of a pod that is refused for nothing else: what is not found leaves the refusal.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from webhook.admission.checks.in_use import WARN
from webhook.admission.evaluate import evaluate
from webhook.admission.model import ALLOWED, Decision, Request
from webhook.admission.mutating import answer_mutation
from webhook.admission.namespacelabels import told
from webhook.serving import wire
from webhook.serving.http import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cniplugin.access.model import Rules
    from webhook.admission.configuration import Configuration
    from webhook.admission.listers import Cluster

    from .http import Later

LIVE_MAX_S = 1.0
"""How long a review may wait for the cluster; and never more than half of the time that is left."""
LIVE_ROUNDS_MAX = 3
"""How often one review may look for objects: a network may make the labels of a namespace matter, and they another."""


class Observer(Protocol):
    """Where a finished review is counted and logged."""

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Take note of one review."""


class LiveLookups(Protocol):
    """Where objects are looked for that the snapshot does not have. Nothing of it raises."""

    def may_find_namespaces(self, unknown: Sequence[str]) -> bool:
        """Say whether all of these may be found. Never waits."""

    def may_find_networks(self, missing: Sequence[tuple[str, str]]) -> bool:
        """Say whether all of these, given by namespace and name, may be found. Never waits."""

    async def find_namespaces(self, unknown: Sequence[str], *, seconds: float, over: Any = None) -> Cluster | None:
        """Return a snapshot with these namespaces; None if one is not found in time.

        It is made of the newest snapshot, or of `over`, which one of these has returned.
        """

    async def find_networks(
        self, missing: Sequence[tuple[str, str]], *, seconds: float, over: Any = None
    ) -> Cluster | None:
        """Return a snapshot with these networks, as `find_namespaces`."""


class Reviews:
    """The callable that the HTTP application runs for /validate and /mutate.

    `snapshot` gives what is in force, and `rules` the rules of a snapshot; one review sees one state.
    `problem` says why there is no snapshot yet; once it has said None, it is not asked again. `configuration` is what
    admins may change at any time. `live`: None where there is nothing behind the snapshot.
    """

    def __init__(  # noqa: PLR0913 - a composition: one argument per part
        self,
        *,
        snapshot: Callable[[], Cluster],
        problem: Callable[[], str | None],
        rules: Callable[[Cluster], Rules],
        configuration: Callable[[], Configuration],
        network_namespace: str,
        observer: Observer,
        network_in_use: str = WARN,
        live: LiveLookups | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._problem: Callable[[], str | None] | None = problem
        self._rules = rules
        self._configuration = configuration
        self._network_namespace = network_namespace
        self._observer = observer
        self._network_in_use = network_in_use
        self._live = live

    def __call__(self, path: str, body: bytes) -> bytes | Later:
        """Return the answer to one AdmissionReview, or how to wait for it.

        Raises RequestError for one that cannot be read, or not yet.
        """
        started = perf_counter()
        if self._problem is not None:
            self._check_ready(self._problem())
        request = wire.decode(body)
        decision = self._decide(path, request, self._snapshot())
        live = self._live
        if live is None:
            return self._answer(path, request, told(decision), started)
        if decision.unknown:
            if not live.may_find_namespaces(decision.unknown):
                raise _labels_unknown(decision.unknown)
            return partial(self._answer_later, live, path, request, decision, started)
        if decision.missing and live.may_find_networks(decision.missing):
            return partial(self._answer_later, live, path, request, decision, started)
        return self._answer(path, request, decision, started)

    async def _answer_later(
        self, live: LiveLookups, path: str, request: Request, decision: Decision, started: float, seconds_left: float
    ) -> bytes:
        """Look for what is not known, and judge with it, until nothing is missing that can be found.

        Labels may show that a network is missing, and a network that its owner shares it by labels.
        """
        seconds = min(LIVE_MAX_S, seconds_left / 2)
        known: Cluster | None = None
        for _ in range(LIVE_ROUNDS_MAX):
            waits_since = perf_counter()
            if decision.unknown:
                found = await live.find_namespaces(decision.unknown, seconds=seconds, over=known)
            elif decision.missing and (known is None or live.may_find_networks(decision.missing)):
                found = await live.find_networks(decision.missing, seconds=seconds, over=known)
            else:
                break
            if found is None:
                break
            seconds -= perf_counter() - waits_since
            known, decision = found, self._decide(path, request, found)
        if decision.unknown:
            raise _labels_unknown(decision.unknown)
        return self._answer(path, request, decision, started)

    def _answer(self, path: str, request: Request, decision: Decision, started: float) -> bytes:
        answer = wire.encode(request, decision)
        self._observer.review(path, request, decision, perf_counter() - started)
        return answer

    def _check_ready(self, problem: str | None) -> None:
        """NB: an empty cache would refuse what is right; the API server tries a 503 again within its time."""
        if problem is not None:
            raise RequestError(503, f"not ready: {problem}; try again in 1 s", (("retry-after", "1"),))
        self._problem = None

    def _decide(self, path: str, request: Request, cluster: Cluster) -> Decision:
        configuration = self._configuration()
        injection = configuration.injection
        if path == "/validate":
            return evaluate(
                request,
                cluster,
                self._rules(cluster),
                network_namespace=self._network_namespace,
                network_in_use=self._network_in_use,
                injection=injection,
                plugins=configuration.plugins,
            )
        if injection is None:
            return ALLOWED
        rules = self._rules(cluster)
        return answer_mutation(request, cluster, rules, injection, network_namespace=self._network_namespace)


def _labels_unknown(namespaces: Sequence[str]) -> RequestError:
    """NB: under stage Ignore, the API server lets the object pass after its tries, as while nobody answers."""
    named = ", ".join(f'"{name[:63]}"' for name in namespaces[:3])
    text = f"access rules select namespaces by labels, and those of namespace {named} cannot be read yet"
    return RequestError(503, f"{text}; try again in 1 s", (("retry-after", "1"),))
