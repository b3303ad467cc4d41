"""What SIGHUP does: everything that came from files is read again, as at a start, while the server goes on.

A thread reads one source after another, so a file system that hangs delays no review. A signal that comes meanwhile
makes one more round, so the last content is read. Each source keeps what is in force if the new content is wrong, and
logs the reason. One line at the end has the outcome of each.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock, Thread

logger = logging.getLogger("nadmit.serving")

UNCHANGED = "unchanged"
IN_FORCE = "read, in force"
KEPT = "refused, what was in force stays"
ASKED = "is being read"
"""For what a thread of its own reads from the API server."""

Source = Callable[[], str]
"""Reads again, and returns the outcome in a few words. It may block."""


class Rereading:
    """The sources by the names that the log has for them. Any thread may `request`."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._lock = Lock()
        self._is_due = False
        self._is_running = False

    def request(self) -> None:
        """Read everything again, in a thread of its own. Does not block."""
        with self._lock:
            self._is_due = True
            if self._is_running:
                return
            self._is_running = True
        Thread(target=self._run, name="nadmit-reread", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                self._is_running = self._is_due
                self._is_due = False
                if not self._is_running:
                    return
            self.reread()

    def reread(self) -> None:
        """Read each source, and log the outcomes."""
        began = time.perf_counter()
        outcomes = [f"{name}: {_outcome(name, read)}" for name, read in self._sources.items()]
        logger.info("SIGHUP: %s (%.2f s)", "; ".join(outcomes), time.perf_counter() - began)


def _outcome(name: str, read: Source) -> str:
    try:
        return read()
    except Exception:
        # NB: a bug in one source must neither stop the server nor keep the others from being read.
        logger.exception("internal error: %s was not read again", name)
        return KEPT
