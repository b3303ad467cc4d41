"""A plan says what happens: each change is predicted, carried out, and every pod is created again. None may differ."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from webhook.report.changeplan.podeffects import AREAS, EFFECTS

from .cases import CASES, Case, generated
from .objects import BASE, SETTINGS
from .world import GLOBAL, NETWORKS, Fate, Json, World

SEEDS = range(60)
ALL = (*CASES, *map(generated, SEEDS))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("plan"), BASE, SETTINGS)
    yield world
    world.close()


@pytest.fixture
def world(base: World) -> Iterator[World]:
    """The cluster as it is before every change."""
    before = copy.deepcopy(base.api.objects)
    yield base
    base.api.objects = before
    base.api.version += 1  # the server keeps the order of a list for each version


def test_there_are_many_changes() -> None:
    assert len(CASES) >= 60
    assert len(SEEDS) >= len(ALL) / 3


@pytest.mark.parametrize("case", ALL, ids=[case.id for case in ALL])
def test_the_prediction_of_a_change(world: World, case: Case) -> None:
    running = {title: count for title, (_, count) in world.makers().items()}
    before = world.recreate()
    words = [word for kind, namespace, name in case.deleted for word in ("--delete", _named(kind, namespace, name))]
    predicted = world.predict({"change.yaml": case.applied} if case.applied else {}, *words)
    stored = [world.apply(one) for one in case.applied]
    stored += [world.delete(*name) for name in case.deleted]
    after = world.recreate()

    assert [not one["refused"] for one in predicted["objects"]] == stored
    told = {f"{one['kind'].lower()} {one['namespace']}/{one['name']}": one for one in predicted["effects"]}
    for title, fate in after.items():
        expected = effect(before.get(title), fate)
        said = told.pop(title, None)
        kind = "kept" if said is None else said["effect"]
        assert ("kept" if kind in {"warned", "new"} else kind) == expected, (title, said, before.get(title), fate)
        if expected == "other" and said is not None:
            assert networks_of(said) == changed_networks(before[title], fate), (title, said, before[title], fate)
        if said is not None and title in running:
            assert said["pods"] == (running[title] if before[title].verdict == "admitted" else 0), title
    assert told == {}
    assert predicted["nothingChanges"] is (
        not any(one["change"] != "same" or one["refused"] for one in predicted["objects"])
    )


def _named(kind: str, namespace: str, name: str) -> str:
    return f"{kind}/{name}" if kind in GLOBAL else f"{kind}/{namespace}/{name}"


def effect(before: Fate | None, after: Fate) -> str:
    """Return the effect that was found; a new workload that is admitted is as one that is kept."""
    is_admitted = after.verdict == "admitted"
    if before is None:
        return "kept" if is_admitted else "newRefused"
    if before.verdict != "admitted":
        return "admitted" if is_admitted else "stillRefused"
    if not is_admitted:
        return "lost" if after.verdict == "missing" else "refused"
    if before.networks != after.networks:
        return "other"
    # NB: what the author writes otherwise is not the work of the webhook.
    is_same = _stored(before) == _stored(after) if before.asked == after.asked else _put(before) == _put(after)
    return "kept" if is_same else "other"


def _stored(fate: Fate) -> str:
    """Return the pod as it was stored, without the text that selects its networks."""
    return json.dumps(_without_networks(fate.pod), sort_keys=True)


def _put(fate: Fate) -> tuple[Any, ...]:
    """Return what the webhook has put into the pod: what a container and the pod have that they did not ask for."""
    asked, stored = _without_networks(fate.asked)["spec"], _without_networks(fate.pod)["spec"]
    return tuple(json.dumps(stored[key], sort_keys=True) for key in sorted(stored) if stored[key] != asked.get(key))


def _without_networks(text: str) -> Json:
    pod: Json = json.loads(text)
    pod["metadata"].get("annotations", {}).pop(NETWORKS, None)
    if not pod["metadata"].get("annotations"):
        pod["metadata"].pop("annotations", None)
    return pod


def networks_of(said: Json) -> set[str]:
    return {one["network"] for one in said["differences"] if one["network"]}


def changed_networks(before: Fate, after: Fate) -> set[str]:
    """Return the networks whose attachments differ."""
    old, new = (_by_network(fate) for fate in (before, after))
    return {network for network in {*old, *new} if old.get(network) != new.get(network)}


def _by_network(fate: Fate) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for network, what in fate.networks:
        found.setdefault(network, []).append(what)
    return found


def test_every_effect_and_many_refusals_occur(world: World) -> None:
    """The changes are not all alike."""
    plans = [world.predict({"change.yaml": case.applied}) for case in ALL if case.applied]
    found = {one["effect"] for plan in plans for one in plan["effects"]}
    assert found >= {*EFFECTS} - {"kept", "new"}
    assert sum(any(one["refused"] for one in plan["objects"]) for plan in plans) >= 15
    assert sum(plan["nothingChanges"] for plan in plans) >= 3
    assert {one["area"] for plan in plans for effect in plan["effects"] for one in effect["differences"]} == {*AREAS}
