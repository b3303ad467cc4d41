"""A NadmitConfiguration in a ConfigMap, which is read again when it changes.

Theory of operation. Administrators write the key `config.yaml`. The program writes the key `last-good.yaml`: the last
text that was right, with the resourceVersion of the object that it was read from, so that it never keeps another text.
A replica that starts while `config.yaml` is wrong needs it. With the defaults it would treat pods differently from its
siblings, and if it were not ready, there would be one replica less until the mistake is corrected.

| ConfigMap | at the start | later |
| --- | --- | --- |
| cannot be read | not ready | the configuration in force stays |
| does not exist | the defaults | the defaults, after two reads in a row without one |
| has no `config.yaml` | the defaults | the defaults |
| `config.yaml` is right | it is in force, and kept | the same |
| is wrong, `last-good.yaml` is right | that is in force | the configuration in force stays |
| is wrong, and no text was ever right | not ready | |

The program reads the ConfigMap when a watch reports a change of it, and every five minutes. Without the right to watch
it, and while something is on its way (an event, a write, an absence), it reads it every few seconds.
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

from certs.store import Changes, NoChanges
from cniplugin.access.judging.reasons import cut
from webhook.kube.apierrors import ClusterError, ConflictError
from webhook.kube.connection import Connection
from webhook.kube.events import NOTE_BYTES_MAX, Event, ObjectReference, render_event
from webhook.kube.lease import timestamp
from webhook.kube.objectwatch import ObjectWatches
from webhook.kube.resources import EVENTS, ObjectPath
from webhook.kube.retry import OnceLog
from webhook.kube.singleobjects import CONFIG_MAP_TIMEOUT_S, ConfigMap, KubeConfigMap

from .current import CurrentConfiguration, Outcome, Refused

logger = logging.getLogger("nadmit.configuration")

KEY, LAST_GOOD = "config.yaml", "last-good.yaml"
CONTROLLER = "config.nadmit.io/reload"
EVENT_TRIES = 3
PROBLEM_BYTES_MAX = 512
"""Bytes of a problem in an event. The rest of the note says what to do."""
STOP_S = 0.9
"""How long `stop` waits. A thread that waits for a silent server goes on, as a daemon, until its time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapTiming:
    """In seconds. `start_s`: between reads until a text is in force; `pause_s`: after a failed write.

    `poll_s`: between reads, and `calm_s` while a watch reports changes.
    """

    poll_s: float = 5.0
    calm_s: float = 300.0
    start_s: float = 1.0
    pause_s: float = 60.0


