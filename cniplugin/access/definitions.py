"""Who may write which network: Deny wins, an Allow rule that selects author and namespace governs, else the default.

The subject is the requester, the only one who is there when a definition is written. For Allow, everything that the
definition uses must be listed in each given field; for Deny, one listed value in every given field is enough.
"""

from __future__ import annotations

from cniplugin.netspec.record import Record

from . import reasons
from .consent import ANNOTATIONS
from .facts import NO_NUMBER, facts_of
from .model import Verdict
from .rules import ALLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

    from .facts import Facts
    from .matchers import Names
    from .model import Config, RuleIndex, Rules
    from .rules import ConfigMatch, DefinitionRule


class Author(Record):
    """Who sends the request (`request.userInfo`)."""

    name: str
    groups: frozenset[str] = frozenset()


class Writing(Record):
    """A definition that is written: by whom, what, and the labels of its namespace.

    `field`: where its configuration is in the object, as its author finds it.
    """

    author: Author
    network: NetworkAttachmentDefinition
    namespace_labels: Mapping[str, str] = {}  # never changed
    field: str = "spec.config"


def are_ruled(rules: Rules) -> bool:
    """Say whether anything could be refused by the rules, on trial or in force: in most clusters, nothing is."""
    if rules.config.definitions_default == "Deny":
        return True
    indexes = (rules.enforced, rules.warned, rules.audited)
    return any(index is not None and index.definitions for index in indexes)


def judge_definition(writing: Writing, rules: Rules) -> Verdict:
    """Decide by the rules in force. The built-in checks come before, and spare nobody.

    Codes: `DefinitionAllowRule`, `DefinitionDefault`, `Exempt`; `DefinitionDenyRule`, `NotWithinDefinitionRule`,
    `DefinitionDefaultDeny`.
    """
    return _judge(writing, rules.config, rules.enforced)


def judge_definition_trial(writing: Writing, rules: Rules) -> tuple[str, Verdict] | None:
    """Return what policies on trial would refuse: the mode, `Warn` or `Audit`, and the verdict."""
    for mode, index in (("Warn", rules.warned), ("Audit", rules.audited)):
        if index is not None:
            verdict = _judge(writing, rules.config, index)
            if not verdict.is_allowed:
                return mode, verdict
    return None


def _judge(writing: Writing, config: Config, index: RuleIndex | None) -> Verdict:
    author = writing.author
    if author.name in config.exempt_users or not author.groups.isdisjoint(config.exempt_groups):
        return Verdict(is_allowed=True, code="Exempt")
    rules = [rule for rule in index.definitions if _selects(rule, writing)] if index else []
    facts = facts_of(writing.network)
    for rule in rules:
        if rule.action != ALLOW and (matched := _matched(rule, writing, facts)) is not None:
            return _refuse_by_deny(rule, writing, config, matched)
    allows = [rule for rule in rules if rule.action == ALLOW]
    if allows:
        return _judge_allows(allows, writing, facts, config)
    if config.definitions_default == "Deny":
        return _refuse_by_default(writing, config)
    return Verdict(is_allowed=True, code="DefinitionDefault")


def _selects(rule: DefinitionRule, writing: Writing) -> bool:
    author, namespace = writing.author, writing.network.namespace
    if rule.authors is not None and not rule.authors.has(author.name, author.groups):
        return False
    if rule.except_authors is not None and rule.except_authors.has(author.name, author.groups):
        return False
    if rule.namespaces is not None and not rule.namespaces.matches(namespace):
        return False
    return rule.namespace_selector is None or rule.namespace_selector.matches(writing.namespace_labels)


# Deny


def _matched(rule: DefinitionRule, writing: Writing, facts: Facts | None) -> tuple[str, ...] | None:
    """Return what a Deny rule found in a definition, None if it does not match."""
    config = rule.config
    if config is None:
        return ()
    found: list[str] = []
    if config.is_on_disk is not None:
        if writing.network.is_on_disk != config.is_on_disk:
            return None
        found += ["a file of the node"] if config.is_on_disk else []
    for what, patterns, values in _pairs(config, writing, facts):
        if patterns is not None:
            value = next((value for value in values if patterns.matches(value)), None)
            if value is None:
                return None
            found.append(f"{what} {value or 'of the default route'}")
    if config.vlans is not None:
        vlan = next((vlan for vlan in facts.vlans if config.vlans.meet(*vlan)), None) if facts else None
        if vlan is None:
            return None
        found.append(_vlan(vlan))
    return tuple(found)


