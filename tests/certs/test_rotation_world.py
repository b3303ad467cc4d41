"""Years of rotations with two to five replicas: no caller ever refuses the leaf of a ready replica."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from certs import pathtokens, rotator
from certs.pathtokens import PathTokens, SeenTokens, TokenPolicy, TokenStep
from certs.rotation import Policy, Seen, Step, next_step
from certs.secretdata import State

from .memorycluster import FOREIGN
from .rotationworld import World

DAY = 86_400.0
indexes = st.integers(0, 4)


class Rotations(RuleBasedStateMachine):
    """Any order of requests, crashes, failures, edits by others and time."""

    @initialize(skews=st.lists(st.integers(-120, 120), min_size=2, max_size=5))
    def begin(self, skews: list[int]) -> None:
        self.world = World([timedelta(seconds=skew) for skew in skews])

    def _index(self, index: int) -> int:
        return index % len(self.world.replicas)

    @rule(index=indexes, count=st.integers(1, 8))
    def request(self, index: int, count: int) -> None:
        for _ in range(count):
            self.world.act(self.world.replicas[self._index(index)].request)

    @rule(index=indexes)
    def die(self, index: int) -> None:
        self.world.act(lambda: self.world.restart(self._index(index)))

    @rule(index=indexes)
    def register(self, index: int) -> None:
        self.world.act(lambda: self.world.register(self._index(index)))

    @rule(index=indexes)
    def follow(self, index: int) -> None:
        self.world.act(lambda: self.world.follow(self._index(index)))

    @rule()
    def touch(self) -> None:
        self.world.act(self.world.touch)

    @rule(count=st.integers(1, 5))
    def fail(self, count: int) -> None:
        self.world.cluster.failing = count

    @rule(seconds=st.floats(0, 700))
    def wait(self, seconds: float) -> None:
        self.world.tick(seconds)

    @rule(days=st.floats(1, 150), idle=st.sets(indexes, max_size=3))
    def live_on(self, days: float, idle: set[int]) -> None:
        """Let time pass. All replicas except some do their rounds."""
        while days > 0:
            stride = min(days, 1.0)
            for number, replica in enumerate(self.world.replicas):
                if number == 0 or number not in idle:
                    self.world.act(replica.round)
            self.world.tick(stride * DAY)
            days -= stride

    @rule(days=st.floats(0, 800))
    def stand_still(self, days: float) -> None:
        """Switch the cluster off."""
        self.world.tick(days * DAY)

    def teardown(self) -> None:
        """When requests are answered again, every replica is ready within a few rounds."""
        if not hasattr(self, "world"):
            return
        self.world.cluster.failing = 0
        for _ in range(4):
            for replica in self.world.replicas:
                self.world.act(replica.round)
            self.world.tick(300)
        assert [replica.rotator.problem() for replica in self.world.replicas] == [None] * len(self.world.replicas)


@pytest.mark.slow
def test_any_order() -> None:
    run_state_machine_as_test(
        Rotations,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            phases=[Phase.generate],  # shrinking a failure takes minutes: do it by hand, with the seed
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def live(world: World, chance: random.Random, *, years: float) -> None:
    """Run replicas: bursts of single requests in any order, some seconds apart, then days without requests.

    Some are stopped for weeks, some die in the middle of a round, some requests fail.
    """
    world.replicas[0].round()
    world.register(0)
    end = world.now + timedelta(days=365 * years)
    while world.now < end:
        stopped = {number for number in range(1, len(world.replicas)) if chance.random() < 0.3}
        awake = [number for number in range(len(world.replicas)) if number not in stopped]
        for _ in range(chance.randint(40, 120)):
            number = chance.choice(awake)
            odds = chance.random()
            if odds < 0.01:
                world.act(partial(world.restart, number))
            elif odds < 0.02:
                world.act(partial(world.register, number))
            elif odds > 0.9:
                world.act(partial(world.follow, number))
            elif odds < 0.03:
                world.cluster.failing = chance.randint(1, 3)
            elif odds < 0.04:
                world.act(world.touch)
            world.act(world.replicas[number].request)
            world.tick(chance.uniform(0, 8))
        world.tick(chance.choice([60, 600, DAY / 4, DAY, 4 * DAY]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_years(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a life that can be lived again
    world = World([timedelta(seconds=chance.uniform(-120, 120)) for _ in range(chance.randint(2, 5))])
    live(world, chance, years=1.5)
    seen = [phase.split('"')[3] for phase in world.phases if phase]
    assert seen.count("Switched") >= 2
    assert set(seen) == {"Stable", "Published", "Shown", "Switched"}
    assert world.cluster.conflicts > 0
    assert len(set(world.registered)) > 20  # tokens of ten days each
    world.touch()
    world.replicas[0].round()
    assert any(FOREIGN.encode() in bundle for bundle in world.cluster.bundles())
    for bundle in world.cluster.bundles():
        assert bundle.count(b"BEGIN CERTIFICATE") <= 3 + 1  # dropped authorities leave the caBundle


def look_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the configurations, and do not wait."""

    def step(state: State | None, _seen: Seen, *, policy: Policy, **given: Any) -> Step | None:
        return next_step(state, Seen(), policy=replace(policy, grace=BLINK), **given)

    monkeypatch.setattr(rotator, "next_step", step)


