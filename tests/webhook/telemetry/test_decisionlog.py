from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from webhook.telemetry import decisionlog
from webhook.telemetry.decisionlog import DecisionLog


class Later:
    """Makes the calls that it was given when the test wants them."""

    def __init__(self) -> None:
        self.asked: list[Callable[[], None]] = []

    def __call__(self, call: Callable[[], None]) -> None:
        self.asked.append(call)

    def run(self) -> None:
        asked, self.asked = self.asked, []
        for call in asked:
            call()


class Pipe:
    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.later = Later()
        self.lost = 0
        self.log = DecisionLog(self.writer, later=self.later, on_lost=self.lose)

    def lose(self, count: int) -> None:
        self.lost += count

    def read_all(self) -> list[str]:
        """Return everything until the writer has nothing left."""
        data = b""
        os.set_blocking(self.reader, False)
        while self.later.asked:
            try:
                data += os.read(self.reader, 1 << 20)
            except BlockingIOError:
                self.later.run()
        self.later.run()
        try:
            data += os.read(self.reader, 1 << 20)
        except BlockingIOError:
            assert data
        return [json.loads(line)["name"] for line in data.decode().splitlines()]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    for descriptor in (made.reader, made.writer):
        try:
            os.close(descriptor)
        except OSError:
            assert descriptor == made.reader


def event(pipe: Pipe, number: int) -> None:
    pipe.log.event("some", {"name": f"{number}-" + "x" * 200})


def test_an_unread_pipe_delays_no_review(pipe: Pipe) -> None:
    """65,536 bytes fill it. A reader gets every line later, whole and in order."""
    for number in range(1000):
        event(pipe, number)
    assert pipe.lost == 0
    assert len(pipe.later.asked) == 1  # the log tries again, but not once for each line
    names = pipe.read_all()
    assert [int(name.partition("-")[0]) for name in names] == list(range(1000))


def test_lines_beyond_the_bound_are_lost_and_counted(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisionlog, "UNWRITTEN_MAX", 10_000)
    for number in range(1000):
        event(pipe, number)
    assert 0 < pipe.lost < 1000
    assert len(pipe.read_all()) == 1000 - pipe.lost


def test_closing_does_not_wait_for_a_reader_that_takes_nothing(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisionlog, "LAST_WAIT_MS", 10)
    for number in range(1000):
        event(pipe, number)
    pipe.log.close()
    assert 600 < pipe.lost < 1000


def test_a_closed_pipe_loses_lines_only(pipe: Pipe) -> None:
    os.close(pipe.reader)
    event(pipe, 1)
    event(pipe, 2)
    assert pipe.lost == 2
    assert pipe.later.asked


def test_a_file_gets_every_line(tmp_path: Path) -> None:
    file = tmp_path / "log"
    lost: list[int] = []
    with file.open("wb") as opened:
        log = DecisionLog(opened.fileno(), later=Later(), on_lost=lost.append)
        for number in range(500):
            log.event("some", {"name": f"{number}"})
        log.close()
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == [f"{n}" for n in range(500)]
    assert lost == []
