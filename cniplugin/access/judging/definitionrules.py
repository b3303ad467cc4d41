"""Who may write which network: Deny wins, an Allow rule that selects author and namespace governs, else the default.

The subject is the user who sends the request. For Allow, each given field must list everything that the definition
uses; for Deny, one listed value in every given field is enough.

After the rules comes the level of the namespace (`levels`). At Baseline, a breach that `baseline` finds is refused,
unless an Allow rule that accepts the definition has a field about it. At Restricted, such a rule is needed in any case.
The level is checked again when a pod attaches: the definition may be older than the level, and an exempt user may have
written it. At that time the author is unknown, so any Allow rule about the namespace that accepts it counts.
"""

from __future__ import annotations

from cniplugin.access.content.facts import facts_of
from cniplugin.access.judging import baseline
from cniplugin.access.model import contentfields
from cniplugin.access.model.contentfields import met, outside
from cniplugin.access.model.decision import Verdict
from cniplugin.access.model.levels import ENFORCE, MODES, PRIVILEGED, RESTRICTED, level_name, level_of
from cniplugin.access.model.policyrules import ALLOW
from cniplugin.access.reading.consent import ANNOTATIONS
from cniplugin.netspec.record import Record

from . import reasons

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cniplugin.access.content.facts import Facts
    from cniplugin.access.judging.baseline import Breach
    from cniplugin.access.model.decision import Config, RuleIndex, Rules
    from cniplugin.access.model.levels import Level
    from cniplugin.access.model.policyrules import ConfigMatch, DefinitionRule
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition


class Author(Record):
    """Who sends the request (`request.userInfo`)."""

    name: str
    groups: frozenset[str] = frozenset()


class Writing(Record):
    """A definition that an author writes, and the labels of its namespace.

    `field`: the place of the configuration in the object.
    """

    author: Author
    network: NetworkAttachmentDefinition
    namespace_labels: Mapping[str, str] = {}  # never changed
    field: str = "spec.config"


def are_ruled(rules: Rules, namespace_labels: Mapping[str, str]) -> bool:
    """Say whether rules or levels could refuse a definition, on trial or in force. In most clusters, they cannot."""
    config = rules.config
    if config.definitions_default == "Deny":
        return True
    if any(level_name(config.levels, namespace_labels, mode) != PRIVILEGED for mode in MODES):
        return True
    indexes = (rules.enforced, rules.warned, rules.audited)
    return any(index is not None and index.definitions for index in indexes)


def judge_definition(writing: Writing, rules: Rules) -> Verdict:
    """Decide by the rules in force. The caller runs the built-in checks first, which have no exemptions.

    Codes: `DefinitionAllowRule`, `DefinitionDefault`, `Exempt`; `DefinitionDenyRule`, `NotWithinDefinitionRule`,
    `DefinitionDefaultDeny`, `DefinitionLevel`.
    """
    return _judge(writing, rules.config, rules.enforced)


def judge_definition_trial(writing: Writing, rules: Rules) -> tuple[str, Verdict] | None:
    """Return the refusal of policies and levels on trial: the mode, `Warn` or `Audit`, and the verdict."""
    for level, mode, index in rules.trials:
        verdict = _judge(writing, rules.config, index) if index is not None else None
        if verdict is None or verdict.is_allowed:
            verdict = _judge_level_alone(writing, rules.config, rules.enforced, level)
        if verdict is not None and not verdict.is_allowed:
            return mode, verdict
    return None


