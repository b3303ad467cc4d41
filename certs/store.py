"""Protocols of the stores of the certificates: a Secret, and the webhook configurations that contain caBundles.

This package knows no client of an API server; `webhook` implements the Protocols. All methods may block, each for a
bounded time. Every method raises StoreError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from threading import Event
from typing import Any, Protocol


class StoreError(Exception):
    """The store cannot be used now: where, what is wrong, what to do, in one line.

    `is_conflict`: another process has changed the object since it was read.
    """

    def __init__(self, text: str, *, is_conflict: bool = False) -> None:
        super().__init__(text)
        self.is_conflict = is_conflict


@dataclass(frozen=True, slots=True)
class Stored:
    """The data of the Secret, and the version to replace; None if there is no Secret yet."""

    data: Mapping[str, bytes]
    version: str | None


class SecretStore(Protocol):
    """One Secret."""

    where: str
    """How messages name it."""

    def read(self) -> Stored:
        """Return the content."""

    def write(self, data: Mapping[str, bytes], version: str | None) -> None:
        """Replace the data of that version, or create the Secret for None. Other keys stay."""


class ConfigurationStore(Protocol):
    """The webhook configurations that this program keeps; `names` may be empty."""

    @property
    def names(self) -> Sequence[str]:
        """Return the configurations as messages name them. `read` and `patch` take one of these."""

    def read(self, name: str) -> Mapping[str, Any] | None:
        """Return the object, None if it does not exist."""

    def patch(self, name: str, operations: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Apply a JSON patch and return the object. It is a conflict if a `test` of it fails."""


class Due(Enum):
    """Why a round is due: something has changed; some time has passed; or a long time without any change."""

    CHANGE = "change"
    TICK = "tick"
    CALM = "calm"


class Changes(Protocol):
    """Knows when the objects of a store have changed, so that they need not be read all the time."""

    def rest(self, tick_s: float, *, calm_s: float, is_calm: Callable[[], bool]) -> Due:
        """Wait for the next round: for a change, and at most `tick_s`, or `calm_s` if changes are seen and `is_calm`.

        Return CALM only if no object has changed since the last rest.
        """

    def wake(self) -> None:
        """End a rest now, or the next one, as a change does."""

    def stop(self) -> None:
        """End a rest now, and each later one."""


class NoChanges:
    """Implements `Changes` for a store that nobody watches."""

    def __init__(self) -> None:
        self._stopping = Event()
        self._rung = Event()

    def rest(self, tick_s: float, *, calm_s: float, is_calm: Callable[[], bool]) -> Due:  # noqa: ARG002 - it never is
        """Wait for `tick_s`, or for `wake`."""
        self._rung.wait(tick_s)
        if not self._stopping.is_set():
            self._rung.clear()
        return Due.TICK

    def wake(self) -> None:
        """End a rest now, or the next one."""
        self._rung.set()

    def stop(self) -> None:
        """End a rest now, and each later one."""
        self._stopping.set()
        self._rung.set()


def read_configurations(store: ConfigurationStore) -> tuple[dict[str, Mapping[str, Any]], StoreError | None]:
    """Return the configurations that exist, and the last error if any of them cannot be read."""
    configurations: dict[str, Mapping[str, Any]] = {}
    failed = None
    for name in store.names:
        try:
            value = store.read(name)
        except StoreError as error:
            failed = error
        else:
            if value is not None:
                configurations[name] = value
    return configurations, failed
