"""Policies from plain JSON (`access.nadmit.io/v1alpha1`), whatever wrote them: the schema, and what a slip means.

The tables are the CRD's schema; `tests/cniplugin/access` compares both. A rule that cannot be read:

- Deny: what cannot be read does not narrow it, so it refuses at least what it was meant to refuse.
- Allow: it accepts nothing, and governs what it selects as far as that can be read. Were it left out, the posture would
  decide what it was meant to limit.
- An action that cannot be read is Deny, unless it says allow in another letter case; a mode is Enforce.
- A list of rules that is too long is read all the same, or a Deny at its end would be lost.
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
)
from cniplugin.netspec.names import in_one_line, is_label

from . import policyfields
from .reader import Reader, choice, flag, text, texts, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from .reader import Read

    T = TypeVar("T")

_RULE_NAME = text(longest=63, is_right=is_label, allowed="lower case letters, digits and '-'")
_MESSAGE = text(longest=256)


# Rules

_ATTACHMENT: Mapping[str, Read] = {
    "name": _RULE_NAME,
    "action": choice(ALLOW, DENY),
    "networks": policyfields.entries(policyfields.network),
    "onRequests": texts(most=12, least=1, item=choice(*SPELLINGS)),
    "limits": policyfields.limits,
    "requireConsent": flag,
    "message": _MESSAGE,
}


class _Head:
    """What all rules of one policy share."""

    def __init__(self, name: str, found: Mapping[str, Any], *, is_sound: bool) -> None:
        self.policy = name
        self.mode: str = found.get("mode", ENFORCE)
        self.contact = in_one_line(found.get("contact", ""))
        self.pods: policyfields.Entries | None = found.get("pods")
        self.except_pods: policyfields.Entries | None = found.get("exceptPods")
        self.is_sound = is_sound


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
    before = reader.count
    found, _ = reader.members(rule, path, _ATTACHMENT)
    _check_required(reader, rule, path)
    is_deny = _is_deny(rule, found)
    _check_together(reader, rule, path, is_deny=is_deny)
    networks: policyfields.Entries | None = _as_read(rule, "networks", found, path)
    is_sound = head.is_sound and reader.count == before
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
        message=in_one_line(found.get("message", "")),
        is_broken=not is_deny and not is_sound,
    )


def _as_read(rule: object, key: str, found: Mapping[str, Any], path: str) -> policyfields.Entries | None:
    """Return a list that may be unsound, as far as it can be read; None is everything. Read again without telling."""
    if key in found or not isinstance(rule, dict) or rule.get(key) is None:
        return found.get(key)
    return policyfields.Entries(
        Reader(), rule[key], path, policyfields.network if key == "networks" else policyfields.pod
    )


def _check_together(reader: Reader, rule: object, path: str, *, is_deny: bool) -> None:
    if not isinstance(rule, dict):
        return
    wrong = ("limits", "requireConsent") if is_deny else ("onRequests",)
    for key in wrong:
        if rule.get(key) not in (None, False):  # an empty object is one
            reader.add(f"{path}.{key}", f"this may only be set when action is {ALLOW if is_deny else DENY}")


# Definitions

_CONFIG: Mapping[str, Read] = {
    "pluginTypes": policyfields.names(policyfields.PATTERN),
    "ipamTypes": policyfields.names(policyfields.PATTERN),
    "masters": policyfields.names(policyfields.PATTERN),
    "vlans": policyfields.ranges,
    **policyfields.content(least=0),
    "resourceNames": policyfields.names(policyfields.PATTERN),
    "onDisk": flag,
    "sharing": choice("Any", "None"),
}


def _config(reader: Reader, value: object, path: str) -> ConfigMatch:
    found, _ = reader.members(value, path, _CONFIG)
    return ConfigMatch(
        resource_names=found.get("resourceNames"),
        is_on_disk=found.get("onDisk"),
        forbids_sharing=found.get("sharing") == "None",
        **{field.name: found.get(field.key) for field in FIELDS},
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


def _definition(reader: Reader, rule: object, path: str, head: _Head) -> DefinitionRule:
    before = reader.count
    found, _ = reader.members(rule, path, _DEFINITION)
    _check_required(reader, rule, path)
    is_deny = _is_deny(rule, found)
    if is_deny and isinstance(rule, dict) and isinstance(rule.get("config"), dict):
        _check_denied(reader, rule["config"], f"{path}.config")
    config: ConfigMatch | None = found.get("config")
    if config is None and isinstance(rule, dict) and rule.get("config") is not None:
        config = _config(Reader(), rule["config"], path)  # what can be read of it
    if is_deny and found.get("action") != DENY:
        config = None  # it may have been what an Allow permits
    is_sound = head.is_sound and reader.count == before
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
        message=in_one_line(found.get("message", "")),
        is_broken=not is_deny and not is_sound,
    )


def _check_denied(reader: Reader, config: Mapping[str, Any], path: str) -> None:
    if config.get("sharing"):
        reader.add(f"{path}.sharing", f"this may only be set when action is {ALLOW}")
    for key in MAY_BE_EMPTY:
        if config.get(key) == []:
            reader.add(f"{path}.{key}", "the list is empty, so the rule would refuse nothing", fix='list "*" for any')


# Policies


def _as_it_is(_reader: Reader, value: object, _path: str) -> object:
    return value


_SPEC: Mapping[str, Read] = {
    "mode": choice(*MODES),
    "description": text(longest=512),
    "contact": text(longest=253),
    "pods": policyfields.entries(policyfields.pod),
    "exceptPods": policyfields.entries(policyfields.pod),
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
    written = _Names()
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
        rule_names=tuple(written.all),
    )


class _Names:
    """The names of rules in order, those that are there twice included."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._seen: set[str] = set()

    def add(self, name: str) -> bool:
        """Add a name, and say whether it is new."""
        is_new = name not in self._seen
        self.all.append(name)
        self._seen.add(name)
        return is_new


def _rules(reader: Reader, given: object, key: str, read: Callable[[object, str], T], written: _Names) -> tuple[T, ...]:
    """Return the rules under a key; `written` gets the names of all that stand there."""
    path = f"spec.{key}"
    if given is None:
        return ()
    reader.items(given, path, limit=RULES_MAX)
    return tuple(
        _rule(reader, rule, f"{path}[{number}]", read, written)
        for number, rule in enumerate(given if isinstance(given, list) else ())
    )


def _rule(reader: Reader, rule: object, path: str, read: Callable[[object, str], T], written: _Names) -> T:
    parsed = read(rule, path)
    named = rule.get("name") if isinstance(rule, dict) else None
    place = path.rpartition(".")[2]
    name = f"{place.partition('[')[0]}/{whole(named) if isinstance(named, str) else place}"
    if not written.add(name):
        reader.add(f"{path}.name", "another rule of this policy has that name", value=named)
    return parsed


def _check_spec(reader: Reader, spec: object, found: Mapping[str, Any]) -> None:
    if not isinstance(spec, dict):
        return
    if not found.get("attachments") and not found.get("definitions"):
        reader.add("spec", "a policy needs at least one rule under attachments or definitions")
    elif (spec.get("pods") or spec.get("exceptPods")) and not found.get("attachments"):
        reader.add("spec", "pods and exceptPods only apply to rules under attachments")
