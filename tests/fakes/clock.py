"""A clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable


class Clock:
    """`sleep` moves it, and calls `on_sleep`; a test may set `now`."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.slept: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds
        self.on_sleep()
