"""Policies from plain JSON (`access.nadmit.io/v1alpha1`): the schema, and the effect of a mistake in a policy.

The tables are the CRD's schema; `tests/cniplugin/access` compares both. A rule that cannot be read:

- Deny: the part that cannot be read does not narrow the rule, so it refuses at least what it was meant to refuse.
- Allow: it accepts nothing, and governs everything that its readable part selects. Without the rule, the posture would
  decide what the rule was meant to limit.
- An action that cannot be read is Deny, unless it is "allow" in another letter case; a mode is Enforce.
- A list with too many rules is read to its end, or a Deny there would be lost.
"""

from __future__ import annotations

from cniplugin.access.model.contentfields import FIELDS, MAY_BE_EMPTY
from cniplugin.access.model.limits import SPELLINGS, Limits
from cniplugin.access.model.policyrules import (
    ALLOW,
    DENY,
    ENFORCE,
    MODES,
    RULES_MAX,
    AttachmentRule,
    ConfigMatch,
    DefinitionRule,
    Policy,
    WrittenRule,
)
from cniplugin.netspec.names import in_one_line, is_label

from . import policyfields
from .reader import Reader, choice, flag, text, texts, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from .policyfields import Entries
    from .reader import Read

_RULE_NAME = text(longest=63, is_right=is_label, allowed="lower case letters, digits and '-'")
_MESSAGE = text(longest=256)


class _Common:
    """The keys that all rules of one policy share."""

    def __init__(self, name: str, fields: Mapping[str, Any], *, is_sound: bool) -> None:
        self.policy = name
        self.mode: str = fields.get("mode", ENFORCE)
        self.contact = in_one_line(fields.get("contact", ""))
        self.pods: Entries | None = fields.get("pods")
        self.except_pods: Entries | None = fields.get("exceptPods")
        self.is_sound = is_sound

    def shared(self, fields: Mapping[str, Any], place: str, *, is_deny: bool, is_sound: bool) -> dict[str, Any]:
        """Return the fields that rules of both kinds have."""
        return {
            "policy": self.policy,
            "name": str(fields.get("name") or place),
            "action": DENY if is_deny else ALLOW,
            "mode": self.mode,
            "contact": self.contact,
            "message": in_one_line(fields.get("message", "")),
            "is_broken": not is_deny and not (self.is_sound and is_sound),
        }


