"""Policies from plain JSON (`access.nadmit.io/v1alpha1`), whatever wrote them: the schema, and what a slip means.

The tables are the CRD's schema; `tests/access` compares both. A rule that cannot be read:

- Deny: what cannot be read does not narrow it, so it refuses at least what it was meant to refuse.
- Allow: it accepts nothing, and governs what it selects as far as that can be read. Were it left out, the posture would
  decide what it was meant to limit.
- An action that cannot be read is Deny, unless it says allow in another letter case; a mode is Enforce.
- A list of rules that is too long is read all the same, or a Deny at its end would be lost.
"""

from __future__ import annotations

from cniplugin.netspec.names import is_label, is_label_of_any_length, is_subdomain

from . import labels, matchers
from .labels import OPERATORS, Requirement, Selector
from .limits import Limits
from .reader import Reader, choice, flag, integer, text, texts, whole
from .rules import (
    ALLOW,
    DENY,
    ENFORCE,
    MODES,
    AttachmentRule,
    AuthorMatch,
    ConfigMatch,
    DefinitionRule,
    NetworkMatch,
    PodMatch,
    Policy,
)
from .usage import SPELLINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from .reader import Read

    T = TypeVar("T")

NAMES_MAX, ENTRIES_MAX, RULES_MAX = 64, 32, 64
SCOPES = ("Any", "OwnNamespace", "OtherNamespace")
DEFAULTS = ("Basic", "Deny", "Allow")

_ALLOWED_NAME = "a name in lower case letters, digits and '-', a prefix with '*' behind it, or '*'"


def _is_name_pattern(value: str) -> bool:
    if value == "*":
        return True
    return is_label(value) or (value.endswith("*") and is_label_of_any_length(value[:-1] + "x"))


def _is_pattern(value: str) -> bool:
    return bool(value) and "*" not in value[:-1]


def _is_account(value: str) -> bool:
    namespace, slash, name = value.partition("/")
    return bool(slash) and is_label(namespace) and (name == "*" or is_subdomain(name))


_NAME = text(longest=64, is_right=_is_name_pattern, allowed=_ALLOWED_NAME)
_PATTERN = text(longest=128, is_right=_is_pattern, allowed='a text, with "*" at its end only')
_RULE_NAME = text(longest=63, is_right=is_label, allowed="lower case letters, digits and '-'")
_MESSAGE = text(longest=256)


def _names(item: Read) -> Read:
    listed = texts(most=NAMES_MAX, least=1, item=item)

    def read(reader: Reader, value: object, path: str) -> object:
        return matchers.names(listed(reader, value, path))

    return read


def _ranges(reader: Reader, value: object, path: str) -> matchers.Ranges:
    item = text(longest=11, is_right=matchers.parse_range, allowed="a number or a range such as 100-199")
    written = texts(most=NAMES_MAX, least=1, item=item)(reader, value, path)
    parsed = map(matchers.parse_range, written)
    return matchers.Ranges(texts=written, ranges=tuple(found for found in parsed if found))


def _cidrs(reader: Reader, value: object, path: str) -> matchers.Cidrs:
    item = text(longest=43, is_right=matchers.parse_cidr, allowed="a CIDR such as 10.1.0.0/16 or 2001:db8::/64")
    written = texts(most=NAMES_MAX, least=1, item=item)(reader, value, path)
    parsed = map(matchers.parse_cidr, written)
    return matchers.Cidrs(texts=written, blocks=tuple(found for found in parsed if found))


def _prefixes(reader: Reader, value: object, path: str) -> matchers.HexPrefixes:
    item = text(longest=23, is_right=matchers.is_hex_prefix, allowed="bytes in hexadecimal such as 00:58")
    written = texts(most=ENTRIES_MAX, least=1, item=item)(reader, value, path)
    return matchers.HexPrefixes(texts=written, digits=tuple(map(matchers.digits_of, written)))


def _keys(most: int, longest: int) -> Read:
    listed = texts(most=most, least=1, item=text(longest=longest, is_right=bool, allowed="a text that is not empty"))

    def read(reader: Reader, value: object, path: str) -> frozenset[str]:
        return frozenset(listed(reader, value, path))

    return read


