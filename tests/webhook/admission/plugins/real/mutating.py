"""Many configurations of one plugin: a valid one with one key changed.

The keys are those of our schema. The values are of each JSON type, at the limits of Go's integers and of the plugins'
checks, and texts that look like addresses and names. If there are too many, the same sample is taken every time.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from tests.webhook.admission.plugins.checking import SCHEMAS
from tests.webhook.admission.plugins.real.node import Conf
from webhook.admission.plugins.schema import Key

NETWORKS_MAX = 300
"""Configurations of one plugin: enough for each key with most values; all plugins together take less than a minute."""

WORDS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    [None],
    ["x"],
    [1],
    [[]],
    [[None]],
    [{}],
    {},
    {"x": 1},
    {"x": "1"},
    1.5,
    1e3,
)
NUMBERS = (
    *(-1, 0, 1, 2, 31, 32, 68, 1500, 4094, 4095, 4096),
    *(bit + extra for bit in (2**31, 2**32, 2**35, 2**63, 2**64) for extra in (-1, 0)),
    *(-(2**31) - 1, -(2**63), -(2**63) - 1),
)
TEXTS = ("", "x", "1", "true", "null", "a23456789012345", "a234567890123456", "..", "a/b", "a b", "a:b", "é", "uplink")
ADDRESSES = (
    *("10.3.0.0/24", "10.3.0.1/24", "10.3.0.0/31", "10.3.0.0/30", "10.3.0.0/33", "10.3.0.0", "10.3.0.5", "10.1.2"),
    *("010.3.0.1", "10.3.0.0/024", "10.3.0.0/255.255.255.0", "fd03::/64", "fd03::1", "fe80::1%eth0", "::ffff:10.3.0.1"),
    *("::ffff:10.3.0.0/120", "fd03::/127", "0.0.0.0/0", "::/0", " 10.3.0.5", "default"),
)
MACS = ("02:00:00:00:00:01", "02-00-00-00-00-01", "0200.0000.0001", "02:00:00:00:00:0", "020000000001", "01:00:00")

Path = tuple[str | int, ...]


def mutations(base: Conf) -> list[dict[str, Any]]:
    """Return at most NETWORKS_MAX configurations, each different from `base` in one key."""
    found = [
        _changed(base, path, value) for path, key in _places(SCHEMAS[base["type"]].keys, ()) for value in _pool(key)
    ]
    kept = min(NETWORKS_MAX, len(found))
    return [found[at * len(found) // kept] for at in range(kept)]


def _pool(key: Key) -> tuple[Any, ...]:
    """Return the values for a key: of all types, more of its own type."""
    if key.type == "integer":
        return (*WORDS, *NUMBERS, "", "1")
    if key.type != "string":
        return (*WORDS, 0, 1, "", "x", "true")
    own = {"mac": MACS, "ip": ADDRESSES, "cidr": ADDRESSES}.get(str(key.format), ())
    return (*WORDS, 0, 1, *TEXTS, *own, *(text for value in key.values for text in (value, str(value).upper())))


def _places(keys: Mapping[str, Key], path: Path) -> Iterator[tuple[Path, Key]]:
    """Yield the paths of values: each key, the first item of each list, the keys of each object."""
    for name, key in keys.items():
        yield from _inside((*path, name), key)


def _inside(path: Path, key: Key) -> Iterator[tuple[Path, Key]]:
    yield path, key
    if key.items is not None:
        yield from _inside((*path, "net.core.somaxconn" if key.type == "map" else 0), key.items)
    yield from _places(key.keys, path)


def _changed(base: Conf, path: Path, value: object) -> dict[str, Any]:
    """Return a copy with a value at a path; missing steps are created."""
    changed = copy.deepcopy(dict(base))
    here: Any = changed
    for step, after in itertools.pairwise(path):
        missing: Any = [] if isinstance(after, int) else {}
        if isinstance(step, int) and len(here) <= step:
            here.append(missing)
        elif isinstance(step, str) and here.get(step) is None:
            here[step] = missing
        here = here[step]
    if isinstance(path[-1], int):
        here[path[-1] :] = [value]
    else:
        here[path[-1]] = value
    return changed
