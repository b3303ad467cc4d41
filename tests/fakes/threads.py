"""Checks that a test leaves no threads and sockets."""

from __future__ import annotations

import gc
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

JOIN_S = 5.0


@contextmanager
def nothing_left() -> Iterator[None]:
    """Check that threads of the block have ended; the garbage collection raises a ResourceWarning for an open socket."""
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(JOIN_S)  # on a busy machine a thread may need more than the 0.9 s that `stop` waits
    frames = sys._current_frames()
    alive = [traceback.format_stack(frames.get(thread.ident or 0)) for thread in left if thread.is_alive()]
    assert not alive, alive
    gc.collect(0)
