"""Level Baseline finds every key that reaches beyond the pod, in every spelling that a plugin reads, at both ends."""

from __future__ import annotations

import pytest

from cniplugin.access.content.facts import facts_of
from cniplugin.access.judging.baseline import OVERLAY, find
from cniplugin.access.model.decision import Config, Rules
from cniplugin.access.model.levels import BaselineLists, ClusterLevels
from cniplugin.access.model.matchers import Cidrs, names, parse_cidr
from tests.cniplugin.access.content.test_every_key import LIMITS, attach, build, write
from tests.cniplugin.access.keys import KEYS, Key, spellings

WITHIN_THE_POD = {"mac", "pool", "gateway"}
"""Kinds that levels do not judge; `gateway` makes the node route a pool."""

BLOCK = parse_cidr("10.1.0.0/16")
RANGES = Cidrs(texts=("10.1.0.0/16",), blocks=(BLOCK,) if BLOCK else ())


def lists(kind: str) -> BaselineLists:
    """Return the admin's lists, without the master of VLANs, because a listed master permits all of them."""
    return BaselineLists(masters=names(["bond2" if kind == "vlan" else "bond1"]), addresses=RANGES)


REACHING = [
    key
    for key in KEYS
    if key.kind not in WITHIN_THE_POD and not (key.plugin == OVERLAY and key.kind.startswith("address"))
]


def test_there_are_keys_of_every_kind() -> None:
    assert len(REACHING) > 60
    assert {key.kind for key in KEYS} - {key.kind for key in REACHING} == WITHIN_THE_POD


@pytest.mark.parametrize("key", REACHING, ids=lambda key: key.name)
def test_no_spelling_leaves_the_level(key: Key) -> None:
    value = LIMITS[key.kind].outside if key.kind in LIMITS else "far"
    listed = lists(key.kind)
    rules = Rules(config=Config(posture="Open", levels=ClusterLevels(enforce="Baseline"), baseline=listed))
    kind = "address" if key.kind.startswith("address") else key.kind
    for spell in range(len(spellings(key.steps[-1][0]))):
        network = build(key, value, spell)
        facts = facts_of(network)
        assert facts is not None
        touched = {touch.path for touch in facts.touches if touch.kind == kind}
        found = {breach.path for breach in find(network, facts, listed)}
        assert touched & found, network
        assert write(network, rules) == "DefinitionLevel"
        assert attach(network, rules) == {"DefinitionLevel"}
