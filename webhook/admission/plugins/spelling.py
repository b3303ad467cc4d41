"""A key that no plugin reads, and the one that its author may have meant."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 40
"""Characters of a key that is compared; the longest that plugins read has 26, `reconciler_cron_expression`."""
SHORTEST_STEM = 4
"""Characters that a key and its longer form share, as `vlan` and `vlanId` do; fewer say nothing, as those of `id`."""


def same_letters(key: str) -> str:
    """Return a key without letter case and separators: `range-start`, `rangeStart` and `range_start` are one."""
    return key.casefold().replace("_", "").replace("-", "")


def near_miss(key: str, known: Iterable[str]) -> str | None:
    """Return the known key that `key` most likely means, or None.

    Near is the same without case and separators, one or two edits away (one, for fewer than five letters), or a longer
    or shorter form. Costs at most LONGEST squared steps for each known key.
    """
    if len(key) > LONGEST:
        return None
    wanted = same_letters(key)
    best: tuple[int, str] | None = None
    for candidate in known:
        distance = _distance(wanted, same_letters(candidate))
        if distance is not None and (best is None or distance < best[0]):
            best = distance, candidate
    return best[1] if best else None


def _distance(wanted: str, known: str) -> int | None:
    """Return how far apart two keys are; None: too far."""
    if wanted == known:
        return 0
    shorter = min(len(wanted), len(known))
    allowed = 0 if shorter < 3 else 1 if shorter < 5 else 2
    if abs(len(wanted) - len(known)) <= allowed:
        edits = edit_distance(wanted, known)
        if edits <= allowed:
            return edits
    is_stem = shorter >= SHORTEST_STEM and (wanted.startswith(known) or known.startswith(wanted))
    return 3 if is_stem else None


def edit_distance(one: str, other: str) -> int:
    """Return how many letters to add, drop, replace or swap with a neighbour make one text of the other."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, opposite in enumerate(other, 1):
            cost = min(last[column] + 1, now[column - 1] + 1, last[column - 1] + (letter != opposite))
            is_swap = row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == opposite
            now.append(min(cost, before[column - 2] + 1) if is_swap else cost)
        before, last = last, now
    return last[-1]
