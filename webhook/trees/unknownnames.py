"""Names in access policies that no object of a tree has: a slip of the pen protects nothing, and opens nothing.

Namespaces count if the tree has any Namespace, networks if it has any NetworkAttachmentDefinition, service accounts if
it has any ServiceAccount: a tree without them leaves them to others. Prefixes are not looked at. A webhook does not
ask: a policy may be written before what it names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cniplugin.access.model.matchers import Names
from cniplugin.access.model.policyrules import (
    CONFIG_KIND,
    GROUP,
    POLICY_KIND,
    AttachmentRule,
    DefinitionRule,
    NetworkMatch,
    PodMatch,
    Policy,
)
from cniplugin.access.reading.policies import read_policy
from cniplugin.netspec import netattachdef
from cniplugin.netspec.names import nearest

from .documents import Document

RULE = "unknown-name"

BUILT_IN = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
"""Namespaces that every cluster has."""


class UnknownName(NamedTuple):
    """One name: the policy, the field that has it, and what is wrong."""

    document: Document
    field: str
    text: str


class _Known(NamedTuple):
    """The names of the tree; None for what the tree does not have."""

    namespaces: Collection[str] | None
    networks: Mapping[str, Collection[str]] | None
    accounts: Mapping[str, Collection[str]] | None


def find(documents: Iterable[Document], head: str = "no file has") -> Iterator[UnknownName]:
    """Yield the names in the policies of a tree that exist nowhere in it, in the order of the documents.

    `head`: the beginning of the texts, which says where there is none.
    """
    documents = list(documents)
    policies = [one for one in documents if one.group == GROUP]
    if not policies:
        return
    known = _known(documents)
    for document in policies:
        if document.kind == POLICY_KIND:
            found = _of_policy(read_policy(document.object), known)
        else:
            found = _of_config(document.object, known) if document.kind == CONFIG_KIND else iter(())
        yield from (UnknownName(document, field, f"{head} {text}") for field, text in found)


def _known(documents: Iterable[Document]) -> _Known:
    namespaces: set[str] = set()
    used: set[str] = set(BUILT_IN)
    networks: dict[str, set[str]] = {}
    accounts: dict[str, set[str]] = {}
    for document in documents:
        kind = (document.group, document.kind)
        if kind == ("", "Namespace"):
            namespaces.add(document.name)
        elif isinstance(document.object.get("metadata"), dict) and document.object["metadata"].get("namespace"):
            used.add(document.namespace)
        if kind == (netattachdef.GROUP, netattachdef.KIND):
            networks.setdefault(document.namespace, set()).add(document.name)
        elif kind == ("", "ServiceAccount"):
            accounts.setdefault(document.namespace, set()).add(document.name)
    return _Known(namespaces | used if namespaces else None, networks or None, accounts or None)


def _of_policy(policy: Policy, known: _Known) -> Iterator[tuple[str, str]]:
    attachments = [rule.value for rule in policy.written if isinstance(rule.value, AttachmentRule)]
    if attachments:
        for key, entries in (("pods", attachments[0].pods), ("exceptPods", attachments[0].except_pods)):
            for index, entry in enumerate(entries):
                yield from _of_pods(entry, f"spec.{key}[{index}]", known)
    for rule in policy.written:
        if isinstance(rule.value, AttachmentRule):
            for index, network in enumerate(rule.value.networks):
                yield from _of_networks(network, f"{rule.path}.networks[{index}]", known)
        else:
            yield from _of_definitions(rule.value, rule.path, known)


def _of_pods(entry: PodMatch, path: str, known: _Known) -> Iterator[tuple[str, str]]:
    yield from _of_namespaces(entry.namespaces, f"{path}.namespaces", known)
    if known.accounts is not None and entry.service_accounts is not None:
        places = _places(entry.namespaces, known.accounts)
        names = {"default"}.union(*(known.accounts.get(place, ()) for place in places))
        for name in sorted(entry.service_accounts - names):
            yield f"{path}.serviceAccounts", _unknown("service account", name, names, places)


def _of_networks(entry: NetworkMatch, path: str, known: _Known) -> Iterator[tuple[str, str]]:
    yield from _of_namespaces(entry.namespaces, f"{path}.namespaces", known)
    if known.networks is None or entry.names is None:
        return
    places = _places(entry.namespaces, known.networks)
    names = set[str]().union(*(known.networks.get(place, ()) for place in places))
    for index, name in enumerate(entry.names.texts):
        if name in entry.names.exact and name not in names:
            yield f"{path}.names[{index}]", _unknown("network", name, names, places)


def _of_definitions(rule: DefinitionRule, path: str, known: _Known) -> Iterator[tuple[str, str]]:
    yield from _of_namespaces(rule.namespaces, f"{path}.namespaces", known)
    for key, authors in (("authors", rule.authors), ("exceptAuthors", rule.except_authors)):
        for namespace, name in sorted(authors.accounts) if authors is not None else ():
            field = f"{path}.{key}.serviceAccounts"
            if known.namespaces is not None and namespace not in known.namespaces:
                yield field, _unknown("namespace", namespace, known.namespaces)
            elif known.accounts is not None and name not in {"*", "default", *known.accounts.get(namespace, ())}:
                yield field, _unknown("service account", name, known.accounts.get(namespace, ()), [namespace])


def _of_config(value: Mapping[str, Any], known: _Known) -> Iterator[tuple[str, str]]:
    spec = value.get("spec")
    for key in ("globalNamespaces", "exemptNamespaces"):
        names = spec.get(key) if isinstance(spec, dict) else None
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if known.namespaces is not None and isinstance(name, str) and name not in known.namespaces:
                yield f"spec.{key}[{index}]", _unknown("namespace", name, known.namespaces)


def _of_namespaces(names: Names | None, path: str, known: _Known) -> Iterator[tuple[str, str]]:
    if names is None or known.namespaces is None:
        return
    for index, name in enumerate(names.texts):
        if name in names.exact and name not in known.namespaces:
            yield f"{path}[{index}]", _unknown("namespace", name, known.namespaces)


def _places(names: Names | None, by_namespace: Mapping[str, Collection[str]]) -> list[str]:
    """Return the namespaces in which a name may be: those that an entry names, or all."""
    if names is None:
        return sorted(by_namespace)
    return sorted({*names.exact, *(place for place in by_namespace if names.matches(place))})


def _unknown(what: str, name: str, names: Collection[str], places: Collection[str] = ()) -> str:
    near = nearest(name, sorted(names))
    where = f' in namespace "{next(iter(places))}"' if len(places) == 1 else ""
    fix = f'did you mean "{near}"?' if near else f"correct it, or add the {what}"
    return f'a {what} "{name}"{where}; {fix}'
