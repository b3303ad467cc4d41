"""One review from bytes to bytes: read, decide, answer; one log line and one count.

The cluster is not asked while judging, with one exception: a pod that is refused for nothing but networks that are not
known, which may have been created a moment ago. These are asked for, within bounds (`LiveNetworks`), and if all of
them are there the pod is judged once more.

A review runs on the event loop. One that needs more definitions read than its turn allows (`admission.parsecache`) has
them read in a thread, one after the other, and is judged once more after each: what a turn takes is bounded, whatever
the review names.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from webhook.admission.checks.in_use import WARN
from webhook.admission.evaluate import evaluate
from webhook.admission.model import ALLOWED, Decision, Request
from webhook.admission.mutating import answer_mutation
from webhook.admission.parsecache import ALLOWANCE, PARSED, OutOfTurnError
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


class Observer(Protocol):
    """Where a finished review is counted and logged."""

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Take note of one review."""


class LiveNetworks(Protocol):
    """Where networks are looked for that the snapshot does not have."""

    def is_worth_asking(self, missing: Sequence[tuple[str, str]]) -> bool:
        """Say whether all of these, given by namespace and name, may be found. Never waits."""

    async def find(self, missing: Sequence[tuple[str, str]], *, seconds: float) -> Cluster | None:
        """Return the newest snapshot, with these networks; None if one is not found in time. Never raises."""


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
        live: LiveNetworks | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._problem: Callable[[], str | None] | None = problem
        self._rules = rules
        self._configuration = configuration
        self._network_namespace = network_namespace
        self._observer = observer
        self._network_in_use = network_in_use
        self._live = live
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="nadmit-read")

    def __call__(self, path: str, body: bytes) -> bytes | Later:
        """Return the answer to one AdmissionReview, or how to wait for it.

        Raises RequestError for one that cannot be read, or not yet.
        """
        started = perf_counter()
        if self._problem is not None:
            self._check_ready(self._problem())
        request = wire.decode(body)
        cluster = self._snapshot()
        try:
            decision = self._decide_in_turn(path, request, cluster)
        except OutOfTurnError as unread:
            return partial(self._answer_in_turns, path, request, unread.cluster or cluster, started)
        if decision.missing and self._live is not None and self._live.is_worth_asking(decision.missing):
            return partial(self._answer_later, self._live, path, request, decision, started)
        answer = wire.encode(request, decision)
        self._observer.review(path, request, decision, perf_counter() - started)
        return answer

    async def _answer_in_turns(
        self, path: str, request: Request, cluster: Cluster, started: float, seconds_left: float
    ) -> bytes:
        """Answer a review that needs much read: each turn judges what was read so far."""
        decision = await self._decide_in_turns(path, request, cluster, seconds_left)
        if decision.missing and self._live is not None and self._live.is_worth_asking(decision.missing):
            left = seconds_left - (perf_counter() - started)
            return await self._answer_later(self._live, path, request, decision, started, left)
        answer = wire.encode(request, decision)
        self._observer.review(path, request, decision, perf_counter() - started)
        return answer

    async def _decide_in_turns(self, path: str, request: Request, cluster: Cluster, seconds_left: float) -> Decision:
        """Return the decision, as `_decide`. Raises RequestError when the time is over."""
        ends_at = perf_counter() + seconds_left
        while perf_counter() < ends_at:
            try:
                return self._decide_in_turn(path, request, cluster)
            except OutOfTurnError as error:
                unread = error
            await asyncio.get_running_loop().run_in_executor(self._reader, unread.work)
            unread.keep()
            cluster = unread.cluster or cluster
        text = "overloaded: the networks of this object could not be read in time; try again in 1 s"
        raise RequestError(503, text, (("retry-after", "1"),))

    def _decide_in_turn(self, path: str, request: Request, cluster: Cluster) -> Decision:
        """As `_decide`, with the allowance of one turn. Raises OutOfTurnError."""
        PARSED.left = ALLOWANCE
        try:
            return self._decide(path, request, cluster)
        finally:
            PARSED.left = None

    async def _answer_later(
        self, live: LiveNetworks, path: str, request: Request, decision: Decision, started: float, seconds_left: float
    ) -> bytes:
        before = perf_counter()
        cluster = await live.find(decision.missing, seconds=min(LIVE_MAX_S, seconds_left / 2))
        if cluster is not None:
            left = seconds_left - (perf_counter() - before)
            decision = await self._decide_in_turns(path, request, cluster, left)
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
                limits=configuration.limits,
            )
        if injection is None:
            return ALLOWED
        rules = self._rules(cluster)
        return answer_mutation(
            request,
            cluster,
            rules,
            injection,
            network_namespace=self._network_namespace,
            limits=configuration.limits,
        )
