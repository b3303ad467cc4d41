"""What SIGHUP reads, in which order, and what one source may do to the others."""

from __future__ import annotations

import logging
from threading import Event

import pytest

from tests.fakes.waiting import wait_until
from webhook.serving.rereading import IN_FORCE, UNCHANGED, Rereading


def test_a_bug_in_one_source_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> str:
        raise ZeroDivisionError

    with caplog.at_level(logging.INFO):
        Rereading({"a": broken, "b": lambda: IN_FORCE, "c": lambda: UNCHANGED}).reread()
    first, last = [record.message for record in caplog.records]
    assert first == "internal error: a was not read again"
    assert last.startswith("SIGHUP: a: refused, what was in force stays; b: read, in force; c: unchanged (0.")


def test_a_signal_that_comes_meanwhile_makes_one_more_round(caplog: pytest.LogCaptureFixture) -> None:
    begun, go, rounds = Event(), Event(), [0]

    def slow() -> str:
        begun.set()
        go.wait(10)
        rounds[0] += 1
        return UNCHANGED

    with caplog.at_level(logging.INFO):
        rereading = Rereading({"slow": slow})
        rereading.request()
        assert begun.wait(10)
        for _ in range(5):
            rereading.request()
        go.set()
        wait_until(lambda: len(caplog.records) == 2, within_s=10)
    rereading.request()
    wait_until(lambda: rounds[0] == 3, within_s=10)
