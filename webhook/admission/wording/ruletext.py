"""Which networks a rule is about, in words; selectors in kubectl's grammar."""

from __future__ import annotations

from collections.abc import Iterator

from cniplugin.access.model.contentfields import FIELDS
from cniplugin.access.model.labels import Requirement
from cniplugin.access.model.policyrules import AttachmentRule, NetworkMatch

_SCOPES = {"OwnNamespace": "of the pod's own namespace", "OtherNamespace": "of other namespaces"}


def describe_networks(rule: AttachmentRule) -> str:
    """Return the networks of a rule: entries are ORed, the parts of one are ANDed."""
    return "; or ".join(map(_describe_entry, rule.networks)) or "every network"


def _describe_entry(entry: NetworkMatch) -> str:
    return ", ".join(_parts(entry)) or "every network"


def _parts(entry: NetworkMatch) -> Iterator[str]:
    if entry.scope in _SCOPES:
        yield _SCOPES[entry.scope]
    for what, patterns in (
        ("namespace", entry.namespaces),
        ("name", entry.names),
        *((field.what.removeprefix("CNI "), getattr(entry, field.name)) for field in FIELDS),
    ):
        if patterns is not None:
            yield f"{what} {' or '.join(patterns.texts)}"
    if entry.selector is not None:
        yield f"labels {','.join(map(_describe_requirement, entry.selector.requirements)) or 'of any kind'}"
    if entry.is_on_disk is not None:
        yield "a file of the node" if entry.is_on_disk else "no file of the node"


def _describe_requirement(requirement: Requirement) -> str:
    key, operator, values = requirement.key, requirement.operator, sorted(requirement.values)
    if operator in ("Exists", "DoesNotExist"):
        return key if operator == "Exists" else f"!{key}"
    if operator == "In" and len(values) == 1:
        return f"{key}={values[0]}"
    return f"{key} {'in' if operator == 'In' else 'notin'} ({','.join(values)})"
