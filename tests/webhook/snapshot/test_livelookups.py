"""Live look-ups of networks and namespaces that no watch has reported yet, and their bounds."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from typing import TYPE_CHECKING

import pytest

from cniplugin.access.model.decision import NAME_LABEL
from tests.fakes.apiserver import ApiServer, Request, status
from tests.fakes.objects import network, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS, PATIENCE_S
from webhook.kube.connection import Connection
from webhook.snapshot.livelookups import CONCURRENT_MAX, KEPT_MAX, RESULTS, LiveLookups
from webhook.snapshot.snapshot import EMPTY, Definition, Snapshot

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

BLUE = ("team-a", "blue")


class Asking:
    """LiveLookups of an API server. `now` is its clock, `results` has its results."""

    def __init__(self, kubeconfig: Path) -> None:
        self.now = 1000.0
        self.results: list[str] = []
        self.snapshot: Snapshot = EMPTY
        self.connection = Connection(kubeconfig, environ=os.environ)
        self.live = LiveLookups(
            self.connection, lambda: self.snapshot, clock=lambda: self.now, on_result=self.results.append
        )

    async def find(self, *missing: tuple[str, str], seconds: float = PATIENCE_S) -> Snapshot | None:
        return await self.live.find_networks(missing, seconds=seconds)

    def run(self, *missing: tuple[str, str], seconds: float = PATIENCE_S) -> Snapshot | None:
        return run(self.find(*missing, seconds=seconds))


def run(coroutine: Coroutine[object, object, Snapshot | None]) -> Snapshot | None:
    return asyncio.run(coroutine)


@pytest.fixture
def asking(api: ApiServer, tmp_path: Path) -> Iterator[Asking]:
    made = Asking(write_kubeconfig(tmp_path / "kubeconfig", api.url))
    yield made
    made.live.close()
    made.connection.close()


def test_a_found_network_is_added_to_the_snapshot(api: ApiServer, asking: Asking) -> None:
    found = asking.run(BLUE)
    assert found is not None
    definition = found.network(*BLUE)
    assert definition is not None
    assert definition.config is not None
    assert found.network_names("team-a") == ("blue",)
    assert asking.snapshot.network(*BLUE) is None
    assert asking.results == ["found"]
    (asked,) = api.requests
    assert asked.path == f"{NETWORKS.replace('/network-', '/namespaces/team-a/network-')}/blue"


def test_a_network_that_is_in_the_caches_by_now_is_newer(asking: Asking) -> None:
    config = '{"type": "newer"}'
    asking.snapshot = EMPTY.with_network(Definition("team-a", "blue", config, (), ()))
    found = asking.run(BLUE)
    assert found is asking.snapshot


def test_either_all_networks_are_found_or_none_is(api: ApiServer, asking: Asking) -> None:
    api.put(NETWORKS, network("red", "team-b"))
    found = asking.run(BLUE, ("team-b", "red"))
    assert found is not None
    assert found.network("team-b", "red") is not None
    assert asking.run(BLUE, ("team-b", "green")) is None
    assert sorted(asking.results) == ["absent", "found", "found", "found"]


def test_more_than_three_networks_are_not_looked_up(asking: Asking) -> None:
    assert asking.live.may_find_networks([("a", str(number)) for number in range(3)])
    assert not asking.live.may_find_networks([("a", str(number)) for number in range(4)])


def test_an_absent_network_is_not_looked_up_again_for_a_second(asking: Asking) -> None:
    green = ("team-a", "green")
    assert asking.live.may_find_networks([green])
    assert asking.run(green) is None
    assert not asking.live.may_find_networks([BLUE, green])
    assert asking.live.may_find_networks([BLUE])
    asking.now += 1.0
    assert asking.live.may_find_networks([green])


def test_the_number_of_kept_absences_is_bounded(asking: Asking) -> None:
    for number in range(KEPT_MAX + 5):
        asking.live._keep(("a", str(number)), None)
        asking.now += 0.0001
    assert len(asking.live._kept) == KEPT_MAX
    assert asking.live.may_find_networks([("a", "4")])
    assert not asking.live.may_find_networks([("a", "5")])
    asking.now += 2
    asking.live._keep(("a", "new"), None)
    assert list(asking.live._kept) == [("a", "new")]


@pytest.mark.parametrize(
    "answer",
    [
        (403, status(403, "no")),
        (500, b""),
        (200, b"<html>"),
        (200, json.dumps(network("other")).encode()),
        (302, b""),
    ],
)
def test_a_failed_get_finds_nothing(
    api: ApiServer, asking: Asking, answer: tuple[int, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    path = f"{NETWORKS.replace('/network-', '/namespaces/team-a/network-')}/blue"
    api.answers[path] += [answer, answer]
    assert asking.run(BLUE) is None
    assert asking.run(BLUE) is None
    assert asking.results == ["failed", "failed"]
    assert caplog.text.count("networks: a live look-up failed") == 1
    if answer[0] == 403:
        assert "grant get on network-attachment-definitions.k8s.cni.cncf.io" in caplog.text
    assert asking.live.may_find_networks([BLUE])
    assert asking.run(BLUE) is not None


def test_a_server_that_is_down_finds_nothing(api: ApiServer, asking: Asking, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "nadmit.cluster")
    api.close()
    assert asking.run(BLUE) is None
    assert asking.results == ["failed"]


def test_bounds_while_the_server_is_slow(api: ApiServer, asking: Asking) -> None:
    """Reviews that wait for one network share one GET, and there are at most eight GETs in all."""
    held = threading.Event()

    def hold(_request: Request) -> None:
        api.changed.wait_for(held.is_set, PATIENCE_S)

    api.instead = hold

    async def scene() -> None:
        assert await asking.find(BLUE, seconds=0.02) is None
        assert asking.results == ["late"]
        joined = asyncio.create_task(asking.find(BLUE))
        others = [asyncio.create_task(asking.find(("x", str(number)))) for number in range(CONCURRENT_MAX - 1)]
        await asyncio.sleep(0)
        assert await asking.find(("y", "one-too-many")) is None
        assert asking.results == ["late", "busy"]
        with api.changed:
            held.set()
            api.changed.notify_all()
        assert await joined is not None
        assert [await other for other in others] == [None] * len(others)

    asyncio.run(scene())
    assert sorted(asking.results) == sorted(["late", "busy", "found", *["absent"] * (CONCURRENT_MAX - 1)])
    assert len(api.requests) == CONCURRENT_MAX
    assert set(asking.results) <= set(RESULTS)


# Namespaces


TEAM_A = f"{NAMESPACES}/team-a"


def team_a(**metadata: object) -> dict[str, object]:
    return {"metadata": {"name": "team-a", "labels": {"tenant": "a"}, **metadata}}


def test_a_found_namespace_is_added_to_the_snapshot(api: ApiServer, asking: Asking) -> None:
    api.put(NAMESPACES, team_a(annotations={"nadmit.io/default-networks": "lan"}))
    found = run(asking.live.find_namespaces(["team-a"], seconds=PATIENCE_S))
    assert found is not None
    assert found.has_namespace("team-a")
    assert found.namespace_labels("team-a") == {"tenant": "a", NAME_LABEL: "team-a"}
    assert found.default_networks("team-a") == "lan"
    assert not asking.snapshot.has_namespace("team-a")
    assert [asked.path for asked in api.requests] == [TEAM_A]
    assert asking.results == ["found"]


def test_a_namespace_that_is_in_the_caches_by_now_is_newer(api: ApiServer, asking: Asking) -> None:
    api.put(NAMESPACES, team_a())
    asking.snapshot = EMPTY.with_namespace("team-a", {"tenant": "b"}, None)
    assert run(asking.live.find_namespaces(["team-a"], seconds=PATIENCE_S)) is asking.snapshot


def test_networks_are_added_to_a_snapshot_with_found_namespaces(api: ApiServer, asking: Asking) -> None:
    """As when a namespace, a network and a pod are created together."""
    api.put(NAMESPACES, team_a())

    async def scene() -> Snapshot | None:
        known = await asking.live.find_namespaces(["team-a"], seconds=PATIENCE_S)
        return await asking.live.find_networks([BLUE], seconds=PATIENCE_S, over=known)

    found = run(scene())
    assert found is not None
    assert found.has_namespace("team-a")
    assert found.network(*BLUE) is not None


def test_an_absent_namespace_is_not_looked_up_again_for_a_second(asking: Asking) -> None:
    assert asking.live.may_find_namespaces(["gone"])
    assert run(asking.live.find_namespaces(["gone"], seconds=PATIENCE_S)) is None
    assert not asking.live.may_find_namespaces(["gone"])
    assert asking.live.may_find_networks([("gone", "gone")])
    asking.now += 1.0
    assert asking.live.may_find_namespaces(["gone"])


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "a" * 64, "team-a/pods"])
def test_an_impossible_name_of_a_namespace_is_not_looked_up(asking: Asking, name: str) -> None:
    """NB: a review may name anything, and the name becomes a part of a path."""
    assert not asking.live.may_find_namespaces([name])


def test_more_than_three_namespaces_are_not_looked_up(asking: Asking) -> None:
    assert asking.live.may_find_namespaces(["a", "b", "c"])
    assert not asking.live.may_find_namespaces(["a", "b", "c", "d"])


@pytest.mark.parametrize(
    "answer", [(403, status(403, "no")), (500, b""), (200, b"<html>"), (200, b'{"metadata": {"name": "other"}}')]
)
def test_a_failed_get_finds_no_namespace(
    api: ApiServer, asking: Asking, answer: tuple[int, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    api.answers[TEAM_A].append(answer)
    assert run(asking.live.find_namespaces(["team-a"], seconds=PATIENCE_S)) is None
    assert asking.results == ["failed"]
    assert "namespaces: a live look-up failed" in caplog.text
    if answer[0] == 403:
        assert "grant get on namespaces" in caplog.text
