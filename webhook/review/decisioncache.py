"""The caches of reviews: decisions by their inputs, and encoded answers by their decision.

The pods of a ReplicaSet ask for the same, so the second pod costs a look-up. A key holds all that the result depends on
beside the context, such as the sketch of a pod (`podsketch`). `webhook.admission` chooses the keys; it keeps only
results that name no object. A cache belongs to one snapshot, apart from its pods and devices, and to one configuration;
when either changes, `reviews` takes a new cache. So no result is ever stale.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from webhook.admission.model.requests import Decision
from webhook.admission.view.decisioncontext import Configuration

REMEMBERED_MAX = 2048
"""Results that one cache keeps. Keys have at most 10 KiB each, as a rule a hundredth of that."""

ENCODED_MAX = 1024
ENCODED_BYTES_MAX = 8192
"""Bytes of an encoded answer that is kept, so all of them take at most 8 MiB."""


class DecisionCache(OrderedDict[Hashable, Any]):
    """Implements `DecisionMemory`.

    `configuration` is kept alive, so no other configuration gets its id, by which `reviews` finds the cache.
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.configuration = configuration

    def put(self, key: Hashable, result: object) -> None:
        """Keep a result, and forget the oldest if there are too many.

        NB: to forget all at once would take milliseconds of one review, since their memory is cold by then.
        """
        if len(self) >= REMEMBERED_MAX:
            self.popitem(last=False)
        self[key] = result


ENCODED: OrderedDict[int, tuple[Decision, bytes]] = OrderedDict()
"""Encoded answers by the id of their decision. The entry keeps the decision alive, so no other decision gets its id."""


def keep_encoded(decision: Decision, answer: bytes) -> None:
    """Keep an answer that is not too large, and forget the oldest if there are too many."""
    if len(answer) <= ENCODED_BYTES_MAX:
        if len(ENCODED) >= ENCODED_MAX:
            ENCODED.popitem(last=False)
        ENCODED[id(decision)] = decision, answer
