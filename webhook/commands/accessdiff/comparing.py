"""Two clusters compared: who gains and who loses access, which objects are refused now, and what else has changed.

For each pod that rules tell apart (`subjects`) and each network, the judgement of the webhook is asked on both sides:
may it attach, what may it ask for there. Objects that both sides have, such as the workloads of a tree or the pods of a
cluster, are judged as they are on each side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cniplugin.access.judging.judge import may_attach
from cniplugin.access.lints.lints import lint_among
from cniplugin.access.lints.shadowing import OtherRules
from cniplugin.access.model.decision import Config, Rules, Subject
from cniplugin.access.model.policyrules import DefinitionRule
from webhook.admission.model.kinds import POD, WORKLOADS, GroupKind
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.admission.view.permissions import Permission, items_of, permission_of
from webhook.admission.wording.accesstext import describe_requests
from webhook.commands.judging import Webhook, is_judged
from webhook.driverdata.driverfiles import default_drivers
from webhook.report.accesschanges import (
    ABSENT,
    NO,
    WITHIN_LIMITS,
    YES,
    Access,
    AccessChange,
    AccessChanges,
    ObjectChange,
    described_pod,
)
from webhook.serving.http import RequestError
from webhook.snapshot.snapshot import Snapshot
from webhook.trees.documents import Document

from .subjects import PodClass, named_namespaces, pods_of

Key = tuple[str, str, str, str]
"""Group, kind, namespace and name of an object."""


class Side(NamedTuple):
    """One of the two clusters: its snapshot, its rules, and its objects."""

    cluster: Snapshot
    rules: Rules
    objects: Mapping[Key, Document]

    @property
    def context(self) -> DecisionContext:
        """What objects are judged with: the standard and the access rules."""
        configuration = Configuration(injection=None, drivers=default_drivers(), finds_by_shape=True)
        return DecisionContext(self.cluster, self.rules, configuration)

    @property
    def namespaces(self) -> set[str]:
        """The namespaces that the side knows: those with an object of their own, with networks, or in a rule."""
        own = {key[2] for key in self.objects if key[2]}
        named = named_namespaces(self.cluster.policies.policies)
        return {*self.cluster.namespaces(), *self.cluster.network_namespaces(), *own, *named}


def key_of(document: Document) -> Key:
    """Return the key of an object, which is the same on both sides."""
    named = document.object.get("metadata")
    namespace = named.get("namespace") if isinstance(named, dict) else None
    return document.group, document.kind, str(namespace or ""), document.name


def compare(old: Side, new: Side) -> AccessChanges:
    """Return everything that changes from one side to the other."""
    return AccessChanges(
        access=tuple(_access_changes(old, new)),
        objects=tuple(_object_changes(old, new)),
        settings=tuple(_settings(old.rules.config, new.rules.config)),
        definitions=tuple(_definition_rules(old, new)),
        remarks=tuple(_new_remarks(old, new)),
    )


# Access


def _access_changes(old: Side, new: Side) -> Iterator[AccessChange]:
    """Yield the changes of each pod, by namespace; of a selector's pod those that the plain one does not have."""
    policies = (*old.cluster.policies.policies, *new.cluster.policies.policies)
    networks = _Networks(old.context), _Networks(new.context)
    other = _others(*networks)
    for namespace in sorted({*old.namespaces, *new.namespaces}):
        labels = [side.cluster.namespace_labels(namespace) for side in (old, new)]
        plain, *others = pods_of(namespace, labels, policies)
        changed = {pod: _changed(pod, *networks, other) for pod in (plain, *others)}
        for network, states in changed[plain].items():
            kept = tuple(described_pod(pod.account, pod.labels) for pod in others if network not in changed[pod])
            yield AccessChange(namespace, plain.account, plain.labels, network, *states, kept)
        for pod in others:
            for network, states in changed[pod].items():
                if changed[plain].get(network) != states:
                    yield AccessChange(namespace, pod.account, pod.labels, network, *states)


class _Networks:
    """The networks of one side, and what pods may do with them."""

    def __init__(self, context: DecisionContext) -> None:
        self.items = {item.reference: item for item in items_of(context.cluster)}
        self.config = context.rules.config
        self._context = context

    def subject(self, pod: PodClass) -> Subject:
        """Return a pod as the access rules see it."""
        return Subject(
            namespace=pod.namespace,
            namespace_labels=self._context.cluster.namespace_labels(pod.namespace),
            labels=dict(pod.labels),
            service_account=pod.account,
        )

    def may_attach(self, subject: Subject, network: str) -> bool | None:
        """Say whether a pod may attach; None if a rule is about pod and network, so that limits matter as well.

        NB: for most pairs there is no rule, and a whole answer takes ten times as long.
        """
        item, rules = self.items.get(network), self._context.rules
        if item is None:
            return False
        index = rules.enforced
        if index is not None and any(index.find(subject, item, every_request=True)):
            return None
        return may_attach(subject, item, rules)

    def access(self, subject: Subject, network: str) -> Access:
        """Return the whole answer."""
        item = self.items.get(network)
        return ABSENT if item is None else _access(permission_of(subject, item, self._context))