# Label selectors


def _selector(reader: Reader, value: object, path: str) -> Selector:
    found, _ = reader.members(value, path, {"matchLabels": _match_labels, "matchExpressions": _expressions})
    return Selector(requirements=(*found.get("matchLabels", ()), *found.get("matchExpressions", ())))


def _match_labels(reader: Reader, value: object, path: str) -> tuple[Requirement, ...]:
    if not isinstance(value, dict) or len(value) > 16:
        reader.add(path, "this cannot stand there", value=value, allowed="an object of at most 16 strings")
        return ()
    requirements = []
    for key, wanted in value.items():
        if not labels.is_key(key) or not isinstance(wanted, str) or not labels.is_value(wanted):
            reader.add(f"{path}[{key}]", "this is no label", value=wanted, allowed="the key and the value of a label")
        else:
            requirements.append(Requirement(key=key, operator="In", values=frozenset({wanted})))
    return tuple(requirements)


_EXPRESSION: Mapping[str, Read] = {
    "key": text(longest=labels.KEY_MAX, is_right=labels.is_key, allowed="the key of a label"),
    "operator": choice(*OPERATORS),
    "values": texts(
        most=64, is_set=False, item=text(longest=63, is_right=labels.is_value, allowed="the value of a label")
    ),
}


def _expressions(reader: Reader, value: object, path: str) -> tuple[Requirement, ...]:
    requirements = []
    for item, where in reader.items(value, path, limit=16):
        found, is_sound = reader.members(item, where, _EXPRESSION)
        if not is_sound:
            continue
        key, operator, values = found.get("key"), found.get("operator"), found.get("values", ())
        if key is None or operator is None:
            reader.add(where, "key or operator is missing", allowed=", ".join(_EXPRESSION))
        elif bool(values) != (operator in ("In", "NotIn")):
            reader.add(f"{where}.values", "values belong to In and NotIn, and these need them")
        else:
            requirements.append(Requirement(key=key, operator=operator, values=frozenset(values)))
    return tuple(requirements)


# Pods and networks

_POD: Mapping[str, Read] = {
    "namespaces": _names(_NAME),
    "namespaceSelector": _selector,
    "podSelector": _selector,
    "serviceAccounts": _keys(64, 253),
}


def _pod(reader: Reader, value: object, path: str) -> PodMatch:
    found, is_sound = reader.members(value, path, _POD)
    if is_sound and not found:
        reader.add(path, "the entry is empty", allowed=f"at least one of {', '.join(_POD)}")
    return PodMatch(
        namespaces=found.get("namespaces"),
        namespace_selector=found.get("namespaceSelector"),
        pod_selector=found.get("podSelector"),
        service_accounts=found.get("serviceAccounts"),
    )


_NETWORK: Mapping[str, Read] = {
    "scope": choice(*SCOPES),
    "namespaces": _names(_NAME),
    "names": _names(_NAME),
    "selector": _selector,
    "pluginTypes": _names(_PATTERN),
    "masters": _names(_PATTERN),
    "vlans": _ranges,
    "onDisk": flag,
}


def _network(reader: Reader, value: object, path: str) -> NetworkMatch:
    found, _ = reader.members(value, path, _NETWORK)
    if found.get("scope") == "OwnNamespace" and "namespaces" in found:
        reader.add(path, "namespaces cannot be combined with scope OwnNamespace")
        del found["namespaces"]
    return NetworkMatch(
        scope=found.get("scope", "Any"),
        namespaces=found.get("namespaces"),
        names=found.get("names"),
        selector=found.get("selector"),
        plugin_types=found.get("pluginTypes"),
        masters=found.get("masters"),
        vlans=found.get("vlans"),
        is_on_disk=found.get("onDisk"),
    )


