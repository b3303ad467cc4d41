"""How many bytes the bodies hold that are being received, over all connections, and which body gives way.

Theory of operation. Half of `max_bytes_in_flight` is divided evenly among `max_in_flight` reviews. The server always
reads a body within that share, so a review of usual size never waits for a large one. The bytes of bodies beyond their
share come out of the other half. When that is used up:

    the oldest body that began `slow_body_s` ago or earlier gives way (503), and so on until there is room
    if there is none, the connection that wants more stops reading; the kernel's buffer fills, and the client waits
    when another body ends, the newest of the waiting connections read again first
    if all wait for each other, the newest reads all the same, so one body may exceed the budget

The newest come first because an honest client sends its body at once: a body that has waited for long is more likely
to be one of many that never finish. A body that is complete is being judged and does not give way.
"""

from __future__ import annotations

from collections import Counter
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle

    from .http import Limits

READ_BYTES = 64 * 1024
"""The most that a connection reads when it reads again, before it is counted; see `server.RECEIVE_BUFFER_BYTES`."""

LARGE_BYTES = 64 * 1024

REASONS = ("path", "method", "overloaded", "slow-body", "connections", "handshakes", "pipeline")
"""Why the server refuses requests or connections; the values of the metric's label."""

_OF_STATUS = {404: "path", 405: "method", 503: "overloaded"}


class Receiver(Protocol):
    """A connection that receives a body."""

    def wait_for_room(self) -> None:
        """Stop reading."""

    def go_on(self) -> None:
        """Read again."""

    def give_way(self) -> None:
        """Answer 503, and release the body."""


class Body:
    """The bytes of one body, and when it began.

    Above LARGE_BYTES they are in a mapping of their own, which goes back to the kernel as soon as it is closed. On the
    heap, bodies that grow side by side leave holes: 100 of them kept 880 MiB after they had ended (measured).
    """

    __slots__ = ("_heap", "_mapping", "begun", "is_complete", "size")

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.size = 0
        self.is_complete = False
        self._heap = bytearray()
        self._mapping: mmap | None = None

    def add(self, data: bytes, max_bytes: int) -> None:
        """Append; there are never more than `max_bytes`."""
        if self._mapping is None and self.size + len(data) > LARGE_BYTES:
            # As large as the body may get: pages without data cost nothing.
            self._mapping = mmap(-1, max_bytes, flags=MAP_PRIVATE | MAP_ANONYMOUS)
            self._mapping[: self.size] = bytes(self._heap)
            self._heap = bytearray()
        if self._mapping is None:
            self._heap += data
        else:
            self._mapping[self.size : self.size + len(data)] = data
        self.size += len(data)

    def take(self) -> bytes:
        """Return the bytes, and give the memory back; `size` stays."""
        if self._mapping is None:
            return bytes(self._heap)
        content = self._mapping[: self.size]
        self._mapping.close()
        return content


