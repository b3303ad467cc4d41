"""Texts about a change of a namespace's label that decisions depend on.

The requester may edit a namespace but not read the networks and policies of others. So a text names policies, and it
names no network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cniplugin.access.model.decision import Config
from cniplugin.access.model.levels import LABELS, LEVELS
from cniplugin.netspec.errors import show
from cniplugin.netspec.names import nearest
from webhook.admission.model.requests import AdmissionWarning, Decision, Request
from webhook.admission.wording.answers import forbid, user_of

RULE = "NamespaceLabelProtected"
DECIDED, WRITERS = "namespaceLabels.mode", "namespaceLabels.writers"
NAMED_MAX = 3
"""Policies that a text names for one label."""


class LabelChange(NamedTuple):
    """A label that changes; None where it is absent. `policies`: names of those that select namespaces by it."""

    key: str
    before: str | None
    after: str | None
    policies: tuple[str, ...] = ()
    is_level: bool = False
    has_consent: bool = False


def refused(request: Request, changes: Sequence[LabelChange], config: Config) -> Decision:
    """Refuse changes of labels by a user who is not listed."""
    reasons = [f"{_change(change)}, and {_use(change)}" for change in changes]
    it, as_before = ("it", "as it is") if len(changes) == 1 else ("them", "as they are")
    kept = "out" if all(change.before is None for change in changes) else as_before
    labels = f"{'label' if len(changes) == 1 else 'labels'} {', '.join(change.key for change in changes)}"
    writers = _writers(config)
    return forbid(
        f'namespace label denied: user {user_of(request)} may not change {labels} of namespace "{request.object_name}"',
        {
            "reason": "; ".join(reasons),
            "decided": f'{DECIDED} Deny of NetworkAttachmentPolicyConfig "cluster"',
            "allowed": writers,
            "fix": f"leave {it} {kept}, or ask {config.whom_to_ask} to change {it}, or to list the user in {WRITERS}",
        },
        causes=[
            (f"metadata.labels[{change.key}]", f"{reason}; allowed: {writers}")
            for change, reason in zip(changes, reasons, strict=True)
        ],
        rule=RULE,
        by=f"{DECIDED} Deny",
    )


def changed(request: Request, change: LabelChange, config: Config) -> AdmissionWarning:
    """Warn of a change by a user who is not listed."""
    return AdmissionWarning(
        f"metadata.labels[{change.key}]",
        f"it decides who may attach to which network ({_use(change)}); {WRITERS} does not list {user_of(request)}; "
        f"ask {config.whom_to_ask}",
        rule=RULE,
    )


def record(mode: str, change: LabelChange) -> str:
    """Return a change for logs and the audit log."""
    return f"{mode}: {RULE}: {_change(change)}, and {_use(change)}"


def unknown_level(key: str, value: str) -> AdmissionWarning:
    """Warn of a level's label whose value is not a level."""
    return AdmissionWarning(
        f"metadata.labels[{key}]",
        f"this is not a level: {show(value)}; allowed: {', '.join(LEVELS)}; until it is corrected it counts as "
        "Restricted",
        rule="level-value",
    )


def level_meant(key: str) -> str | None:
    """Return the level's label that a label with its prefix most likely means; None if it resembles none of them.

    NB: only the names are compared. The shared prefix makes any two labels look alike.
    """
    named = {label.partition("/")[2]: label for label in LABELS.values()}
    near = nearest(key.partition("/")[2], named)
    return named[near] if near else None


def unknown_label(key: str, near: str) -> AdmissionWarning:
    """Warn of a label that nadmit does not read, where the author most likely means the level's label `near`."""
    allowed = ", ".join(LABELS.values())
    text = f'nadmit reads no such label; did you mean "{near}"? allowed: {allowed}'
    return AdmissionWarning(f"metadata.labels[{key}]", text, rule="level-label")


def _change(change: LabelChange) -> str:
    if change.before is None:
        return f"{change.key} is set to {show(change.after)}"
    if change.after is None:
        return f"{change.key} is removed, which was {show(change.before)}"
    return f"{change.key} changes from {show(change.before)} to {show(change.after)}"


def _use(change: LabelChange) -> str:
    """Return the purpose of a label: `policies "a", "b" and 3 more select namespaces by it`."""
    uses = ["it sets the level of definitions"] if change.is_level else []
    uses += [f"{_policies(change.policies)} by it"] if change.policies else []
    uses += ["an owner shares a network by it"] if change.has_consent else []
    return " and ".join(uses)


def _policies(names: Sequence[str]) -> str:
    named = ", ".join(f'"{name}"' for name in names[:NAMED_MAX])
    left = len(names) - NAMED_MAX
    if len(names) == 1:
        return f"policy {named} selects namespaces"
    return f"policies {named}{f' and {left} more' if left > 0 else ''} select namespaces"


def _writers(config: Config) -> str:
    writers = config.namespace_labels.writers
    named = (
        *_named("users", (*(writers.users if writers else ()), *config.exempt_users)),
        *_named("groups", (*(writers.groups if writers else ()), *config.exempt_groups)),
        *_named("service accounts", ("/".join(account) for account in writers.accounts) if writers else ()),
    )
    return "; ".join(named) or "nobody"


def _named(what: str, names: Iterable[str]) -> list[str]:
    listed = sorted(set(names))
    return [f"{what} {', '.join(listed)}"] if listed else []
