"""Only those who may decide about networks change the labels of namespaces that decisions depend on.

Fields restricted: `metadata.labels` of a Namespace: the keys by which an access policy, an owner's consent or a level
selects. Values allowed: those that change no answer of a selector; any value for the writers in the configuration
(`namespaceLabels.writers`). Operations: CREATE, because a new namespace may have labels, and UPDATE, also of the
subresources `status` and `finalize`, which can change labels. Exempt: the exempt users and groups of definitions, and
the namespace controller. Example refusal: see `labeltext`.

Modes Warn (the default) and Audit admit the changes of others and record them. In every mode, a level's label whose
value is not a level gets a warning. Consents count only where they decide: under posture Consent, and once a rule
requires one. Otherwise the owner of a network could protect labels.

Not here: the annotation `nadmit.io/default-networks` of a namespace. The networks that it gives to pods are judged as
if the pods had asked for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from cniplugin.access.model import labels
from cniplugin.access.model.decision import NAME_LABEL, Config
from cniplugin.access.model.labels import Requirement, Selector
from cniplugin.access.model.levels import LABELS, parse
from cniplugin.access.model.policyrules import Policy
from cniplugin.access.reading.consent import TEXT_MAX
from webhook.admission.model.kinds import NAMESPACE_CONTROLLER
from webhook.admission.model.requests import ALLOWED, NOTHING, AdmissionWarning, Decision, Request
from webhook.admission.view.decisioncontext import DENY, OFF, WARN, Cluster, DecisionContext
from webhook.admission.wording import labeltext
from webhook.admission.wording.labeltext import LabelChange

LEVEL_KEYS = frozenset(LABELS.values())
OWN_PREFIX = "nadmit.io/"

CHANGES_MAX = 20
"""Labels of one namespace that are reported; a namespace may have thousands."""

LABELS_MAX = 1_024
"""Labels that are compared one by one. A namespace has fewer, but may have 100,000."""

KEYS_MAX, CONSENTS_MAX, CONSENT_CHARS_MAX = 32, 512, 32_768
"""Bounds: labels that are compared with consents, consents that are searched, characters of consents that are parsed.

Owners write consents, and must not be able to slow down the review of somebody else's namespace. Beyond any of these
bounds, a label counts as one that a consent selects by.
"""

Deciders = Mapping[str, Sequence[tuple[Requirement, str]]]
"""Requirements of selectors on namespaces, each with the name of its policy, by the label that they read."""


def check(request: Request, context: DecisionContext) -> Decision:
    """Judge the labels of a namespace that is written."""
    new, config = request.object, context.rules.config
    if new is None:
        return ALLOWED
    before = request.old_object.labels if request.old_object is not None else NOTHING
    keys = _changed(before, new.labels, context.cluster)
    warnings = tuple(islice(_slips(keys, new.labels, context.cluster), CHANGES_MAX))
    if config.namespace_labels.mode == OFF or _may_write(request, config):
        return Decision(warnings=warnings) if warnings else ALLOWED
    changes = tuple(islice(_protected(keys, before, new.labels, context), CHANGES_MAX))
    return _answer(request, changes, config, warnings)


def _changed(before: Mapping[str, str], written: Mapping[str, str], cluster: Cluster) -> list[str]:
    """Return the labels that change, sorted.

    If more than LABELS_MAX change, all those that policies and levels select by are among the returned ones.
    """
    keys = [key for key, value in written.items() if before.get(key) != value]
    keys += [key for key in before if key not in written]
    if len(keys) > LABELS_MAX:
        deciders = _deciders(cluster)
        keys = list({*keys[:LABELS_MAX], *(key for key in keys if key in deciders or key in LEVEL_KEYS)})
    return sorted(keys)


def _slips(keys: Sequence[str], written: Mapping[str, str], cluster: Cluster) -> Iterator[AdmissionWarning]:
    """Yield warnings of values that are not a level, and of unused labels that resemble a level's label.

    It compares at most KEYS_MAX labels with nadmit's prefix, because anybody may write thousands.
    """
    given = [key for key in keys if key in written]
    for key in given:
        if key in LEVEL_KEYS and parse(written[key]) is None:
            yield labeltext.unknown_level(key, written[key])
    others = (key for key in given if key.startswith(OWN_PREFIX) and key not in LEVEL_KEYS)
    for key in islice(others, KEYS_MAX):
        near = labeltext.level_meant(key)
        if near is not None and not _is_selected_by(key, cluster):
            yield labeltext.unknown_label(key, near)


def _is_selected_by(key: str, cluster: Cluster) -> bool:
    """Say whether a policy or a consent may select namespaces by a label."""
    if key in _deciders(cluster):
        return True
    texts = cluster.consent_selectors()
    return len(texts) > CONSENTS_MAX or any(key in text for text in texts)


def _may_write(request: Request, config: Config) -> bool:
    name, groups = request.user.name, frozenset(request.user.groups)
    if name == NAMESPACE_CONTROLLER or name in config.exempt_users or not groups.isdisjoint(config.exempt_groups):
        return True
    writers = config.namespace_labels.writers
    return writers is not None and writers.has(name, groups)


def _answer(
    request: Request, changes: Sequence[LabelChange], config: Config, warnings: tuple[AdmissionWarning, ...]
) -> Decision:
    mode = config.namespace_labels.mode
    if not changes:
        return Decision(warnings=warnings) if warnings else ALLOWED
    if mode == DENY:
        return labeltext.refused(request, changes, config)._replace(warnings=warnings)
    if mode == WARN:
        warnings = (*warnings, *(labeltext.changed(request, change, config) for change in changes))
    return Decision(
        warnings=warnings,
        rules=(labeltext.RULE,),
        trials=tuple(labeltext.record(mode, change) for change in changes),
    )


# Selectors


def _protected(
    keys: Sequence[str], before: Mapping[str, str], after: Mapping[str, str], context: DecisionContext
) -> Iterator[LabelChange]:
    """Yield the changes of labels that a selector uses. NB: no user can set the label with the namespace's name."""
    cluster = context.cluster
    has_consents = _is_consent_required(context.rules.config, cluster)
    consented = _consented(keys, before, after, cluster) if has_consents else frozenset()
    deciders = _deciders(cluster)
    for key in keys:
        change = LabelChange(
            key,
            before.get(key),
            after.get(key),
            policies=tuple(dict.fromkeys(name for one, name in deciders.get(key, ()) if _differs(one, before, after))),
            is_level=key in LEVEL_KEYS,
            has_consent=key in consented,
        )
        if key != NAME_LABEL and (change.policies or change.is_level or change.has_consent):
            yield change


