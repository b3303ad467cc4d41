from __future__ import annotations

import gc
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from webhook.kube.informers import Timing

from .api_server import NAMESPACES, NETWORKS, ApiServer, namespace, network, write_kubeconfig
from .observed import Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUICK = {"pause_min_s": 0.005, "pause_max_s": 0.02, "absent_retry_s": 0.01, "short_watch_s": 0.0, "batch_s": 0.02}
"""Waits between tries that a test need not notice."""


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Every thread ends with its test, and every socket is closed: a ResourceWarning comes from the collection."""
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(5)  # on a busy machine a thread may need more than the 0.9 s that `stop` waits
    left = {thread for thread in left if thread.is_alive()}
    frames = sys._current_frames()
    assert not left, [traceback.format_stack(frames.get(thread.ident or 0)) for thread in left]
    gc.collect(0)


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.put(NAMESPACES, namespace("team-a", team="a"))
        server.put(NETWORKS, network("blue"))
        yield server


@pytest.fixture
def observe(tmp_path: Path) -> Iterator[Callable[..., Observed]]:
    """Make a source for an address, not started; it is stopped at the end."""
    made: list[Observed] = []

    def make(url: str, *, user: dict[str, Any] | None = None, **timing: Any) -> Observed:
        kubeconfig = write_kubeconfig(tmp_path / f"kubeconfig-{len(made)}", url, user)
        observed = Observed(kubeconfig, Timing(**{**QUICK, **timing}))
        made.append(observed)
        return observed

    yield make
    for observed in made:
        observed.source.stop()


@pytest.fixture
def observed(api: ApiServer, observe: Callable[..., Observed]) -> Observed:
    """A source that has listed and watches the API server."""
    made = observe(api.url)
    made.start()
    made.wait(lambda: made.source.problem() is None)
    api.wait(lambda: all(api.watches.values()))
    return made
