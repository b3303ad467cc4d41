"""The pods that access rules can tell apart: for each namespace one of no label, and one for each selector of a rule.

Rules select pods by namespace, labels and service account. A pod is made for each entry of a rule that looks at labels
or accounts. A pod that several such entries select at once is not made, so a change that only such a pod would meet is
not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cniplugin.access.model.labels import Selector
from cniplugin.access.model.policyrules import AttachmentRule, PodMatch, Policy

ACCOUNT = "default"
ACCOUNTS_MAX = 8
"""Service accounts of one entry that get a pod each."""
PODS_MAX = 64
"""Pods of one namespace that are compared."""
SOME_VALUE = "any"
"""The value of a label that only has to exist."""


class PodClass(NamedTuple):
    """One pod of a namespace: its service account, and its labels as sorted pairs."""

    namespace: str
    account: str = ACCOUNT
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is the pod without labels and without an account of its own."""
        return self.account == ACCOUNT and not self.labels


def pods_of(namespace: str, labels: Iterable[Mapping[str, str]], policies: Iterable[Policy]) -> tuple[PodClass, ...]:
    """Return the pods of a namespace that the rules of policies tell apart, the plain one first.

    `labels`: those that the namespace has on each side.
    """
    given = list(labels)
    found = [PodClass(namespace)]
    for entry in _entries(policies):
        if any(entry.has_namespace(namespace, own) for own in given):
            found += _pods_of_entry(namespace, entry)
    return tuple(dict.fromkeys(found))[:PODS_MAX]


def _entries(policies: Iterable[Policy]) -> Iterator[PodMatch]:
    seen: set[int] = set()
    for policy in policies:
        for rule in policy.attachments:
            yield from (entry for entry in (*rule.pods, *rule.except_pods) if not _is_seen(entry, seen))


def _is_seen(entry: PodMatch, seen: set[int]) -> bool:
    """NB: the rules of one policy share their entries."""
    if id(entry) in seen:
        return True
    seen.add(id(entry))
    return False


def _pods_of_entry(namespace: str, entry: PodMatch) -> Iterator[PodClass]:
    if entry.has_every_pod:
        return
    labels = _labels_of(entry.pod_selector)
    for account in sorted(entry.service_accounts or {ACCOUNT})[:ACCOUNTS_MAX]:
        yield PodClass(namespace, account, labels)


def _labels_of(selector: Selector | None) -> tuple[tuple[str, str], ...]:
    """Return the fewest labels that satisfy a selector."""
    labels = {
        requirement.key: min(requirement.values, default=SOME_VALUE)
        for requirement in (selector.requirements if selector else ())
        if requirement.operator in {"In", "Exists"}
    }
    return tuple(sorted(labels.items()))


def named_namespaces(policies: Iterable[Policy]) -> set[str]:
    """Return the namespaces that rules about pods name."""
    return {
        name
        for policy in policies
        for rule in policy.attachments
        for entry in _pods_entries(rule)
        if entry.namespaces is not None
        for name in entry.namespaces.exact
    }


def _pods_entries(rule: AttachmentRule) -> tuple[PodMatch, ...]:
    return (*rule.pods, *rule.except_pods)
