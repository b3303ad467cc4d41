from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.apiserver import ApiServer
from tests.fakes.objects import namespace, network, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS
from tests.fakes.threads import nothing_left
from webhook.kube.informers import Timing

from .observed import Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUICK = {"pause_min_s": 0.005, "pause_max_s": 0.02, "absent_retry_s": 0.01, "short_watch_s": 0.0, "batch_s": 0.02}
"""Waits between tries that a test need not notice."""


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    with nothing_left():
        yield


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
