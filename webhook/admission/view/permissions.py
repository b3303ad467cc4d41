"""The networks that pods may attach to, for admins: one (`answer`), or all of them (`list_permissions`).

An admin may know which networks exist, so an answer says whether a network exists. The refusal in it is the one that
the pod would get, which does not say so (side door 22).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from cniplugin.access.judging.allowednetworks import list_allowed
from cniplugin.access.judging.judge import judge, judge_level_trial
from cniplugin.access.judging.reasons import decided_by_posture, decided_by_rule
from cniplugin.access.judging.ruleindex import Index
from cniplugin.access.model.decision import Config, Item, Subject, Verdict
from cniplugin.access.model.levels import MODES, TRIALS, Level, level_of
from cniplugin.access.model.limits import describe
from cniplugin.access.model.policyrules import AUDIT, DENY, ENFORCE, WARN, AttachmentRule
from cniplugin.access.reading.consent import consents
from cniplugin.netspec.errors import SpecError, SpecErrors
from cniplugin.netspec.names import nearest
from cniplugin.netspec.plan import plan
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.view.decisioncontext import Cluster, DecisionContext


class Grant(NamedTuple):
    """One way to be allowed. `asks`: the requests that the pod may make. `rule` is None if the posture decides."""

    decided: str
    asks: str
    rule: AttachmentRule | None = None


class Trial(NamedTuple):
    """The refusal by a policy on trial of something that is allowed now; `mode` is Warn or Audit."""

    mode: str
    verdict: Verdict


class Permission(NamedTuple):
    """The answer about one network. Limits of grants do not add up: one grant must accept the whole request.

    `denies`: Deny rules about this pod and network that apply to some requests only.
    """

    item: Item
    verdict: Verdict
    grants: tuple[Grant, ...]
    trials: tuple[Trial, ...]
    denies: tuple[AttachmentRule, ...] = ()

    @property
    def needs_limits(self) -> bool:
        """Whether a pod gets the network only if it asks for something, such as a bandwidth."""
        return self.verdict.code == "NotWithinRule" and bool(self.grants)


class Answer(NamedTuple):
    """The answer about one network, with help for the admin.

    `allowed`: some networks that the pod may use. `near`: a network of a similar name, if this one does not exist.
    `problems`: why no pod can attach to the network.
    """

    subject: Subject
    permission: Permission
    allowed: tuple[str, ...] = ()
    has_more_allowed: bool = False
    near: str = ""
    problems: tuple[SpecError, ...] = ()


class Permissions(NamedTuple):
    """The networks that pods of a namespace may attach to. `denies`: Deny rules about this pod, also those on trial.

    `others`: rules about pods of the namespace with other labels or another service account. `levels`: the levels of
    the definitions in the namespace, by mode.
    """

    subject: Subject
    networks: tuple[Permission, ...]
    denies: tuple[AttachmentRule, ...]
    others: tuple[AttachmentRule, ...]
    config: Config
    levels: Mapping[str, Level] = MappingProxyType({})


def answer(subject: Subject, element: NetworkSelectionElement, context: DecisionContext, *, default: bool) -> Answer:
    """Judge one attachment of a pod. `default`: it replaces the cluster's default network."""
    cluster, rules = context.cluster, context.rules
    network = cluster.network(element.namespace, element.name)
    labels = cluster.namespace_labels(element.namespace)
    item = Item(element=element, network=network, network_labels=labels, replaces_default=default)
    permission = permission_of(subject, item, context)
    allowed, more = ((), False) if permission.verdict.is_allowed else list_allowed(subject, rules, cluster)
    near = nearest(element.name, cluster.network_names(element.namespace)) if network is None else None
    return Answer(subject, permission, allowed, more, near or "", _problems(item, cluster))


def list_permissions(subject: Subject, context: DecisionContext) -> Permissions:
    """Return the answer for each existing network, requested without options, and the rules behind it."""
    rules = context.rules
    networks = tuple(permission_of(subject, item, context) for item in items_of(context.cluster))
    is_exempt = subject.namespace in rules.config.exempt_namespaces
    index = rules.audited or rules.warned or rules.enforced
    about = index.rules_in(subject) if index is not None and not is_exempt else ()
    mine = index.rules_for(subject) if index is not None and not is_exempt else ()
    return Permissions(
        subject=subject,
        networks=networks,
        denies=tuple(rule for rule in mine if rule.action == DENY),
        others=tuple(rule for rule in about if rule not in mine),
        config=rules.config,
        levels={
            mode: level_of(rules.config.levels, subject.namespace, subject.namespace_labels, mode) for mode in MODES
        },
    )


