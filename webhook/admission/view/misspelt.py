"""Annotations that nobody reads, and that resemble one that asks for networks: the pod would start without them.

Looked at are keys with `cncf` or `multus` in them, so that other annotations cost a look at their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS_KEYS, NETWORKS
from webhook.admission.plugins.spelling import edit_distance, same_letters

ASKING = (NETWORKS, DEFAULT_NETWORK)
COMPARED_MAX = 8
"""Keys of one pod that are compared; each takes a tenth of a millisecond."""
_READ = frozenset({*ASKING, *NETWORK_STATUS_KEYS})
_LONGEST = max(map(len, ASKING)) + 4


def find_suspects(keys: Iterable[str]) -> list[str]:
    """Return the keys that may be meant for one that asks for networks."""
    return [key for key in keys if ("cncf" in key or "multus" in key) and key not in _READ]


def find_misspelt(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each key that resembles one that asks for networks, and that one."""
    for key in find_suspects(keys)[:COMPARED_MAX]:
        meant = next((known for known in ASKING if len(key) <= _LONGEST and _is_near(key, known)), None)
        if meant is not None:
            yield key, meant


def _is_near(key: str, known: str) -> bool:
    """Say whether a key is two letters from a known one at most; four, where the domain alone differs."""
    allowed = 4 if key.rpartition("/")[2] == known.rpartition("/")[2] else 2
    return same_letters(key) == same_letters(known) or edit_distance(key, known) <= allowed
