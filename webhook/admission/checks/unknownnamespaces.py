"""Namespaces that are not known, though a decision depends on their labels.

The cache may lack a new namespace, and without its labels a Deny rule that selects by them would not match. Checks use
this module to find such namespaces, and put them into `Decision.unknown`. `webhook.review.reviews` then asks the API
server for them before it answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cniplugin.access.model.decision import NAME_LABEL, Rules
from cniplugin.access.model.levels import MODES, PRIVILEGED, level_name
from cniplugin.access.reading.consent import ALLOWED_SELECTOR
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.model.requests import Decision
from webhook.admission.view.decisioncontext import Cluster
from webhook.admission.wording import accesstext

if TYPE_CHECKING:
    from cniplugin.access.model.decision import RuleIndex


def unknown_to_attach(
    cluster: Cluster, namespace: str, networks: Iterable[NetworkAttachmentDefinition], rules: Rules
) -> tuple[str, ...]:
    """Return the unknown namespaces whose labels matter to a pod that would attach to `networks`.

    The labels of the pod's own namespace may select it; those of a network's namespace may set its level.
    """
    if namespace in rules.config.exempt_namespaces:
        return ()
    known = list(networks)
    own = [] if cluster.has_namespace(namespace) or not _matter(namespace, known, rules) else [namespace]
    theirs = [network.namespace for network in known if _may_have_level(cluster, network.namespace, rules)]
    return tuple(dict.fromkeys((*own, *theirs)))


def unknown_to_define(cluster: Cluster, namespace: str, rules: Rules) -> tuple[str, ...]:
    """Return the namespace of a definition that is written, if it is unknown and its labels matter."""
    if cluster.has_namespace(namespace):
        return ()
    if _may_have_level(cluster, namespace, rules):
        return (namespace,)
    for rule in (rule for index in _indexes(rules) for rule in index.definitions):
        is_named = rule.namespaces is None or rule.namespaces.matches(namespace)
        if is_named and rule.namespace_selector is not None and rule.namespace_selector.reads_beside(NAME_LABEL):
            return (namespace,)
    return ()


def warn_of_unknown(decision: Decision) -> Decision:
    """Return a final decision with a warning for each unknown namespace, where there is no API server to ask."""
    if not decision.unknown:
        return decision
    warnings = tuple(map(accesstext.namespace_unknown, decision.unknown))
    return decision._replace(warnings=(*warnings, *decision.warnings), unknown=())


def _may_have_level(cluster: Cluster, namespace: str, rules: Rules) -> bool:
    """Say whether levels are in use, so that the labels of an unknown namespace may set or lift its level."""
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
