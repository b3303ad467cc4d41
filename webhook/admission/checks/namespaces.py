"""Labels of namespaces that decisions depend on are changed by those who may decide.

Fields restricted: `metadata.labels` of a Namespace, the keys by which an access policy, an owner's consent or a level
selects. Values allowed: those that change no answer of a selector; for whom the configuration lists
(`namespaceLabels.writers`), any. Operations: CREATE, for a namespace may bring its labels along, and UPDATE, also of
the subresources `status` and `finalize`, which take labels. Exempt: exempt users and groups of definitions, the
namespace controller. Example refusal: see `labeltext`.

The mode says what becomes of others: Warn (the default) and Audit admit and record. Whatever the mode, a value of a
level's label that is no level gets a warning. Consents count where they decide: under posture Consent, and once a rule
requires one; an owner of networks shall not be able to protect labels otherwise.

Not here: the annotation `nadmit.io/default-networks` of a namespace. What it gives to pods is judged as if they had
asked for it, so it opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from cniplugin.access import labels
from cniplugin.access.consent import TEXT_MAX
from cniplugin.access.labels import Requirement, Selector
from cniplugin.access.levels import LABELS, parse
from cniplugin.access.model import NAME_LABEL, Config, Rules
from cniplugin.access.rules import Policy
from webhook.admission import labeltext
from webhook.admission.labeltext import LabelChange
from webhook.admission.listers import Cluster
from webhook.admission.model import ALLOWED, NOTHING, Decision, Request

OFF, WARN, DENY = "Off", "Warn", "Deny"

NAMESPACE_CONTROLLER = "system:serviceaccount:kube-system:namespace-controller"

LEVEL_KEYS = frozenset(LABELS.values())
CONSENTS_PARSED_MAX = 256
"""Selectors of consents that are compared with one label; a label that more of them name counts as selected by."""

Deciders = Mapping[str, Sequence[tuple[Requirement, str]]]
"""Requirements of selectors on namespaces by the key that they look at, each with whose it is."""


def check(request: Request, cluster: Cluster, rules: Rules) -> Decision:
    """Judge the labels of a namespace that is written."""
    new = request.object
    if new is None:
        return ALLOWED
    before = request.old_object.labels if request.old_object is not None else NOTHING
    keys = [key for key in sorted({*before, *new.labels}) if before.get(key) != new.labels.get(key)]
    warnings = tuple(_unknown_levels(keys, new.labels))
    if rules.config.namespace_labels.mode == OFF or _may_write(request, rules.config):
        return Decision(warnings=warnings) if warnings else ALLOWED
    changes = [change for key in keys for change in _judged(key, before, new.labels, cluster, rules)]
    return _answer(request, changes, rules.config, warnings)


def _unknown_levels(keys: Sequence[str], written: Mapping[str, str]) -> Iterator[str]:
    for key in keys:
        value = written.get(key)
        if key in LEVEL_KEYS and value is not None and parse(value) is None:
            yield labeltext.unknown_level(key, value)


def _may_write(request: Request, config: Config) -> bool:
    name, groups = request.user.name, frozenset(request.user.groups)
    if name == NAMESPACE_CONTROLLER or name in config.exempt_users or not groups.isdisjoint(config.exempt_groups):
        return True
    writers = config.namespace_labels.writers
    return writers is not None and writers.has(name, groups)


def _answer(request: Request, changes: Sequence[LabelChange], config: Config, warnings: tuple[str, ...]) -> Decision:
    mode = config.namespace_labels.mode
    if not changes:
        return Decision(warnings=warnings) if warnings else ALLOWED
    if mode == DENY:
        return labeltext.refused(request, changes, config)._replace(warnings=warnings)
    if mode == WARN:
        warnings = (*warnings, *(labeltext.remark(request, change, config) for change in changes))
    return Decision(
        warnings=warnings,
        rules=(labeltext.RULE,),
        trials=tuple(labeltext.record(mode, change) for change in changes),
    )


# Who selects by a label


def _judged(
    key: str, before: Mapping[str, str], after: Mapping[str, str], cluster: Cluster, rules: Rules
) -> Iterator[LabelChange]:
    """Yield the change of a label if anything selects by it. NB: nobody can set the label of the name."""
    if key == NAME_LABEL:
        return
    change = LabelChange(
        key,
        before.get(key),
        after.get(key),
        policies=tuple(dict.fromkeys(_policies(key, before, after, cluster))),
        is_level=key in LEVEL_KEYS,
        has_consent=_is_consent_asked_for(rules.config, cluster) and _consents(key, before, after, cluster),
    )
    if change.policies or change.is_level or change.has_consent:
        yield change


def _policies(key: str, before: Mapping[str, str], after: Mapping[str, str], cluster: Cluster) -> list[str]:
    deciders = cluster.recall(_DECIDERS, lambda: _collect(cluster.policies.policies))
    return [name for requirement, name in deciders.get(key, ()) if _differs(requirement, before, after)]


_DECIDERS = "selectors on namespaces"
"""Key under which a snapshot remembers them."""


def _differs(requirement: Requirement, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    return requirement.matches(before) is not requirement.matches(after)


def _collect(policies: Sequence[Policy]) -> Deciders:
    """Return the requirements of all policies, also of those on trial: they are to decide some day."""
    found: dict[str, list[tuple[Requirement, str]]] = {}
    for policy in policies:
        selectors = dict.fromkeys(_selectors(policy))
        for requirement in dict.fromkeys(one for selector in selectors for one in selector.requirements):
            found.setdefault(requirement.key, []).append((requirement, policy.name))
    return found


def _selectors(policy: Policy) -> Iterator[Selector]:
    for rule in policy.attachments:
        for entry in (*rule.pods, *rule.except_pods):
            if entry.namespace_selector is not None:
                yield entry.namespace_selector
    for definition in policy.definitions:
        if definition.namespace_selector is not None:
            yield definition.namespace_selector


def _is_consent_asked_for(config: Config, cluster: Cluster) -> bool:
    return config.posture == "Consent" or any(
        rule.require_consent for policy in cluster.policies.policies for rule in policy.attachments
    )


def _consents(key: str, before: Mapping[str, str], after: Mapping[str, str], cluster: Cluster) -> bool:
    """Say whether an owner's consent depends on the change. NB: a text that does not have the key cannot ask for it."""
    texts = [text for text in cluster.consent_selectors() if key in text]
    if len(texts) > CONSENTS_PARSED_MAX:
        return True
    requirements = (one for text in texts for one in _parse(text) if one.key == key)
    return any(_differs(requirement, before, after) for requirement in requirements)


@lru_cache(maxsize=CONSENTS_PARSED_MAX)
def _parse(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a consent; none of one that cannot be read, which grants nothing."""
    if len(text) > TEXT_MAX:
        return ()
    try:
        return labels.parse(text).requirements
    except ValueError:
        return ()
