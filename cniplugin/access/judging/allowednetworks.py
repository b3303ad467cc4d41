"""Which networks a pod may attach to: a few, for a refusal.

A network is listed if the pod would get it when it asks for nothing else. Candidates are the networks of the posture's
namespaces, those that owners share, and those of the namespaces that Allow rules name, or of all namespaces if a rule
names none. Each candidate is then judged like any other request.
"""

from __future__ import annotations

from cniplugin.access.model.decision import Item, UnreadError
from cniplugin.access.model.policyrules import ALLOW
from cniplugin.netspec.selection import NetworkSelectionElement

from .judge import may_attach, usable_namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cniplugin.access.model.decision import Catalogue, Rules, Subject
    from cniplugin.access.model.policyrules import AttachmentRule

JUDGED_MAX = 64
"""Candidates that a refusal judges; the text says "and more" for the rest."""


def list_allowed(subject: Subject, rules: Rules, catalogue: Catalogue) -> tuple[tuple[str, ...], bool]:
    """Return up to `max_listed` networks that this pod would get, as `namespace/name`, and whether there may be more.

    It judges at most JUDGED_MAX networks, and stops at a network that the catalogue has not read.
    """
    config = rules.config
    listed: list[str] = []
    if not config.list_allowed or not config.max_listed:
        return (), False
    for number, (namespace, name) in enumerate(_candidates(subject, rules, catalogue)):
        if number == JUDGED_MAX:
            return tuple(listed), True
        try:
            item = _plain(catalogue, namespace, name)
        except UnreadError:
            return tuple(listed), True
        if may_attach(subject, item, rules):
            if len(listed) == config.max_listed:
                return tuple(listed), True
            listed.append(f"{namespace}/{name}")
    return tuple(listed), False


def _plain(catalogue: Catalogue, namespace: str, name: str) -> Item:
    element = NetworkSelectionElement(namespace=namespace, name=name)
    return Item(
        element=element,
        network=catalogue.network(namespace, name),
        network_labels=catalogue.namespace_labels(namespace),
    )


def _candidates(subject: Subject, rules: Rules, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Yield the networks that may be allowed, each once: those of the own namespace first."""
    seen: set[tuple[str, str]] = set()
    for candidate in _with_repetitions(subject, rules, catalogue):
        if candidate not in seen:
            seen.add(candidate)
            yield candidate


def _with_repetitions(subject: Subject, rules: Rules, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    yield from _all_of(subject.namespace, catalogue)
    for namespace in usable_namespaces(subject, rules):
        yield from _all_of(namespace, catalogue)
    if rules.config.posture == "Consent":
        yield from catalogue.shared_networks()
    index = rules.enforced
    allows = [rule for rule in index.rules_for(subject) if rule.action == ALLOW] if index else []
    for rule in allows:
        yield from _named(rule, catalogue)
    if rules.config.posture == "Open" or any(_is_wide(rule) for rule in allows):
        for namespace in catalogue.network_namespaces():
            yield from _all_of(namespace, catalogue)


def _all_of(namespace: str, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    return ((namespace, name) for name in catalogue.network_names(namespace))


def _named(rule: AttachmentRule, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Yield the networks that a rule names, in the namespaces that it names."""
    for entry in rule.networks:
        for namespace in entry.namespaces.exact if entry.namespaces is not None else ():
            for name in catalogue.network_names(namespace):
                if entry.names is None or entry.names.matches(name):
                    yield namespace, name


def _is_wide(rule: AttachmentRule) -> bool:
    """Say whether an Allow rule is about namespaces that it does not name."""
    return not rule.networks or any(
        entry.scope != "OwnNamespace" and (entry.namespaces is None or entry.namespaces.prefixes)
        for entry in rule.networks
    )
