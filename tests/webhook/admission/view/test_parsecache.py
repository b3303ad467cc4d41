"""The parse cache: its bound in bytes, and the allowance of a turn."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from webhook.admission.view.parsecache import ParseCache, weigh


def test_values_that_were_asked_for_last_stay() -> None:
    cache = ParseCache(weight_max=10_000)
    for key in range(4):
        cache.put(key, f"value {key}", 1_000)
    assert cache.get(0) == "value 0"
    cache.put(4, "value 4", 2_000)
    assert (cache.get(0), cache.get(1), cache.get(4)) == ("value 0", None, "value 4")
    assert cache.weight <= 10_000


def test_a_value_above_the_bound_stays_until_the_next() -> None:
    cache = ParseCache(weight_max=10_000)
    cache.put("large", "x", 1_000_000)
    assert cache.get("large") == "x"
    cache.put("small", "y", 1)
    assert (cache.get("large"), cache.get("small"), len(cache)) == (None, "y", 1)


def test_a_key_that_is_put_twice_weighs_once() -> None:
    cache = ParseCache(weight_max=10_000)
    cache.put("a", 1, 3_000)
    weight = cache.weight
    cache.put("a", 2, 3_000)
    assert (cache.weight, cache.get("a")) == (weight, 2)


def test_a_turn_has_an_allowance() -> None:
    cache = ParseCache()
    assert cache.spend(10_000_000)
    cache.left = 100
    assert [cache.spend(60), cache.spend(40), cache.spend(1)] == [True, True, False]


def _size(value: Any) -> int:
    """Bytes of a JSON value, shared texts counted each time."""
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + sum(sys.getsizeof(key) + _size(member) for key, member in value.items())
    if isinstance(value, list):
        return size + sum(map(_size, value))
    return size if isinstance(value, str) else 0


@pytest.mark.parametrize(
    "value",
    [[{}] * 9_000, [[]] * 9_000, [{"a": 0}] * 9_000, ["xy"] * 9_000, {f"k{n}": 0 for n in range(9_000)},
     {f"k{n}": {"a": ["b"]} for n in range(3_000)}, "x" * 60_000, [[[[["a"]]]]] * 3_000],
    ids=["objects", "lists", "members", "texts", "keys", "mixed", "long", "nested"],
)  # fmt: skip
def test_the_estimate_is_not_far_below_the_size(value: Any) -> None:
    text = json.dumps(value)
    assert weigh(text) > _size(json.loads(text)) * 0.6
