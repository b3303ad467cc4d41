"""Waits for a condition that no event reports, such as the answer of another process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LOOK_S = 0.01
PATIENCE_S = 150.0
"""More than any test waits: new tokens of paths are registered after a minute."""
_NEVER = threading.Event()


def wait_until(
    condition: Callable[[], object], what: Callable[[], object] = lambda: "", *, within_s: float = PATIENCE_S
) -> None:
    """Look every 10 ms; fail with `what` if the condition is not true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, what()
        _NEVER.wait(LOOK_S)
