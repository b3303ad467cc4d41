"""What is in force, and what was refused: the one object that readers of settings and their source share.

| a source says | in force | last reload |
| --- | --- | --- |
| `load`: the text of a start | that text | good; a wrong one is raised |
| `offer`: a text that is right | that text | good |
| a text that is wrong | what was | refused, until a right one comes |
| the text that it offered last | what was | what it was |
| `offer_defaults`: there is no text | the defaults | good |
| `fall_back`: the last good text, where the current one is refused | that text | refused, still |
| `note_unreadable`: it cannot look | what was | unreadable, until it can |

A state is one immutable value that is swapped whole: readers never lock, sources do.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Literal

from webhook.admission.plugins.schema import PluginSchema
from webhook.plugindata.pluginfiles import load_schemas

from .model import NadmitConfiguration, defaults
from .parsing import ConfigurationError, read

logger = logging.getLogger("nadmit.configuration")

DEFAULTS = "defaults"
SHOWN_PROBLEMS_MAX = 20
"""Of one text, in the log and in /configz."""

Outcome = Literal["same", "accepted", "refused"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that is in force. `sha256`: of its text, None without one. `since`: Unix seconds."""

    model: NadmitConfiguration
    source: str
    sha256: str | None
    since: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A text that is not in force. `at`: Unix seconds; `problems`: one line each."""

    sha256: str
    at: float
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """All that is known at one moment. `unreadable`: why the source cannot be looked at now."""

    loaded: Loaded
    refused: Refused | None = None
    unreadable: str | None = None


class InForce:
    """`current` is what reviews use: read it once per review. Any thread may call any method."""

    def __init__(self, *, now: Callable[[], float], own_schemas: Mapping[str, PluginSchema]) -> None:
        """`now`: Unix seconds. `own_schemas`: of --plugin-schemas. The defaults hold until a source says otherwise."""
        self.state = State(Loaded(defaults(), DEFAULTS, None, now()))
        self.current = self.state.loaded.model.to_value(own_schemas)
        self._own_schemas = own_schemas
        self.reloads: Tally[str] = Tally({"ok": 0, "error": 0})
        self._now = now
        self._lock = Lock()
        self._last: tuple[str | None] | None = None

    def load(self, data: bytes, *, source: str) -> None:
        """As `offer`, for a start that is to fail. Raises ConfigurationError."""
        model = read(data, where=source)
        with self._lock:
            digest = _digest(data)
            self._last = (digest,)
            self._accept(model, source, digest)

    def offer(self, data: bytes, *, source: str) -> Outcome:
        """Put a text in force if it is right; `source` names it to people."""
        digest = _digest(data)
        with self._lock:
            if self._is_known(digest):
                return "same"
            try:
                model = read(data, where=source)
            except ConfigurationError as error:
                self._refuse(error, digest)
                return "refused"
            self._accept(model, source, digest)
            return "accepted"

    def offer_defaults(self, *, why: str) -> Outcome:
        """Put the defaults in force; `why` names the text that there is not."""
        with self._lock:
            if self._is_known(None):
                return "same"
            self._accept(defaults(), f"{DEFAULTS}: {why}", None)
            return "accepted"

    def fall_back(self, data: bytes, *, source: str) -> bool:
        """Put a text in force that was right before, and say whether it still is; what was refused stays refused."""
        with self._lock:
            try:
                loaded = Loaded(read(data, where=source), source, _digest(data), self._now())
            except ConfigurationError:
                return False
            self._swap(replace(self.state, loaded=loaded))
            logger.warning("%s is in force instead", source)
            return True

    def note_unreadable(self, text: str) -> None:
        """Take note that the source cannot be looked at; said once for each reason."""
        with self._lock:
            if self.state.unreadable != text:
                self.state = replace(self.state, unreadable=text)
                logger.warning("%s; the configuration that is in force stays: %s", text, self.state.loaded.source)

    def describe(self) -> dict[str, Any]:
        """Return what /configz shows."""
        state = self.state
        refused = state.refused
        return {
            "configuration": state.loaded.model.shown(),
            "pluginTypes": self._plugin_types(state.loaded.model),
            "source": state.loaded.source,
            "since": _timestamp(state.loaded.since),
            "sha256": state.loaded.sha256,
            "refused": refused
            and {"at": _timestamp(refused.at), "sha256": refused.sha256, "problems": list(refused.problems)},
            "unreadable": state.unreadable,
        }

    def _plugin_types(self, model: NadmitConfiguration) -> dict[str, str]:
        """Return each plugin type that something is known of, and where that is from."""
        origins = {
            **dict.fromkeys(load_schemas(), "nadmit"),
            **dict.fromkeys(self._own_schemas, "--plugin-schemas"),
            **dict.fromkeys(model.plugins.own_schemas(), "plugins.schemas"),
        }
        return dict(sorted(origins.items()))

    # With the lock held

    def _is_known(self, digest: str | None) -> bool:
        """Say whether the source offers what it offered last; it can be looked at, in any case."""
        is_known = self._last == (digest,)
        self._last = (digest,)
        if self.state.unreadable is not None:
            self.state = replace(self.state, unreadable=None)
            logger.info("the configuration can be read again")
        return is_known

    def _accept(self, model: NadmitConfiguration, source: str, digest: str | None) -> None:
        """NB: a text that is in force already, and was replaced by a bad one, is in force since it came."""
        before = self.state.loaded
        is_same = (before.source, before.sha256) == (source, digest)
        self._swap(State(before if is_same else Loaded(model, source, digest, self._now())))
        self.reloads["ok"] += 1
        logger.info("configuration in force: %s%s", source, f", sha256 {digest[:12]}" if digest else "")

    def _refuse(self, error: ConfigurationError, digest: str) -> None:
        lines = [str(problem) for problem in error.problems]
        more = len(lines) - SHOWN_PROBLEMS_MAX
        shown = (*lines[:SHOWN_PROBLEMS_MAX], *([f"{more} more"] if more > 0 else []))
        self.state = replace(self.state, refused=Refused(digest, self._now(), shown))
        self.reloads["error"] += 1
        for line in shown:
            logger.warning("%s", line)
        logger.warning("the configuration is refused; what is in force stays: %s", self.state.loaded.source)

    def _swap(self, state: State) -> None:
        """NB: `current` stays the same object as long as the text does: what reviews remember depends on it."""
        if state.loaded is not self.state.loaded:
            self.current = state.loaded.model.to_value(self._own_schemas)
        self.state = state


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
