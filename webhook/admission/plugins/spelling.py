"""Finds the known key, or the known plugin type, that the author of an unknown one may have meant."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 40
"""Longer keys are not compared. The longest key that a plugin reads has 26 characters: `reconciler_cron_expression`."""
SHORTEST_STEM = 4
"""How long a key is that counts as the beginning of another, as `vlan` of `vlanId`. Shorter ones, as `id`, do not."""

NEAR_TYPE = 8
"""From how many letters on a plugin type may have two mistakes: `coordinater`, `whearabouts`."""


def same_letters(key: str) -> str:
    """Return a key without letter case and separators: the same for `range-start`, `rangeStart` and `range_start`."""
    return key.casefold().replace("_", "").replace("-", "")


def near_miss(key: str, known: Iterable[str]) -> str | None:
    """Return the known key that `key` most likely means, or None.

    A key is near if it is the same without case and separators, if it is one or two edits away (one, for fewer than
    five letters), or if one key begins with the other. Each known key costs at most LONGEST squared steps.
    """
    if len(key) > LONGEST:
        return None
    letters = same_letters(key)
    best: tuple[int, str] | None = None
    for candidate in known:
        distance = _distance(letters, same_letters(candidate))
        if distance is not None and (best is None or distance < best[0]):
            best = distance, candidate
    return best[1] if best else None


def near_type(name: str, known: Iterable[str]) -> str | None:
    """Return the known plugin type that `name` most likely means, or None.

    A type is near if it is the same without case, separators and the word cni at either end, as `sriov-cni` for
    `sriov`, or if it is one edit away (two, from NEAR_TYPE letters on). Short names of plugins are all alike, so one
    of fewer than four letters has to be the same. A name that begins with another, as `vlan-pool` with `vlan`, is
    another plugin.
    """
    if len(name) > LONGEST:
        return None
    letters = _bare(name)
    near = ((_type_distance(letters, _bare(candidate)), candidate) for candidate in known)
    best = min(((distance, candidate) for distance, candidate in near if distance is not None), default=None)
    return best[1] if best else None


def _bare(name: str) -> str:
    letters = same_letters(name)
    return letters.removesuffix("cni").removeprefix("cni") or letters


def _type_distance(written: str, known: str) -> int | None:
    shorter = min(len(written), len(known))
    allowed = 0 if shorter < SHORTEST_STEM else 1 if shorter < NEAR_TYPE else 2
    if abs(len(written) - len(known)) > allowed:
        return None
    edits = edit_distance(written, known)
    return edits if edits <= allowed else None


def _distance(written: str, known: str) -> int | None:
    """Return the distance of two keys, None if they are too far apart."""
    if written == known:
        return 0
    shorter = min(len(written), len(known))
    allowed = 0 if shorter < 3 else 1 if shorter < 5 else 2
    if abs(len(written) - len(known)) <= allowed:
        edits = edit_distance(written, known)
        if edits <= allowed:
            return edits
    is_stem = shorter >= SHORTEST_STEM and (written.startswith(known) or known.startswith(written))
    return 3 if is_stem else None


def edit_distance(one: str, other: str) -> int:
    """Return the number of letters to add, drop, replace or swap with a neighbour to turn one text into the other."""
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
