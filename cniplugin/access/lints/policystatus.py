"""The status of policies and of the configuration: whether they can be read and are in force, and whom they concern.

Conditions: `Accepted` is about the object, `Enforced` about the process that decides.

| condition | status, reason | when |
| --- | --- | --- |
| Accepted | True, Readable | everything can be read |
| | False, Unreadable | the message lists every problem; `rules` has their effect on each rule |
| Enforced | True, Loaded | this generation decides |
| | False, NotLoaded | another generation of the policy decides, or none |
| | False, ModeWarn, ModeAudit | this generation is loaded; its `mode` refuses nothing |
| LevelsReadable | True, Readable | every label that sets a level of definitions names one (configuration only) |
| | False, UnreadableLabels | the message names the namespaces; there the level is Restricted |

`rules` lists the rules that are not Active, and Active ones with lints. Computing a status from itself changes nothing:
only a condition whose `status` changes gets a new `lastTransitionTime` (Kubernetes API conventions, "Typical status
properties").
"""

from __future__ import annotations

from cniplugin.access.judging.reasons import cut
from cniplugin.access.model.levels import ENFORCE as LEVEL_ENFORCE
from cniplugin.access.model.levels import LABELS, LEVELS, level_name, parse
from cniplugin.access.model.policyrules import ALLOW, ENFORCE
from cniplugin.netspec.errors import render

from .lints import lint_among, permitted_rules
from .shadowing import OtherRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cniplugin.access.model.levels import ClusterLevels
    from cniplugin.access.model.policyrules import AttachmentRule, Policy, WrittenRule
    from cniplugin.netspec.errors import SpecError

    from .lints import Lint

    Object = dict[str, Any]

CONDITION_MESSAGE_MAX, RULE_MESSAGE_MAX, RULES_MAX = 32_768, 1024, 128
"""Limits of the CRD, the first two in characters."""

ACTIVE, INVALID, SHADOWED = "Active", "Invalid", "Shadowed"


def statuses(
    policies: Sequence[Policy],
    namespaces: Mapping[str, Mapping[str, str]],
    *,
    loaded: Mapping[str, int],
    previous: Mapping[str, Mapping[str, Any]],
    now: str,
) -> dict[str, Object]:
    """Return the `status` of each policy by name.

    `namespaces`: labels by name. `loaded`: the generation of each policy that decides. `previous`: the status objects
    before. `now`: RFC 3339, such as 2026-11-23T19:00:00Z.
    """
    others = OtherRules(policies)
    return {
        policy.name: {
            "observedGeneration": policy.generation,
            "matchedNamespaces": count_namespaces(policy, namespaces),
            "conditions": _conditions(
                {"Accepted": _accepted(policy.problems), "Enforced": _enforced(policy, loaded.get(policy.name))},
                policy.generation,
                previous.get(policy.name) or {},
                now,
            ),
            "rules": _rules(policy, others),
        }
        for policy in policies
    }


def config_status(
    problems: Sequence[SpecError],
    *,
    generation: int,
    is_loaded: bool,
    levels: ClusterLevels,
    namespaces: Mapping[str, Mapping[str, str]],
    previous: Mapping[str, Any],
    now: str,
) -> Object:
    """Return the `status` of the configuration object; `namespaces`, `previous` and `now` as in `statuses`.

    `problems`: those of this generation. `is_loaded`: whether this generation decides. `levels`: those of namespaces
    without a label.
    """
    if is_loaded:
        enforced = True, "Loaded", f"generation {generation} decides"
    else:
        enforced = False, "NotLoaded", f"the webhook has not loaded generation {generation}"
    readable = _levels_readable(namespaces)
    conditions = {"Accepted": _accepted(problems), "Enforced": enforced, "LevelsReadable": readable}
    return {
        "observedGeneration": generation,
        "namespacesByLevel": count_levels(levels, namespaces),
        "conditions": _conditions(conditions, generation, previous, now),
    }


