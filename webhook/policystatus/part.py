"""The writer of statuses as a part of a server: a thread that takes turns, and never keeps the server from serving."""

from __future__ import annotations

import logging
import os
import random
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from webhook.kube.connection import Connection
from webhook.kube.lease import Candidate, LeaseTiming
from webhook.policystatus.leaseapi import ApiLease
from webhook.telemetry.metrics import PolicyStatusMetrics

from .api import Api
from .writer import Time, View, Writer, WriterTiming

logger = logging.getLogger("nadmit.statuses")

LEASE = "nadmit-status"
TURN_S = 1.0
"""Changes are gathered for so long."""
STOP_S = 0.9
"""How long `stop` waits. A thread that waits for a silent server stays, as a daemon, until its time-out."""


class StatusWriter:
    """Implements `wiring.Part`. `counts` are its metrics."""

    def __init__(
        self,
        kubeconfig: Path | None,
        namespace: str,
        *,
        snapshot: Callable[[], View | None],
        environ: Mapping[str, str] = os.environ,
        timing: WriterTiming | None = None,
        lease_timing: LeaseTiming | None = None,
        turn_s: float = TURN_S,
    ) -> None:
        """`namespace`: where the Lease is. `snapshot` returns None until every kind has been listed."""
        self.counts = PolicyStatusMetrics()
        self._turn_s = turn_s
        self._stop = Event()
        self._thread: Thread | None = None
        lease_timing = lease_timing or LeaseTiming()
        self._api = Api(Connection(kubeconfig, environ=environ), timeout_s=lease_timing.request_s)
        candidate = Candidate(
            ApiLease(self._api, namespace, LEASE),
            f"{socket.gethostname()[:63]}_{secrets.token_hex(4)}",
            timing=lease_timing,
            clock=time.monotonic,
            wall=_utc_now,
        )
        self._writer = Writer(
            self._api,
            candidate,
            snapshot=snapshot,
            counts=self.counts,
            timing=timing or WriterTiming(),
            time=Time(clock=time.monotonic, wall=_utc_now, jitter=random.random, wait=self._stop.wait),
        )

    def start(self) -> None:
        """Begin, in a daemon thread. Raises ClusterError if there is no usable kubeconfig."""
        self._api.open()
        self._thread = Thread(target=self._run, name="nadmit-status", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End soon, and give the Lease back."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def problem(self) -> str | None:
        """Return None: reviews are wanted whoever writes statuses."""
        return None

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._writer.turn()
            except Exception:
                logger.exception("unexpected; tried again in a moment")
            self._stop.wait(self._turn_s)
        self._writer.end()
        self._api.close()


def _utc_now() -> datetime:
    return datetime.now(UTC)
