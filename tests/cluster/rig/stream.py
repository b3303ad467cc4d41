"""A stream of requests from several threads, each with its own connection, and the fate of each request."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol, Self

PATIENCE_S = 60.0


class Fate(StrEnum):
    """The fate of a request. `FAILED`: no webhook judged it. `UNREACHED`: the API server itself did not answer."""

    CREATED = "created"
    REFUSED = "refused"
    FAILED = "failed"
    UNREACHED = "unreached"


class Outcome(NamedTuple):
    """The fate of one request, and the message about it."""

    fate: Fate
    text: str = ""


class Sender(Protocol):
    """One kept-alive connection."""

    def send(self) -> Outcome:
        """Send one request and wait for its answer; open the connection if there is none."""

    def close(self) -> None:
        """Close the connection."""


class Stream:
    """Use as a context: requests are sent during the block, and `tally` is complete after it."""

    def __init__(self, connect: Callable[[], Sender], *, threads: int = 6) -> None:
        self.tally: Counter[Fate] = Counter()
        self.texts: Counter[str] = Counter()
        """The messages about the pods that were not created."""
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._flow, args=[connect()]) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def lost(self) -> int:
        """How many were not created, for any reason."""
        return self.tally.total() - self.tally[Fate.CREATED]

    def wait_for(self, count: int, fate: Fate = Fate.CREATED) -> None:
        """Wait until so many more requests have this fate."""
        with self._changed:
            wanted = self.tally[fate] + count
            assert self._changed.wait_for(lambda: self.tally[fate] >= wanted, PATIENCE_S), str(self)

    def __str__(self) -> str:
        told = "".join(f"\n{count} x {text}" for text, count in self.texts.most_common(5))
        return ", ".join(f"{count} {fate}" for fate, count in sorted(self.tally.items())) + told

    def _flow(self, sender: Sender) -> None:
        try:
            while not self._ended.is_set():
                outcome = sender.send()
                with self._changed:
                    self.tally[outcome.fate] += 1
                    if outcome.text:
                        self.texts[outcome.text] += 1
                    self._changed.notify_all()
        finally:
            sender.close()
