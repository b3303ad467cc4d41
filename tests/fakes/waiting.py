"""Waiting for what no event tells, such as the answer of another process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LOOK_S = 0.01
_NEVER = threading.Event()


def wait_until(
    condition: Callable[[], object], *, within_s: float = 20.0, what: Callable[[], object] = lambda: ""
) -> None:
    """Look every 10 ms; fail with `what` if the condition is not true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, what()
        _NEVER.wait(LOOK_S)