def _others(old: _Networks, new: _Networks) -> Collection[str]:
    """Return the networks for which a posture may permit other requests than before: all, if the settings change."""
    if old.config != new.config:
        return {*old.items, *new.items}
    return {
        name for name, item in new.items.items() if name not in old.items or item.network != old.items[name].network
    }


def _changed(pod: PodClass, old: _Networks, new: _Networks, other: Collection[str]) -> dict[str, tuple[Access, Access]]:
    """Return the networks to which the access of a pod changes. `other`: see `_others`."""
    before, after = old.subject(pod), new.subject(pod)
    changed: dict[str, tuple[Access, Access]] = {}
    for network in sorted({*old.items, *new.items}):
        could, can = old.may_attach(before, network), new.may_attach(after, network)
        if could is None or can is None or could is not can or (can and network in other):
            states = old.access(before, network), new.access(after, network)
            if states[0].permits != states[1].permits:
                changed[network] = states
    return changed


def _access(permission: Permission) -> Access:
    verdict = permission.verdict
    state = YES if verdict.is_allowed else WITHIN_LIMITS if permission.needs_limits else NO
    if verdict.rule:
        decided = f"{verdict.policy}/{verdict.rule}"
    elif verdict.posture:
        decided = f"posture {verdict.posture}"
    else:
        decided = verdict.decider or verdict.code
    if state == NO:
        return Access(state, decided)
    asks = tuple(sorted({grant.asks for grant in permission.grants}))
    but_not = tuple(sorted({describe_requests(rule) for rule in permission.denies}))
    return Access(state, decided, asks, but_not)


# Objects


def _object_changes(old: Side, new: Side) -> Iterator[ObjectChange]:
    """Yield the objects that both sides have and that are refused on one of them alone."""
    webhooks = Webhook(context=old.context), Webhook(context=new.context)
    for key, document in new.objects.items():
        before = old.objects.get(key)
        if before is None or not _makes_pods(document):
            continue
        was, is_now = (_refusal(webhook, one) for webhook, one in zip(webhooks, (before, document), strict=True))
        if bool(was) is not bool(is_now):
            yield ObjectChange(document.kind, key[2], document.name, is_now or was, is_refused=bool(is_now))


def _makes_pods(document: Document) -> bool:
    kind = GroupKind(document.group, document.kind)
    if kind == POD or kind in WORKLOADS:
        return True
    return not _is_policy_or_network(document) and is_judged(document)


def _is_policy_or_network(document: Document) -> bool:
    return document.group in {"access.nadmit.io", "k8s.cni.cncf.io", "resource.k8s.io"} or document.kind == "Namespace"


def _refusal(webhook: Webhook, document: Document) -> str:
    """Return the first line of the refusal of an object; "" if it is admitted, or cannot be read."""
    try:
        decision = webhook.judge(document).decision
    except RequestError:
        return ""
    if decision.is_allowed:
        return ""
    first = next(iter(decision.causes), None)
    return first.message.splitlines()[0] if first is not None else decision.reason


# Settings, rules about definitions, and remarks


def _settings(old: Config, new: Config) -> Iterator[tuple[str, str, str]]:
    """Yield the settings that change: name, before, after."""
    for name in Config.__fields__:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield _camel(name), _shown(before), _shown(after)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    fields = getattr(value, "__fields__", None)
    if fields is None:
        return "none" if value is None else str(value).lower()
    parts = (f"{_camel(name)} {_shown(getattr(value, name))}" for name in fields if getattr(value, name) is not None)
    return "; ".join(parts)


def _definition_rules(old: Side, new: Side) -> Iterator[tuple[str, str]]:
    """Yield the rules about who may write networks that change: `added`, `removed` or `changed`, and the rule."""
    before, after = (_rules_of(side) for side in (old, new))
    for name in sorted({*before, *after}):
        if name not in before:
            yield "added", name
        elif name not in after:
            yield "removed", name
        elif before[name] != after[name]:
            yield "changed", name


def _rules_of(side: Side) -> dict[str, DefinitionRule]:
    return {f"{rule.policy}/{rule.name}": rule for one in side.cluster.policies.policies for rule in one.definitions}


def _new_remarks(old: Side, new: Side) -> Sequence[tuple[str, str]]:
    """Return the remarks about policies of the new side that the old one does not have: the place, and the text."""
    known = set(_remarks(old))
    return [one for one in _remarks(new) if one not in known]


def _remarks(side: Side) -> Iterable[tuple[str, str]]:
    policies = side.cluster.policies.policies
    others = OtherRules(policies)
    for policy in policies:
        yield from ((f"{policy.name}: {one.path}", one.text) for one in lint_among(policy, others))
