"""A source under test, with methods that wait for its changes."""

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
    from webhook.snapshot.snapshot import Snapshot

POLL_S = 0.002
"""Between two checks of values without an event: readiness, ages, logs."""


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
        """Wait until a condition is true, and check it after each swap and every POLL_S. Fails after `patience_s`."""
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
