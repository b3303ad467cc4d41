"""The log of what goes on with the API server, without saying the same over and over."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger("nadmit.cluster")


class Reporter:
    """Logs; the same text at most once in `say_again_s`."""

    def __init__(self, say_again_s: float, clock: Callable[[], float]) -> None:
        self._say_again_s = say_again_s
        self._clock = clock
        self._said: dict[str, float] = {}

    def say(self, level: int, text: str) -> None:
        """Log a text."""
        now = self._clock()
        self._said = {text: at for text, at in self._said.items() if now - at < self._say_again_s}
        if text not in self._said:
            self._said[text] = now
            logger.log(level, "%s", text)
