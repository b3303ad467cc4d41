"""One review from bytes to bytes: read, decide, answer; one log line and one count.

The cluster is not asked while judging, with three exceptions, for objects that may have been created just before. All
are within bounds (`LiveLookups`, `LiveDevices`), and with what was found the review is judged once more:

- a namespace that is not known and whose labels matter: without them there is no verdict, so what is not found is
  answered with 503 and Retry-After, and the API server tries again within its time;
- claims that are not known, of a pod that names them: it is refused for now if the API server does not answer in time;
- networks that are not known, of a pod that is refused for nothing else: what is not found leaves the refusal.

A review runs on the event loop. One that needs more definitions read than its turn allows (`admission.parsecache`) has
them read in a thread, one after the other, and is judged once more after each: what a turn takes is bounded, whatever
the review names.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from webhook.admission.checks.in_use import WARN
from webhook.admission.checks.namespacelabels import told
from webhook.admission.dra.claims import DeviceKey, DeviceSpec
from webhook.admission.evaluate import evaluate
from webhook.admission.model.requests import ALLOWED, Decision, Request
from webhook.admission.mutate import answer_mutation
from webhook.admission.view.parsecache import ALLOWANCE, PARSED, OutOfTurnError
from webhook.admission.wording import messages
from webhook.review import wire
from webhook.serving.http import RETRY_HEADER, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cniplugin.access.model.decision import Rules
    from webhook.admission.view.listers import Cluster
    from webhook.admission.view.nadmitconfiguration import Configuration
    from webhook.serving.http import Later

LIVE_MAX_S = 1.0
"""How long a review may wait for the cluster; and never more than half of the time that is left."""
LIVE_ROUNDS_MAX = 6
"""How often one review may look for objects: a claim, its classes, a network that one of them names, the labels of a
namespace that the network makes matter, and another network that they show."""


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


class LiveDevices(Protocol):
    """Where claims, templates and classes are looked for that the snapshot does not have."""

    async def find(
        self, unknown: Sequence[DeviceKey], *, seconds: float
    ) -> Mapping[DeviceKey, DeviceSpec | None] | None:
        """Return each of these, None for one that does not exist; None if that is not known in time. Never raises."""

    def put(self, cluster: Cluster, found: Mapping[DeviceKey, DeviceSpec | None]) -> Cluster:
        """Return a snapshot with what was found."""


class Reviews:
    """The callable that the HTTP application runs for /validate and /mutate.

    `snapshot` gives what is in force, and `rules` the rules of a snapshot; one review sees one state.
    `problem` says why there is no snapshot yet; once it has said None, it is not asked again. `configuration` is what
    admins may change at any time. `live`, `live_devices`: None where there is nothing behind the snapshot.
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
        if self._must_ask(decision):
            return partial(self._answer_later, path, request, decision, started)
        return self._answer(path, request, decision, started)

    async def _answer_in_turns(
        self, path: str, request: Request, cluster: Cluster, started: float, seconds_left: float
    ) -> bytes:
        """Answer a review that needs much read: each turn judges what was read so far."""
        decision = await self._decide_in_turns(path, request, cluster, seconds_left)
        if self._must_ask(decision):
            left = seconds_left - (perf_counter() - started)
            return await self._answer_later(path, request, decision, started, left)
        return self._answer(path, request, decision, started)

    async def _decide_in_turns(self, path: str, request: Request, cluster: Cluster, seconds_left: float) -> Decision:
        """Return the decision, as `_decide`. When the time is over, it is a refusal.

        NB: no failed call, which stage Ignore lets pass: whoever names much would not be judged.
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
        return messages.networks_unread(request)

    def _decide_in_turn(self, path: str, request: Request, cluster: Cluster) -> Decision:
        """As `_decide`, with the allowance of one turn. Raises OutOfTurnError."""
        PARSED.left = ALLOWANCE
        try:
            return self._decide(path, request, cluster)
        finally:
            PARSED.left = None

    def _must_ask(self, decision: Decision) -> bool:
        """Say whether the cluster is asked before this decision is the answer. Raises RequestError."""
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
        decision = told(decision) if self._live is None else decision
        answer = wire.encode(request, decision)
        self._observer.review(path, request, decision, perf_counter() - started)
        return answer

    async def _ask(self, path: str, request: Request, decision: Decision, seconds_left: float) -> Decision:
        """Return the decision with what the cluster says.

        Labels may show that a network is missing, and a network that its owner shares it by labels; so this goes on
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
            return messages.claims_unknown(request, decision.unknown_devices)
        return decision

    async def _look_up(
        self, decision: Decision, known: Cluster | None, seconds: float, *, is_worth_it: bool
    ) -> Cluster | None:
        """Return a snapshot with the namespaces or the networks that a decision lacks; None without them.

        `is_worth_it`: what is missing may be found, as far as is known.
        """
        if self._live is None:
            return None
        if decision.unknown:
            return await self._live.find_namespaces(decision.unknown, seconds=seconds, over=known)
        if decision.missing and (is_worth_it or self._live.may_find_networks(decision.missing)):
            return await self._live.find_networks(decision.missing, seconds=seconds, over=known)
        return None

    def _check_ready(self, problem: str | None) -> None:
        """NB: an empty cache would refuse what is right; the API server tries a 503 again within its time."""
        if problem is not None:
            raise RequestError(503, f"not ready: {problem}; try again in 1 s", RETRY_HEADER)
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
                drivers=configuration.drivers,
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


def _labels_unknown(namespaces: Sequence[str]) -> RequestError:
    """NB: under stage Ignore, the API server lets the object pass after its tries, as while nobody answers."""
    named = ", ".join(f'"{name[:63]}"' for name in namespaces[:3])
    text = f"access rules select namespaces by labels, and those of namespace {named} cannot be read yet"
    return RequestError(503, f"{text}; try again in 1 s", RETRY_HEADER)