def do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch as soon as all configurations have the next authority."""

    def step(state: State | None, seen: Seen, *, policy: Policy, **given: Any) -> Step | None:
        return next_step(state, seen, policy=replace(policy, grace=BLINK), **given)

    monkeypatch.setattr(rotator, "next_step", step)


def do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust only the authority that signs."""
    monkeypatch.setattr(State, "trusted", property(lambda state: (state.ca.certificate,)))


def drop_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop the old authority after the grace time, although a replica may be stopped for longer."""
    monkeypatch.setattr(Policy, "drop_wait", property(lambda policy: policy.grace))


def drop_tokens_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop the former token when the next one becomes current, even if it is registered."""
    real_step = pathtokens.next_step

    def step(tokens: PathTokens | None, _seen: SeenTokens, *, policy: TokenPolicy, **given: Any) -> TokenStep | None:
        return real_step(tokens, SeenTokens(), policy=replace(policy, grace=BLINK), **given)

    monkeypatch.setattr(pathtokens, "next_step", step)


def drop_tokens_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop the former token as soon as it is not registered, although an API server may lag."""
    real_step = pathtokens.next_step

    def step(tokens: PathTokens | None, seen: SeenTokens, *, policy: TokenPolicy, **given: Any) -> TokenStep | None:
        return real_step(tokens, seen, policy=replace(policy, grace=BLINK), **given)

    monkeypatch.setattr(pathtokens, "next_step", step)


def do_not_publish_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept the current and former tokens, but not the next ones."""
    accepted = property(lambda tokens: (tokens.current, *tokens.former))
    monkeypatch.setattr(PathTokens, "accepted", accepted)


BLINK = timedelta(microseconds=1)
BROKEN = (look_away, do_not_wait, do_not_overlap, drop_early)
BROKEN_TOKENS = (drop_tokens_unseen, drop_tokens_at_once, do_not_publish_tokens)


@pytest.mark.slow
@pytest.mark.parametrize("case", BROKEN)
def test_each_wait_is_needed(case: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one of the waits, the same run ends with a refused leaf."""
    case(monkeypatch)
    with pytest.raises(AssertionError, match=r"replica \d at "):
        live_often(range(4))


@pytest.mark.slow
@pytest.mark.parametrize("case", BROKEN_TOKENS)
def test_each_step_of_the_tokens_is_needed(
    case: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, with a call that is refused because of its path."""
    case(monkeypatch)
    with pytest.raises(AssertionError, match=r"path: replica \d at "):
        live_often(range(4))


def live_often(seeds: Iterable[int]) -> None:
    for seed in seeds:
        live(World([timedelta(0)] * 3), random.Random(seed), years=2)  # noqa: S311 - as above
