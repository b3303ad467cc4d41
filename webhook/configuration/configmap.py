"""A NadmitConfiguration in a ConfigMap, which is asked for every few seconds.

Theory of operation. The key `config.yaml` is the admins'. The key `last-good.yaml` is the program's: the last text that
was right, written with the resourceVersion of the object in which it stood, so that it is never another one. It is for
the replica that starts while `config.yaml` is wrong: with the defaults it would treat pods otherwise than its siblings,
and unready it would be one replica less for as long as the mistake stands.

| ConfigMap | at the start | later |
| --- | --- | --- |
| cannot be read | not ready | what is in force stays |
| is not there | the defaults | the defaults, when two looks in a row have found none |
| has no `config.yaml` | the defaults | the defaults |
| `config.yaml` is right | it is in force, and kept | the same |
| is wrong, `last-good.yaml` is right | that is in force | what is in force stays |
| is wrong, and nothing was ever right | not ready | |

A GET each few seconds, not a watch: one object, one verb, and nothing that can get lost.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event as Signal
from threading import Thread

from webhook.kube.apierrors import ClusterError
from webhook.kube.connection import Connection
from webhook.kube.reporter import Reporter

from . import events
from .configmapapi import Api, ConfigMap
from .current import CurrentConfiguration, Outcome, Refused

logger = logging.getLogger("nadmit.configuration")

KEY, LAST_GOOD = "config.yaml", "last-good.yaml"
EVENT_TRIES = 3
STOP_S = 0.9
"""How long `stop` waits. A thread that waits for a silent server stays behind, as a daemon, until its time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapTiming:
    """In seconds. `start_s`: between looks until something is in force; `pause_s`: after a write that failed."""

    poll_s: float = 5.0
    start_s: float = 1.0
    pause_s: float = 60.0


class ConfigurationMap:
    """Implements `compose.Part`."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        current: CurrentConfiguration,
        *,
        timing: MapTiming | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = Api(connection, namespace, name)
        self._current = current
        self._timing = timing or MapTiming()
        self._clock = clock
        self._reporter = Reporter(self._timing.pause_s, clock)
        self._problem: str | None = f"{self._api.where} has not been read yet"
        self._absences = 0
        self._untold: tuple[events.Event, int] | None = None
        self._write_at = 0.0
        self._stop = Signal()
        self._thread = Thread(target=self._run, name="nadmit-configuration", daemon=True)

    def start(self) -> None:
        """Begin to look. Raises ClusterError if there is no usable kubeconfig."""
        self._api.open()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def problem(self) -> str | None:
        """Say why no settings are in force yet; None once some are, for ever."""
        return self._problem

    def look(self) -> None:
        """Read the ConfigMap, and do what follows. Raises nothing that the cluster can cause."""
        try:
            found = self._api.get()
        except ClusterError as error:
            self._current.note_unreadable(str(error))
            if self._problem is not None:
                self._problem = f"{self._api.where} has not been read yet: {error}"
            return
        if found is None:
            self._take_absence()
            return
        self._absences = 0
        self._take(found)
        self._tell(found)
        self._keep(found)

    def _take_absence(self) -> None:
        """NB: one that is replaced is not there for a moment."""
        self._absences += 1
        if self._problem is not None or self._absences > 1:
            self._current.use_defaults(why=f"there is no {self._api.where}")
            self._problem = None

    def _take(self, found: ConfigMap) -> None:
        before = self._current.state.refused
        outcome = self._update(found)
        after = self._current.state.refused
        if after is None or (self._problem is not None and self._fall_back(found)):
            self._problem = None
        elif self._problem is not None:
            self._problem = (
                f"{after.problems[0]}; no text before it is known to be good: correct it, "
                f"or take {KEY} away for the defaults"
            )
        self._plan_event(found, outcome, before)

    def _update(self, found: ConfigMap) -> Outcome:
        data = found.texts.get(KEY)
        if data is None:
            return self._current.use_defaults(why=f"{self._api.where} has no {KEY}")
        return self._current.update(data, source=f"{self._api.where}, {KEY}")

    def _fall_back(self, found: ConfigMap) -> bool:
        data = found.texts.get(LAST_GOOD)
        return data is not None and self._current.fall_back(data, source=f"{self._api.where}, {LAST_GOOD}")

    # What is written

    def _plan_event(self, found: ConfigMap, outcome: Outcome, before: Refused | None) -> None:
        state = self._current.state
        if outcome == "refused" and state.refused is not None:
            in_force = "nothing" if self._problem is not None else state.loaded.source
            refusal = state.refused
            event = events.refused(found.about, refusal.problems, in_force=in_force, sha256=refusal.sha256)
            self._untold = (event, EVENT_TRIES)
        elif outcome == "accepted" and before is not None:
            event = events.accepted(in_force=state.loaded.source, refused_sha256=before.sha256)
            self._untold = (event, EVENT_TRIES)

    def _tell(self, found: ConfigMap) -> None:
        """Write the event that is due, if any, and try again with the next look if that fails."""
        if self._untold is None:
            return
        event, tries = self._untold
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            self._api.create_event(events.body(event, found.about, now=now, instance=socket.gethostname()))
        except ClusterError as error:
            self._reporter.say(logging.WARNING, f"no event tells of the configuration: {error}")
            self._untold = (event, tries - 1) if tries > 1 else None
        else:
            self._untold = None

    def _keep(self, found: ConfigMap) -> None:
        """Make `last-good.yaml` what is in force, if that is what the ConfigMap says."""
        text = found.texts.get(KEY)
        if self._current.state.refused is not None or found.texts.get(LAST_GOOD) == text:
            return
        if self._clock() < self._write_at:
            return
        try:
            self._api.put(found, LAST_GOOD, text)
        except ClusterError as error:
            self._write_at = self._clock() + self._timing.pause_s
            self._reporter.say(logging.WARNING, f"the last good configuration is not kept: {error}")

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:
                logger.exception("unexpected; the configuration that is in force stays")
            self._stop.wait(self._timing.poll_s if self._problem is None else self._timing.start_s)
