"""Definitions whose author is not known: files do not say who applies them.

Then a refusal that follows from the author alone is not judged: a Deny rule with `authors` or `exceptAuthors`, default
Deny, and the condition of level Restricted that some Allow rule selects the author. An Allow rule with `authors` counts
for anybody, because one of its authors may apply the file. What the configuration holds is judged all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cniplugin.access.judging.ruleindex import Index
from cniplugin.access.model.decision import Rules
from cniplugin.access.model.levels import MODES, RESTRICTED, level_name
from cniplugin.access.model.policyrules import ALLOW, DENY, ConfigMatch, DefinitionRule
from webhook.admission.model.kinds import DEVICE_KINDS, NETWORK
from webhook.admission.model.requests import Request
from webhook.admission.view.decisioncontext import Cluster
from webhook.trees.passedover import PassedOver

if TYPE_CHECKING:
    from cniplugin.access.model.decision import RuleIndex

ANYTHING = DefinitionRule(policy="", name="", action=ALLOW, config=ConfigMatch(is_on_disk=True))
"""Accepts every definition. It has no field about content, so it lifts no breach of a level."""


class AnyAuthor:
    """Makes the rules for each definition. `passed_over` gets the rules that do not count, once for each definition."""

    def __init__(self, passed_over: list[PassedOver]) -> None:
        self._passed_over = passed_over

    def rules_for(self, request: Request, rules: Rules, cluster: Cluster) -> Rules:
        """Return the rules for one request."""
        if request.kind != NETWORK and request.kind not in DEVICE_KINDS:
            return rules
        namespace = request.namespace
        labels = cluster.namespace_labels(namespace) if namespace else {}
        names = dict.fromkeys([*_conditions(rules, namespace, labels), *_about_authors(rules, namespace, labels)])
        if not names:
            return rules
        self._passed_over += (PassedOver("author-rule", name) for name in names)
        changed = {
            name: _Index(index, _without_authors(index, namespace, labels))
            for name in ("enforced", "warned", "audited")
            if (index := getattr(rules, name)) is not None or name == "enforced"
        }
        return rules.replace(**changed)


def _conditions(rules: Rules, namespace: str, labels: Mapping[str, str]) -> Iterator[str]:
    """Yield the settings that refuse by the author alone."""
    config = rules.config
    if config.definitions_default == "Deny":
        yield "definitions.default Deny"
    if namespace and any(level_name(config.levels, labels, mode) == RESTRICTED for mode in MODES):
        yield f'level Restricted of namespace "{namespace}"'


def _about_authors(rules: Rules, namespace: str, labels: Mapping[str, str]) -> Iterator[str]:
    """Yield the rules about authors."""
    for index in (rules.enforced, rules.warned, rules.audited):
        for rule in index.definitions if index is not None else ():
            if _has_authors(rule) and rule.has_namespace(namespace, labels):
                yield f"NetworkAttachmentPolicy {rule.policy}, rule {rule.name} ({rule.action})"


def _has_authors(rule: DefinitionRule) -> bool:
    return rule.authors is not None or rule.except_authors is not None


def _without_authors(index: RuleIndex | None, namespace: str, labels: Mapping[str, str]) -> tuple[DefinitionRule, ...]:
    """Return the rules about definitions of a namespace as they are for the author who may do most."""
    about = [rule for rule in (index.definitions if index is not None else ()) if rule.has_namespace(namespace, labels)]
    made = [
        rule.replace(authors=None, except_authors=None) if _has_authors(rule) else rule
        for rule in about
        if rule.action != DENY or not _has_authors(rule)
    ]
    is_governed = any(rule.action == ALLOW and not _has_authors(rule) for rule in about)
    return (*made, *(() if is_governed else (ANYTHING,)))


class _Index:
    """An index with other rules about definitions."""

    def __init__(self, index: RuleIndex | None, definitions: Sequence[DefinitionRule]) -> None:
        self._index = Index(()) if index is None else index
        self.definitions = definitions

    def __getattr__(self, name: str) -> Any:
        """Return what the index itself has."""
        return getattr(self._index, name)