def _pairs(
    config: ConfigMatch, writing: Writing, facts: Facts | None
) -> Iterator[tuple[str, Names | None, Sequence[str]]]:
    resource = writing.network.resource_name
    yield "CNI plugin type", config.plugin_types, facts.plugin_types if facts else ()
    yield "master", config.masters, facts.masters if facts else ()
    yield "IPAM type", config.ipam_types, facts.ipam_types if facts else ()
    yield "resource", config.resource_names, (resource,) if resource else ()


def _vlan(vlan: tuple[int, int]) -> str:
    low, high = vlan
    if vlan == NO_NUMBER:
        return "a VLAN that cannot be told"
    return f"VLAN {low}" if low == high else f"VLANs {low}-{high}"


def _refuse_by_deny(rule: DefinitionRule, writing: Writing, config: Config, found: Sequence[str]) -> Verdict:
    reason = f"it uses {', '.join(found)}" if found else "a rule keeps this user from writing it"
    return Verdict(
        is_allowed=False,
        code="DefinitionDenyRule",
        reason="; ".join(filter(None, (reason, rule.message))),
        decided=reasons.decided_by_rule(rule, "Deny"),
        fix=f"change {writing.field}, or ask {reasons.whom_to_ask(rule, config)} to create this network",
        policy=rule.policy,
        rule=rule.name,
        contact=rule.contact,
    )


# Allow


def _judge_allows(rules: Sequence[DefinitionRule], writing: Writing, facts: Facts | None, config: Config) -> Verdict:
    refusals = []
    for rule in rules:
        problems = tuple(_problems(rule, writing, facts))
        if not problems:
            return Verdict(is_allowed=True, code="DefinitionAllowRule", policy=rule.policy, rule=rule.name)
        refusals.append((len(problems), rule, problems))
    _, rule, problems = min(refusals, key=lambda refusal: refusal[0])
    return Verdict(
        is_allowed=False,
        code="NotWithinDefinitionRule",
        reason="; ".join(filter(None, (*problems, rule.message))),
        decided=reasons.decided_by_rule(rule, "Allow, unreadable" if rule.is_broken else "Allow, config"),
        allowed="" if rule.is_broken else describe(rule.config),
        fix=f"change {writing.field} to fit, or ask {reasons.whom_to_ask(rule, config)} to create this network",
        policy=rule.policy,
        rule=rule.name,
        contact=rule.contact,
    )


def _problems(rule: DefinitionRule, writing: Writing, facts: Facts | None) -> Iterator[str]:
    """Yield what an Allow rule does not accept."""
    config = rule.config
    if rule.is_broken:
        yield "the rule cannot be read, so it accepts nothing"
        return
    if writing.network.is_on_disk and not (config is not None and config.is_on_disk):
        yield "spec.config is empty, so each node would read a file of its own"
    if config is not None:
        for what, patterns, values in _pairs(config, writing, facts):
            yield from _unlisted(what, patterns, values)
        yield from _vlans_outside(config, facts)
        for key in ANNOTATIONS if config.forbids_sharing else ():
            if key in writing.network.annotations:
                yield f"annotation {key} shares the network, which the rule does not permit"


def _unlisted(what: str, patterns: Names | None, values: Sequence[str]) -> Iterator[str]:
    if patterns is not None:
        for value in values:
            if not patterns.matches(value):
                shown = value or "of the default route (none is named)"
                yield f"{what} {shown} is not one of {', '.join(patterns.texts)}"


def _vlans_outside(config: ConfigMatch, facts: Facts | None) -> Iterator[str]:
    if config.vlans is not None and facts is not None:
        for vlan in facts.vlans:
            if not config.vlans.contain(*vlan):
                yield f"{_vlan(vlan)} is outside {', '.join(config.vlans.texts)}"


def describe(config: ConfigMatch | None) -> str:
    """Return what an Allow rule permits, field by field."""
    if config is None:
        return "any spec.config that is not empty"
    fields: tuple[tuple[str, Names | None], ...] = (
        ("pluginTypes", config.plugin_types),
        ("masters", config.masters),
    )
    parts = [f"{key} {', '.join(patterns.texts)}" for key, patterns in fields if patterns is not None]
    parts += [f"vlans {', '.join(config.vlans.texts)}"] if config.vlans is not None else []
    fields = (("ipamTypes", config.ipam_types), ("resourceNames", config.resource_names))
    parts += [f"{key} {', '.join(patterns.texts)}" for key, patterns in fields if patterns is not None]
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
        decided="definitions.default Deny (no rule covers this user and namespace)",
        fix=f"ask {config.whom_to_ask} to create this network, or for {rule}",
    )
