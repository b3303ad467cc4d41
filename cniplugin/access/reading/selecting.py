"""Readers of what rules select: the entries of `pods` and `networks`, as far as they can be read, and authors."""

from __future__ import annotations

from cniplugin.access.model.contentfields import FIELDS
from cniplugin.access.model.policyrules import AuthorMatch, NetworkMatch, PodMatch
from cniplugin.netspec.names import is_label, is_subdomain

from . import policyfields
from .reader import Reader, choice, flag, text, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .reader import Read

ENTRIES_MAX = 32
SCOPES = ("Any", "OwnNamespace", "OtherNamespace")

POD: Mapping[str, Read] = {
    "namespaces": policyfields.names(policyfields.NAME),
    "namespaceSelector": policyfields.selector,
    "podSelector": policyfields.selector,
    "serviceAccounts": policyfields.keys(64, 253),
}


def pod(reader: Reader, value: object, path: str) -> PodMatch:
    """Read an entry of `pods`."""
    found, is_sound = reader.members(value, path, POD)
    if is_sound and not found:
        reader.add(path, "the entry is empty", allowed=f"at least one of {', '.join(POD)}")
    return PodMatch(
        namespaces=found.get("namespaces"),
        namespace_selector=found.get("namespaceSelector"),
        pod_selector=found.get("podSelector"),
        service_accounts=found.get("serviceAccounts"),
    )


NETWORK: Mapping[str, Read] = {
    "scope": choice(*SCOPES),
    "namespaces": policyfields.names(policyfields.NAME),
    "names": policyfields.names(policyfields.NAME),
    "selector": policyfields.selector,
    "pluginTypes": policyfields.names(policyfields.PATTERN),
    "masters": policyfields.names(policyfields.PATTERN),
    "vlans": policyfields.ranges,
    **policyfields.content(least=1),
    "onDisk": flag,
}


def network(reader: Reader, value: object, path: str) -> NetworkMatch:
    """Read an entry of `networks`."""
    found, _ = reader.members(value, path, NETWORK)
    if found.get("scope") == "OwnNamespace" and "namespaces" in found:
        reader.add(path, "namespaces cannot be combined with scope OwnNamespace")
        del found["namespaces"]
    return NetworkMatch(
        scope=found.get("scope", "Any"),
        namespaces=found.get("namespaces"),
        names=found.get("names"),
        selector=found.get("selector"),
        is_on_disk=found.get("onDisk"),
        **{field.name: found.get(field.key) for field in FIELDS},
    )


def _is_account(value: str) -> bool:
    namespace, slash, name = value.partition("/")
    return bool(slash) and is_label(namespace) and (name == "*" or is_subdomain(name))


AUTHORS: Mapping[str, Read] = {
    "users": texts(most=64, item=text(longest=253, is_right=bool, allowed="a user name")),
    "groups": texts(most=64, item=text(longest=253, is_right=bool, allowed="a group name")),
    "serviceAccounts": texts(
        most=64, item=text(longest=317, is_right=_is_account, allowed="namespace/name or namespace/*")
    ),
}


def authors(reader: Reader, value: object, path: str) -> AuthorMatch:
    """Read who sends requests: users, groups, service accounts."""
    found, is_sound = reader.members(value, path, AUTHORS)
    if is_sound and not any(found.values()):
        reader.add(path, "nobody is named", allowed=f"at least one of {', '.join(AUTHORS)}")
    pairs = (account.partition("/") for account in found.get("serviceAccounts", ()))
    return AuthorMatch(
        users=frozenset(found.get("users", ())),
        groups=frozenset(found.get("groups", ())),
        accounts=frozenset((namespace, name) for namespace, _, name in pairs),
    )


class Entries:
    """A list of entries: all of them as far as they can be read, and the sound ones.

    NB: `broad` is () for a list that cannot be read, and () is everything.
    """

    def __init__(self, reader: Reader, value: object, path: str, read: Callable[..., Any]) -> None:
        items = reader.items(value, path, limit=ENTRIES_MAX, least=1)
        found = [reader.sound(read, item, where) for item, where in items]
        self.broad = tuple(entry for entry, _ in found)
        self.strict = tuple(entry for entry, is_sound in found if is_sound)


def entries(read: Callable[..., Any]) -> Read:
    """Return a reader of a list of entries."""
    return lambda reader, value, path: Entries(reader, value, path, read)
