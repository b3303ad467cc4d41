"""The decision log: a line of JSON for each review on standard output, and a few events."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import time

import msgspec

from webhook.admission.model.requests import Decision, Request

UNWRITTEN_MAX = 4 << 20
"""Bytes that wait for the reader of the log: some 16,000 reviews."""

LAST_WAIT_MS = 1000


class _ReviewLine(msgspec.Struct, omit_defaults=True, gc=False):
    """One line of the decision log; a field that is absent has its default."""

    time: str
    uid: str
    path: str
    kind: str
    namespace: str
    name: str
    operation: str
    user: str
    decision: str
    rules: tuple[str, ...]
    duration_ms: float
    event: str
    subresource: str = ""
    dry_run: bool = False
    trials: tuple[str, ...] = ()
    operations: int = 0


class DecisionLog:
    """Writes lines of JSON to a file descriptor: one for each review, and a few events, without objects and secrets.

    `flush` encodes and writes many lines together, and `later` calls it soon, so that under load a system call carries
    many lines. A full disk or a closed pipe loses lines, never reviews; `on_lost` gets their number. If no process
    reads the pipe, the log tries again later and never waits; lines above `UNWRITTEN_MAX` are lost.
    """

    def __init__(
        self, descriptor: int, *, later: Callable[[Callable[[], None]], object], on_lost: Callable[[int], None]
    ) -> None:
        self._descriptor = descriptor
        self._later = later
        self._on_lost = on_lost
        self._encode_lines = msgspec.json.Encoder().encode_lines
        self._lines: list[object] = []
        self._unwritten = b""
        self._is_due = False
        self._second = -1
        self._prefix = ""
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def review(self, path: str, request: Request, decision: Decision, seconds: float) -> None:
        """Write the line of one review."""
        # By position: keywords cost more than the encoding.
        self._add(
            _ReviewLine(
                self._now(),
                request.uid,
                path,
                request.kind.kind,
                request.namespace,
                request.object_name,
                request.operation,
                request.user.name,
                decision.verdict,
                decision.rules,
                int(seconds * 1e6) / 1000,
                "review",
                request.subresource,
                request.is_dry_run,
                decision.trials,
                len(decision.operations),
            )
        )

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """Write one event at once, with the time and its name first."""
        self._add({"time": datetime.now(UTC), "event": name, **fields})
        self._write_now()

    def _now(self) -> str:
        """Return the time in the form of RFC 3339. The text of a second is made once."""
        now = time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._prefix}.{int((now - second) * 1e6):06}Z"

    def flush(self) -> None:
        """Write as many waiting lines as the reader takes now, and the rest later."""
        self._is_due = False
        self._write_now()

    def close(self) -> None:
        """Write the rest, unless the reader takes nothing for a second."""
        self._write(wait_ms=LAST_WAIT_MS)
        self._lose(self._unwritten)

    def _add(self, line: object) -> None:
        if len(self._unwritten) >= UNWRITTEN_MAX:
            self._on_lost(1)
            return
        self._lines.append(line)
        if not self._is_due:
            self._call_later()

    def _write_now(self) -> None:
        self._write(wait_ms=0)
        if self._unwritten and not self._is_due:
            self._call_later()

    def _call_later(self) -> None:
        self._is_due = True
        self._later(self.flush)

    def _write(self, *, wait_ms: int) -> None:
        """NB: a pipe that is ready takes PIPE_BUF bytes without a wait; that is certain for no larger number."""
        lines, self._lines = self._lines, []
        data = memoryview(self._unwritten + self._encode_lines(lines))
        try:
            while data and self._poll.poll(wait_ms):
                data = data[os.write(self._descriptor, data[: select.PIPE_BUF]) :]
        except OSError:
            self._lose(bytes(data))
        else:
            self._unwritten = bytes(data)

    def _lose(self, data: bytes) -> None:
        self._unwritten = b""
        if data:
            self._on_lost(data.count(b"\n"))