class _Entries:
    """A list of entries: all of them as far as they can be read, and the sound ones.

    NB: `broad` is () for a list that cannot be read, and () is everything.
    """

    def __init__(self, reader: Reader, value: object, path: str, read: Callable[..., Any]) -> None:
        items = reader.items(value, path, limit=ENTRIES_MAX, least=1)
        found = [reader.sound(read, item, where) for item, where in items]
        self.broad = tuple(entry for entry, _ in found)
        self.strict = tuple(entry for entry, is_sound in found if is_sound)


def _entries(read: Callable[..., Any]) -> Read:
    return lambda reader, value, path: _Entries(reader, value, path, read)


# Limits

_BITS = integer(least=1, most=2**63 - 1)
_LIMITS: Mapping[str, Mapping[str, Read]] = {
    "ips": {"cidrs": _cidrs, "max": integer(least=1, most=64)},
    "mac": {"prefixes": _prefixes},
    "infinibandGuid": {"prefixes": _prefixes},
    "bandwidth": {"maxIngressBitsPerSecond": _BITS, "maxEgressBitsPerSecond": _BITS, "required": flag},
    "portMappings": {"hostPorts": _ranges, "protocols": texts(most=3, item=choice("TCP", "UDP", "SCTP"))},
    "defaultRoute": {"gateways": _cidrs},
    "cniArgs": {"keys": _keys(64, 253)},
    "interface": {"names": _names(_PATTERN)},
    "ipamClaim": {},
    "deviceID": {},
    "extraKeys": {"keys": _keys(64, 253)},
    "replaceDefaultNetwork": {},
}


def _limit(readers: Mapping[str, Read]) -> Read:
    return lambda reader, value, path: reader.members(value, path, readers)[0]


_LIMIT_READERS: Mapping[str, Read] = {
    "default": choice(*DEFAULTS),
    **{kind: _limit(readers) for kind, readers in _LIMITS.items()},
}


