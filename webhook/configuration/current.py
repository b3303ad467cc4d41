"""The configuration in force, and the text that was refused: one object for reviews and for the source of the text.

| call | configuration in force | last reload |
| --- | --- | --- |
| `load`: the text at the start | that text | good; a wrong text raises |
| `update` with a right text | that text | good |
| `update` with a wrong text | unchanged | refused, until a right text comes |
| `update` with the same text as last time | unchanged | unchanged |
| `use_defaults`: there is no text | the defaults | good |
| `fall_back`: the last good text, while the current one is refused | that text | still refused |
| `note_unreadable`: the source cannot be read | unchanged | unreadable, until the source can be read |

A state is one immutable value that is swapped whole: readers take no lock, sources do.

The defaults are plain values. Only a text, and the answer of /configz, need the models of `sections`, which load
pydantic.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from cniplugin.netspec.attachers import MULTUS
from webhook.admission.plugins.schema import PluginChecks, PluginSchema
from webhook.admission.view.decisioncontext import Configuration
from webhook.driverdata.driverfiles import default_drivers
from webhook.plugindata.pluginfiles import load_schemas

from .texts import ConfigurationError

if TYPE_CHECKING:
    from .sections import NadmitConfiguration

logger = logging.getLogger("nadmit.configuration")

DEFAULTS = "defaults"
SHOWN_PROBLEMS_MAX = 20
"""Of one text, in the log and in /configz."""

Outcome = Literal["same", "accepted", "refused"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration in force, and its text. `sha256`: of the text, None without one. `since`: Unix seconds.

    `configuration`: None for the defaults.
    """

    configuration: NadmitConfiguration | None
    source: str
    sha256: str | None
    since: float
    text: bytes | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A text that was refused. `at`: Unix seconds; `problems`: one line each."""

    sha256: str
    at: float
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """`refused`: the newest text, if it was wrong. `unreadable`: why the source cannot be read now."""

    loaded: Loaded
    refused: Refused | None = None
    unreadable: str | None = None


class CurrentConfiguration:
    """Reviews use `value`: read it once per review. Any thread may call any method."""

    def __init__(
        self, *, now: Callable[[], float], own_schemas: Mapping[str, PluginSchema], attached_by: str = MULTUS
    ) -> None:
        """`now`: Unix seconds. `own_schemas`: of --plugin-schemas. `attached_by`: of --attached-by.

        Until a text comes the defaults are in force.
        """
        self.state = State(Loaded(None, DEFAULTS, None, now()))
        self.value = default_value(own_schemas, attached_by)
        self._own_schemas = own_schemas
        self._attached_by = attached_by
        self.reloads: Tally[str] = Tally({"ok": 0, "error": 0})
        self._now = now
        self._lock = Lock()
        self._last_sha256: str | None = ""  # None: there was no text

    def load(self, data: bytes, *, source: str) -> None:
        """Put the text of a start in force; `source` names it to people. Raises ConfigurationError."""
        configuration = read(data, where=source)
        with self._lock:
            self._last_sha256 = _digest(data)
            self._accept(configuration, source, data)

    def update(self, data: bytes, *, source: str) -> Outcome:
        """Put a text in force if it is right; else keep the one in force."""
        digest = _digest(data)
        with self._lock:
            if self._is_known(digest):
                return "same"
            try:
                configuration = read(data, where=source)
            except ConfigurationError as error:
                self._refuse(error, digest)
                return "refused"
            self._accept(configuration, source, data)
            return "accepted"

    def use_defaults(self, *, why: str) -> Outcome:
        """Put the defaults in force; `why` names the text that is missing."""
        with self._lock:
            if self._is_known(None):
                return "same"
            self._accept(None, f"{DEFAULTS}: {why}", None)
            return "accepted"

    def fall_back(self, data: bytes, *, source: str) -> bool:
        """Put the last good text in force; the newest one stays refused. Return False if this one is wrong as well."""
        with self._lock:
            try:
                loaded = Loaded(read(data, where=source), source, _digest(data), self._now(), data)
            except ConfigurationError:
                return False
            self._swap(replace(self.state, loaded=loaded))
            logger.warning("%s is in force instead", source)
            return True

    def replace_schemas(self, own_schemas: Mapping[str, PluginSchema]) -> None:
        """Use other schemas of --plugin-schemas from now on."""
        with self._lock:
            self._own_schemas = own_schemas
            self.value = self._value_of(self.state.loaded.configuration)

    def note_unreadable(self, text: str) -> None:
        """Take note that the source cannot be read; the log has each reason once."""
        with self._lock:
            if self.state.unreadable != text:
                self.state = replace(self.state, unreadable=text)
                logger.warning("%s; the configuration that is in force stays: %s", text, self.state.loaded.source)

    def describe(self) -> dict[str, Any]:
        """Return the answer of /configz."""
        from .sections import defaults  # noqa: PLC0415 - see the module

        state = self.state
        refused = state.refused
        configuration = state.loaded.configuration or defaults()
        return {
            "configuration": configuration.shown(),
            "attachedBy": self.value.attached_by,
            "pluginTypes": self._plugin_types(configuration),
            "source": state.loaded.source,
            "since": _timestamp(state.loaded.since),
            "sha256": state.loaded.sha256,
            "refused": refused
            and {"at": _timestamp(refused.at), "sha256": refused.sha256, "problems": list(refused.problems)},
            "unreadable": state.unreadable,
        }

    def _plugin_types(self, configuration: NadmitConfiguration) -> dict[str, str]:
        """Return each plugin type that has a schema, and where the schema comes from."""
        origins = {
            **dict.fromkeys(load_schemas(), "nadmit"),
            **dict.fromkeys(self._own_schemas, "--plugin-schemas"),
            **dict.fromkeys(configuration.plugins.own_schemas(), "plugins.schemas"),
        }
        return dict(sorted(origins.items()))

    # With the lock held

    def _is_known(self, digest: str | None) -> bool:
        """Say whether the source has the same text as last time. In any case it can be read."""
        is_known = self._last_sha256 == digest
        self._last_sha256 = digest
        if self.state.unreadable is not None:
            self.state = replace(self.state, unreadable=None)
            logger.info("the configuration can be read again")
        return is_known

    def _accept(self, configuration: NadmitConfiguration | None, source: str, text: bytes | None) -> None:
        """NB: the text in force may come again after a wrong one; its `since` does not change then."""
        before, digest = self.state.loaded, None if text is None else _digest(text)
        is_same = (before.source, before.sha256) == (source, digest)
        self._swap(State(before if is_same else Loaded(configuration, source, digest, self._now(), text)))
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
        """NB: `value` is the same object as long as the text is the same: caches of reviews depend on it."""
        if state.loaded is not self.state.loaded:
            self.value = self._value_of(state.loaded.configuration)
        self.state = state

    def _value_of(self, configuration: NadmitConfiguration | None) -> Configuration:
        settings = self._own_schemas, self._attached_by
        return default_value(*settings) if configuration is None else configuration.to_value(*settings)


def default_value(own_schemas: Mapping[str, PluginSchema], attached_by: str) -> Configuration:
    """Return the value of the defaults: that of `sections.defaults`, without its models."""
    plugins = PluginChecks(schemas={**load_schemas(), **own_schemas}, attached_by=attached_by)
    return Configuration(plugins=plugins, drivers=default_drivers(), attached_by=attached_by)


def read(data: bytes, *, where: str) -> NadmitConfiguration:
    """Return the configuration of a text, as `parsing.read`, which it loads."""
    from . import parsing  # noqa: PLC0415 - see the module

    return parsing.read(data, where=where)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
