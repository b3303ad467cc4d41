"""Finds the rules that can be about a pod and a network: by the pod's namespace, then by network. Swapped as a whole.

Theory of operation. A policy names namespaces, or selects them by prefix or label. A look-up finds the rules that name
a namespace; the others are compared once per namespace and set of its labels. The name and content of a network are
compared once per namespace and network, because they do not depend on the pod. Both results are remembered, within a
bound. A decision then compares only the parts that differ from pod to pod. The order of policies never matters: rules
are sorted by policy and name, and a refusal names the first one that decides.
"""

from __future__ import annotations

from cniplugin.access.content.facts import facts_of
from cniplugin.access.model.decision import NAME_LABEL
from cniplugin.access.model.limits import asks_for_nothing
from cniplugin.access.model.policyrules import ALLOW, AUDIT, DENY, ENFORCE, WARN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from cniplugin.access.model.decision import Item, Subject
    from cniplugin.access.model.policyrules import AttachmentRule, DefinitionRule, PodMatch, Policy
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

    T = TypeVar("T", AttachmentRule, DefinitionRule)

NAMESPACES_MAX, NETWORKS_MAX = 4096, 8192
"""Namespaces, and pairs of namespace and network, that an index remembers. Beyond that it forgets the oldest."""

MODES_OF = {"enforced": (ENFORCE,), "warned": (ENFORCE, WARN), "audited": (ENFORCE, WARN, AUDIT)}


class Index:
    """The rules of some policies."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        policies = list(policies)
        self._rules = [_Candidate(rule) for rule in _sorted(rule for policy in policies for rule in policy.attachments)]
        self._definitions = _sorted(rule for policy in policies for rule in policy.definitions)
        self._selecting = [entry for candidate in self._rules for entry in _selecting_namespaces(candidate.rule)]
        self._named, self._others = _split([candidate.rule for candidate in self._rules])
        self._namespaces: dict[str, _Namespace] = {}
        self._networks: dict[tuple[str, str, str, bool], _Network] = {}

    @property
    def definitions(self) -> Sequence[DefinitionRule]:
        """All rules about definitions, sorted."""
        return self._definitions

    def find(
        self, subject: Subject, item: Item, *, every_request: bool = False
    ) -> tuple[list[AttachmentRule], list[AttachmentRule]]:
        """Return the Deny and the Allow rules that select this pod and this network, each sorted.

        NB: Deny rules about requests are left out for an item without requests, unless `every_request` is set.
        """
        rules: tuple[list[AttachmentRule], list[AttachmentRule]] = ([], [])
        is_plain = not every_request and not item.replaces_default and asks_for_nothing(item.element)
        network = self._network(subject, item)
        for candidate in network.for_plain if is_plain else network.candidates:
            if candidate.has_pod(subject):
                rules[candidate.rule.action == ALLOW].append(candidate.rule)
        return rules

    def reads_labels_of(self, namespace: str) -> bool:
        """Say whether a rule selects pods of a namespace by a label other than its name."""
        return any(entry.namespaces is None or entry.namespaces.matches(namespace) for entry in self._selecting)

    @property
    def requires_consent(self) -> bool:
        """Whether a rule accepts only networks that their owner shares, which the owner may do by labels."""
        return any(candidate.rule.require_consent for candidate in self._rules)

    def find_possible(
        self, subject: Subject, item: Item, *, every_request: bool = False
    ) -> Iterator[tuple[AttachmentRule, bool]]:
        """Yield the rules that select a network and can select a pod of the subject's namespace, sorted.

        With each comes whether it selects every such pod. `every_request` as for `find`.
        """
        is_plain = not every_request and not item.replaces_default and asks_for_nothing(item.element)
        network = self._network(subject, item)
        for candidate in network.for_plain if is_plain else network.candidates:
            yield candidate.rule, not (candidate.pods or candidate.except_pods)

    def rules_for(self, subject: Subject) -> list[AttachmentRule]:
        """Return the rules that select a pod, for any request, sorted."""
        return [candidate.rule for candidate in self._namespace(subject).candidates if candidate.has_pod(subject)]

    def rules_in(self, subject: Subject) -> list[AttachmentRule]:
        """Return the rules that can select a pod of the subject's namespace, sorted."""
        return [candidate.rule for candidate in self._namespace(subject).candidates]

    def _namespace(self, subject: Subject) -> _Namespace:
        """Return the rules that can be about pods of a namespace."""
        known = self._namespaces.get(subject.namespace)
        if known is not None and (known.labels is subject.namespace_labels or known.labels == subject.namespace_labels):
            return known
        if len(self._namespaces) >= NAMESPACES_MAX:
            del self._namespaces[next(iter(self._namespaces))]
        numbers = sorted({*self._named.get(subject.namespace, ()), *self._others})
        narrowed = (self._rules[number].in_namespace(subject) for number in numbers)
        made = _Namespace(subject.namespace_labels, [candidate for candidate in narrowed if candidate is not None])
        self._namespaces[subject.namespace] = made
        return made

    def _network(self, subject: Subject, item: Item) -> _Network:
        """Return the rules that can be about a network and pods of a namespace."""
        namespace, element = self._namespace(subject), item.element
        key = (subject.namespace, element.namespace, element.name, item.network is None)
        known = self._networks.get(key)
        if known is not None and known.source is namespace and known.network is item.network:
            return known
        if len(self._networks) >= NETWORKS_MAX:
            del self._networks[next(iter(self._networks))]
        made = _Network(
            namespace,
            item.network,
            [candidate for candidate in namespace.candidates if _selects(candidate.rule, subject, item)],
        )
        self._networks[key] = made
        return made


