"""What pods may attach to, as an admin asks: one network (`answer`), or all of them (`list_permissions`).

Who asks may know what there is, so an answer says whether a network exists; the refusal in it is the one that the pod
would get, which does not (side door 22).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from cniplugin.access.judging.allowednetworks import list_allowed
from cniplugin.access.judging.judge import judge, judge_level_trial
from cniplugin.access.judging.reasons import decided_by_posture, decided_by_rule
from cniplugin.access.judging.ruleindex import Index
from cniplugin.access.model.decision import Config, Item, Rules, Subject, Verdict
from cniplugin.access.model.levels import MODES, TRIALS, Level, level_of
from cniplugin.access.model.limits import describe
from cniplugin.access.model.policyrules import AUDIT, DENY, ENFORCE, WARN, AttachmentRule
from cniplugin.access.reading.consent import consents
from cniplugin.netspec.errors import SpecError, SpecErrors
from cniplugin.netspec.names import nearest
from cniplugin.netspec.plan import plan
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.view.listers import Cluster

if TYPE_CHECKING:
    from cniplugin.access.model.decision import RuleIndex  # there is none when it runs


class Grant(NamedTuple):
    """One way to be allowed, and what may be asked for with it. `rule` is None where the posture decides."""

    decided: str
    asks: str
    rule: AttachmentRule | None = None


class Trial(NamedTuple):
    """What a policy on trial would refuse that is allowed now; `mode` is Warn or Audit."""

    mode: str
    verdict: Verdict


class Permission(NamedTuple):
    """The answer about one network. Limits of several grants are never added together: one must accept everything.

    `denies`: Deny rules about this pod and network that hold for some requests only.
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
    """The answer about one network, and what else its asker wants to know.

    `allowed`: networks that the pod may use, a few. `near`: a network of a similar name, where there is none of this.
    `problems`: why it cannot be attached, whoever may.
    """

    subject: Subject
    permission: Permission
    allowed: tuple[str, ...] = ()
    has_more_allowed: bool = False
    near: str = ""
    problems: tuple[SpecError, ...] = ()


class Permissions(NamedTuple):
    """What pods of a namespace may attach to. `denies`: Deny rules about this pod, on trial too.

    `others`: rules about pods of the namespace that have other labels or another service account. `levels`: of the
    definitions in the namespace, by mode.
    """

    subject: Subject
    networks: tuple[Permission, ...]
    denies: tuple[AttachmentRule, ...]
    others: tuple[AttachmentRule, ...]
    config: Config
    levels: Mapping[str, Level] = MappingProxyType({})


def answer(
    subject: Subject, element: NetworkSelectionElement, cluster: Cluster, rules: Rules, *, default: bool
) -> Answer:
    """Say whether a pod may attach to a network in this way. `default`: in place of the cluster's default network."""
    network = cluster.network(element.namespace, element.name)
    labels = cluster.namespace_labels(element.namespace)
    item = Item(element=element, network=network, network_labels=labels, replaces_default=default)
    permission = _permission(subject, item, cluster, rules)
    allowed, more = ((), False) if permission.verdict.is_allowed else list_allowed(subject, rules, cluster)
    near = nearest(element.name, cluster.network_names(element.namespace)) if network is None else None
    return Answer(subject, permission, allowed, more, near or "", _problems(item, cluster))


def list_permissions(subject: Subject, cluster: Cluster, rules: Rules) -> Permissions:
    """Return the answer for each network that there is, asked for without anything else, and the rules behind it."""
    networks = tuple(_permission(subject, item, cluster, rules) for item in _items(cluster))
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


def _items(cluster: Cluster) -> Iterator[Item]:
    for namespace in cluster.network_namespaces():
        labels = cluster.namespace_labels(namespace)
        for name in cluster.network_names(namespace):
            element = NetworkSelectionElement(namespace=namespace, name=name)
            yield Item(element=element, network=cluster.network(namespace, name), network_labels=labels)


def _permission(subject: Subject, item: Item, cluster: Cluster, rules: Rules) -> Permission:
    verdict = judge(subject, item, rules)
    trials = tuple(_trials(subject, item, cluster, rules)) if verdict.is_allowed else ()
    is_exempt = verdict.code == "Exempt"
    denies, allows = (
        rules.enforced.find(subject, item, whatever=True) if rules.enforced is not None and not is_exempt else ((), ())
    )
    grants = tuple(_grants(subject, item, rules.config, verdict, allows))
    return Permission(item, verdict, grants, trials, tuple(rule for rule in denies if rule.on_requests))


def _grants(
    subject: Subject, item: Item, config: Config, verdict: Verdict, allows: Sequence[AttachmentRule]
) -> Iterator[Grant]:
    """Yield what lets the pod attach; the one that decided comes first."""
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
    """NB: `judge` refuses these two where no rule allows them, but under Open."""
    if config.posture == "Open":
        return "anything"
    has_resource = item.network is not None and bool(item.network.resource_name)
    return "anything but default-network" + ("" if has_resource else ", deviceID")


def _trials(subject: Subject, item: Item, cluster: Cluster, rules: Rules) -> Iterator[Trial]:
    """Yield each policy that would refuse alone, where all on trial together would, and each level on trial.

    NB: an Allow on trial may lift what another one refuses, so alone is not enough; and where all refuse, one does.
    """
    for mode, index in ((WARN, rules.warned), (AUDIT, rules.audited)):
        if index is None or _judge_with(index, subject, item, rules).is_allowed:
            continue
        for alone in _each_alone(mode, cluster):
            verdict = _judge_with(alone, subject, item, rules)
            if not verdict.is_allowed:
                yield Trial(mode, verdict)
    for level, mode in TRIALS.items():
        refused = judge_level_trial(subject, item, rules, level)
        if refused is not None:
            yield Trial(mode, refused)


def _judge_with(index: RuleIndex, subject: Subject, item: Item, rules: Rules) -> Verdict:
    """Judge as `judge_trial` does."""
    return judge(subject, item, rules.replace(enforced=index), is_on_node=True)


def _each_alone(mode: str, cluster: Cluster) -> Sequence[Index]:
    """Return the index of the policies in force with each policy of a mode; made once per snapshot."""

    def make() -> Sequence[Index]:
        policies = cluster.policies.policies
        enforced = [policy for policy in policies if policy.mode == ENFORCE]
        return [Index([*enforced, policy]) for policy in policies if policy.mode == mode]

    return cluster.recall(("policies on trial", mode), make)


def _problems(item: Item, cluster: Cluster) -> tuple[SpecError, ...]:
    """Return why the network cannot be attached so. Who asks may see what its configuration says."""
    if item.network is None or item.network.problems:
        return item.network.problems if item.network is not None else ()
    selected, default = ([], item.element) if item.replaces_default else ([item.element], None)
    try:
        plan(selected, cluster.network, default=default)
    except SpecErrors as errors:
        return tuple(error.replace(path="") for error in errors)
    return ()
