"""One review from bytes to bytes: read, decide, answer; one log line and one count.

The cluster is not asked while judging, with two exceptions. A pod that is refused for nothing but networks that are not
known, which may have been created a moment ago: these are asked for, within bounds (`LiveNetworks`), and if all of them
are there the pod is judged once more. And a pod that names claims that are not known (`LiveDevices`): it is judged once
more with them, and refused for now if the API server does not tell in time.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from webhook.admission import messages
from webhook.admission.checks.in_use import WARN
from webhook.admission.dra.claims import DeviceKey, DeviceSpec
from webhook.admission.evaluate import evaluate
from webhook.admission.model import ALLOWED, Decision, Request
from webhook.admission.mutating import answer_mutation
from webhook.serving import wire
from webhook.serving.http import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cniplugin.access.model import Rules
    from webhook.admission.configuration import Configuration
    from webhook.admission.listers import Cluster

    from .http import Later

ROUNDS_MAX = 4
"""How often the cluster is asked for one review: a claim, its classes, a network that one of them names."""

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
        live: LiveNetworks | None = None,
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

    def __call__(self, path: str, body: bytes) -> bytes | Later:
        """Return the answer to one AdmissionReview, or how to wait for it.

        Raises RequestError for one that cannot be read, or not yet.
        """
        started = perf_counter()
        if self._problem is not None:
            self._check_ready(self._problem())
        request = wire.decode(body)
        decision = self._decide(path, request, self._snapshot())
        if self._must_ask(decision):
            return partial(self._answer_later, path, request, decision, started)
        answer = wire.encode(request, decision)
        self._observer.review(path, request, decision, perf_counter() - started)
        return answer

    def _must_ask(self, decision: Decision) -> bool:
        """Say whether the cluster is asked before this decision is the answer."""
        if decision.unknown and self._live_devices is not None:
            return True
        return bool(decision.missing) and self._live is not None and self._live.is_worth_asking(decision.missing)

    async def _answer_later(
        self, path: str, request: Request, decision: Decision, started: float, seconds_left: float
    ) -> bytes:
        decision = await self._ask(path, request, decision, min(LIVE_MAX_S, seconds_left / 2))
        answer = wire.encode(request, decision)
        self._observer.review(path, request, decision, perf_counter() - started)
        return answer

    async def _ask(self, path: str, request: Request, decision: Decision, seconds: float) -> Decision:
        """Return the decision with what the cluster says: of claims first, then of their classes, then of networks."""
        began, left = perf_counter(), seconds
        cluster = self._snapshot()
        devices: dict[DeviceKey, DeviceSpec | None] = {}
        for number in range(ROUNDS_MAX):
            if number and not self._must_ask(decision):
                break
            if decision.unknown and self._live_devices is not None:
                unknown = [DeviceKey(*key) for key in decision.unknown]
                found = await self._live_devices.find(unknown, seconds=left)
                if found is None:
                    return messages.claims_unknown(request, decision.unknown)
                devices |= found
            elif self._live is not None:
                newest = await self._live.find(decision.missing, seconds=left)
                if newest is None:
                    break
                cluster = newest
            whole = self._live_devices.put(cluster, devices) if self._live_devices and devices else cluster
            decision = self._decide(path, request, whole)
            left = max(0.0, seconds - (perf_counter() - began))
        return messages.claims_unknown(request, decision.unknown) if decision.unknown else decision

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
                drivers=configuration.drivers,
            )
        if injection is None:
            return ALLOWED
        rules = self._rules(cluster)
        return answer_mutation(request, cluster, rules, injection, network_namespace=self._network_namespace)