def judge_level(
    network: NetworkAttachmentDefinition, labels: Mapping[str, str], config: Config, index: RuleIndex | None, mode: str
) -> tuple[Level, tuple[Breach, ...]] | None:
    """Return the level that keeps pods from a network, and its breaches; None if pods may attach.

    `labels`: those of the network's namespace. Restricted judges the content as Baseline does; it adds only a condition
    about authors.
    """
    level = level_of(config.levels, network.namespace, labels, mode)
    if level.name == PRIVILEGED:
        return None
    facts = facts_of(network)
    breaches = baseline.find(network, facts, config.baseline)
    if not breaches:
        return None
    writing = Writing(author=NOBODY, network=network, namespace_labels=labels)
    allows = [rule for rule in _about(index, writing) if rule.action == ALLOW]
    left = _left(breaches, [rule for rule in allows if not any(_problems(rule, writing, facts))])
    return (level, left) if left else None


NOBODY = Author(name="")
"""The author when a pod attaches, who is unknown."""


def _judge(writing: Writing, config: Config, index: RuleIndex | None) -> Verdict:
    if _is_exempt(writing.author, config):
        return Verdict(is_allowed=True, code="Exempt")
    rules = _selecting(index, writing)
    facts = facts_of(writing.network)
    for rule in rules:
        if rule.action != ALLOW and (matched := _matched(rule, writing, facts)) is not None:
            return _refuse_by_deny(rule, writing, config, matched)
    allows = [rule for rule in rules if rule.action == ALLOW]
    verdict = Verdict(is_allowed=True, code="DefinitionDefault")
    if allows:
        verdict = _judge_allows(allows, writing, facts, config)
    elif config.definitions_default == "Deny":
        verdict = _refuse_by_default(writing, config)
    if not verdict.is_allowed:
        return verdict
    return _judge_level(writing, facts, config, allows, ENFORCE) or verdict


def _is_exempt(author: Author, config: Config) -> bool:
    return author.name in config.exempt_users or not author.groups.isdisjoint(config.exempt_groups)


def _judge_level_alone(writing: Writing, config: Config, index: RuleIndex | None, mode: str) -> Verdict | None:
    """Return the refusal by the namespace's level in a mode, None if there is none."""
    level = level_name(config.levels, writing.namespace_labels, mode)
    if level == PRIVILEGED or _is_exempt(writing.author, config):
        return None
    allows = [rule for rule in _selecting(index, writing) if rule.action == ALLOW]
    return _judge_level(writing, facts_of(writing.network), config, allows, mode)


def _judge_level(
    writing: Writing, facts: Facts | None, config: Config, allows: Sequence[DefinitionRule], mode: str
) -> Verdict | None:
    """Return the refusal by the namespace's level; `allows` are the Allow rules about author and namespace."""
    network = writing.network
    level = level_of(config.levels, network.namespace, writing.namespace_labels, mode)
    if level.name == PRIVILEGED:
        return None
    if level.name == RESTRICTED and not allows:
        return reasons.refuse_author(network, level, config)
    breaches = baseline.find(network, facts, config.baseline)
    accepting = [rule for rule in allows if not any(_problems(rule, writing, facts))]
    left = _left(breaches, accepting)
    return reasons.refuse_content(level, left, config) if left else None


def _left(breaches: Sequence[Breach], accepting: Sequence[DefinitionRule]) -> tuple[Breach, ...]:
    """Return the breaches that the best of the Allow rules leaves. Rules are never added together, as with limits."""
    return min((tuple(breaches), *(baseline.without(breaches, rule.config) for rule in accepting)), key=len)


def _selecting(index: RuleIndex | None, writing: Writing) -> list[DefinitionRule]:
    """Return the rules about author and namespace."""
    author = writing.author
    return [rule for rule in _about(index, writing) if rule.has_author(author.name, author.groups)]


def _about(index: RuleIndex | None, writing: Writing) -> list[DefinitionRule]:
    """Return the rules about definitions of a namespace, for any author."""
    namespace, labels = writing.network.namespace, writing.namespace_labels
    return [rule for rule in index.definitions if rule.has_namespace(namespace, labels)] if index is not None else []


# Deny


