"""Readers of the values that policies and their configuration hold: selectors and limits."""

from __future__ import annotations

from cniplugin.access.model import labels, matchers
from cniplugin.access.model.contentfields import FIELDS
from cniplugin.access.model.labels import OPERATORS, Requirement, Selector
from cniplugin.access.model.limits import SPELLINGS, Limits
from cniplugin.access.model.policyrules import AuthorMatch, NetworkMatch, PodMatch
from cniplugin.netspec.names import is_label, is_label_of_any_length, is_subdomain

from .reader import Reader, choice, flag, integer, text, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .reader import Read

NAMES_MAX, PREFIXES_MAX = 64, 32

_ALLOWED_NAME = "a name in lower case letters, digits and '-', a prefix with '*' behind it, or '*'"


def _is_name_pattern(value: str) -> bool:
    if value == "*":
        return True
    return is_label(value) or (value.endswith("*") and is_label_of_any_length(value[:-1] + "x"))


def _is_pattern(value: str) -> bool:
    return bool(value) and "*" not in value[:-1]


NAME = text(longest=64, is_right=_is_name_pattern, allowed=_ALLOWED_NAME)
PATTERN = text(longest=128, is_right=_is_pattern, allowed='a text, with "*" at its end only')


def names(item: Read, *, least: int = 1) -> Read:
    """Return a reader of names and prefixes."""
    listed = texts(most=NAMES_MAX, least=least, item=item)

    def read(reader: Reader, value: object, path: str) -> object:
        return matchers.names(listed(reader, value, path))

    return read


def ranges(reader: Reader, value: object, path: str) -> matchers.Ranges:
    """Read number ranges. NB: in YAML, a number is written without quotes."""
    item = text(longest=11, is_right=matchers.parse_range, allowed="a number or a range such as 100-199")
    listed = [str(one) if type(one) is int else one for one in value] if isinstance(value, list) else value
    written = texts(most=NAMES_MAX, least=1, item=item)(reader, listed, path)
    parsed = map(matchers.parse_range, written)
    return matchers.Ranges(texts=written, ranges=tuple(filter(None, parsed)))


def cidrs(reader: Reader, value: object, path: str, *, least: int = 1) -> matchers.Cidrs:
    """Read address ranges."""
    item = text(longest=43, is_right=matchers.parse_cidr, allowed="a CIDR such as 10.1.0.0/16 or 2001:db8::/64")
    written = texts(most=NAMES_MAX, least=least, item=item)(reader, value, path)
    parsed = map(matchers.parse_cidr, written)
    return matchers.Cidrs(texts=written, blocks=tuple(filter(None, parsed)))


def prefixes(reader: Reader, value: object, path: str, *, least: int = 1) -> matchers.HexPrefixes:
    """Read beginnings of hardware addresses."""
    item = text(longest=23, is_right=matchers.is_hex_prefix, allowed="bytes in hexadecimal such as 00:58")
    written = texts(most=PREFIXES_MAX, least=least, item=item)(reader, value, path)
    return matchers.HexPrefixes(texts=written, digits=tuple(map(matchers.digits_of, written)))


def content(*, least: int) -> Mapping[str, Read]:
    """Return the readers of the fields about content (`contentfields`).

    `least`: how many values the fields of MAY_BE_EMPTY must list; an Allow for definitions may list none.
    """
    patterns = names(PATTERN, least=least)
    return {
        "pluginTypes": names(PATTERN),
        "masters": names(PATTERN),
        "vlans": ranges,
        "hostPaths": patterns,
        "sysctls": patterns,
        "addresses": lambda reader, value, path: cidrs(reader, value, path, least=least),
        "macs": lambda reader, value, path: prefixes(reader, value, path, least=least),
        "pools": patterns,
        "pkeys": patterns,
        "unknownTypes": patterns,
    }


