"""The networks that pods may attach to, as text and as JSON: `nadmit can-attach` and `nadmit rules` print them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cniplugin.access.judging.reasons import LEVEL_CODE, Refusal, decided_by_rule, render_facts
from cniplugin.access.model.decision import Subject, Verdict
from cniplugin.access.model.levels import PRIVILEGED
from cniplugin.access.model.limits import SPELLINGS
from cniplugin.access.model.policyrules import ENFORCE, AttachmentRule
from cniplugin.netspec.errors import render
from webhook.admission.view.permissions import Answer, Permission, Permissions, Trial
from webhook.admission.wording.accesstext import describe_networks, describe_requests
from webhook.report.plaintext import columns

Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `allowed`, `refused`, `warning`."""


def answer_text(answer: Answer, paint: Paint) -> str:
    """Return the answer about one network: yes or no, then the facts in the form of a refusal, then notes."""
    permission = answer.permission
    is_allowed = permission.verdict.is_allowed
    may = "may attach" if is_allowed else "may not attach"
    head = f"{'yes' if is_allowed else 'no'}: {_who(answer.subject)} {may} to {_what(permission)}"
    return "\n".join(
        [
            paint(head, "allowed" if is_allowed else "refused"),
            *_facts(answer),
            *(f"{paint('on trial:', 'warning')} {_trial_text(trial)}" for trial in permission.trials),
            *(f"{paint('note:', 'warning')} {note}" for note in _notes(answer)),
        ]
    )


def _who(subject: Subject) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in sorted(subject.labels.items()))
    more = f", labels {labels}" if labels else ""
    return f"pod of namespace {subject.namespace} (service account {subject.service_account}{more})"


def _what(permission: Permission) -> str:
    item = permission.item
    return f"{item.reference} as its default network" if item.replaces_default else item.reference


def _facts(answer: Answer) -> Iterator[str]:
    permission = answer.permission
    if not permission.verdict.is_allowed:
        yield from render_facts(
            Refusal(
                reference=permission.item.reference,
                item=0,
                verdict=permission.verdict,
                allowed=answer.allowed,
                has_more_allowed=answer.has_more_allowed,
            )
        )
        return
    first, *others = permission.grants
    yield f"  decided: {first.decided}"
    yield f"  allowed: {first.asks}"
    for other in others:
        yield f"  or:      {other.asks}: {other.decided}"
    for rule in permission.denies:
        yield f"  but not: {describe_requests(rule)}: {decided_by_rule(rule, 'Deny')}"


def _trial_text(trial: Trial) -> str:
    return f"mode {trial.mode}: would be refused: {trial.verdict.reason}; decided: {trial.verdict.decided}"


def _notes(answer: Answer) -> Iterator[str]:
    item = answer.permission.item
    if item.network is None:
        near = f'; did you mean "{answer.near}"?' if answer.near else ""
        element = item.element
        there = f'there is no NetworkAttachmentDefinition "{element.name}" in namespace "{element.namespace}"'
        yield f"{there}{near or ':'} pods that ask for it are refused until it exists"
    for problem in answer.problems:
        yield f"pods that ask for this are refused anyway: {render(problem)}"


def answer_json(answer: Answer) -> str:
    """Return the answer as one object."""
    return json.dumps(answer_value(answer), indent=2, ensure_ascii=False)


def answer_value(answer: Answer) -> dict[str, Any]:
    """Return the answer as plain JSON."""
    return {
        **_subject_json(answer.subject),
        **_permission_json(answer.permission),
        "allowedNetworks": [*answer.allowed],
        "hasMoreAllowedNetworks": answer.has_more_allowed,
        "problems": [{"rule": problem.rule, "message": render(problem)} for problem in answer.problems],
    }


