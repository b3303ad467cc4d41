"""A clock of the test's."""

from __future__ import annotations

from collections.abc import Callable


class Clock:
    """Only sleeping moves it. `on_sleep` is what happens meanwhile."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds
        self.on_sleep()
