"""A time limit that is set and lifted for each request, without a timer for each.

To start and to stop a timer of the loop costs more than to answer a known head. So the timer of a deadline that was
lifted runs on. When it expires, it looks whether there is a deadline by then, and starts anew for the rest of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

CLOCK_S = 0.0005
"""uvloop counts in milliseconds, and rounds. A deadline that is closer than that has passed."""


class Deadline:
    """One deadline, and one timer at most. `is_set`: it has neither passed nor been lifted."""

    __slots__ = ("_at", "_call", "_loop", "_timer", "_timer_at", "is_set")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_set = False
        self._loop = loop
        self._at = 0.0
        self._call: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def set(self, seconds: float, call: Callable[[], None]) -> None:
        """Call back after this time, instead of what was set before."""
        self._at = self._loop.time() + seconds
        self._call = call
        self.is_set = True
        if self._timer is None:
            self._start(seconds)
        elif self._timer_at > self._at:
            self._timer.cancel()
            self._start(seconds)

    def lift(self) -> None:
        """Do not call back."""
        self.is_set = False

    def close(self) -> None:
        """Do not call back, and stop the timer."""
        self.is_set = False
        self._call = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, seconds: float) -> None:
        self._timer_at = self._at
        self._timer = self._loop.call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not self.is_set or self._call is None:
            return
        seconds_left = self._at - self._loop.time()
        if seconds_left > CLOCK_S:
            self._start(seconds_left)
            return
        self.is_set = False
        self._call()
