"""The judgement of a network for a namespace: whether any pod of it may attach, whatever its labels and account.

For what is written before there is a pod, such as a ResourceClaim. A rule that selects pods by labels or service
accounts says nothing certain, so two pods are imagined: one that no such rule selects, and one that each such Allow
rule selects and no such Deny rule. What both are refused, every pod of the namespace is refused: a rule that selects a
pod can only give what one of the Allow rules accepts, or take the posture's place.
"""

from __future__ import annotations

from cniplugin.access.model.policyrules import ALLOW

from .judge import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cniplugin.access.model.decision import Item, RuleIndex, Rules, Subject, Verdict
    from cniplugin.access.model.policyrules import AttachmentRule, DefinitionRule


def judge_any_pod(subject: Subject, item: Item, rules: Rules) -> Verdict:
    """Decide for some pod of the subject's namespace by the rules in force; its labels and account are not looked at.

    The verdict of a refusal is that of a pod that no rule about labels or accounts selects. Upstream Multus is not
    asked: it attaches none of these.
    """
    plain = judge(subject, item, rules.replace(enforced=_view(rules.enforced, assumes=False)), is_on_node=True)
    if plain.is_allowed or rules.enforced is None:
        return plain
    chosen = judge(subject, item, rules.replace(enforced=_view(rules.enforced, assumes=True)), is_on_node=True)
    return chosen if chosen.is_allowed else plain


def judge_any_pod_trial(subject: Subject, item: Item, rules: Rules) -> tuple[str, Verdict] | None:
    """Return what policies on trial would refuse every pod of the namespace: the mode and the verdict."""
    for mode, index in (("Warn", rules.warned), ("Audit", rules.audited)):
        if index is not None:
            verdict = judge_any_pod(subject, item, rules.replace(enforced=index))
            if not verdict.is_allowed:
                return mode, verdict
    return None


def _view(index: RuleIndex | None, *, assumes: bool) -> _View | None:
    return None if index is None else _View(index, assumes=assumes)


class _View:
    """What `judge` asks of an index, as one imagined pod sees it.

    `assumes`: that each Allow rule about labels or service accounts selects the pod.
    """

    def __init__(self, index: RuleIndex, *, assumes: bool) -> None:
        self._index = index
        self._assumes = assumes

    @property
    def definitions(self) -> Sequence[DefinitionRule]:
        """Return all rules about definitions: they are about no pod."""
        return self._index.definitions

    def find(
        self, subject: Subject, item: Item, *, whatever: bool = False
    ) -> tuple[list[AttachmentRule], list[AttachmentRule]]:
        """Return the Deny and the Allow rules that select this pod and this network, each sorted."""
        found: tuple[list[AttachmentRule], list[AttachmentRule]] = ([], [])
        for rule, is_certain in self._index.find_possible(subject, item, whatever=whatever):
            if is_certain or (self._assumes and rule.action == ALLOW):
                found[rule.action == ALLOW].append(rule)
        return found
