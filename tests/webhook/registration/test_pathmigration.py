"""The migration of plain paths to paths with a token while replicas of both kinds run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from certs.store import Due
from tests.fakes.objects import write_kubeconfig
from webhook.kube.connection import Connection
from webhook.registration.conditions import LabelProtection, StatusProtection
from webhook.registration.configurations import Service, Webhook, differences, token_of, webhooks
from webhook.registration.pathmigration import (
    LONGEST_PAUSE,
    PROBES,
    ROUNDS,
    TO_PLAIN,
    TO_TOKEN,
    MigrationStep,
    PathMigration,
)
from webhook.registration.registered import RegisteredWebhooks
from webhook.registration.registrar import Registrar
from webhook.registration.tables import KINDS, VALIDATING_KIND, Kind

from .webhookserver import NAME, WebhookServer

TARGET = Service("nadmit-system", "nadmit-webhook")
TOKEN, OTHER = "0123456789abcdef", "fedcba9876543210"


def made(plan: MigrationStep, kind: Kind = VALIDATING_KIND) -> list[Webhook]:
    return plan.webhooks(
        kind, TARGET, ca_bundle=b"pem", stage="Ignore", protection=StatusProtection(), labels=LabelProtection()
    )


PLAIN, WITH_TOKEN = made(MigrationStep("")), made(MigrationStep(TOKEN))


class Replica:
    """Do the work of a registrar in one period."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.move = PathMigration()
        self.written = 0

    def period(self, present: list[Webhook]) -> list[Webhook]:
        desired = made(self.move.plan(present, self.token, is_new_round=True))
        if not differences(present, desired):
            return present
        self.written += 1
        return desired


def tokens(present: Sequence[Webhook]) -> set[str]:
    return {token_of(hook) for hook in present if hook["name"] not in PROBES}


def probes(present: Sequence[Webhook]) -> list[str]:
    return [hook["name"] for hook in present if hook["name"] in PROBES]


@pytest.mark.parametrize("kind", KINDS)
def test_the_probe_is_never_called(kind: Kind) -> None:
    (probe,) = (hook for hook in made(MigrationStep("", TO_TOKEN), kind) if hook["name"] == TO_TOKEN)
    assert (probe["rules"], probe["failurePolicy"]) == ([], "Ignore")


def test_without_registered_webhooks_the_token_is_registered_at_once() -> None:
    assert PathMigration().plan([], TOKEN, is_new_round=True) == MigrationStep(TOKEN)


def test_a_new_token_in_place_of_another_needs_no_probe() -> None:
    assert Replica(OTHER).period(WITH_TOKEN) == made(MigrationStep(OTHER))


@pytest.mark.parametrize(("before", "token", "probe"), [(PLAIN, TOKEN, TO_TOKEN), (WITH_TOKEN, "", TO_PLAIN)])
def test_paths_change_when_no_replica_has_removed_the_probe(before: list[Webhook], token: str, probe: str) -> None:
    replica, present = Replica(token), before
    for _ in range(1 + ROUNDS - 1):
        present = replica.period(present)
        assert (tokens(present), probes(present)) == (tokens(before), [probe])
    present = replica.period(present)
    assert (tokens(present), probes(present), replica.written) == ({token}, [], 2)
    assert replica.period(present) == present


@pytest.mark.parametrize(("new", "old", "before"), [(TOKEN, "", PLAIN), ("", TOKEN, WITH_TOKEN)])
def test_replicas_of_two_kinds_keep_the_paths_and_rarely_write(new: str, old: str, before: list[Webhook]) -> None:
    newer, older = [Replica(new), Replica(new)], Replica(old)
    present = before
    for _ in range(300):
        for replica in (*newer, older):
            present = replica.period(present)
            assert tokens(present) == {old}
    # Pauses of 1, 2, 4, ... periods: the two kinds overwrite each other 20 times in 50 minutes.
    assert older.written < 2 * (300 // LONGEST_PAUSE + 6)
    for _ in range(LONGEST_PAUSE + ROUNDS + 1):
        for replica in newer:
            present = replica.period(present)
    assert (tokens(present), probes(present)) == ({new}, [])


def test_a_version_that_does_not_know_the_probe_removes_it() -> None:
    """An old version compares with its own list."""
    own = webhooks(VALIDATING_KIND, TARGET, ca_bundle=None, stage="Ignore", protection=StatusProtection())
    assert differences(made(MigrationStep("", TO_TOKEN)), own) == {TO_TOKEN: ["unknown"]}


def test_a_conflict_is_not_a_new_period() -> None:
    move = PathMigration()
    present = made(move.plan(PLAIN, TOKEN, is_new_round=True))
    for _ in range(10):
        assert move.plan(present, TOKEN, is_new_round=False) == MigrationStep("", TO_TOKEN)


def test_a_replica_keeps_the_probe_of_another_that_it_sees_between_two_periods() -> None:
    present = made(MigrationStep("", TO_TOKEN))
    assert PathMigration().plan(present, TOKEN, is_new_round=False) == MigrationStep("", TO_TOKEN)


class Restless:
    """Implements `Changes`: something changes all the time."""

    def rest(self, tick_s: float, *, calm_s: float = 0.0, is_calm: Callable[[], bool] | None = None) -> Due:  # noqa: ARG002
        return Due.CHANGE

    def wake(self) -> None: ...

    def stop(self) -> None: ...


@pytest.mark.parametrize("changes", [None, Restless()], ids=["not watched", "changes all the time"])
def test_registrars_of_an_upgrade(tmp_path: Path, changes: Restless | None) -> None:
    """By HTTP: the plain paths of an older version get the token, and the authorities stay."""
    with WebhookServer() as api:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        for kind in KINDS:
            api.stored(kind).edit(lambda value: value.update(webhooks=made(MigrationStep(""), kind)))  # noqa: B023 - called now
        registrar = Registrar(
            RegisteredWebhooks(Connection(kubeconfig, environ={}), NAME),
            target=TARGET,
            is_ready=lambda: True,
            ca_bundle=lambda: b"other",
            protection=StatusProtection,
            path_token=lambda _present: TOKEN,
            random=lambda: 0.5,
            changes=changes,
            period_s=0.005,
        )
        registrar.start()
        try:
            for kind in KINDS:
                api.stored(kind).wait(lambda: tokens(api.stored(kind).hooks()) == {TOKEN})  # noqa: B023 - called now
        finally:
            registrar.stop()
        assert api.validating.hooks() == WITH_TOKEN
        assert len(api.validating.patches) == 2


def test_nothing_is_registered_before_the_token_is_known(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with WebhookServer() as api:
        registrar = Registrar(
            RegisteredWebhooks(Connection(write_kubeconfig(tmp_path / "kubeconfig", api.url), environ={}), NAME),
            target=TARGET,
            is_ready=lambda: True,
            ca_bundle=lambda: b"pem",
            protection=StatusProtection,
            path_token=lambda _present: None,
            random=lambda: 0.5,
            period_s=0.005,
        )
        registrar.start()
        api.validating.wait_for_gets(3)
        registrar.stop()
        assert api.validating.patches == []
    assert "not filled in: the token of the path is not known yet" in caplog.text