class ConfigurationMap:
    """Implements `compose.Part`."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        in_force: CurrentConfiguration,
        *,
        watches: ObjectWatches | None = None,
        timing: MapTiming | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._name = name
        self._config_map = KubeConfigMap(connection, namespace, name)
        self._in_force = in_force
        self._changes: Changes = NoChanges() if watches is None else watches.follow(self._config_map.path)
        self._timing = timing or MapTiming()
        self._clock = clock
        self._log = OnceLog(logging.getLogger("nadmit.cluster"), again_s=self._timing.pause_s, clock=clock)
        self._problem: str | None = f"{self._config_map.where} has not been read yet"
        self._absences = 0
        self._pending_event: tuple[Event, int] | None = None
        self._write_at = 0.0
        self._stop = Signal()
        self._thread = Thread(target=self._run, name="nadmit-configuration", daemon=True)

    def start(self) -> None:
        """Begin to read. Raises ClusterError without a usable kubeconfig."""
        self._connection.open()
        self._thread.start()

    def wake(self) -> None:
        """Read the ConfigMap now."""
        self._changes.wake()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._changes.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def problem(self) -> str | None:
        """Return why no configuration is in force yet; None as soon as one is, and from then on."""
        return self._problem

    def look(self) -> None:
        """Read the ConfigMap, and act on it. Errors of the API server are logged."""
        try:
            config_map = self._config_map.read()
        except ClusterError as error:
            self._in_force.note_unreadable(str(error))
            if self._problem is not None:
                self._problem = f"{self._config_map.where} has not been read yet: {error}"
            return
        if config_map is None:
            self._handle_absence()
            return
        self._absences = 0
        self._take(config_map)
        self._create_event(config_map)
        self._keep_last_good(config_map)

    def _handle_absence(self) -> None:
        """NB: a ConfigMap that is being replaced is absent for a moment."""
        self._absences += 1
        if self._problem is not None or self._absences > 1:
            self._in_force.use_defaults(why=f"there is no {self._config_map.where}")
            self._problem = None

    def _take(self, config_map: ConfigMap) -> None:
        before = self._in_force.state.refused
        outcome = self._offer(config_map)
        after = self._in_force.state.refused
        if after is None or (self._problem is not None and self._fall_back(config_map)):
            self._problem = None
        elif self._problem is not None:
            self._problem = (
                f"{after.problems[0]}; no text before it is known to be good: correct it, "
                f"or take {KEY} away for the defaults"
            )
        self._plan_event(outcome, before)

    def _offer(self, config_map: ConfigMap) -> Outcome:
        data = config_map.texts.get(KEY)
        if data is None:
            return self._in_force.use_defaults(why=f"{self._config_map.where} has no {KEY}")
        return self._in_force.update(data, source=f"{self._config_map.where}, {KEY}")

    def _fall_back(self, config_map: ConfigMap) -> bool:
        data = config_map.texts.get(LAST_GOOD)
        return data is not None and self._in_force.fall_back(data, source=f"{self._config_map.where}, {LAST_GOOD}")

    # Writes

    def _plan_event(self, outcome: Outcome, before: Refused | None) -> None:
        state = self._in_force.state
        if outcome == "refused" and state.refused is not None:
            in_force = "nothing" if self._problem is not None else state.loaded.source
            refusal = state.refused
            self._pending_event = (self._refused_event(refusal, in_force), EVENT_TRIES)
        elif outcome == "accepted" and before is not None:
            note = f"in force: {state.loaded.source}"
            event = Event("Normal", "ConfigurationAccepted", "Reload", note, f"accepted/{before.sha256}")
            self._pending_event = (event, EVENT_TRIES)

    def _refused_event(self, refusal: Refused, in_force: str) -> Event:
        """NB: the identity is that of the refused text, so replicas that read it create one event (409 for the second).

        The same mistake within the hour for which events live makes no second event. The log and the metrics show it.
        """
        first, *others = refusal.problems
        more = f"; {len(others)} more, see the log" if others else ""
        note = (
            f"refused: {cut(first, PROBLEM_BYTES_MAX)}{more}; in force: {in_force}; "
            f"kubectl -n {self._namespace} edit configmap {self._name} corrects it"
        )
        return Event(
            "Warning", "ConfigurationRefused", "Reload", cut(note, NOTE_BYTES_MAX), f"refused/{refusal.sha256}"
        )

    def _create_event(self, config_map: ConfigMap) -> None:
        """Create the event that is due, if any. After a failure the next read tries again."""
        if self._pending_event is None:
            return
        event, tries = self._pending_event
        body = render_event(
            event,
            ObjectReference("v1", "ConfigMap", self._namespace, self._name, config_map.uid, config_map.version),
            namespace=self._namespace,
            controller=CONTROLLER,
            now=timestamp(datetime.now(UTC)),
            instance=socket.gethostname(),
        )
        self._pending_event = None
        try:
            path = ObjectPath(EVENTS, self._namespace)
            self._connection.write("create", path, body, timeout_s=CONFIG_MAP_TIMEOUT_S)
        except ConflictError:
            return
        except ClusterError as error:
            self._log.log(logging.WARNING, f"the event about the configuration cannot be created: {error}")
            self._pending_event = (event, tries - 1) if tries > 1 else None

    def _keep_last_good(self, config_map: ConfigMap) -> None:
        """Write `config.yaml` to `last-good.yaml` if it is in force."""
        text = config_map.texts.get(KEY)
        if self._in_force.state.refused is not None or config_map.texts.get(LAST_GOOD) == text:
            return
        if self._clock() < self._write_at:
            return
        try:
            self._config_map.write(config_map, LAST_GOOD, text)
        except ClusterError as error:
            self._write_at = self._clock() + self._timing.pause_s
            self._log.log(logging.WARNING, f"the last good configuration is not kept: {error}")

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:
                logger.exception("internal error; the configuration in force stays")
            tick_s = self._timing.poll_s if self._problem is None else self._timing.start_s
            self._changes.rest(tick_s, calm_s=self._timing.calm_s, is_calm=self._is_calm)

    def _is_calm(self) -> bool:
        """Say whether the last read left nothing to do."""
        is_at_rest = self._pending_event is None and self._absences != 1 and self._clock() >= self._write_at
        return is_at_rest and self._problem is None and self._in_force.state.unreadable is None
