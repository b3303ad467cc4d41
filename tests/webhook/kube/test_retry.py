"""Pauses that grow, and a log that does not repeat itself."""

from __future__ import annotations

import logging

import pytest

from webhook.kube.retry import Backoff, OnceLog

LOGGER = logging.getLogger("nadmit.tests.retry")


def test_pauses_double_up_to_the_limit_and_begin_again() -> None:
    backoff = Backoff(1.0, 10.0, lambda: 0.5)
    assert [backoff.next() for _ in range(5)] == [1.5, 3.0, 6.0, 10.0, 10.0]
    backoff.reset()
    assert backoff.next() == 1.5


def test_a_text_is_logged_again_after_its_time(caplog: pytest.LogCaptureFixture) -> None:
    times: list[float] = []
    log = OnceLog(LOGGER, again_s=60.0, clock=lambda: times[-1])
    for seconds in (0.0, 59.0, 60.0):
        times.append(seconds)
        log.log(logging.WARNING, "lost")
        log.log(logging.WARNING, "found")
    assert caplog.messages == ["lost", "found"] * 2


def test_a_topic_logs_changes_only_until_it_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    log = OnceLog(LOGGER)
    for text in ("a", "a", "b", "a"):
        log.log(logging.WARNING, text, topic="failure")
    log.log(logging.WARNING, "a")
    assert caplog.messages == ["a", "b", "a", "a"]
    log.forget("failure")
    log.log(logging.WARNING, "a", topic="failure")
    assert caplog.messages[4:] == ["a"]
