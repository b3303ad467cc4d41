"""A review with many unparsed definitions is judged in turns, and the event loop runs between them."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cniplugin.netspec import cniconfig
from cniplugin.netspec.selection import NETWORKS
from tests.webhook.admission.world import RULES
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration
from webhook.admission.view.parsecache import ALLOWANCE, PARSED
from webhook.plugindata.pluginfiles import load_schemas
from webhook.review.reviews import Reviews
from webhook.snapshot.snapshot import Definition, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from webhook.admission.model.requests import Decision, Request
    from webhook.serving.http import Later

NETWORKS_MAX = 8


def definition(name: str, size: int) -> Definition:
    conf = {
        "cniVersion": "1.0.0",
        "type": "macvlan",
        "master": "bond1",
        "capabilities": {"ips": True},
        "ipam": {"type": "host-local", "subnet": "10.1.0.0/16"},
        "note": "x" * size,
    }
    return Definition("blue", name, json.dumps(conf), (), ())


def snapshot(size: int) -> Snapshot:
    return Snapshot({"blue": {f"n{at}": definition(f"n{at}", size) for at in range(NETWORKS_MAX)}}, {"blue": {}})


class Noted:
    def __init__(self) -> None:
        self.verdicts: list[str] = []

    def review(self, _path: str, _request: Request, decision: Decision, _seconds: float) -> None:
        self.verdicts.append(decision.verdict)


def reviews(cluster: Snapshot, noted: Noted) -> Reviews:
    return Reviews(
        snapshot=lambda: cluster,
        problem=lambda: None,
        rules=lambda _cluster: RULES,
        configuration=lambda: Configuration(plugins=PluginChecks(schemas=load_schemas())),
        network_namespace="kube-system",
        observer=noted,
    )


def body(networks: str) -> bytes:
    obj: dict[str, Any] = {"metadata": {"name": "web-0", "annotations": {NETWORKS: networks}}, "spec": {}}
    request = {
        "uid": "u",
        "kind": {"group": "", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": "blue",
        "object": obj,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


async def answer(later: Later, seconds: float) -> bytes:
    return await later(seconds)


EVERY = ",".join(f"n{at}" for at in range(NETWORKS_MAX))


@pytest.fixture(autouse=True)
def _nothing_is_read() -> Iterator[None]:
    PARSED.clear()
    yield
    PARSED.clear()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads in which configurations are parsed from now on."""
    names: list[str] = []
    parse: Callable[..., Any] = cniconfig.parse

    def note(text: str, *, name: str) -> Any:
        names.append(threading.current_thread().name)
        return parse(text, name=name)

    monkeypatch.setattr(cniconfig, "parse", note)
    return names


@pytest.mark.plain
def test_usual_definitions_are_read_at_once(threads: list[str]) -> None:
    noted = Noted()
    assert isinstance(reviews(snapshot(500), noted)("/validate", body(EVERY)), bytes)
    assert threads == ["MainThread"] * NETWORKS_MAX
    assert noted.verdicts == ["allow"]


@pytest.mark.plain
@pytest.mark.parametrize("path", ["/validate", "/mutate"])
@pytest.mark.parametrize("size", [30_000, ALLOWANCE + 1, 1_400_000])
def test_large_ones_are_read_in_turns_and_once(path: str, size: int, threads: list[str]) -> None:
    noted = Noted()
    webhook = reviews(snapshot(size), noted)
    later = webhook(path, body(EVERY))
    assert not isinstance(later, bytes)
    answered = json.loads(asyncio.run(answer(later, 10.0)))
    assert answered["response"]["allowed"]
    assert noted.verdicts == ["allow"]
    assert len(threads) == NETWORKS_MAX
    assert size * threads.count("MainThread") <= ALLOWANCE * len(threads)
    assert PARSED.left is None  # there is no limit outside of reviews

    if size < 1_000_000:
        assert isinstance(webhook(path, body(EVERY)), bytes)
        assert len(threads) == NETWORKS_MAX


def test_the_loop_runs_between_the_turns() -> None:
    noted = Noted()
    later = reviews(snapshot(ALLOWANCE), noted)("/validate", body(EVERY))
    assert not isinstance(later, bytes)

    async def both() -> int:
        turns = 0
        task = asyncio.ensure_future(later(10.0))
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert asyncio.run(both()) >= NETWORKS_MAX - 1


def test_ranges_are_read_in_turns() -> None:
    noted = Noted()
    networks = json.dumps([{"name": f"n{at}", "ips": [f"10.1.2.{at}"]} for at in range(NETWORKS_MAX)])
    cluster = Snapshot({"blue": {f"n{at}": definition(f"n{at}", 4_000) for at in range(NETWORKS_MAX)}}, {"blue": {}})
    later = reviews(cluster, noted)("/validate", body(networks))
    assert not isinstance(later, bytes)
    assert json.loads(asyncio.run(answer(later, 10.0)))["response"]["allowed"]


def test_a_review_out_of_time_is_a_refusal() -> None:
    """Stage Ignore lets a failed call pass, so a pod could escape the judgement of its networks."""
    later = reviews(snapshot(ALLOWANCE), Noted())("/validate", body(EVERY))
    assert not isinstance(later, bytes)
    response = json.loads(asyncio.run(answer(later, 0.0)))["response"]
    assert (response["allowed"], response["status"]["code"]) == (False, 503)
    assert "could not be read in time" in response["status"]["message"]