def _matched(rule: DefinitionRule, writing: Writing, facts: Facts | None) -> tuple[str, ...] | None:
    """Return the values of a definition that a Deny rule matches, None if it does not match."""
    config = rule.config
    if config is None:
        return ()
    values: list[str] = []
    if config.is_on_disk is not None:
        if writing.network.is_on_disk != config.is_on_disk:
            return None
        values += ["a file of the node"] if config.is_on_disk else []
    touched = met(config, facts)
    if touched is None:
        return None
    values += touched
    if config.resource_names is not None:
        resource = writing.network.resource_name
        if not resource or not config.resource_names.matches(resource):
            return None
        values.append(f"resource {resource}")
    return tuple(values)


def _refuse_by_deny(rule: DefinitionRule, writing: Writing, config: Config, values: Sequence[str]) -> Verdict:
    reason = f"it uses {', '.join(values)}" if values else "a rule keeps this user from writing it"
    fix = f"change {writing.field}, or ask {reasons.whom_to_ask(rule, config)} to create this network"
    return reasons.refuse_by_rule(rule, "DefinitionDenyRule", "Deny", reasons=[reason], fix=fix)


# Allow


def _judge_allows(rules: Sequence[DefinitionRule], writing: Writing, facts: Facts | None, config: Config) -> Verdict:
    refusals = []
    for rule in rules:
        problems = tuple(_problems(rule, writing, facts))
        if not problems:
            return Verdict(is_allowed=True, code="DefinitionAllowRule", policy=rule.policy, rule=rule.name)
        refusals.append((len(problems), rule, problems))
    _, rule, problems = min(refusals, key=lambda refusal: refusal[0])
    return reasons.refuse_by_rule(
        rule,
        "NotWithinDefinitionRule",
        "Allow, unreadable" if rule.is_broken else "Allow, config",
        reasons=problems,
        fix=f"change {writing.field} to fit, or ask {reasons.whom_to_ask(rule, config)} to create this network",
        allowed="" if rule.is_broken else describe(rule.config),
    )


def _problems(rule: DefinitionRule, writing: Writing, facts: Facts | None) -> Iterator[str]:
    """Yield the reasons why an Allow rule does not accept a definition."""
    config = rule.config
    if rule.is_broken:
        yield "the rule cannot be read, so it accepts nothing"
        return
    if writing.network.is_on_disk and not (config is not None and config.is_on_disk):
        yield "spec.config is empty, so each node would read a file of its own"
    if config is not None:
        yield from outside(config, facts)
        yield from _unlisted_resource(config, writing.network.resource_name)
        for key in ANNOTATIONS if config.forbids_sharing else ():
            if key in writing.network.annotations:
                yield f"annotation {key} shares the network, which the rule does not permit"


def _unlisted_resource(config: ConfigMatch, resource: str) -> Iterator[str]:
    patterns = config.resource_names
    if patterns is not None and resource and not patterns.matches(resource):
        yield f"resource {resource} is not one of {', '.join(patterns.texts)}"


def describe(config: ConfigMatch | None) -> str:
    """Return the permissions of an Allow rule as text, field by field."""
    if config is None:
        return "any spec.config that is not empty"
    parts = list(contentfields.describe(config))
    parts += [f"resourceNames {', '.join(config.resource_names.texts)}"] if config.resource_names is not None else []
    parts += ["an empty spec.config"] if config.is_on_disk else []
    parts += ["no consent annotations"] if config.forbids_sharing else []
    return "; ".join(parts) or "any spec.config that is not empty"


def _refuse_by_default(writing: Writing, config: Config) -> Verdict:
    namespace = writing.network.namespace
    where = f'in namespace "{namespace}"' if namespace else "for the whole cluster"
    rule = f"a definitions rule for {namespace}" if namespace else "a definitions rule"
    return Verdict(
        is_allowed=False,
        code="DefinitionDefaultDeny",
        reason=f"no rule lets this user write networks {where}",
        decider="definitions.default Deny",
        basis="no rule covers this user and namespace",
        fix=f"ask {config.whom_to_ask} to create this network, or for {rule}",
    )
