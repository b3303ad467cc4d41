"""One review from bytes to bytes: read, decide, answer; one log line and one count.

A review does not ask the cluster, with three exceptions, for objects that may have just been created. All three have
bounds (`LiveLookups`, `LiveDevices`). With the objects that were found, the review is judged once more:

- a namespace that is not known and whose labels matter: without them there is no verdict. If it is not found, the
  answer is 503 with Retry-After, and the API server tries again within its time;
- claims that are not known, of a pod that names them: if the API server does not answer in time, the pod is refused for
  now;
- networks that do not exist, if the pod is refused for nothing else: if they are not found, the refusal is the answer.

At a path of stage Observe the same decision is made, and a refusal becomes an admission at the very end. So what is
remembered of decisions does not depend on the stage.

A review runs on the event loop. A review that has to parse more definitions than its turn allows
(`webhook.admission.view.parsecache`) has them parsed in a thread, one after the other, and is judged once more after
each. So the time of a turn is bounded, however many networks the review names.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from webhook.admission.checks.unknownnamespaces import warn_of_unknown
from webhook.admission.dra.claims import DeviceKey, DeviceSpec
from webhook.admission.evaluate import evaluate
from webhook.admission.model.requests import Decision, Request
from webhook.admission.mutate import answer_mutation
from webhook.admission.view.decisioncontext import WARN, Cluster, Configuration, DecisionContext
from webhook.admission.view.parsecache import ALLOWANCE, PARSED, OutOfTurnError
from webhook.admission.wording import answers, claimtext, networktext
from webhook.review import wire
from webhook.review.decisioncache import DecisionCache
from webhook.serving.http import OBSERVED, RETRY_HEADER, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cniplugin.access.model.decision import Rules
    from webhook.serving.http import Later

LIVE_MAX_S = 1.0
"""How long a review may wait for the cluster; it is also limited to half of the remaining time."""
LIVE_ROUNDS_MAX = 6
"""How often one review may look for objects: a claim, its classes, a network that one of them names, the labels of a
namespace that matter because of the network, and another network that the labels make visible."""


class Observer(Protocol):
    """Counts and logs finished reviews."""

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Count and log one review."""


class LiveLookups(Protocol):
    """Finds objects that the snapshot does not have. Its methods do not raise."""

    def may_find_namespaces(self, unknown: Sequence[str]) -> bool:
        """Say whether all of these namespaces may be found. Never waits."""

    def may_find_networks(self, missing: Sequence[tuple[str, str]]) -> bool:
        """Say whether all of these networks, given by namespace and name, may be found. Never waits."""

    async def find_namespaces(self, unknown: Sequence[str], *, seconds: float, over: Any = None) -> Cluster | None:
        """Return a snapshot with these namespaces; None if one is not found in time.

        It is based on the newest snapshot, or on `over`, which one of these methods returned.
        """

    async def find_networks(
        self, missing: Sequence[tuple[str, str]], *, seconds: float, over: Any = None
    ) -> Cluster | None:
        """Return a snapshot with these networks, as `find_namespaces` does."""


class LiveDevices(Protocol):
    """Finds claims, templates and classes that the snapshot does not have."""

    async def find(
        self, unknown: Sequence[DeviceKey], *, seconds: float
    ) -> Mapping[DeviceKey, DeviceSpec | None] | None:
        """Return each object, None for one that does not exist. Return None if time runs out. Never raises."""

    def put(self, cluster: Cluster, found: Mapping[DeviceKey, DeviceSpec | None]) -> Cluster:
        """Return a snapshot with these objects."""


