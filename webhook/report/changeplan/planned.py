"""The plan of a change: its objects and what becomes of each, the effects on pods, and what is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from .applying import CHANGED, CREATED, DELETED, SAME, FieldChange
from .podeffects import BREAKING, CHANGING, KEPT, NEW, OTHER, STILL, Effect, effect_of
from .podoutcome import Outcome
from .workloadpods import MadePod, Maker

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `added`, `removed`, `warning`, `place`, `context`."""


class ObjectChange(NamedTuple):
    """One object of the change. `what`: CREATED, CHANGED, DELETED or SAME.

    `refusals`: why the webhook would refuse the change, () if it would not. Then the object stays as it is, and the
    rest of the plan counts without the change. `where`: the file and the line, "" for a deletion by name.
    """

    what: str
    kind: str
    namespace: str
    name: str
    where: str = ""
    fields: tuple[FieldChange, ...] = ()
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The object as messages name it: `networkattachmentdefinition blue/lan`."""
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind.lower()} {name}".rstrip()


class PodEffect(NamedTuple):
    """The effect on the pods of one maker. `running`: how many run; pods that are alike count for the first of them."""

    maker: Maker
    running: int
    effect: Effect


class ChangePlan(NamedTuple):
    """Everything that a change would do.

    `effects`: all but KEPT ones, which `kept` counts, and NEW ones without a warning; `new` counts all NEW ones;
    `kept_pods`: the running pods of KEPT ones. `judged`: how
    many distinct pods were judged. `notes`: what is uncertain; `unread`: the rights that are missing, a line each.
    """

    changes: tuple[ObjectChange, ...] = ()
    effects: tuple[PodEffect, ...] = ()
    kept: int = 0
    kept_pods: int = 0
    new: int = 0
    judged: int = 0
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def refused_changes(self) -> tuple[ObjectChange, ...]:
        """The objects of the change that the webhook would refuse."""
        return tuple(one for one in self.changes if one.refusals)

    @property
    def is_breaking(self) -> bool:
        """Whether something would be refused, or lose a network."""
        return bool(self.refused_changes) or any(one.effect.kind in BREAKING for one in self.effects)

    @property
    def is_changing(self) -> bool:
        """Whether any pod would get something else, or an object of the change would be refused."""
        return bool(self.refused_changes) or any(one.effect.kind in CHANGING for one in self.effects)

    @property
    def is_nothing(self) -> bool:
        """Whether neither an object nor a pod changes. What was refused before and still is counts as unchanged."""
        is_same = all(one.what == SAME and not one.refusals for one in self.changes)
        return is_same and not self.new and all(one.effect.kind == STILL for one in self.effects)

    def number_of(self, kind: str) -> tuple[int, int]:
        """Return how many makers of pods have an effect, and how many of their pods run."""
        running = [one.running for one in self.effects if one.effect.kind == kind]
        return len(running), sum(running)


Judge = Callable[[MadePod], Outcome]
"""Returns what becomes of a pod on one side. It is asked once for each key."""
Progress = Callable[[int], Iterable[int]]
"""A count -> its numbers, while something shows how many are done."""


class Effects(NamedTuple):
    """The effects on all pods, as in ChangePlan."""

    effects: tuple[PodEffect, ...]
    kept: int
    kept_pods: int
    new: int
    judged: int


def compare(
    before: Mapping[Maker, MadePod],
    after: Mapping[Maker, MadePod],
    judges: tuple[Judge, Judge],
    *,
    progress: Progress = range,
) -> Effects:
    """Return what a change does to the pods of all makers that there are after it.

    `judges`: those of the side before and of the side after. Each pair of templates is judged once on each side.
    """
    pairs: dict[tuple[str, str], list[Maker]] = {}
    for maker, one in after.items():
        old = before.get(maker)
        pairs.setdefault(("" if old is None else old.key, one.key), []).append(maker)
    distinct = {key for pair in pairs for key in pair if key}
    return _gathered(_effects(pairs, before, after, judges, progress), len(distinct))


def _effects(
    pairs: Mapping[tuple[str, str], list[Maker]],
    before: Mapping[Maker, MadePod],
    after: Mapping[Maker, MadePod],
    judges: tuple[Judge, Judge],
    progress: Progress,
) -> Iterator[PodEffect]:
    known: tuple[dict[str, Outcome], dict[str, Outcome]] = ({}, {})

    def judged(side: int, one: MadePod) -> Outcome:
        if one.key not in known[side]:
            known[side][one.key] = judges[side](one)
        return known[side][one.key]

    every = list(pairs.values())
    for number in progress(len(every)):
        makers = every[number]
        old = before.get(makers[0])
        effect = effect_of(None if old is None else judged(0, old), judged(1, after[makers[0]]))
        for maker in makers:
            here = before.get(maker, after[maker])
            yield PodEffect(maker, here.running, effect)


def _gathered(found: Iterable[PodEffect], judged: int) -> Effects:
    effects: list[PodEffect] = []
    counts: Counter[str] = Counter()
    for one in found:
        if one.effect.kind in {KEPT, NEW}:
            counts[one.effect.kind] += 1
            counts[f"pods {one.effect.kind}"] += one.running
        if one.effect.kind not in {KEPT, NEW} or one.effect.warnings:
            effects.append(one)
    return Effects(tuple(effects), counts[KEPT], counts[f"pods {KEPT}"], counts[NEW], judged)


# Rows


class Row(NamedTuple):
    """Makers of pods with the same effect."""

    effect: Effect
    makers: tuple[PodEffect, ...]

    @property
    def running(self) -> int:
        """How many pods of them run."""
        return sum(one.running for one in self.makers)


def rows_of(effects: Iterable[PodEffect], kind: str) -> list[Row]:
    """Return the makers with an effect, those of the same reasons and differences in one row."""
    rows: dict[tuple[object, ...], list[PodEffect]] = {}
    for one in effects:
        if one.effect.kind == kind:
            effect = one.effect
            alike = (effect.reasons, effect.missing, effect.differences, effect.warnings, effect.is_unplanned)
            rows.setdefault(alike, []).append(one)
    made = [Row(members[0].effect, tuple(sorted(members, key=_by_maker))) for members in rows.values()]
    return sorted(made, key=lambda row: (-row.running, row.makers[0].maker))


def _by_maker(one: PodEffect) -> Maker:
    return one.maker


def summary_of(plan: ChangePlan) -> str:
    """Return the plan in one line."""
    if plan.is_nothing:
        return "nothing changes"
    parts = []
    if plan.refused_changes:
        parts.append(f"{counted_of(len(plan.refused_changes), 'object')} of the change would be refused")
    for kind, text in SUMMARY.items():
        makers, pods = plan.number_of(kind)
        if makers:
            parts.append(f"{who_of(makers, pods)} {text}")
    if not parts:
        changed = sum(one.what in {CREATED, CHANGED, DELETED} for one in plan.changes)
        verb = "changes" if changed == 1 else "change"
        return f"{counted_of(changed, 'object')} {verb}, and no pod gets anything else"
    return "; ".join(parts)


SUMMARY = {
    "refused": "would be refused when created again",
    "lost": "would find a network gone",
    "newRefused": "of the change would get no pods",
    OTHER: "would get something else",
    "admitted": "would be admitted again",
}
"""What the first line says of an effect."""


def who_of(makers: int, pods: int) -> str:
    """Return how many workloads, and how many of their pods run."""
    return f"{counted_of(makers, 'workload')} ({counted_of(pods, 'pod')})"


def counted_of(number: int, noun: str) -> str:
    """Return a number with its noun, in groups of three digits."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
