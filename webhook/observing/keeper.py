"""The part that adds what this replica has observed to the list of all replicas, a ConfigMap.

Theory of operation. A review adds to a list in memory. Every half minute, if there is something new, a thread reads the
ConfigMap, adds its own list, and writes the sum with the resourceVersion that it has read. If another replica was
first, it reads again. So the list outlives replicas and needs no leader. Each replica writes it at most three times a
minute, and never while nothing would be refused. What cannot be written waits, within the bounds of the list.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread

from webhook.admission.model.requests import Decision, Request
from webhook.kube.apierrors import ClusterError, ConflictError
from webhook.kube.connection import Connection
from webhook.kube.retry import OnceLog
from webhook.kube.singleobjects import ConfigMap, KubeConfigMap

from . import tally
from .tally import EMPTY, Table

logger = logging.getLogger("nadmit.observing")

KEY = "would-refuse.json"
PERIOD_S = 30.0
JITTER = 0.2
TRIES = 4
"""Tries at once if other replicas write at the same time."""
STOP_S = 2.0
"""How long `stop` waits for the last write."""


class Keeper:
    """Implements `compose.Part`, and the observer of reviews. Any thread may call any method."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        *,
        now: Callable[[], str],
        random: Callable[[], float],
        period_s: float = PERIOD_S,
    ) -> None:
        """`now`: the time as a text that sorts. `random`: returns 0 to 1."""
        self._connection = connection
        self._config_map = KubeConfigMap(connection, namespace, name)
        self._now = now
        self._random = random
        self._period_s = period_s
        self._lock = Lock()
        self._pending = EMPTY
        self._log = OnceLog(logger)
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="nadmit-observing", daemon=True)

    def start(self) -> None:
        """Begin to write. Raises ClusterError without a usable kubeconfig."""
        self._connection.open()
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def problem(self) -> str | None:
        """Return None: reviews do not need the list."""
        return None

    def review(self, path: str, request: Request, decision: Decision, _seconds: float) -> None:
        """Add an observed refusal. Dry runs create nothing, so they do not count."""
        if decision.is_observed and not request.is_dry_run:
            self._add(tally.entries(path, request, decision, self._now()))

    def write(self) -> None:
        """Add the new entries to the ConfigMap, if there are any. Failures are logged, and the entries wait."""
        with self._lock:
            taken, self._pending = self._pending, EMPTY
        if not taken.rows and not taken.dropped:
            return
        try:
            self._write(taken)
        except ClusterError as error:
            self._log.log(logging.WARNING, f"the list of what would be refused is not written: {error}", topic="write")
            self._add(taken)
        else:
            self._log.forget("write")

    def _add(self, more: Table) -> None:
        with self._lock:
            self._pending = tally.merge(self._pending, more)

    def _write(self, taken: Table) -> None:
        """Raises ClusterError, also if there is no ConfigMap."""
        for _ in range(TRIES):
            seen = self._config_map.read()
            if seen is None:
                raise ClusterError(f"there is no {self._config_map.where}; apply the manifests")
            try:
                return self._config_map.replace(seen, KEY, tally.render(tally.merge(self._listed(seen), taken)))
            except ConflictError as error:
                conflict = error
        raise conflict

    def _listed(self, seen: ConfigMap) -> Table:
        try:
            return table_of(seen)
        except ValueError as error:
            self._log.log(logging.WARNING, f"{self._config_map.where}, {KEY}: begun anew: {error}")
            return EMPTY

    def _run(self) -> None:
        while not self._stopping.wait(self._period_s * (1 - JITTER * self._random())):
            self._write_guarded()
        self._write_guarded()

    def _write_guarded(self) -> None:
        """NB: a bug here must not end the thread unseen."""
        try:
            self.write()
        except Exception:
            logger.exception("internal error: entries of the list of what would be refused are lost")


def table_of(config_map: ConfigMap) -> Table:
    """Return the list in a ConfigMap, empty without one. Raises ValueError if it cannot be read."""
    data = config_map.texts.get(KEY)
    return EMPTY if data is None else tally.parse(data)
