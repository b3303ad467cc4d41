"""Shared by loops that ask the API server: pauses that grow, and a log that does not repeat itself."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable


class Backoff:
    """Pauses after failures in a row: `min_s`, doubled with each, up to twice that to spread replicas, at most `max_s`.

    `jitter`: returns 0 to 1.
    """

    def __init__(self, min_s: float, max_s: float, jitter: Callable[[], float]) -> None:
        self.failures = 0
        self._min_s = min_s
        self._max_s = max_s
        self._jitter = jitter

    def next(self) -> float:
        """Count a failure, and return the pause after it."""
        pause = self._min_s * (1 << min(self.failures, 10)) * (1 + self._jitter())
        self.failures += 1
        return min(self._max_s, pause)

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self.failures = 0


class OnceLog:
    """A logger that writes a text once, and again after `again_s` seconds or after `forget`."""

    def __init__(
        self, logger: logging.Logger, *, again_s: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._again_s = again_s
        self._clock = clock
        self._written: dict[str, tuple[str, float]] = {}

    def log(self, level: int, text: str, *, topic: str | None = None) -> None:
        """Log a text, unless it is the last one about its topic. By default each text is a topic of its own."""
        now = self._clock()
        key = text if topic is None else topic
        self._written = {key: known for key, known in self._written.items() if now - known[1] < self._again_s}
        if key not in self._written or self._written[key][0] != text:
            self._written[key] = (text, now)
            self._logger.log(level, "%s", text)

    def forget(self, topic: str) -> None:
        """Log the next text about a topic even if it is the same."""
        self._written.pop(topic, None)
