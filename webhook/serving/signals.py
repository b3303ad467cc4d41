"""The signals of a server.

| signal | what it does |
| --- | --- |
| SIGTERM, SIGINT | the first drains, the second ends at once (`server`) |
| SIGHUP | everything that came from files is read again (`rereading`); the server goes on |
| SIGUSR1, SIGUSR2, SIGALRM | nothing |

All others do what the system does. SIGHUP does not end the process at any moment after `EarlySignals` is made: before
the server listens it is remembered, and after the server has ended it does nothing. The handlers are Python's, not
`SIG_IGN`, which a program that a kubeconfig names would inherit.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .server import Stop

STOPPING = (signal.SIGTERM, signal.SIGINT)
IGNORED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


class EarlySignals:
    """Keeps SIGHUP and IGNORED from ending the process, from the moment it is made; needs the main thread."""

    def __init__(self) -> None:
        self.has_hung_up = False
        self.hold()

    def hold(self) -> None:
        """Take these signals; a loop that has handled one of them gives it back to the system at its end."""
        for number in (signal.SIGHUP, *IGNORED):
            signal.signal(number, self._take)

    def _take(self, number: int, _frame: object) -> None:
        self.has_hung_up |= number == signal.SIGHUP


@contextmanager
def stop_on_signals(
    stop: Stop, *, early: EarlySignals | None = None, on_hangup: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Make SIGTERM and SIGINT request a stop, and SIGHUP call `on_hangup`, on the loop, which it must not block.

    `early`: what has come before; it has the signals again at the end of the block. Needs the main thread and a running
    loop.
    """
    loop = asyncio.get_running_loop()
    for number in STOPPING:
        loop.add_signal_handler(number, stop.request)
    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    if early is not None and early.has_hung_up:
        on_hangup()
    try:
        yield
    finally:
        for number in (*STOPPING, signal.SIGHUP):
            loop.remove_signal_handler(number)
        if early is not None:
            early.hold()


__all__ = ["EarlySignals", "stop_on_signals"]
