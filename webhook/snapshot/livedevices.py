"""Claims, templates and classes that the snapshot does not have whole: asked for one by one, as `livenetworks` does.

A pod is judged by the claims that it names. A new one is not in the caches yet, and the caches keep
too little of one with large parameters, or for a driver that was described later. The bounds:

- at most KEYS_MAX for one review: a pod that names more of them is refused;
- one GET at a time for one object, however many reviews wait for it; PENDING_MAX in all, THREADS of them at once;
- an answer of the API server holds for KEPT_S, and at most KEPT_MAX answers are kept;
- a review waits as long as it wants to; the GET itself ends after GET_S without a byte.

Whatever fails means that nothing is known, and the pod is refused for now: who could make it fail must not be able to
attach a pod by that. Used on the event loop only, so nothing is locked; the GETs run in threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from webhook.admission.dra.claims import DeviceKey, DeviceSpec
from webhook.admission.view.decisioncontext import Cluster
from webhook.kube.apierrors import AbsentError, ClusterError
from webhook.kube.apiobjects import MalformedError, parse_object
from webhook.kube.connection import Connection
from webhook.kube.reporter import Reporter
from webhook.snapshot.deviceobjects import UNREADABLE, read_spec

from .source import DEVICES
from .store import Snapshot

KEYS_MAX = 16
THREADS = 8
PENDING_MAX = 64
KEPT_S = 1.0
KEPT_MAX = 1024
GET_S = 1.0
SAY_AGAIN_S = 60.0

Found = Mapping[DeviceKey, DeviceSpec | None]
"""Objects by key; None: it does not exist."""


class LiveDevices:
    """Implements `serving.reviews.LiveDevices`."""

    def __init__(self, connection: Connection, *, clock: Callable[[], float], on_result: Callable[[str], None]) -> None:
        """`on_result` gets one of `livenetworks.RESULTS`."""
        self._connection = connection
        self._clock = clock
        self._on_result = on_result
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="nadmit-live-devices")
        self._running: dict[DeviceKey, asyncio.Future[DeviceSpec | None]] = {}
        self._kept: dict[DeviceKey, tuple[float, DeviceSpec | None]] = {}
        self._reporter = Reporter(SAY_AGAIN_S, clock)

    def close(self) -> None:
        """Ask no more. A GET that runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def find(self, unknown: Sequence[DeviceKey], *, seconds: float) -> Found | None:
        """Return what the API server says of each of these; None if it does not say so in time. Never raises."""
        now = self._clock()
        known = {key: self._kept[key][1] for key in unknown if key in self._kept and self._kept[key][0] > now}
        rest = [key for key in unknown if key not in known]
        new = sum(key not in self._running for key in rest)
        if len(unknown) > KEYS_MAX or len(self._running) + new > PENDING_MAX:
            self._on_result("busy")
            return None
        asked = {key: self._running.get(key) or self._ask(key) for key in rest}
        if asked:
            _, pending = await asyncio.wait(asked.values(), timeout=max(0.0, seconds))
            if pending:
                self._on_result("late")
                return None
        if any(future.cancelled() or future.exception() is not None for future in asked.values()):
            return None
        return {**known, **{key: future.result() for key, future in asked.items()}}

    def put(self, cluster: Cluster, found: Found) -> Cluster:
        """Return a snapshot with what was found."""
        if not isinstance(cluster, Snapshot):
            raise TypeError("a snapshot of this package is needed")
        more = {key: spec for key, spec in found.items() if spec is not None}
        absent = frozenset(key for key, spec in found.items() if spec is None)
        return cluster.with_devices(cluster.devices.with_more(more, absent))

    def _ask(self, key: DeviceKey) -> asyncio.Future[DeviceSpec | None]:
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._get, key)
        self._running[key] = future
        future.add_done_callback(partial(self._note, key))
        return future

    def _get(self, key: DeviceKey) -> DeviceSpec | None:
        """Return an object, None if it does not exist in any version. Runs in a thread. Raises ClusterError."""
        resource = DEVICES[key.kind]
        for _ in range(len(resource.older) + 1):
            try:
                item = parse_object(self._connection.get_one(resource, key.namespace, key.name, seconds=GET_S))
                return read_spec(key.kind, item.spec)
            except AbsentError:
                resource = resource.in_next_version()
            except (MalformedError, *UNREADABLE) as error:
                raise ClusterError(f"{resource.title}: get: not what an API server answers: {error}") from error
        return None

    def _note(self, key: DeviceKey, future: asyncio.Future[DeviceSpec | None]) -> None:
        del self._running[key]
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._on_result("failed")
            self._reporter.say(logging.WARNING, f"a claim that is not known cannot be asked for: {error}")
            return
        self._on_result("absent" if future.result() is None else "found")
        self._keep(key, future.result())

    def _keep(self, key: DeviceKey, spec: DeviceSpec | None) -> None:
        now = self._clock()
        self._kept.pop(key, None)
        for old, (until, _) in tuple(self._kept.items()):  # the oldest come first
            if until > now and len(self._kept) < KEPT_MAX:
                break
            del self._kept[old]
        self._kept[key] = (now + KEPT_S, spec)