def keys(most: int, longest: int) -> Read:
    """Return a reader of a set of texts."""
    listed = texts(most=most, least=1, item=text(longest=longest, is_right=bool, allowed="a text that is not empty"))

    def read(reader: Reader, value: object, path: str) -> frozenset[str]:
        return frozenset(listed(reader, value, path))

    return read


def selector(reader: Reader, value: object, path: str) -> Selector:
    """Read a label selector (meta/v1 LabelSelector)."""
    fields, _ = reader.members(value, path, {"matchLabels": _match_labels, "matchExpressions": _expressions})
    return Selector(requirements=(*fields.get("matchLabels", ()), *fields.get("matchExpressions", ())))


def _match_labels(reader: Reader, value: object, path: str) -> tuple[Requirement, ...]:
    if not isinstance(value, dict) or len(value) > 16:
        reader.add(path, "this value is not allowed", value=value, allowed="an object of at most 16 strings")
        return ()
    requirements = []
    for key, label in value.items():
        if not labels.is_key(key) or not isinstance(label, str) or not labels.is_value(label):
            reader.add(f"{path}[{key}]", "this is not a label", value=label, allowed="the key and the value of a label")
        else:
            requirements.append(Requirement(key=key, operator="In", values=frozenset({label})))
    return tuple(requirements)


EXPRESSION: Mapping[str, Read] = {
    "key": text(longest=labels.KEY_MAX, is_right=labels.is_key, allowed="the key of a label"),
    "operator": choice(*OPERATORS),
    "values": texts(
        most=64, is_set=False, item=text(longest=63, is_right=labels.is_value, allowed="the value of a label")
    ),
}


def _expressions(reader: Reader, value: object, path: str) -> tuple[Requirement, ...]:
    requirements = []
    for item, where in reader.items(value, path, limit=16):
        fields, is_sound = reader.members(item, where, EXPRESSION)
        if not is_sound:
            continue
        key, operator, values = fields.get("key"), fields.get("operator"), fields.get("values", ())
        if key is None or operator is None:
            reader.add(where, "key or operator is missing", allowed=", ".join(EXPRESSION))
        elif bool(values) != (operator in ("In", "NotIn")):
            reader.add(f"{where}.values", "values belong to In and NotIn, and these need them")
        else:
            requirements.append(Requirement(key=key, operator=operator, values=frozenset(values)))
    return tuple(requirements)


# Selectors

ENTRIES_MAX = 32
SCOPES = ("Any", "OwnNamespace", "OtherNamespace")

POD: Mapping[str, Read] = {
    "namespaces": names(NAME),
    "namespaceSelector": selector,
    "podSelector": selector,
    "serviceAccounts": keys(64, 253),
}


def pod(reader: Reader, value: object, path: str) -> PodMatch:
    """Read an entry of `pods`."""
    fields, is_sound = reader.members(value, path, POD)
    if is_sound and not fields:
        reader.add(path, "the entry is empty", allowed=f"at least one of {', '.join(POD)}")
    return PodMatch(
        namespaces=fields.get("namespaces"),
        namespace_selector=fields.get("namespaceSelector"),
        pod_selector=fields.get("podSelector"),
        service_accounts=fields.get("serviceAccounts"),
    )


NETWORK: Mapping[str, Read] = {
    "scope": choice(*SCOPES),
    "namespaces": names(NAME),
    "names": names(NAME),
    "selector": selector,
    **content(least=1),
    "onDisk": flag,
}