def count_levels(levels: ClusterLevels, namespaces: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    """Return how many namespaces have each level that is enforced."""
    names = [level_name(levels, labels, LEVEL_ENFORCE) for labels in namespaces.values()]
    return {name: names.count(name) for name in LEVELS}


def _levels_readable(namespaces: Mapping[str, Mapping[str, str]]) -> tuple[bool, str, str]:
    unreadable = sorted(
        f"{name} ({key})"
        for name, labels in namespaces.items()
        for key in LABELS.values()
        if key in labels and parse(labels[key]) is None
    )
    if not unreadable:
        return True, "Readable", "every label that sets a level of definitions can be read"
    left = len(unreadable) - NAMESPACES_SHOWN
    shown = ", ".join(unreadable[:NAMESPACES_SHOWN]) + (f" and {left} more" if left > 0 else "")
    return (
        False,
        "UnreadableLabels",
        f"these labels do not name a level, so it is Restricted: namespace {shown}; allowed: {', '.join(LEVELS)}",
    )


NAMESPACES_SHOWN = 20


def count_namespaces(policy: Policy, namespaces: Mapping[str, Mapping[str, str]]) -> int:
    """Return the number of namespaces in which a rule can be about a pod or a definition."""
    attachments = {(rule.pods, rule.except_pods): rule for rule in policy.attachments}.values()
    return sum(
        any(_concerns(rule, name, labels) for rule in attachments)
        or any(rule.has_namespace(name, labels) for rule in policy.definitions)
        for name, labels in namespaces.items()
    )


def _concerns(rule: AttachmentRule, name: str, labels: Mapping[str, str]) -> bool:
    if rule.pods and not any(entry.has_namespace(name, labels) for entry in rule.pods):
        return False
    return not any(entry.has_every_pod and entry.has_namespace(name, labels) for entry in rule.except_pods)


# Conditions


def _conditions(
    conditions: Mapping[str, tuple[bool, str, str]], generation: int, previous: Mapping[str, Any], now: str
) -> list[Object]:
    return [
        {
            "type": kind,
            "status": str(is_true),
            "observedGeneration": generation,
            "lastTransitionTime": _since(previous, kind, str(is_true)) or now,
            "reason": reason,
            "message": cut(message, CONDITION_MESSAGE_MAX),
        }
        for kind, (is_true, reason, message) in conditions.items()
    ]


def _accepted(problems: Sequence[SpecError]) -> tuple[bool, str, str]:
    if not problems:
        return True, "Readable", "everything can be read"
    lines = [render(problem) for problem in problems]
    return False, "Unreadable", "\n".join(lines)


def _enforced(policy: Policy, loaded: int | None) -> tuple[bool, str, str]:
    if loaded != policy.generation:
        in_force = "none of this policy" if loaded is None else f"generation {loaded}"
        return False, "NotLoaded", f"the webhook has not loaded generation {policy.generation}; in force: {in_force}"
    if policy.mode == ENFORCE:
        return True, "Loaded", f"generation {loaded} decides"
    does = "warns" if policy.mode == "Warn" else "only records"
    return False, f"Mode{policy.mode}", f"generation {loaded} is loaded; mode {policy.mode} {does} and refuses nothing"


def _since(previous: Mapping[str, Any], kind: str, status: str) -> str | None:
    """Return the time since which a condition has had this status; None if it had another one."""
    for condition in previous.get("conditions") or ():
        if condition.get("type") == kind and condition.get("status") == status:
            return condition.get("lastTransitionTime") or None
    return None


# Rules


def _rules(policy: Policy, others: OtherRules) -> list[Object]:
    lints = lint_among(policy, others)
    states: dict[str, tuple[str, list[str]]] = {}
    is_sound = not policy.own_problems
    for rule in permitted_rules(policy):
        name = rule.reference
        state, messages = _state(rule, [lint for lint in lints if name in lint.rules], is_policy_sound=is_sound)
        if messages and name in states:  # the second of two rules of one name, which is a problem of its own
            messages = [*states[name][1], *messages]
        if messages:
            states[name] = (state, messages)
    return [
        {"name": name, "state": state, "message": cut("\n".join(messages), RULE_MESSAGE_MAX)}
        for name, (state, messages) in states.items()
    ][:RULES_MAX]


def _state(rule: WrittenRule, lints: Sequence[Lint], *, is_policy_sound: bool) -> tuple[str, list[str]]:
    if rule.problems:
        return INVALID, [*map(render, rule.problems), _meaning(rule)]
    if not is_policy_sound:
        return INVALID, ["the policy has problems outside of its rules", _meaning(rule)]
    is_shadowed = any(lint.name == "shadowed" for lint in lints)
    return SHADOWED if is_shadowed else ACTIVE, [lint.text for lint in lints]


def _meaning(rule: WrittenRule) -> str:
    """Return the effect of a rule with problems; see `reading.policies`."""
    if rule.value.action == ALLOW:
        return "so it accepts nothing of what it selects"
    return "so it denies at least what it was meant to"