def _check_required(reader: Reader, rule: object, path: str) -> None:
    missing = [key for key in ("name", "action") if isinstance(rule, dict) and rule.get(key) is None]
    if missing:
        reader.add(path, f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")


def _is_deny(rule: object, fields: Mapping[str, Any]) -> bool:
    written = rule.get("action") if isinstance(rule, dict) else None
    return fields.get("action", DENY) == DENY and not (isinstance(written, str) and written.casefold() == "allow")


# Attachments

_ATTACHMENT: Mapping[str, Read] = {
    "name": _RULE_NAME,
    "action": choice(ALLOW, DENY),
    "networks": policyfields.entries(policyfields.network),
    "onRequests": texts(most=12, least=1, item=choice(*SPELLINGS)),
    "limits": policyfields.limits,
    "requireConsent": flag,
    "message": _MESSAGE,
}


def _attachment(reader: Reader, rule: object, place: str, common: _Common) -> AttachmentRule:
    before, path = reader.count, f"spec.{place}"
    fields, _ = reader.members(rule, path, _ATTACHMENT)
    _check_required(reader, rule, path)
    is_deny = _is_deny(rule, fields)
    _check_action(reader, rule, path, is_deny=is_deny)
    networks: Entries | None = _readable(rule, "networks", fields, path)
    return AttachmentRule(
        **common.shared(fields, place, is_deny=is_deny, is_sound=reader.count == before),
        pods=common.pods.broad if common.pods else (),
        except_pods=common.except_pods.strict if common.except_pods else (),
        networks=networks.broad if networks else (),
        on_requests=frozenset(fields.get("onRequests", ())) if fields.get("action") == DENY else frozenset(),
        limits=fields.get("limits") or Limits(),
        require_consent=fields.get("requireConsent") is True,
    )


def _readable(rule: object, key: str, fields: Mapping[str, Any], path: str) -> Entries | None:
    """Return the readable part of a list with mistakes; None selects everything. Its problems are known already."""
    if key in fields or not isinstance(rule, dict) or rule.get(key) is None:
        return fields.get(key)
    read = policyfields.network if key == "networks" else policyfields.pod
    return policyfields.Entries(Reader(), rule[key], path, read)


def _check_action(reader: Reader, rule: object, path: str, *, is_deny: bool) -> None:
    """Add the keys that belong to the other action."""
    for key in ("limits", "requireConsent") if is_deny else ("onRequests",):
        if isinstance(rule, dict) and rule.get(key) not in (None, False):  # an empty object is a value
            reader.add(f"{path}.{key}", f"this may only be set when action is {ALLOW if is_deny else DENY}")


# Definitions

_CONFIG: Mapping[str, Read] = {
    "pluginTypes": policyfields.names(policyfields.PATTERN),  # first, because messages list keys in this order
    "ipamTypes": policyfields.names(policyfields.PATTERN),
    **policyfields.content(least=0),
    "resourceNames": policyfields.names(policyfields.PATTERN),
    "onDisk": flag,
    "sharing": choice("Any", "None"),
}


def _config(reader: Reader, value: object, path: str) -> ConfigMatch:
    fields, _ = reader.members(value, path, _CONFIG)
    return ConfigMatch(
        resource_names=fields.get("resourceNames"),
        is_on_disk=fields.get("onDisk"),
        forbids_sharing=fields.get("sharing") == "None",
        **{field.name: fields.get(field.key) for field in FIELDS},
    )


_DEFINITION: Mapping[str, Read] = {
    "name": _RULE_NAME,
    "action": choice(ALLOW, DENY),
    "authors": policyfields.authors,
    "exceptAuthors": policyfields.authors,
    "namespaces": policyfields.names(policyfields.NAME),
    "namespaceSelector": policyfields.selector,
    "config": _config,
    "message": _MESSAGE,
}


def _definition(reader: Reader, rule: object, place: str, common: _Common) -> DefinitionRule:
    before, path = reader.count, f"spec.{place}"
    fields, _ = reader.members(rule, path, _DEFINITION)
    _check_required(reader, rule, path)
    is_deny = _is_deny(rule, fields)
    written = rule.get("config") if isinstance(rule, dict) else None
    if is_deny and isinstance(written, dict):
        _check_denied(reader, written, f"{path}.config")
    config: ConfigMatch | None = fields.get("config")
    if config is None and written is not None:
        config = _config(Reader(), written, path)  # the part that can be read
    if is_deny and fields.get("action") != DENY:
        config = None  # it may have been what an Allow permits
    return DefinitionRule(
        **common.shared(fields, place, is_deny=is_deny, is_sound=reader.count == before),
        authors=fields.get("authors"),
        except_authors=fields.get("exceptAuthors"),
        namespaces=fields.get("namespaces"),
        namespace_selector=fields.get("namespaceSelector"),
        config=config,
    )


def _check_denied(reader: Reader, config: Mapping[str, Any], path: str) -> None:
    if config.get("sharing"):
        reader.add(f"{path}.sharing", f"this may only be set when action is {ALLOW}")
    for key in MAY_BE_EMPTY:
        if config.get(key) == []:
            reader.add(f"{path}.{key}", "the list is empty, so the rule would refuse nothing", fix='list "*" for any')


# Policies

_RULES: Mapping[str, Callable[[Reader, object, str, _Common], AttachmentRule | DefinitionRule]] = {
    "attachments": _attachment,
    "definitions": _definition,
}


def _unread(_reader: Reader, value: object, _path: str) -> object:
    """Return a list of rules as it is: `_rules` reads it after the keys that its rules share."""
    return value


_SPEC: Mapping[str, Read] = {
    "mode": choice(*MODES),
    "description": text(longest=512),
    "contact": text(longest=253),
    "pods": policyfields.entries(policyfields.pod),
    "exceptPods": policyfields.entries(policyfields.pod),
    **dict.fromkeys(_RULES, _unread),
}


def read_policy(value: Mapping[str, Any]) -> Policy:
    """Return the policy of an API object. Never raises: mistakes are in its `problems`."""
    reader = Reader()
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = whole(str(metadata.get("name") or ""))
    spec = value.get("spec")
    fields, is_sound = reader.members(spec, "spec", _SPEC)
    pods = {key: _readable(spec, key, fields, "spec") for key in ("pods", "exceptPods")}
    common = _Common(name, {**fields, **pods}, is_sound=is_sound)
    names: set[tuple[str, str]] = set()
    written = [rule for key in _RULES for rule in _rules(reader, fields.get(key), key, common, names)]
    _check_spec(reader, spec, fields)
    generation = metadata.get("generation")
    return Policy(
        name=name,
        mode=common.mode,
        contact=common.contact,
        generation=generation if isinstance(generation, int) else 0,
        attachments=tuple(rule.value for rule in written if isinstance(rule.value, AttachmentRule)),
        definitions=tuple(rule.value for rule in written if isinstance(rule.value, DefinitionRule)),
        problems=tuple(reader.problems),
        written=tuple(written),
        has_readable_pods=all(key in fields or entries is None for key, entries in pods.items()),
    )


def _rules(
    reader: Reader, given: object, key: str, common: _Common, names: set[tuple[str, str]]
) -> Iterator[WrittenRule]:
    """Yield the rules under a key; `names` gets the names of all of them."""
    if given is not None:
        reader.items(given, f"spec.{key}", limit=RULES_MAX)
    for number, rule in enumerate(given if isinstance(given, list) else ()):
        before, place = len(reader.problems), f"{key}[{number}]"
        value = _RULES[key](reader, rule, place, common)
        named = rule.get("name") if isinstance(rule, dict) else None
        name = whole(named) if isinstance(named, str) else place
        if (key, name) in names:
            reader.add(f"spec.{place}.name", "another rule of this policy has that name", value=named)
        names.add((key, name))
        yield WrittenRule(key=key, name=name, number=number, value=value, problems=tuple(reader.problems[before:]))


def _check_spec(reader: Reader, spec: object, fields: Mapping[str, Any]) -> None:
    if not isinstance(spec, dict):
        return
    if not fields.get("attachments") and not fields.get("definitions"):
        reader.add("spec", "a policy needs at least one rule under attachments or definitions")
    elif (spec.get("pods") or spec.get("exceptPods")) and not fields.get("attachments"):
        reader.add("spec", "pods and exceptPods only apply to rules under attachments")