def network(reader: Reader, value: object, path: str) -> NetworkMatch:
    """Read an entry of `networks`."""
    fields, _ = reader.members(value, path, NETWORK)
    if fields.get("scope") == "OwnNamespace" and "namespaces" in fields:
        reader.add(path, "namespaces cannot be combined with scope OwnNamespace")
        del fields["namespaces"]
    return NetworkMatch(
        scope=fields.get("scope", "Any"),
        namespaces=fields.get("namespaces"),
        names=fields.get("names"),
        selector=fields.get("selector"),
        is_on_disk=fields.get("onDisk"),
        **{field.name: fields.get(field.key) for field in FIELDS},
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
    """Read the users, groups and service accounts that send requests."""
    fields, is_sound = reader.members(value, path, AUTHORS)
    if is_sound and not any(fields.values()):
        reader.add(path, "no user is named", allowed=f"at least one of {', '.join(AUTHORS)}")
    pairs = (account.partition("/") for account in fields.get("serviceAccounts", ()))
    return AuthorMatch(
        users=frozenset(fields.get("users", ())),
        groups=frozenset(fields.get("groups", ())),
        accounts=frozenset((namespace, name) for namespace, _, name in pairs),
    )


class Entries:
    """A list of entries. `broad` has the readable part of each; `strict` has those without a mistake.

    NB: `broad` is () for a list that cannot be read, and () selects everything.
    """

    def __init__(self, reader: Reader, value: object, path: str, read: Callable[..., Any]) -> None:
        items = reader.items(value, path, limit=ENTRIES_MAX, least=1)
        read_items = [reader.sound(read, item, where) for item, where in items]
        self.broad = tuple(entry for entry, _ in read_items)
        self.strict = tuple(entry for entry, is_sound in read_items if is_sound)


def entries(read: Callable[..., Any]) -> Read:
    """Return a reader of a list of entries."""
    return lambda reader, value, path: Entries(reader, value, path, read)


# Limits of Allow rules

DEFAULTS = ("Basic", "Deny", "Allow")

_BITS = integer(least=1, most=2**63 - 1)
LIMITS: Mapping[str, Mapping[str, Read]] = {
    "ips": {"cidrs": cidrs, "max": integer(least=1, most=64)},
    "mac": {"prefixes": prefixes},
    "infinibandGuid": {"prefixes": prefixes},
    "bandwidth": {"maxIngressBitsPerSecond": _BITS, "maxEgressBitsPerSecond": _BITS, "required": flag},
    "portMappings": {"hostPorts": ranges, "protocols": texts(most=3, item=choice("TCP", "UDP", "SCTP"))},
    "defaultRoute": {"gateways": cidrs},
    "cniArgs": {"keys": keys(64, 253)},
    "interface": {"names": names(PATTERN)},
    "ipamClaim": {},
    "deviceID": {},
    "extraKeys": {"keys": keys(64, 253)},
    "replaceDefaultNetwork": {},
}


def _limit(readers: Mapping[str, Read]) -> Read:
    return lambda reader, value, path: reader.members(value, path, readers)[0]


LIMIT_FIELDS: Mapping[str, Read] = {
    "default": choice(*DEFAULTS),
    **{kind: _limit(readers) for kind, readers in LIMITS.items()},
}


def limits(reader: Reader, value: object, path: str) -> Limits:
    """Read the `limits` of an Allow rule."""
    fields, _ = reader.members(value, path, LIMIT_FIELDS)
    default = fields.pop("default", "Basic")

    def of(kind: str, key: str) -> Any:
        return fields.get(kind, {}).get(key)

    protocols = of("portMappings", "protocols")
    return Limits(
        default=default,
        listed=tuple(kind for kind in SPELLINGS if kind in fields),
        cidrs=of("ips", "cidrs"),
        ips_max=of("ips", "max"),
        macs=of("mac", "prefixes"),
        guids=of("infinibandGuid", "prefixes"),
        ingress_max=of("bandwidth", "maxIngressBitsPerSecond"),
        egress_max=of("bandwidth", "maxEgressBitsPerSecond"),
        is_bandwidth_required=of("bandwidth", "required") is True,
        host_ports=of("portMappings", "hostPorts"),
        protocols=None if protocols is None else frozenset(protocols),
        gateways=of("defaultRoute", "gateways"),
        cni_args=of("cniArgs", "keys"),
        interfaces=of("interface", "names"),
        extra_keys=of("extraKeys", "keys"),
    )