class _Candidate:
    """A rule, and the entries that must be compared with each pod; () if every pod fits, or none is excepted."""

    __slots__ = ("except_pods", "pods", "rule")

    def __init__(
        self, rule: AttachmentRule, pods: tuple[PodMatch, ...] = (), except_pods: tuple[PodMatch, ...] = ()
    ) -> None:
        self.rule = rule
        self.pods = pods
        self.except_pods = except_pods

    def has_pod(self, subject: Subject) -> bool:
        """Say whether the rule is about a pod of the namespace of this candidate."""
        return (not self.pods or _any_pod(self.pods, subject)) and not (
            self.except_pods and _any_pod(self.except_pods, subject)
        )

    def in_namespace(self, subject: Subject) -> _Candidate | None:
        """Return the rule for pods of a namespace, None if it is not about them.

        NB: most rules treat all pods alike; such a rule is one object for all namespaces.
        """
        rule, namespace, labels = self.rule, subject.namespace, subject.namespace_labels
        pods = tuple(entry for entry in rule.pods if entry.has_namespace(namespace, labels))
        if rule.pods and not pods:
            return None
        except_pods = tuple(entry for entry in rule.except_pods if entry.has_namespace(namespace, labels))
        if any(entry.has_every_pod for entry in except_pods):
            return None
        pods = () if any(entry.has_every_pod for entry in pods) else pods
        return _Candidate(rule, pods, except_pods) if pods or except_pods else self


class _Namespace:
    """The rules that can be about pods of one namespace with these labels."""

    __slots__ = ("candidates", "labels")

    def __init__(self, labels: Mapping[str, str], candidates: list[_Candidate]) -> None:
        self.labels = labels
        self.candidates = candidates


class _Network:
    """Those that can be about one network with this content; `for_plain` is without Deny rules about requests."""

    __slots__ = ("candidates", "for_plain", "network", "source")

    def __init__(
        self, source: _Namespace, network: NetworkAttachmentDefinition | None, candidates: list[_Candidate]
    ) -> None:
        self.source = source
        self.network = network
        self.candidates = candidates
        self.for_plain = [candidate for candidate in candidates if not candidate.rule.on_requests]


def build(policies: Sequence[Policy], which: str) -> Index | None:
    """Return the index of an entry of MODES_OF, None if it would equal the one with fewer modes."""
    modes = MODES_OF[which]
    if not any(policy.mode == modes[-1] for policy in policies):
        return None
    return Index(policy for policy in policies if policy.mode in modes)


def _sorted(rules: Iterable[T]) -> list[T]:
    return sorted(rules, key=lambda rule: (rule.policy, rule.name, rule.action == DENY))


def _split(rules: Sequence[AttachmentRule]) -> tuple[Mapping[str, list[int]], list[int]]:
    """Return the numbers of the rules by the namespace that they name, and those of the rules that must be compared."""
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
    """Yield the namespaces that a rule names, and None if it may be about others."""
    if not rule.pods:
        yield None
    for entry in rule.pods:
        if entry.namespaces is None or entry.namespaces.prefixes:
            yield None
        else:
            yield from entry.namespaces.exact


def _selecting_namespaces(rule: AttachmentRule) -> Iterator[PodMatch]:
    """Yield the entries of a rule that select namespaces by their labels."""
    for entry in (*rule.pods, *rule.except_pods):
        if entry.namespace_selector is not None and entry.namespace_selector.reads_beside(NAME_LABEL):
            yield entry


def _any_pod(entries: Iterable[PodMatch], subject: Subject) -> bool:
    return any(entry.has_pod(subject.labels, subject.service_account) for entry in entries)


def _selects(rule: AttachmentRule, subject: Subject, item: Item) -> bool:
    """Say whether a rule is about a network, by name and content. Facts are computed only if a rule asks for them."""
    element, network = item.element, item.network
    return not rule.networks or any(
        entry.has_name(subject.namespace, element.namespace, element.name)
        and entry.has_network(network, facts_of(network) if network is not None and entry.has_facts else None)
        for entry in rule.networks
    )
