"""The caches of reviews: decisions by their inputs, and encoded answers by their decision.

The pods of a ReplicaSet ask for the same, so the second pod costs a look-up. A key holds all that the result depends on
beside the context, such as the sketch of a pod (`podsketch`). `webhook.admission` chooses the keys; it keeps only
results that name no object. A cache belongs to one snapshot, apart from its pods and devices, and to one configuration;
when either changes, `reviews` takes a new cache. So no result is ever stale.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import islice
from typing import Any

from webhook.admission.model.requests import Decision
from webhook.admission.view.decisioncontext import Configuration

REMEMBERED_MAX = 2048
"""Results that one cache keeps. Keys have at most 10 KiB each, as a rule a hundredth of that."""

ENCODED_MAX = 1024
ENCODED_BYTES_MAX = 8192
"""Bytes of an encoded answer that is kept, so all of them take at most 8 MiB."""

FORGOTTEN = 32
"""Entries that a full cache drops, the oldest first. Dropping all would take a millisecond of one review; dropping them
one by one would search the front of the dict, where the places of dropped entries are, each time."""


class DecisionCache(dict[Hashable, Any]):
    """Implements `DecisionMemory`.

    `configuration` is kept alive, so no other configuration gets its id, by which `reviews` finds the cache.
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.configuration = configuration

    def put(self, key: Hashable, result: object) -> None:
        """Keep a result, and forget the oldest if there are too many."""
        if len(self) >= REMEMBERED_MAX:
            _forget_oldest(self)
        self[key] = result


def _forget_oldest(cache: dict[Any, Any]) -> None:
    for key in list(islice(cache, FORGOTTEN)):
        del cache[key]


ENCODED: dict[int, tuple[Decision, bytes]] = {}
"""Encoded answers by the id of their decision. The entry keeps the decision alive, so no other decision gets its id."""


def keep_encoded(decision: Decision, answer: bytes) -> None:
    """Keep an answer that is not too large, and forget the oldest if there are too many."""
    if len(answer) <= ENCODED_BYTES_MAX:
        if len(ENCODED) >= ENCODED_MAX:
            _forget_oldest(ENCODED)
        ENCODED[id(decision)] = decision, answer