def items_of(cluster: Cluster) -> Iterator[Item]:
    """Yield every network of a cluster, requested without options."""
    for namespace in cluster.network_namespaces():
        labels = cluster.namespace_labels(namespace)
        for name in cluster.network_names(namespace):
            element = NetworkSelectionElement(namespace=namespace, name=name)
            yield Item(element=element, network=cluster.network(namespace, name), network_labels=labels)


def permission_of(subject: Subject, item: Item, context: DecisionContext) -> Permission:
    """Return the answer about one network, requested without options, and the rules behind it."""
    rules = context.rules
    verdict = judge(subject, item, rules)
    trials = tuple(_trials(subject, item, context)) if verdict.is_allowed else ()
    index = rules.enforced if verdict.code != "Exempt" else None
    denies, allows = index.find(subject, item, every_request=True) if index is not None else ((), ())
    grants = tuple(_grants(subject, item, rules.config, verdict, allows))
    return Permission(item, verdict, grants, trials, tuple(rule for rule in denies if rule.on_requests))


def _grants(
    subject: Subject, item: Item, config: Config, verdict: Verdict, allows: Sequence[AttachmentRule]
) -> Iterator[Grant]:
    """Yield the grants that let the pod attach; the one that decided comes first."""
    if verdict.code == "Exempt":
        yield Grant(f'exemptNamespaces, which names "{subject.namespace}"', "anything")
    elif verdict.code == "Posture":
        yield Grant(decided_by_posture(config), _asks_of_posture(item, config))
    elif verdict.code in ("AllowRule", "NotWithinRule"):
        usable = [rule for rule in allows if not rule.is_broken and _has_consent(subject, item, rule)]
        for rule in sorted(usable, key=lambda rule: (rule.policy, rule.name) != (verdict.policy, verdict.rule)):
            yield Grant(decided_by_rule(rule, "Allow"), describe(rule.limits), rule)


def _has_consent(subject: Subject, item: Item, rule: AttachmentRule) -> bool:
    if not rule.require_consent or item.element.namespace == subject.namespace:
        return True
    network = item.network
    return network is not None and consents(network.annotations, subject.namespace, subject.namespace_labels)


def _asks_of_posture(item: Item, config: Config) -> str:
    """NB: if no rule allows these two, `judge` refuses them under any posture but Open."""
    if config.posture == "Open":
        return "anything"
    has_resource = item.network is not None and bool(item.network.resource_name)
    return "anything but default-network" + ("" if has_resource else ", deviceID")


def _trials(subject: Subject, item: Item, context: DecisionContext) -> Iterator[Trial]:
    """Yield the policies that would refuse, and the levels on trial that would refuse.

    If all policies on trial together refuse, each one that refuses alone is named. NB: one that refuses alone is not
    enough, because an Allow on trial may lift its refusal.
    """
    rules = context.rules
    for mode, index in ((WARN, rules.warned), (AUDIT, rules.audited)):
        # As `judge_trial` judges, with an index in place of the enforced one.
        if index is None or judge(subject, item, rules.replace(enforced=index), is_on_node=True).is_allowed:
            continue
        for alone in _each_alone(mode, context.cluster):
            verdict = judge(subject, item, rules.replace(enforced=alone), is_on_node=True)
            if not verdict.is_allowed:
                yield Trial(mode, verdict)
    for level, mode in TRIALS.items():
        refused = judge_level_trial(subject, item, rules, level)
        if refused is not None:
            yield Trial(mode, refused)


def _each_alone(mode: str, cluster: Cluster) -> Sequence[Index]:
    """Return, for each policy of a mode, the index of the enforced policies and that policy. Made once per snapshot."""

    def make() -> Sequence[Index]:
        policies = cluster.policies.policies
        enforced = [policy for policy in policies if policy.mode == ENFORCE]
        return [Index([*enforced, policy]) for policy in policies if policy.mode == mode]

    return cluster.recall(("policies on trial", mode), make)


def _problems(item: Item, cluster: Cluster) -> tuple[SpecError, ...]:
    """Return why the network cannot be attached in this way. An admin may see its configuration."""
    if item.network is None or item.network.problems:
        return item.network.problems if item.network is not None else ()
    selected, default = ([], item.element) if item.replaces_default else ([item.element], None)
    try:
        plan(selected, cluster.network, default=default)
    except SpecErrors as errors:
        return tuple(error.replace(path="") for error in errors)
    return ()