def _limits(reader: Reader, value: object, path: str) -> Limits:
    found, _ = reader.members(value, path, _LIMIT_READERS)
    default = found.pop("default", "Basic")

    def of(kind: str, key: str) -> Any:
        return found.get(kind, {}).get(key)

    protocols = of("portMappings", "protocols")
    return Limits(
        default=default,
        listed=tuple(kind for kind in SPELLINGS if kind in found),
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


# Rules

_ATTACHMENT: Mapping[str, Read] = {
    "name": _RULE_NAME,
    "action": choice(ALLOW, DENY),
    "networks": _entries(_network),
    "onRequests": texts(most=12, least=1, item=choice(*SPELLINGS)),
    "limits": _limits,
    "requireConsent": flag,
    "message": _MESSAGE,
}


class _Head:
    """What all rules of one policy share."""

    def __init__(self, name: str, found: Mapping[str, Any], *, is_sound: bool) -> None:
        self.policy = name
        self.mode: str = found.get("mode", ENFORCE)
        self.contact = _in_one_line(found.get("contact", ""))
        self.pods: _Entries | None = found.get("pods")
        self.except_pods: _Entries | None = found.get("exceptPods")
        self.is_sound = is_sound


def _in_one_line(text: str) -> str:
    """Return a text as refusals print it: they have one fact per line."""
    return " ".join(text.split())


def _is_deny(rule: object, found: Mapping[str, Any]) -> bool:
    written = rule.get("action") if isinstance(rule, dict) else None
    return found.get("action", DENY) == DENY and not (isinstance(written, str) and written.casefold() == "allow")


def _rule_name(found: Mapping[str, Any], path: str) -> str:
    return str(found.get("name") or path.rpartition(".")[2])


def _check_required(reader: Reader, rule: object, path: str) -> None:
    missing = [key for key in ("name", "action") if isinstance(rule, dict) and rule.get(key) is None]
    if missing:
        reader.add(path, f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")


def _attachment(reader: Reader, rule: object, path: str, head: _Head) -> AttachmentRule:
    before = len(reader.problems)
    found, _ = reader.members(rule, path, _ATTACHMENT)
    _check_required(reader, rule, path)
    is_deny = _is_deny(rule, found)
    _check_together(reader, rule, path, is_deny=is_deny)
    networks: _Entries | None = _as_read(rule, "networks", found, path)
    is_sound = head.is_sound and len(reader.problems) == before
    return AttachmentRule(
        policy=head.policy,
        name=_rule_name(found, path),
        action=DENY if is_deny else ALLOW,
        mode=head.mode,
        contact=head.contact,
        pods=head.pods.broad if head.pods else (),
        except_pods=head.except_pods.strict if head.except_pods else (),
        networks=networks.broad if networks else (),
        on_requests=frozenset(found.get("onRequests", ())) if found.get("action") == DENY else frozenset(),
        limits=found.get("limits") or Limits(),
        require_consent=found.get("requireConsent") is True,
        message=_in_one_line(found.get("message", "")),
        is_broken=not is_deny and not is_sound,
    )


def _as_read(rule: object, key: str, found: Mapping[str, Any], path: str) -> _Entries | None:
    """Return a list that may be unsound, as far as it can be read; None is everything. Read again without telling."""
    if key in found or not isinstance(rule, dict) or rule.get(key) is None:
        return found.get(key)
    return _Entries(Reader(), rule[key], path, _network if key == "networks" else _pod)


def _check_together(reader: Reader, rule: object, path: str, *, is_deny: bool) -> None:
    if not isinstance(rule, dict):
        return
    wrong = ("limits", "requireConsent") if is_deny else ("onRequests",)
    for key in wrong:
        if rule.get(key) not in (None, False):  # an empty object is one
            reader.add(f"{path}.{key}", f"this may only be set when action is {ALLOW if is_deny else DENY}")


# Definitions

_AUTHORS: Mapping[str, Read] = {
    "users": texts(most=64, item=text(longest=253, is_right=bool, allowed="a user name")),
    "groups": texts(most=64, item=text(longest=253, is_right=bool, allowed="a group name")),
    "serviceAccounts": texts(
        most=64, item=text(longest=317, is_right=_is_account, allowed="namespace/name or namespace/*")
    ),
}


def _authors(reader: Reader, value: object, path: str) -> AuthorMatch:
    found, is_sound = reader.members(value, path, _AUTHORS)
    if is_sound and not any(found.values()):
        reader.add(path, "nobody is named", allowed=f"at least one of {', '.join(_AUTHORS)}")
    pairs = (account.partition("/") for account in found.get("serviceAccounts", ()))
    return AuthorMatch(
        users=frozenset(found.get("users", ())),
        groups=frozenset(found.get("groups", ())),
        accounts=frozenset((namespace, name) for namespace, _, name in pairs),
    )


_CONFIG: Mapping[str, Read] = {
    "pluginTypes": _names(_PATTERN),
    "ipamTypes": _names(_PATTERN),
    "masters": _names(_PATTERN),
    "vlans": _ranges,
    "resourceNames": _names(_PATTERN),
    "onDisk": flag,
    "sharing": choice("Any", "None"),
}


def _config(reader: Reader, value: object, path: str) -> ConfigMatch:
    found, _ = reader.members(value, path, _CONFIG)
    return ConfigMatch(
        plugin_types=found.get("pluginTypes"),
        ipam_types=found.get("ipamTypes"),
        masters=found.get("masters"),
        vlans=found.get("vlans"),
        resource_names=found.get("resourceNames"),
        is_on_disk=found.get("onDisk"),
        forbids_sharing=found.get("sharing") == "None",
    )


_DEFINITION: Mapping[str, Read] = {
    "name": _RULE_NAME,
    "action": choice(ALLOW, DENY),
    "authors": _authors,
    "exceptAuthors": _authors,
    "namespaces": _names(_NAME),
    "namespaceSelector": _selector,
    "config": _config,
    "message": _MESSAGE,
}


def _definition(reader: Reader, rule: object, path: str, head: _Head) -> DefinitionRule:
    before = len(reader.problems)
    found, _ = reader.members(rule, path, _DEFINITION)
    _check_required(reader, rule, path)
    is_deny = _is_deny(rule, found)
    if is_deny and isinstance(rule, dict) and isinstance(rule.get("config"), dict) and rule["config"].get("sharing"):
        reader.add(f"{path}.config.sharing", f"this may only be set when action is {ALLOW}")
    config: ConfigMatch | None = found.get("config")
    if config is None and isinstance(rule, dict) and rule.get("config") is not None:
        config = _config(Reader(), rule["config"], path)  # what can be read of it
    if is_deny and found.get("action") != DENY:
        config = None  # it may have been what an Allow permits
    is_sound = head.is_sound and len(reader.problems) == before
    return DefinitionRule(
        policy=head.policy,
        name=_rule_name(found, path),
        action=DENY if is_deny else ALLOW,
        mode=head.mode,
        contact=head.contact,
        authors=found.get("authors"),
        except_authors=found.get("exceptAuthors"),
        namespaces=found.get("namespaces"),
        namespace_selector=found.get("namespaceSelector"),
        config=config,
        message=_in_one_line(found.get("message", "")),
        is_broken=not is_deny and not is_sound,
    )


# Policies


def _as_it_is(_reader: Reader, value: object, _path: str) -> object:
    return value


_SPEC: Mapping[str, Read] = {
    "mode": choice(*MODES),
    "description": text(longest=512),
    "contact": text(longest=253),
    "pods": _entries(_pod),
    "exceptPods": _entries(_pod),
    "attachments": _as_it_is,
    "definitions": _as_it_is,
}


def read_policy(value: Mapping[str, Any]) -> Policy:
    """Return the policy of an API object. Never raises: what is wrong is in its `problems`."""
    reader = Reader()
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = whole(str(metadata.get("name") or ""))
    spec = value.get("spec")
    found, is_sound = reader.members(spec, "spec", _SPEC)
    found.setdefault("pods", _as_read(spec, "pods", found, "spec"))
    found.setdefault("exceptPods", _as_read(spec, "exceptPods", found, "spec"))
    head = _Head(name, found, is_sound=is_sound)
    written: list[str] = []
    attachments = _rules(
        reader,
        found.get("attachments"),
        "attachments",
        lambda rule, path: _attachment(reader, rule, path, head),
        written,
    )
    definitions = _rules(
        reader,
        found.get("definitions"),
        "definitions",
        lambda rule, path: _definition(reader, rule, path, head),
        written,
    )
    _check_spec(reader, spec, found)
    generation = metadata.get("generation")
    return Policy(
        name=name,
        mode=head.mode,
        contact=head.contact,
        generation=generation if isinstance(generation, int) else 0,
        attachments=attachments,
        definitions=definitions,
        problems=tuple(reader.problems),
        rule_names=tuple(written),
    )


def _rules(
    reader: Reader, given: object, key: str, read: Callable[[object, str], T], written: list[str]
) -> tuple[T, ...]:
    """Return the rules under a key; `written` gets the names of all that stand there."""
    path = f"spec.{key}"
    if given is None:
        return ()
    reader.items(given, path, limit=RULES_MAX)
    return tuple(
        _rule(reader, rule, f"{path}[{number}]", read, written)
        for number, rule in enumerate(given if isinstance(given, list) else ())
    )


def _rule(reader: Reader, rule: object, path: str, read: Callable[[object, str], T], written: list[str]) -> T:
    parsed = read(rule, path)
    named = rule.get("name") if isinstance(rule, dict) else None
    place = path.rpartition(".")[2]
    name = f"{place.partition('[')[0]}/{whole(named) if isinstance(named, str) else place}"
    if name in written:
        reader.add(f"{path}.name", "another rule of this policy has that name", value=named)
    written.append(name)
    return parsed


def _check_spec(reader: Reader, spec: object, found: Mapping[str, Any]) -> None:
    if not isinstance(spec, dict):
        return
    if not found.get("attachments") and not found.get("definitions"):
        reader.add("spec", "a policy needs at least one rule under attachments or definitions")
    elif (spec.get("pods") or spec.get("exceptPods")) and not found.get("attachments"):
        reader.add("spec", "pods and exceptPods only apply to rules under attachments")
