"""A deadline calls back as a timer of the loop would, however often it is moved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from webhook.serving.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Timer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Loop:
    """A clock, and the timers that run."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []
        self.started = 0

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        self.started += 1
        timer = Timer(self.now + seconds, call)
        self.timers.append(timer)
        return timer

    def running(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.is_cancelled]

    def pass_time(self, seconds: int) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.running() if timer.at <= end]:
            first = min(due, key=lambda timer: timer.at)
            self.timers.remove(first)
            self.now = max(self.now, first.at)
            first.call()
        self.now = end


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(1, 20)),
        st.tuples(st.just("lift"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 15)),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_it_calls_back_at_the_time_that_was_set_last(steps: Sequence[tuple[str, int]]) -> None:
    loop = Loop()
    deadline = Deadline(cast(asyncio.AbstractEventLoop, loop))
    calls: list[float] = []
    expected: list[float] = []
    due: float | None = None
    for step, seconds in steps:
        if step == "set":
            due = loop.now + seconds
            deadline.set(seconds, lambda at=due: calls.append(at) if loop.now == at else calls.append(-1))  # type: ignore[misc]
        elif step == "lift":
            due = None
            deadline.lift()
        else:
            loop.pass_time(seconds)
            if due is not None and due <= loop.now:
                expected.append(due)
                due = None
        assert calls == expected
        assert deadline.is_set is (due is not None)
        assert len(loop.running()) <= 1
    deadline.close()
    assert loop.running() == []


def test_a_deadline_that_is_lifted_each_time_needs_one_timer() -> None:
    loop = Loop()
    deadline = Deadline(cast(asyncio.AbstractEventLoop, loop))
    for _ in range(1000):
        deadline.set(10, lambda: None)
        deadline.lift()
    assert loop.started == 1
