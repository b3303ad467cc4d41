"""Finds the rules that can concern a pod and a network: immutable, swapped whole, by pod namespace, then by network.

Theory of operation. A policy names namespaces, or selects them by prefix or label. What names one is found by a
look-up; the others are compared once per namespace and set of its labels, and what was found is remembered, bounded;
so is, below it, what a network's name can concern. A decision then compares what differs from pod to pod and from
request to request. The order of policies never matters: rules are kept sorted by policy and name, and the first one
that decides is told.
"""

from __future__ import annotations

from .facts import facts_of
from .rules import ALLOW, AUDIT, DENY, ENFORCE, WARN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .facts import Facts
    from .model import Item, Subject
    from .rules import AttachmentRule, DefinitionRule, PodMatch, Policy

NAMESPACES_MAX, NETWORKS_MAX = 4096, 256
"""How many namespaces an index remembers, and how many networks for each; then it forgets them all."""

MODES_OF = {"enforced": (ENFORCE,), "warned": (ENFORCE, WARN), "audited": (ENFORCE, WARN, AUDIT)}


class Index:
    """The rules of some policies."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        kept = list(policies)
        self._rules = sorted((rule for policy in kept for rule in policy.attachments), key=_by_name)
        self._definitions = sorted((rule for policy in kept for rule in policy.definitions), key=_by_name)
        self._named, self._others = _split(self._rules)
        self._remembered: dict[str, _Namespace] = {}

    @property
    def definitions(self) -> Sequence[DefinitionRule]:
        """All rules about definitions, sorted."""
        return self._definitions

    def find(self, subject: Subject, item: Item) -> tuple[list[AttachmentRule], list[AttachmentRule]]:
        """Return the Deny and the Allow rules that select this pod and this network, each sorted."""
        element = item.element
        namespace = self.namespace(subject)
        selected = namespace.selected(subject)
        facts: list[Facts | None] = []
        found: tuple[list[AttachmentRule], list[AttachmentRule]] = ([], [])
        for rule in namespace.of_network(element.namespace, element.name):
            number = id(rule)
            has_pod = selected.get(number)
            if has_pod is None:
                has_pod = selected[number] = selects_pod(rule, subject)
            if has_pod and _selects_content(rule, subject, item, facts):
                found[rule.action == ALLOW].append(rule)
        return found

    def namespace(self, subject: Subject) -> _Namespace:
        """Return the rules that can concern pods of a namespace."""
        known = self._remembered.get(subject.namespace)
        if known is not None and (known.labels is subject.namespace_labels or known.labels == subject.namespace_labels):
            return known
        if len(self._remembered) >= NAMESPACES_MAX:
            self._remembered.clear()
        made = _Namespace(subject, self._candidates(subject))
        self._remembered[subject.namespace] = made
        return made

    def _candidates(self, subject: Subject) -> list[AttachmentRule]:
        numbers = {*self._named.get(subject.namespace, ()), *self._others}
        rules = (self._rules[number] for number in sorted(numbers))
        return [rule for rule in rules if _concerns(rule, subject.namespace, subject.namespace_labels)]


class _Namespace:
    """The rules that can concern pods of one namespace with these labels."""

    def __init__(self, subject: Subject, rules: list[AttachmentRule]) -> None:
        self.labels = subject.namespace_labels
        self.rules = rules
        self._name = subject.namespace
        self._by_network: dict[tuple[str, str], list[AttachmentRule]] = {}
        self._last: tuple[Subject, dict[int, bool]] | None = None

    def selected(self, subject: Subject) -> dict[int, bool]:
        """Return what is known of the pod that is asked about: whether rules, by `id`, are about it.

        A refusal judges dozens of networks for one pod. NB: pod and answers are swapped together, for several threads.
        """
        last = self._last
        if last is None or last[0] is not subject:
            last = self._last = (subject, {})
        return last[1]

    def of_network(self, namespace: str, name: str) -> list[AttachmentRule]:
        """Return those that can concern a network of this name."""
        key = (namespace, name)
        found = self._by_network.get(key)
        if found is None:
            if len(self._by_network) >= NETWORKS_MAX:
                self._by_network.clear()
            found = [rule for rule in self.rules if _has_name(rule, self._name, namespace, name)]
            self._by_network[key] = found
        return found


def build(policies: Sequence[Policy], which: str) -> Index | None:
    """Return the index that MODES_OF names, None if it would not differ from the one with fewer modes."""
    modes = MODES_OF[which]
    if not any(policy.mode == modes[-1] for policy in policies):
        return None
    return Index(policy for policy in policies if policy.mode in modes)


def _by_name(rule: AttachmentRule | DefinitionRule) -> tuple[str, str, bool]:
    return rule.policy, rule.name, rule.action == DENY


def _split(rules: Sequence[AttachmentRule]) -> tuple[Mapping[str, list[int]], list[int]]:
    """Return the numbers of the rules that name a namespace, by it, and of those that must be compared."""
    named: dict[str, list[int]] = {}
    others: list[int] = []
    for number, rule in enumerate(rules):
        exact = list(_exact_namespaces(rule))
        if None in exact:
            others.append(number)
        else:
            for namespace in exact:
                named.setdefault(str(namespace), []).append(number)
    return named, others


def _exact_namespaces(rule: AttachmentRule) -> Iterator[str | None]:
    """Yield the namespaces that a rule names, None if that is not all."""
    if not rule.pods:
        yield None
    for entry in rule.pods:
        if entry.namespaces is None or entry.namespaces.prefixes:
            yield None
        else:
            yield from entry.namespaces.exact


def _concerns(rule: AttachmentRule, namespace: str, labels: Mapping[str, str]) -> bool:
    return not rule.pods or any(entry.has_namespace(namespace, labels) for entry in rule.pods)


def _has_name(rule: AttachmentRule, pod_namespace: str, namespace: str, name: str) -> bool:
    return not rule.networks or any(entry.has_name(pod_namespace, namespace, name) for entry in rule.networks)


def selects_pod(rule: AttachmentRule, subject: Subject) -> bool:
    """Say whether a rule is about a pod."""
    return (not rule.pods or _any_pod(rule.pods, subject)) and not _any_pod(rule.except_pods, subject)


def _any_pod(entries: Iterable[PodMatch], subject: Subject) -> bool:
    return any(
        entry.has_namespace(subject.namespace, subject.namespace_labels)
        and entry.has_pod(subject.labels, subject.service_account)
        for entry in entries
    )


def _selects_content(rule: AttachmentRule, subject: Subject, item: Item, facts: list[Facts | None]) -> bool:
    """Say whether a rule is about a network. `facts` holds what was read of it, once it was needed."""
    if not rule.networks:
        return True
    element, network = item.element, item.network
    for entry in rule.networks:
        if entry.has_name(subject.namespace, element.namespace, element.name):
            if not entry.has_content:
                return True
            if not facts:
                facts.append(facts_of(network) if network is not None else None)
            if entry.has_network(network, facts[0]):
                return True
    return False
