"""The list of what would be refused in its ConfigMap, to which several replicas write."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.fakes.apiserver import ApiServer, failure
from tests.fakes.apiserver import Request as ApiRequest
from tests.fakes.objects import write_kubeconfig
from tests.fakes.waiting import wait_until
from webhook.admission.model.kinds import POD
from webhook.admission.model.requests import Decision, Object, Request
from webhook.cli import nadmit
from webhook.kube.connection import Connection
from webhook.observing import tally
from webhook.observing.keeper import KEY, Keeper

MAPS = "/api/v1/configmaps"
PATH = "/api/v1/namespaces/nadmit-system/configmaps/nadmit-would-refuse"
REFUSED = Decision(is_observed=True, rules=("PostureIsolated",))


class World:
    def __init__(self, api: ApiServer, directory: Path) -> None:
        self.api = api
        self.kubeconfig = write_kubeconfig(directory / "kubeconfig", api.url)
        self._moments = itertools.count(10)
        api.serve(MAPS)
        api.put(MAPS, {"metadata": {"namespace": "nadmit-system", "name": "nadmit-would-refuse", "uid": "u"}})

    def keeper(self, period_s: float = 30.0) -> Keeper:
        return Keeper(
            Connection(self.kubeconfig, environ={}),
            "nadmit-system",
            "nadmit-would-refuse",
            now=lambda: f"2026-11-28T10:00:{next(self._moments)}.000000Z",
            random=lambda: 0.5,
            period_s=period_s,
        )

    def counts(self) -> dict[tuple[str, str], int]:
        text = (self.api.get(PATH).get("data") or {}).get(KEY)
        return {} if text is None else {key: row.refusals for key, row in tally.parse(text.encode()).rows.items()}

    def patches(self) -> int:
        return len([one for one in self.api.requests if one.method == "PATCH"])

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(nadmit, ["webhooks", *words, "--kubeconfig", str(self.kubeconfig)])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ApiServer() as api:
        yield World(api, tmp_path)


def see(keeper: Keeper, namespace: str = "blue", *, decision: Decision = REFUSED, is_dry_run: bool = False) -> None:
    request = Request("u", POD, "CREATE", namespace=namespace, object=Object(name="web"), is_dry_run=is_dry_run)
    keeper.review("/validate", request, decision, 0.0)


def test_replicas_add_to_one_list(world: World) -> None:
    one, other = world.keeper(), world.keeper()
    for keeper in (one, other, one):
        see(keeper)
        keeper.write()
    see(other, "green")
    other.write()
    assert world.counts() == {("PostureIsolated", "blue"): 3, ("PostureIsolated", "green"): 1}
    assert world.keeper().problem() is None


def test_nothing_new_is_no_request(world: World) -> None:
    keeper = world.keeper()
    keeper.write()
    see(keeper, is_dry_run=True)
    see(keeper, decision=Decision(is_allowed=False, rules=("PostureIsolated",)))
    keeper.write()
    assert world.api.requests == []
    see(keeper)
    keeper.write()
    keeper.write()
    assert world.patches() == 1


def test_a_write_by_another_replica_is_not_lost(world: World) -> None:
    theirs = tally.entries("/validate", Request("u", POD, "CREATE", namespace="blue"), REFUSED, "2026")
    pending = [{KEY: tally.render(theirs).decode()}]

    def write_before(request: ApiRequest) -> None:
        if request.method == "PATCH" and pending:
            world.api.modify(PATH, lambda value: value.update(data=pending.pop()))

    world.api.instead = write_before
    keeper = world.keeper()
    see(keeper)
    keeper.write()
    assert world.counts() == {("PostureIsolated", "blue"): 2}
    assert [one.code for one in world.api.requests if one.method == "PATCH"].count(409) == 1


def test_what_cannot_be_written_waits(world: World, caplog: pytest.LogCaptureFixture) -> None:
    keeper = world.keeper()
    world.api.delete(PATH)
    see(keeper)
    keeper.write()
    keeper.write()
    (record,) = caplog.records
    assert record.getMessage() == (
        "the list of what would be refused is not written: there is no ConfigMap nadmit-system/nadmit-would-refuse; "
        "apply the manifests"
    )
    world.api.put(MAPS, {"metadata": {"namespace": "nadmit-system", "name": "nadmit-would-refuse", "uid": "v"}})
    see(keeper)
    keeper.write()
    assert world.counts() == {("PostureIsolated", "blue"): 2}


def test_a_text_of_others_is_begun_anew(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.api.modify(PATH, lambda value: value.update(data={KEY: "x", "mine": "y"}))
    assert world.run("would-refuse").exit_code == 2
    keeper = world.keeper()
    see(keeper)
    keeper.write()
    assert world.counts() == {("PostureIsolated", "blue"): 1}
    assert world.api.get(PATH)["data"]["mine"] == "y"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_the_thread_writes_and_the_end_writes_the_rest(world: World) -> None:
    keeper = world.keeper(period_s=0.01)
    keeper.start()
    see(keeper)
    wait_until(lambda: world.counts() == {("PostureIsolated", "blue"): 1})
    keeper.stop()
    slow = world.keeper()
    slow.start()
    see(slow)
    slow.stop()
    assert world.counts() == {("PostureIsolated", "blue"): 2}


def test_the_command_lists(world: World) -> None:
    done = world.run("would-refuse")
    assert (done.exit_code, done.output) == (0, "nothing would have been refused\n")
    keeper = world.keeper()
    for namespace in ("blue", "green", "blue"):
        see(keeper, namespace)
    see(keeper, decision=Decision(is_observed=True, rules=("mac-value",)))
    keeper.write()
    done = world.run("would-refuse")
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [
            "RULE             NAMESPACE  COUNT  LAST                  LAST OBJECT  WHERE",
            "PostureIsolated  blue       2      2026-11-28T10:00:12Z  Pod web",
            "PostureIsolated  green      1      2026-11-28T10:00:11Z  Pod web",
            "mac-value        blue       1      2026-11-28T10:00:13Z  Pod web",
            "4 refusals would have been made since 2026-11-28T10:00:10Z, by 2 rules in 2 namespaces",
        ],
    )
    assert world.run("would-refuse", "-n", "green").output.splitlines()[1].split()[:3] == [
        "PostureIsolated", "green", "1"
    ]  # fmt: skip
    assert '"count": 2' in world.run("would-refuse", "-o", "json").output


def test_the_command_says_why_there_is_no_list(world: World) -> None:
    world.api.answers[PATH].append(failure(403, "no"))
    done = world.run("would-refuse")
    assert (done.exit_code, done.output) == (
        2,
        (
            "nadmit: configmaps nadmit-system/nadmit-would-refuse: get is forbidden: no; grant get on configmaps of this "
            "name to this account in a Role\n"
        ),
    )
    done = world.run("would-refuse", "--would-refuse-map", "other")
    assert done.output == (
        "nadmit: there is no ConfigMap nadmit-system/other; apply the manifests, or name another with "
        "--would-refuse-map\n"
    )