def _deciders(cluster: Cluster) -> Deciders:
    return cluster.recall("selectors on namespaces", lambda: _collect(cluster.policies.policies))


def _differs(requirement: Requirement, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    return requirement.matches(before) is not requirement.matches(after)


def _collect(policies: Sequence[Policy]) -> Deciders:
    """Return the requirements of all policies, also of those on trial, which may be enforced later."""
    deciders: dict[str, list[tuple[Requirement, str]]] = {}
    for policy in policies:
        selectors = dict.fromkeys(_selectors(policy))
        for requirement in dict.fromkeys(one for selector in selectors for one in selector.requirements):
            deciders.setdefault(requirement.key, []).append((requirement, policy.name))
    return deciders


def _selectors(policy: Policy) -> Iterator[Selector]:
    """Yield the selectors of a policy, each once. NB: all its rules share `pods` and `exceptPods`."""
    lists = {id(entries): entries for rule in policy.attachments for entries in (rule.pods, rule.except_pods)}
    for entries in lists.values():
        yield from (entry.namespace_selector for entry in entries if entry.namespace_selector is not None)
    for definition in policy.definitions:
        if definition.namespace_selector is not None:
            yield definition.namespace_selector


def _is_consent_required(config: Config, cluster: Cluster) -> bool:
    return config.posture == "Consent" or any(
        rule.require_consent for policy in cluster.policies.policies for rule in policy.attachments
    )


def _consented(
    keys: Sequence[str], before: Mapping[str, str], after: Mapping[str, str], cluster: Cluster
) -> frozenset[str]:
    """Return the labels that owners' consents select by. NB: a consent without a key's text cannot select by it."""
    texts = cluster.consent_selectors()
    if not texts:
        return frozenset()
    if len(keys) > KEYS_MAX or len(texts) > CONSENTS_MAX:
        return frozenset(keys)
    named = [text for text in texts if any(key in text for key in keys)]
    if sum(map(len, named)) > CONSENT_CHARS_MAX:
        return frozenset(keys)
    requirements = (one for text in named for one in _parse(text) if one.key in keys)
    return frozenset(one.key for one in requirements if _differs(one, before, after))


def _parse(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a consent; an unreadable consent has none, because it grants nothing."""
    if len(text) > TEXT_MAX:
        return ()
    try:
        return labels.parse(text).requirements
    except ValueError:
        return ()