def list_text(permissions: Permissions, paint: Paint, *, shows_all: bool, is_configured: bool) -> str:
    """Return tables: the networks, then the rules that decide, then the posture."""
    shown = [one for one in permissions.networks if shows_all or one.verdict.is_allowed or one.needs_limits]
    hidden = len(permissions.networks) - len(shown)
    networks = [row for one in shown for row in _network_rows(one)]
    parts = [
        [f"{_who(permissions.subject)}:"],
        columns([("NETWORK", "ATTACH", "DECIDED BY", "MAY ASK FOR"), *networks])
        if networks
        else ["no network may be attached" if hidden else "there is no network"],
        _deny_table(permissions.denies),
        [
            f"{paint('on trial:', 'warning')} {one.item.reference}: {_trial_text(trial)}"
            for one in shown
            for trial in one.trials
        ],
        [f"for other pods of the namespace: {_rule_name(rule)} ({_mode_of(rule)})" for rule in permissions.others],
        [*_posture(permissions, is_configured=is_configured), *_levels(permissions), *_hidden(hidden)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _network_rows(permission: Permission) -> Iterator[tuple[str, ...]]:
    """NB: a refused network has the reason in the last column, in place of the requests that are allowed."""
    reference, verdict = permission.item.reference, permission.verdict
    state = "yes" if verdict.is_allowed else "within limits" if permission.needs_limits else "no"
    if state == "no":
        yield reference, state, _decided(verdict), f"({verdict.reason})"
        return
    for number, grant in enumerate(permission.grants):
        decided = _rule_name(grant.rule) if grant.rule else _decided(verdict)
        yield (reference, state, decided, grant.asks) if number == 0 else ("", "or", decided, grant.asks)


def _decided(verdict: Verdict) -> str:
    if verdict.policy:
        return f"policy {verdict.policy}, rule {verdict.rule}"
    if verdict.posture:
        return f"posture {verdict.posture}"
    return _DECIDED.get(verdict.code, "built-in check")


_DECIDED = {"Exempt": "exemptNamespaces", "MultusGate": "multusGate", LEVEL_CODE: "level of its namespace"}


def _rule_name(rule: AttachmentRule) -> str:
    return f"policy {rule.policy}, rule {rule.name}"


def _mode_of(rule: AttachmentRule) -> str:
    return rule.action if rule.mode == ENFORCE else f"{rule.action}, mode {rule.mode}"


def _deny_table(rules: Sequence[AttachmentRule]) -> list[str]:
    rows = [(_rule_name(rule), _mode_of(rule), describe_networks(rule), describe_requests(rule)) for rule in rules]
    return columns([("REFUSED BY", "ACTION", "NETWORKS", "WHEN A POD ASKS FOR"), *rows]) if rows else []


def _posture(permissions: Permissions, *, is_configured: bool) -> Iterator[str]:
    config, own = permissions.config, permissions.subject.namespace
    if own in config.exempt_namespaces:
        yield f'exemptNamespaces names "{own}": neither rules nor the posture apply to its pods'
        return
    given = f"networks of {', '.join(dict.fromkeys((own, *config.global_namespaces)))}"
    means = {"Open": "every network", "Strict": "no network", "Consent": f"{given}, and those that owners share"}
    given = means.get(config.posture, given)
    source = 'NetworkAttachmentPolicyConfig "cluster"' if is_configured else "no NetworkAttachmentPolicyConfig"
    yield f"posture: {config.posture} ({source}): if no rule decides, pods may use {given}"
    if config.multus_gate is not None and config.multus_gate.namespace_isolation:
        names = ", ".join(dict.fromkeys((own, *config.multus_gate.global_namespaces)))
        yield f"multusGate: Multus' own check on the nodes allows only networks of {names}; rules cannot widen it"


def _levels(permissions: Permissions) -> Iterator[str]:
    """Yield the levels of definitions in the pod's namespace; nothing if all are Privileged."""
    if all(level.name == PRIVILEGED for level in permissions.levels.values()):
        return
    for mode, level in permissions.levels.items():
        yield f"definitions: {mode} {level.decided}"


def _hidden(count: int) -> list[str]:
    if not count:
        return []
    return ["1 network is refused; --all shows it" if count == 1 else f"{count} networks are refused; --all lists them"]


def list_json(permissions: Permissions, *, is_configured: bool) -> str:
    """Return all networks, refused ones as well, as one object."""
    config = permissions.config
    gate = config.multus_gate
    value = {
        **_subject_json(permissions.subject),
        "isExempt": permissions.subject.namespace in config.exempt_namespaces,
        "posture": config.posture,
        "globalNamespaces": [*config.global_namespaces],
        "hasConfigObject": is_configured,
        "multusGate": None
        if gate is None
        else {"namespaceIsolation": gate.namespace_isolation, "globalNamespaces": [*gate.global_namespaces]},
        "definitionLevels": {
            mode: {"level": level.name, "decided": level.decided} for mode, level in permissions.levels.items()
        },
        "networks": [_permission_json(permission) for permission in permissions.networks],
        "denyRules": [_rule_json(rule) for rule in permissions.denies],
        "rulesForOtherPods": [_rule_json(rule) for rule in permissions.others],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _subject_json(subject: Subject) -> dict[str, Any]:
    return {
        "namespace": subject.namespace,
        "serviceAccount": subject.service_account,
        "labels": dict(sorted(subject.labels.items())),
    }


def _permission_json(permission: Permission) -> dict[str, Any]:
    item, verdict = permission.item, permission.verdict
    decided = permission.grants[0].decided if verdict.is_allowed else verdict.decided
    return {
        "network": item.reference,
        "defaultNetwork": item.replaces_default,
        "exists": item.network is not None,
        "allowed": verdict.is_allowed,
        "code": verdict.code,
        "reason": verdict.reason,
        "decided": decided,
        "policy": verdict.policy,
        "rule": verdict.rule,
        "fix": verdict.fix,
        "mayAskFor": [
            {
                "policy": grant.rule.policy if grant.rule else "",
                "rule": grant.rule.name if grant.rule else "",
                "limits": grant.asks,
            }
            for grant in permission.grants
        ],
        "mayNotAskFor": [_rule_json(rule) for rule in permission.denies],
        "onTrial": [
            {
                "mode": trial.mode,
                "code": trial.verdict.code,
                "policy": trial.verdict.policy,
                "rule": trial.verdict.rule,
                "reason": trial.verdict.reason,
            }
            for trial in permission.trials
        ],
    }


def _rule_json(rule: AttachmentRule) -> dict[str, Any]:
    return {
        "policy": rule.policy,
        "rule": rule.name,
        "action": rule.action,
        "mode": rule.mode,
        "networks": describe_networks(rule),
        "onRequests": [kind for kind in SPELLINGS if kind in rule.on_requests],
        "message": rule.message,
    }
