"""Do the labels of a namespace matter? If they do, one that is not known has to be asked for before anybody answers.

A namespace that was created a moment ago is not in the cache yet, and without its labels a Deny rule that selects by
them would not match. Of every namespace that a decision depends on, a check says so here; `Decision.unknown` names
those whose labels are missing, for whoever can ask the API server (`serving.reviews`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cniplugin.access.model.decision import NAME_LABEL, Rules
from cniplugin.access.model.levels import MODES, PRIVILEGED, level_name
from cniplugin.access.reading.consent import ALLOWED_SELECTOR
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.model.requests import Decision
from webhook.admission.view.listers import Cluster
from webhook.admission.wording import messages

if TYPE_CHECKING:
    from cniplugin.access.model.decision import RuleIndex


def unknown_to_attach(
    cluster: Cluster, namespace: str, networks: Iterable[NetworkAttachmentDefinition], rules: Rules
) -> tuple[str, ...]:
    """Return the namespaces that are not known and whose labels matter to a pod that would attach to `networks`.

    They are the pod's, and those of the networks, whose labels may give these a level.
    """
    if namespace in rules.config.exempt_namespaces:
        return ()
    asked = list(networks)
    own = [] if cluster.has_namespace(namespace) or not _matter(namespace, asked, rules) else [namespace]
    theirs = [network.namespace for network in asked if _may_have_level(cluster, network.namespace, rules)]
    return tuple(dict.fromkeys((*own, *theirs)))


def unknown_to_define(cluster: Cluster, namespace: str, rules: Rules) -> tuple[str, ...]:
    """Return the namespace of a definition that is written, if it is not known and its labels matter."""
    if cluster.has_namespace(namespace):
        return ()
    if _may_have_level(cluster, namespace, rules):
        return (namespace,)
    for rule in (rule for index in _indexes(rules) for rule in index.definitions):
        is_named = rule.namespaces is None or rule.namespaces.matches(namespace)
        if is_named and rule.namespace_selector is not None and rule.namespace_selector.reads_beside(NAME_LABEL):
            return (namespace,)
    return ()


def told(decision: Decision) -> Decision:
    """Return a decision that stands although namespaces are not known, with a warning for each: nobody can be asked."""
    if not decision.unknown:
        return decision
    warnings = tuple(map(messages.namespace_unknown, decision.unknown))
    return decision._replace(warnings=(*warnings, *decision.warnings), unknown=())


def _may_have_level(cluster: Cluster, namespace: str, rules: Rules) -> bool:
    """Say whether a namespace that is not known may have a level that its labels set or lift: levels are in use."""
    if cluster.has_namespace(namespace):
        return False
    levels = rules.config.levels
    return any(level_name(levels, {}, mode) != PRIVILEGED for mode in MODES) or cluster.has_levels()


def _matter(namespace: str, networks: Iterable[NetworkAttachmentDefinition], rules: Rules) -> bool:
    indexes = _indexes(rules)
    if any(index.reads_labels_of(namespace) for index in indexes):
        return True
    if rules.config.posture != "Consent" and not any(index.requires_consent for index in indexes):
        return False
    return any(ALLOWED_SELECTOR in network.annotations for network in networks if network.namespace != namespace)


def _indexes(rules: Rules) -> list[RuleIndex]:
    return [index for index in (rules.enforced, rules.warned, rules.audited) if index is not None]
