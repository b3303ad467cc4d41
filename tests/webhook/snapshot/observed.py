"""A source under test, with the means to wait for what it does."""

from __future__ import annotations

import time
from threading import Condition
from typing import TYPE_CHECKING

from tests.fakes.objectstore import PATIENCE_S
from webhook.snapshot.pods import Pods
from webhook.snapshot.source import ClusterSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from webhook.kube.informers import Timing
    from webhook.snapshot.store import Snapshot

POLL_S = 0.002
"""Between two looks at what no event tells: readiness, ages, logs."""


class Observed:
    """`now` is the clock that the source reads; `swaps` counts its snapshots."""

    def __init__(self, kubeconfig: Path, timing: Timing) -> None:
        self.now = 1000.0
        self.swaps = 0
        self.patience_s = PATIENCE_S
        self._changed = Condition()
        self.source = ClusterSource(
            kubeconfig,
            pods=Pods("kube-system"),
            timing=timing,
            clock=lambda: self.now,
            jitter=lambda: 0.5,
            on_swap=self._note,
            environ={},
        )

    def start(self) -> None:
        self.source.start()

    def wait(self, condition: Callable[[], object]) -> None:
        """Look at each swap, and now and then; fail after a while."""
        deadline = time.monotonic() + self.patience_s
        with self._changed:
            while not condition():
                assert time.monotonic() < deadline, self.source.problem()
                self._changed.wait(POLL_S)

    def names(self, namespace: str = "team-a") -> list[str]:
        return list(self.source.snapshot().network_names(namespace))

    def wait_names(self, *names: str) -> None:
        self.wait(lambda: self.names() == list(names))

    def _note(self, _: Snapshot) -> None:
        with self._changed:
            self.swaps += 1
            self._changed.notify_all()