class Bodies:
    """The bodies of one process. Used on the event loop only.

    `held_bytes`: of all of them. `refusals`: the number of refusals for each of REASONS. `share`: bytes that the server
    always reads of a body.
    """

    def __init__(self, limits: Limits, loop: AbstractEventLoop) -> None:
        self.held_bytes = 0
        self.refusals: Counter[str] = Counter()
        self._max_bytes = limits.max_body_bytes
        self.share = limits.max_bytes_in_flight // (2 * limits.max_in_flight)
        self._room = limits.max_bytes_in_flight // 2
        self._slow_s = limits.slow_body_s
        self._loop = loop
        self._beyond = 0
        self._judged_beyond = 0
        self._bodies: dict[Receiver, Body] = {}  # the oldest first
        self._waiting: dict[Receiver, None] = {}  # the newest last
        self._timer: TimerHandle | None = None

    @property
    def are_none(self) -> bool:
        """Whether no body is being received or judged."""
        return not self._bodies

    def count(self, status: int) -> None:
        """Count a request that was answered by its head."""
        if (reason := _OF_STATUS.get(status)) is not None:
            self.refusals[reason] += 1

    def begin(self, receiver: Receiver) -> None:
        """Begin an empty body."""
        self._bodies[receiver] = Body(self._loop.time())

    def add(self, receiver: Receiver, data: bytes) -> bool:
        """Add bytes that have arrived; other bodies may give way for them, or the receiver may have to wait.

        Returns False, and adds nothing, if the body would be larger than any may be.
        """
        body = self._bodies[receiver]
        before = body.size
        if before + len(data) > self._max_bytes:
            return False
        body.add(data, self._max_bytes)
        self.held_bytes += len(data)
        if body.size > self.share:
            self._beyond += body.size - max(before, self.share)
            self._bound(receiver)
        return True

    def _bound(self, receiver: Receiver) -> None:
        if self._beyond > self._room:
            self._make_room()
            if self._beyond > self._room and receiver in self._bodies and not self._may_exceed(receiver):
                self._waiting[receiver] = None
                receiver.wait_for_room()
            self._look_again()

    def pass_through(self) -> None:
        """Note a body within its share that came in one piece and is answered already, so it was never held."""
        if self._waiting:
            self._wake()

    def complete(self, receiver: Receiver) -> bytes:
        """Return a complete body. It counts until `release`, but does not give way, because it is being judged."""
        body = self._bodies[receiver]
        body.is_complete = True
        self._judged_beyond += max(0, body.size - self.share)
        if self._waiting:
            self._waiting.pop(receiver, None)
            self._wake()
        return body.take()

    def release(self, receiver: Receiver) -> None:
        """Forget the body of a receiver, if it has one; others may read again."""
        body = self._bodies.pop(receiver, None)
        if body is None:
            return
        self.held_bytes -= body.size
        if body.size > self.share:
            beyond = body.size - self.share
            self._beyond -= beyond
            if body.is_complete:
                self._judged_beyond -= beyond
        if self._waiting:
            self._waiting.pop(receiver, None)
            self._wake()

    def push_out(self) -> bool:
        """Make the oldest slow body give way that is not complete; return whether there was one."""
        now = self._loop.time()
        for receiver, body in self._bodies.items():
            if now - body.begun < self._slow_s:
                return False
            if not body.is_complete:
                self._refuse(receiver)
                return True
        return False

    def _make_room(self) -> None:
        """Make slow bodies beyond their share give way. NB: those that wait hold little, and wait for room."""
        now = self._loop.time()
        slow = []
        for receiver, body in self._bodies.items():
            if now - body.begun < self._slow_s:
                break
            if not body.is_complete and body.size > self.share and receiver not in self._waiting:
                slow.append(receiver)
        for receiver in slow:
            if self._beyond <= self._room:
                return
            self._refuse(receiver)

    def _refuse(self, receiver: Receiver) -> None:
        self.refusals["slow-body"] += 1
        receiver.give_way()
        self.release(receiver)

    def _wake(self) -> None:
        """Let those that wait read again while there is room, the newest first."""
        room = self._room - self._beyond
        while self._waiting:
            newest = next(reversed(self._waiting))
            if room <= 0 and not self._may_exceed(newest):
                break
            del self._waiting[newest]
            room -= READ_BYTES
            newest.go_on()

    def _may_exceed(self, receiver: Receiver) -> bool:
        """Say whether only this one can finish: all others wait, and the bodies being judged do not fill the room."""
        return self._judged_beyond <= self._room and not any(
            body.size > self.share and not body.is_complete and other is not receiver and other not in self._waiting
            for other, body in self._bodies.items()
        )

    def _look_again(self) -> None:
        """Look again when the oldest body has become slow."""
        if self._timer is None and self._waiting:
            self._timer = self._loop.call_later(self._slow_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._waiting:
            self._make_room()
            self._wake()
            self._look_again()
