"""The verdict of the rules that select a pod and a network about the pod's requests: Deny first, then Allow."""

from __future__ import annotations

from cniplugin.access.content.facts import facts_of
from cniplugin.access.model.contentfields import met
from cniplugin.access.model.decision import Verdict
from cniplugin.access.model.limits import describe, exceeded, permits, usage_of
from cniplugin.access.reading.consent import consents

from . import reasons

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cniplugin.access.model.decision import Config, Item, Subject
    from cniplugin.access.model.limits import Usage
    from cniplugin.access.model.policyrules import AttachmentRule


def judge(
    subject: Subject,
    item: Item,
    config: Config,
    denies: Sequence[AttachmentRule],
    allows: Sequence[AttachmentRule],
) -> Verdict | None:
    """Return the verdict of the rules that select pod and network, sorted; None if none of them decides."""
    usage = usage_of(item.element, replaces_default=item.replaces_default)
    for rule in denies:
        used = tuple(kind for kind in usage.kinds if kind in rule.on_requests)
        if used or not rule.on_requests:
            facts = _facts_to_show(subject, item, rule)
            return reasons.refuse_by_deny(item, rule, config, requests=tuple(map(usage.spelling, used)), facts=facts)
    if not allows:
        return None
    refusals = []
    for rule in allows:
        problems = _problems(rule, usage)
        if not problems and not _lacks_consent(subject, item, rule):
            return Verdict(is_allowed=True, code="AllowRule", policy=rule.policy, rule=rule.name)
        # A request of a permitted kind can be changed to fit, so that rule is nearer than one without the kind.
        foreign = sum(not permits(rule.limits, kind) for kind in usage.kinds)
        refusals.append(((rule.is_broken, foreign, len(problems)), rule, problems))
    _, rule, problems = min(refusals, key=lambda refusal: refusal[0])  # the first of the nearest
    if not problems:
        return reasons.refuse_without_consent(subject, item, rule)
    allowed = "" if rule.is_broken else describe(rule.limits)
    return reasons.refuse_beyond(item, rule, config, problems, allowed=allowed)


def _problems(rule: AttachmentRule, usage: Usage) -> tuple[str, ...]:
    if rule.is_broken:
        return ("the rule cannot be read, so it accepts nothing",)
    return exceeded(rule.limits, usage)


def _lacks_consent(subject: Subject, item: Item, rule: AttachmentRule) -> bool:
    if not rule.require_consent or item.element.namespace == subject.namespace:
        return False
    network = item.network
    return network is None or not consents(network.annotations, subject.namespace, subject.namespace_labels)


def _facts_to_show(subject: Subject, item: Item, rule: AttachmentRule) -> tuple[str, ...]:
    """Return the facts of a network that a Deny rule matched; () for a network of another namespace."""
    network, element = item.network, item.element
    if network is None or element.namespace != subject.namespace:
        return ()
    for entry in rule.networks:
        if entry.has_name(subject.namespace, element.namespace, element.name):
            facts = facts_of(network) if entry.has_facts else None
            if entry.has_network(network, facts):
                touched = met(entry, facts) if entry.has_facts else ()
                return (*(touched or ()), *(("a file of the node",) if entry.is_on_disk else ()))
    return ()
