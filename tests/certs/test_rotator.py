"""One replica: its start, its readiness, the leaf that it keeps, and its log after a failure."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest

from certs import rotator as module
from certs.pathtokens import TokenStep
from certs.rotation import Step
from certs.rotator import Rotator, RotatorError
from certs.secretdata import State
from certs.store import StoreError
from tests.certs.rotationworld import NAME, World, verifies

from .memorycluster import MUTATING, VALIDATING, MemoryCluster, webhook

DAY = timedelta(days=1)


class Observed:
    def __init__(self) -> None:
        self.steps: list[Step | TokenStep] = []
        self.failures = 0
        self.failed = threading.Event()

    def state(self, state: State) -> None:
        self.last = state

    def step(self, step: Step | TokenStep) -> None:
        self.steps.append(step)

    def failure(self) -> None:
        self.failures += 1
        self.failed.set()


def make(cluster: MemoryCluster, leaves: list[bytes], observed: Observed | None = None) -> Rotator:
    return Rotator(
        cluster.secret,
        cluster.configurations(VALIDATING, MUTATING),
        names=[NAME],
        on_leaf=lambda certificate, _key: leaves.append(certificate),
        observer=observed,
    )


def test_start_and_stop(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The start tries until there is a leaf. Then rounds go on, and a failure is logged once."""
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    monkeypatch.setattr(module, "INTERVAL_S", 0.001)
    cluster, leaves, observed = MemoryCluster(), list[bytes](), Observed()
    cluster.failing = 3
    rotator = make(cluster, leaves, observed)
    assert rotator.problem() == "there is no certificate yet"
    assert rotator.ca_bundle() is None
    assert rotator.not_after is None
    rotator.start()
    try:
        assert len(leaves) == 1
        assert rotator.problem() is None
        assert rotator.ca_bundle() == cluster.data["ca.crt"]
        assert observed.steps == [Step.FILL]
        assert observed.failures == 3
        observed.failed.clear()
        cluster.failing = 10**9
        assert observed.failed.wait(5)
        observed.failed.clear()
        assert observed.failed.wait(5)
    finally:
        rotator.stop()
    # Once at the start, and once more if a round succeeded before all began to fail.
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert set(told) == {"Secret nadmit-system/tls: the API server does not answer; the served certificate stays"}
    assert len(told) <= 2 < observed.failures
    assert rotator.problem() is None


def test_a_start_without_answers_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    monkeypatch.setattr(module, "START_WITHIN_S", 0.01)
    cluster = MemoryCluster()
    cluster.failing = 10**9
    with pytest.raises(RotatorError, match=r"^no certificate within 0 s: the API server does not answer$"):
        make(cluster, []).start()


def test_a_damaged_secret_keeps_the_server_from_starting() -> None:
    cluster = MemoryCluster()
    cluster.data = {"tls.crt": b"x"}
    with pytest.raises(RotatorError, match=r"^Secret nadmit-system/tls: authority.crt: missing, but tls.crt is there"):
        make(cluster, []).start()


def test_an_internal_error_does_not_end_the_rounds(caplog: pytest.LogCaptureFixture) -> None:
    rotator = make(MemoryCluster(), [])
    rotator._on_leaf = None  # type: ignore[assignment]
    assert rotator._try_round() == module.INTERVAL_S
    assert (
        "internal error: Secret nadmit-system/tls: this round was not done; the served certificate stays" in caplog.text
    )


def test_a_conflict_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = MemoryCluster()
    rotator = make(cluster, [])
    write = cluster.secret.write
    monkeypatch.setattr(cluster.secret, "write", lambda data, _version: write(data, "of before"))
    assert rotator._try_round() == module.RETRY_S
    assert cluster.conflicts == 1


def test_a_replica_becomes_ready_when_callers_accept_it_and_stays_ready() -> None:
    world = World([timedelta(0)] * 2)
    first, second = world.replicas
    world.cluster.put(VALIDATING, webhook("a.nadmit.io"))
    first.round()
    assert first.rotator.problem() is None
    world.cluster.put(VALIDATING, webhook("a.nadmit.io"))  # another program resets it, and patches are refused
    patched = type(second.rotator._configurations).patch
    try:
        type(second.rotator._configurations).patch = _refuse  # type: ignore[method-assign,assignment]
        second.round()
        first.round()
        assert second.rotator.problem() == (
            f"the certificate is not accepted yet by the caBundle of webhook a.nadmit.io of {VALIDATING}"
        )
        assert first.rotator.problem() is None
    finally:
        type(second.rotator._configurations).patch = patched  # type: ignore[method-assign]
    second.round()
    assert second.rotator.problem() is None


def _refuse(*_given: object) -> None:
    raise StoreError("patch failed with 403")


def test_a_secret_that_is_emptied_in_use() -> None:
    """A new authority is made. A replica changes its leaf only when callers accept the new one."""
    world = World([timedelta(0)])
    replica = world.replicas[0]
    replica.round()
    world.register(0)
    before = replica.leaf
    world.cluster.data = {}
    for _ in range(3):  # read the Secret and both configurations, write the Secret
        replica.request()
    assert replica.leaf == before
    assert before is not None
    assert all(verifies(before, bundle, world.now) for bundle in world.cluster.bundles())
    replica.round()
    assert replica.leaf is not None
    assert replica.leaf != before
    assert all(verifies(replica.leaf, bundle, world.now) for bundle in world.cluster.bundles())
    assert [bundle.count(b"BEGIN CERTIFICATE") for bundle in world.cluster.bundles()] == [2] * 4


def test_old_data_is_not_used() -> None:
    world = World([timedelta(0)])
    replica = world.replicas[0]
    replica.request()
    world.now += timedelta(minutes=6)
    replica.round()
    assert world.replicas[0].rotator.ca_bundle() is not None
    world.now += timedelta(minutes=6)
    assert world.replicas[0].rotator.ca_bundle() is None
    world.now += 31 * DAY
    assert replica.rotator.problem() == "the certificate has expired"