class Reviews:
    """The callable that the HTTP application runs for REVIEW_PATHS.

    `snapshot`, `rules` and `configuration` return the current state, and one review sees one state. `problem` returns
    why there is no snapshot yet; after its first None, it is not called again. `live` and `live_devices` are None if
    there is no API server behind the snapshot.
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
        live_devices: LiveDevices | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._problem: Callable[[], str | None] | None = problem
        self._rules = rules
        self._configuration = configuration
        self._network_namespace = network_namespace
        self._observer = observer
        self._network_in_use = network_in_use
        self._live = live
        self._live_devices = live_devices
        self._context: DecisionContext | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="nadmit-read")

    def __call__(self, path: str, body: bytes) -> bytes | Later:
        """Return the answer to one AdmissionReview, or a function that waits for it.

        Raises RequestError for a review that cannot be read, or while there is no snapshot.
        """
        started = perf_counter()
        if self._problem is not None:
            if (problem := self._problem()) is not None:  # an empty cache would refuse valid objects
                raise _try_again(f"not ready: {problem}")
            self._problem = None
        request = wire.decode(body)
        cluster = self._snapshot()
        try:
            decision = self._decide_in_turn(path, request, cluster)
        except OutOfTurnError as unread:
            return partial(self._answer_in_turns, path, request, unread.cluster or cluster, started)
        if self._must_ask(decision):
            return partial(self._answer_later, path, request, decision, started)
        return self._answer(path, request, decision, started)

    async def _answer_in_turns(
        self, path: str, request: Request, cluster: Cluster, started: float, seconds_left: float
    ) -> bytes:
        """Answer a review that needs several turns. Each turn judges with the definitions that are parsed by then."""
        decision = await self._decide_in_turns(path, request, cluster, seconds_left)
        if self._must_ask(decision):
            left = seconds_left - (perf_counter() - started)
            return await self._answer_later(path, request, decision, started, left)
        return self._answer(path, request, decision, started)

    async def _decide_in_turns(self, path: str, request: Request, cluster: Cluster, seconds_left: float) -> Decision:
        """Return the decision. When the time is up, it is a refusal.

        NB: a failed call would be wrong, because stage Ignore lets it pass: an object with many networks would escape.
        """
        ends_at = perf_counter() + seconds_left
        while perf_counter() < ends_at:
            try:
                return self._decide_in_turn(path, request, cluster)
            except OutOfTurnError as error:
                unread = error
            await asyncio.get_running_loop().run_in_executor(self._reader, unread.work)
            unread.keep()
            cluster = unread.cluster or cluster
        return networktext.networks_unread(request)

    def _decide_in_turn(self, path: str, request: Request, cluster: Cluster) -> Decision:
        """Decide with the allowance of one turn. Raises OutOfTurnError."""
        decide = evaluate if OBSERVED.get(path, path) == "/validate" else answer_mutation
        PARSED.left = ALLOWANCE
        try:
            return decide(request, self._context_of(cluster))
        finally:
            PARSED.left = None

    def _must_ask(self, decision: Decision) -> bool:
        """Say whether to ask the cluster before answering with this decision. Raises RequestError."""
        if decision.unknown_devices and self._live_devices is not None:
            return True
        live = self._live
        if live is None:
            return False
        if decision.unknown:
            if not live.may_find_namespaces(decision.unknown):
                raise _labels_unknown(decision.unknown)
            return True
        return bool(decision.missing) and live.may_find_networks(decision.missing)

    async def _answer_later(
        self, path: str, request: Request, decision: Decision, started: float, seconds_left: float
    ) -> bytes:
        decision = await self._ask(path, request, decision, seconds_left)
        if decision.unknown:
            raise _labels_unknown(decision.unknown)
        return self._answer(path, request, decision, started)

    def _answer(self, path: str, request: Request, decision: Decision, started: float) -> bytes:
        decision = warn_of_unknown(decision) if self._live is None else decision
        if path in OBSERVED:
            path = OBSERVED[path]
            if not decision.is_allowed:
                decision = answers.observe(decision, warns=self._configuration().warns_observed)
        answer = wire.encode(request, decision)
        self._observer.review(path, request, decision, perf_counter() - started)
        return answer

    async def _ask(self, path: str, request: Request, decision: Decision, seconds_left: float) -> Decision:
        """Return the decision with the objects that the cluster has.

        Labels may reveal a missing network, and a network may have an owner who shares it by labels. So this goes on
        until nothing is missing that can be found.
        """
        began = perf_counter()
        seconds = left = min(LIVE_MAX_S, seconds_left / 2)
        known: Cluster | None = None
        devices: dict[DeviceKey, DeviceSpec | None] = {}
        for number in range(LIVE_ROUNDS_MAX):
            if decision.unknown_devices and self._live_devices is not None:
                unknown = [DeviceKey(*key) for key in decision.unknown_devices]
                read = await self._live_devices.find(unknown, seconds=left)
                if read is None:
                    break
                devices |= read
            else:
                found = await self._look_up(decision, known, left, is_worth_it=number == 0)
                if found is None:
                    break
                known = found
            cluster = known or self._snapshot()
            whole = self._live_devices.put(cluster, devices) if self._live_devices and devices else cluster
            passed = perf_counter() - began
            decision = await self._decide_in_turns(path, request, whole, seconds_left - passed)
            left = max(0.0, seconds - (perf_counter() - began))
        if decision.unknown_devices and self._live_devices is not None:
            return claimtext.claims_unknown(request, decision.unknown_devices)
        return decision

    async def _look_up(
        self, decision: Decision, known: Cluster | None, seconds: float, *, is_worth_it: bool
    ) -> Cluster | None:
        """Return a snapshot with the namespaces or the networks that a decision lacks; None if they are not found.

        `is_worth_it`: `may_find_networks` said so before.
        """
        if self._live is None:
            return None
        if decision.unknown:
            return await self._live.find_namespaces(decision.unknown, seconds=seconds, over=known)
        if decision.missing and (is_worth_it or self._live.may_find_networks(decision.missing)):
            return await self._live.find_networks(decision.missing, seconds=seconds, over=known)
        return None

    def _context_of(self, cluster: Cluster) -> DecisionContext:
        """Return the context of a snapshot; it is made once for each snapshot and configuration."""
        configuration, known = self._configuration(), self._context
        if known is not None and known.cluster is cluster and known.configuration is configuration:
            return known
        made = self._context = DecisionContext(
            cluster,
            self._rules(cluster),
            configuration,
            self._network_namespace,
            self._network_in_use,
            cluster.recall(("decisions", id(configuration)), lambda: DecisionCache(configuration)),
        )
        return made


def _labels_unknown(namespaces: Sequence[str]) -> RequestError:
    """NB: under stage Ignore, the API server lets the object pass after its last try, as if the webhook were down."""
    named = ", ".join(f'"{name[:63]}"' for name in namespaces[:3])
    return _try_again(f"access rules select namespaces by labels, and those of namespace {named} cannot be read yet")


def _try_again(problem: str) -> RequestError:
    """Return a 503, after which the API server tries again within its time."""
    return RequestError(503, f"{problem}; try again in 1 s", RETRY_HEADER)
