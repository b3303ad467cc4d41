"""Outcomes in words: what happens on the node if a mistake passes, and what the webhook makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cniplugin.netspec.attachers import MULTUS, NADMIT, NAMES
from webhook.admission.model.ruleids import OUTCOMES, rule_severity
from webhook.admission.plugins.outcomes import NONE, Effect, Outcome, Subject

WORDS: Mapping[Effect, str] = {
    "fails": "the pod does not start",
    "attaches without it": "the pod starts without what it should have",
    "attaches": "the pod starts, and nothing is lost",
    "differs": "it depends on the node, the version, or what else the pod asks for",
    "not allowed": "it would work, and is not allowed",
    "works": "the pod gets what it asks for",
}
"""Each effect as a sentence."""

BOTH = (NADMIT, MULTUS)
"""The attachers that explanations name. `nadmit-strict` has the outcomes of nadmit."""


class Judged(NamedTuple):
    """A rule as it applies to one kind of object: the outcome of the mistake, and the severity for each of BOTH."""

    subject: Subject
    outcome: Outcome
    severities: Mapping[str, str]

    @property
    def severity(self) -> str:
        """The severity in words: one, or one for each attacher."""
        if len({*self.severities.values()}) == 1:
            return self.severities[MULTUS]
        return ", ".join(
            f"{'no finding' if severity == NONE else severity} with {NAMES[attacher]}"
            for attacher, severity in self.severities.items()
        )


def judged(rule: str) -> tuple[Judged, ...]:
    """Return the outcomes of a code or another rule, for pods and then for definitions; () if it has none."""
    return tuple(
        Judged(subject, outcomes[rule], {attacher: rule_severity(rule, subject, attacher) for attacher in BOTH})
        for subject, outcomes in OUTCOMES.items()
        if rule in outcomes
    )


def on_the_node(outcome: Outcome) -> str:
    """Return what happens on the node, as one line."""
    first, second = (WORDS[outcome.effect(attacher)] for attacher in BOTH)
    what = first if first == second else f"{first} (nadmit); {second} (Multus)"
    return f"On the node: {what}. Seen: {outcome.seen}."


def of_code(code: str) -> str:
    """Return what happens on the node because of a code, and the severities if the attachers differ."""
    one = judged(code)[0]
    differ = len({*one.severities.values()}) > 1
    return f"{on_the_node(one.outcome)}{f' Severity: {one.severity}.' if differ else ''}"


def lines(rule: str) -> Iterator[str]:
    """Yield the lines of `nadmit explain` about a rule that is not a code."""
    for one in judged(rule):
        yield f"{one.subject.capitalize()}: {one.severity}. {on_the_node(one.outcome)}"


def as_json(rule: str) -> dict[str, object]:
    """Return the outcomes of a rule by subject."""
    return {
        one.subject: {
            **{
                attacher: {"effect": one.outcome.effect(attacher), "severity": one.severities[attacher]}
                for attacher in BOTH
            },
            "seen": one.outcome.seen,
        }
        for one in judged(rule)
    }
