"""Which rules are pointless: a Deny matches everything that they select, or another Allow accepts what they refuse.

Every reported rule is pointless, but not every pointless rule is found. Selectors are compared by their requirements,
not by the labels that exist. A field of content is not compared with names. Long comparisons are left out, because the
author of a policy waits, and a policy may have 64 rules of 32 entries with hundreds of patterns.
"""

from __future__ import annotations

from cniplugin.access.model.contentfields import FIELDS
from cniplugin.access.model.limits import Limits, accepts_more
from cniplugin.access.model.matchers import Names
from cniplugin.access.model.policyrules import (
    ALLOW,
    DENY,
    MODES,
    AttachmentRule,
    DefinitionRule,
    NetworkMatch,
    PodMatch,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, TypeAlias, TypeVar

    from cniplugin.access.model.contentfields import Content
    from cniplugin.access.model.labels import Selector
    from cniplugin.access.model.policyrules import AuthorMatch, ConfigMatch, Policy

    Rule = TypeVar("Rule", AttachmentRule, DefinitionRule)
    Covers: TypeAlias = Callable[[Rule, Rule], bool]
    Entry = TypeVar("Entry", NetworkMatch, PodMatch)


COMPARISONS_MAX = 100_000
"""Pairs of patterns that are compared for all rules of one policy: some milliseconds if the patterns are alike."""


PAIR_COST = 25
"""Comparisons that a pair of rules counts as at least."""


class OtherRules:
    """The rules of some policies, with which each rule is compared; found by a namespace that they name."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._definitions: list[DefinitionRule] = []
        self._named: dict[tuple[str, str], list[AttachmentRule]] = {}
        self._others: dict[str, list[AttachmentRule]] = {ALLOW: [], DENY: []}
        self._sizes: dict[int, int] = {}
        self._left = COMPARISONS_MAX
        for policy in policies:
            for definition in policy.definitions:
                if definition.action == DENY:
                    self._definitions.append(definition)
                    self._sizes[id(definition)] = _definition_size(definition)
            for rule in policy.attachments:
                self._add(rule)

    def _add(self, rule: AttachmentRule) -> None:
        self._sizes[id(rule)] = _size(rule)
        exact = [entry.namespaces for entry in rule.pods if entry.namespaces and not entry.namespaces.prefixes]
        if not rule.pods or len(exact) < len(rule.pods):
            self._others[rule.action].append(rule)
            return
        for name in {name for names in exact for name in names.exact}:
            self._named.setdefault((rule.action, name), []).append(rule)

    def covering(self, rule: AttachmentRule) -> AttachmentRule | None:
        """Return a Deny that matches everything an attachment rule selects, None if none is found."""
        return _first(rule, self._affordable(_size(rule), self._candidates(rule, DENY)), _covers)

    def loosening(self, rule: AttachmentRule) -> tuple[AttachmentRule, tuple[str, ...]] | None:
        """Return an Allow that accepts more of everything an Allow selects, and the requests; None if none is found."""
        for other in self._affordable(_size(rule), self._candidates(rule, ALLOW)):
            if other.is_broken or (other.require_consent and not rule.require_consent):
                continue
            more = accepts_more(other.limits, rule.limits) if _counts_for(other, rule) else ()
            if more and _covers(other, rule):
                return other, more
        return None

    def begin_policy(self) -> None:
        """Renew the allowance of comparisons: from here on, the rules of another policy are compared."""
        self._left = COMPARISONS_MAX

    def _affordable(self, size: int, rules: Iterable[Rule]) -> Iterator[Rule]:
        """Yield rules until the allowance for comparing them with a rule of this size is used up."""
        for rule in rules:
            self._left -= max(size * self._sizes[id(rule)], PAIR_COST)
            if self._left < 0:
                return
            yield rule

    def _candidates(self, rule: AttachmentRule, action: str) -> Iterable[AttachmentRule]:
        """NB: a rule that covers another one covers its first entry, and so the first name there."""
        names = rule.pods[0].namespaces if rule.pods else None
        name = min(names.exact, default="") if names else ""
        return (*self._others[action], *self._named.get((action, name), ()))

    def covering_definition(self, rule: DefinitionRule) -> DefinitionRule | None:
        """Return a Deny that matches everything a definitions rule selects, None if none is found."""
        return _first(rule, self._affordable(_definition_size(rule), self._definitions), _covers_definition)


def selects_every_attachment(rule: AttachmentRule) -> bool:
    """Say whether a Deny refuses every network to every pod."""
    return _covers(rule, EVERY_ATTACHMENT)


def selects_every_definition(rule: DefinitionRule) -> bool:
    """Say whether a Deny refuses every definition to everybody."""
    return _covers_definition(rule, EVERY_DEFINITION)


def _size(rule: AttachmentRule) -> int:
    """Return roughly the number of patterns of a rule; at least 1."""
    patterns = (
        names
        for entry in rule.networks
        for names in (entry.namespaces, entry.names, *(getattr(entry, field.name) for field in FIELDS))
        if isinstance(names, Names)
    )
    entries = (*rule.pods, *rule.except_pods)
    places = (entry.namespaces for entry in entries if entry.namespaces is not None)
    selectors = (
        *(entry.selector for entry in rule.networks),
        *(selector for entry in entries for selector in (entry.namespace_selector, entry.pod_selector)),
    )
    values = sum(_selector_size(selector) for selector in selectors if selector is not None)
    return 1 + len(entries) + values + sum(len(names.exact) + len(names.prefixes) for names in (*patterns, *places))


def _selector_size(selector: Selector) -> int:
    return sum(1 + len(requirement.values) for requirement in selector.requirements)


def _definition_size(rule: DefinitionRule) -> int:
    """Return the size of a rule about definitions, as `_size` does."""
    config = rule.config
    patterns = (config.plugin_types, config.ipam_types, config.masters, config.resource_names) if config else ()
    names = [names for names in (rule.namespaces, *patterns) if names is not None]
    return 1 + sum(len(one.exact) + len(one.prefixes) for one in names)


def _first(rule: Rule, denies: Iterable[Rule], covers: Covers[Rule]) -> Rule | None:
    covering = (deny for deny in denies if _counts_for(deny, rule) and covers(deny, rule))
    return min((deny for deny in covering if not _is_twin(deny, rule, covers)), key=_place, default=None)


def _is_twin(deny: Rule, rule: Rule, covers: Covers[Rule]) -> bool:
    """Say whether two Deny rules are equal and the other one is the one to report."""
    is_later = rule.action == DENY and _place(rule) < _place(deny)
    return is_later and _counts_for(rule, deny) and covers(rule, deny)


def _place(rule: AttachmentRule | DefinitionRule) -> tuple[str, str]:
    return rule.policy, rule.name


def _counts_for(deny: AttachmentRule | DefinitionRule, rule: AttachmentRule | DefinitionRule) -> bool:
    """Say whether a Deny is in force whenever a rule is: a policy on trial shadows no enforced one."""
    return deny is not rule and MODES.index(deny.mode) <= MODES.index(rule.mode)


# Attachments

_EVERY_NETWORK, _EVERY_POD = (NetworkMatch(),), (PodMatch(),)
EVERY_ATTACHMENT = AttachmentRule(policy="", name="", action=DENY, limits=Limits())
EVERY_DEFINITION = DefinitionRule(policy="", name="", action=DENY)


def _covers(deny: AttachmentRule, rule: AttachmentRule) -> bool:
    if deny.on_requests and not (rule.on_requests and rule.on_requests <= deny.on_requests):
        return False
    return (
        _covers_all(deny.networks or _EVERY_NETWORK, rule.networks or _EVERY_NETWORK, _covers_network)
        and _covers_all(deny.pods or _EVERY_POD, rule.pods or _EVERY_POD, _covers_pod)
        and all(_is_excepted(entry, rule) for entry in deny.except_pods)
    )


def _covers_all(broad: Sequence[Entry], narrow: Sequence[Entry], covers: Callable[[Entry, Entry], bool]) -> bool:
    """Say whether each narrow entry is covered by a broad one; neither list is empty."""
    return all(any(covers(one, entry) for one in broad) for entry in narrow)


def _is_excepted(entry: PodMatch, rule: AttachmentRule) -> bool:
    """Say whether a rule is about none of the pods that a Deny excepts."""
    if any(_covers_pod(other, entry) for other in rule.except_pods):
        return True
    return bool(rule.pods) and all(_are_apart(pods.namespaces, entry.namespaces) for pods in rule.pods)


def _are_apart(one: Names | None, other: Names | None) -> bool:
    if one is None or other is None or one.prefixes:
        return False
    return not any(map(other.matches, one.exact))


def _covers_pod(broad: PodMatch, narrow: PodMatch) -> bool:
    return (
        _covers_names(broad.namespaces, narrow.namespaces)
        and _covers_selector(broad.namespace_selector, narrow.namespace_selector)
        and _covers_selector(broad.pod_selector, narrow.pod_selector)
        and (
            broad.service_accounts is None
            or (narrow.service_accounts is not None and narrow.service_accounts <= broad.service_accounts)
        )
    )


def _covers_network(broad: NetworkMatch, narrow: NetworkMatch) -> bool:
    return (
        broad.scope in ("Any", narrow.scope)
        and _covers_names(broad.namespaces, narrow.namespaces)
        and _covers_names(broad.names, narrow.names)
        and (narrow.selector is not None or broad.selector is None)  # {} is every network that exists
        and _covers_selector(broad.selector, narrow.selector)
        and _covers_content(broad, narrow)
        and broad.is_on_disk in (None, narrow.is_on_disk)
    )


def _covers_content(broad: Content, narrow: Content) -> bool:
    return all(_covers_values(getattr(broad, field.name), getattr(narrow, field.name)) for field in FIELDS)


def _covers_names(broad: Names | None, narrow: Names | None) -> bool:
    return broad is None or "" in broad.prefixes or _covers_values(broad, narrow)


def _covers_values(broad: Any, narrow: Any) -> bool:
    """Compare two fields of one kind. NB: "*" asks for a value, so it does not cover a rule without the field."""
    return broad is None or (narrow is not None and broad.covers(narrow))


def _covers_selector(broad: Selector | None, narrow: Selector | None) -> bool:
    return broad is None or not broad.requirements or _covers_values(broad, narrow)


# Definitions


def _covers_definition(deny: DefinitionRule, rule: DefinitionRule) -> bool:
    return (
        _covers_authors(deny.authors, rule.authors)
        and (deny.except_authors is None or _includes(rule.except_authors, deny.except_authors))
        and _covers_names(deny.namespaces, rule.namespaces)
        and _covers_selector(deny.namespace_selector, rule.namespace_selector)
        and _covers_config(deny.config, rule)
    )


def _covers_authors(broad: AuthorMatch | None, narrow: AuthorMatch | None) -> bool:
    return broad is None or (narrow is not None and _includes(broad, narrow))


def _includes(broad: AuthorMatch | None, narrow: AuthorMatch) -> bool:
    if broad is None:
        return False
    return (
        narrow.users <= broad.users
        and narrow.groups <= broad.groups
        and all(account in broad.accounts or (account[0], "*") in broad.accounts for account in narrow.accounts)
    )


def _covers_config(broad: ConfigMatch | None, rule: DefinitionRule) -> bool:
    """NB: fields of an Allow list permitted values, those of a Deny refused values; only the latter compare."""
    if broad is None:
        return True
    narrow = rule.config
    if narrow is None or rule.action != DENY:
        return False
    return (
        _covers_content(broad, narrow)
        and _covers_values(broad.resource_names, narrow.resource_names)
        and broad.is_on_disk in (None, narrow.is_on_disk)
    )
