"""Messages about a change of a namespace's label that decides who may attach.

The requester may edit a namespace and not read policies of others, so a policy is named, and no network is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cniplugin.access.judging.reasons import TEXT_BYTES_MAX, cut
from cniplugin.access.model.decision import Config
from cniplugin.access.model.levels import LABELS, LEVELS
from cniplugin.netspec.errors import show
from cniplugin.netspec.names import nearest
from webhook.admission.model.requests import Cause, Decision, Request
from webhook.admission.wording.messages import warning

RULE = "NamespaceLabelProtected"
DECIDED, WRITERS = "namespaceLabels.mode", "namespaceLabels.writers"
NAMED_MAX = 3
"""Policies that are named for one label."""


class LabelChange(NamedTuple):
    """A label that changes; None where it is absent. `policies`: names of those that select namespaces by it."""

    key: str
    before: str | None
    after: str | None
    policies: tuple[str, ...] = ()
    is_level: bool = False
    has_consent: bool = False


def refused(request: Request, changes: Sequence[LabelChange], config: Config) -> Decision:
    """Refuse changes of labels by somebody who is not listed."""
    user = show(request.user.name)[1:-1]
    reason = "; ".join(f"{_change(change)}, and {_use(change)}" for change in changes)
    it, as_before = ("it", "as it is") if len(changes) == 1 else ("them", "as they are")
    kept = "out" if all(change.before is None for change in changes) else as_before
    fix = f"leave {it} {kept}, or ask {config.whom_to_ask} to change {it}, or to list the user in {WRITERS}"
    lines = [
        f'namespace label denied: user {user} may not change {_labels(changes)} of namespace "{request.object_name}"',
        f"  reason:  {reason}",
        f'  decided: {DECIDED} Deny of NetworkAttachmentPolicyConfig "cluster"',
        f"  allowed: {_writers(config)}",
        f"  fix:     {fix}",
    ]
    return Decision(
        is_allowed=False,
        code=403,
        reason="Forbidden",
        message=cut("\n".join(lines), TEXT_BYTES_MAX),
        causes=tuple(
            Cause(
                field=f"metadata.labels[{change.key}]",
                message=f"{_change(change)}, and {_use(change)}; allowed: {_writers(config)}",
                reason=RULE,
                rule=RULE,
            )
            for change in changes
        ),
        rules=(RULE,),
        decided=f"{DECIDED} Deny",
    )


def remark(request: Request, change: LabelChange, config: Config) -> str:
    """Warn of a change by somebody who is not listed."""
    return warning(
        f"metadata.labels[{change.key}]: it decides who may attach to which network ({_use(change)}); "
        f"namespaceLabels.writers does not list {show(request.user.name)[1:-1]}; ask {config.whom_to_ask}"
    )


def record(mode: str, change: LabelChange) -> str:
    """Return a change for records."""
    return f"{mode}: {RULE}: {_change(change)}, and {_use(change)}"


def unknown_level(key: str, value: str) -> str:
    """Warn of the value of a level's label that names no level."""
    return warning(
        f"metadata.labels[{key}]: this is no level: {show(value)}; allowed: {', '.join(LEVELS)}; "
        "until it is corrected it counts as Restricted"
    )


def level_meant(key: str) -> str | None:
    """Return the level's label that one with its prefix most likely means, None if it resembles none.

    The names alone are compared: the prefix that they share makes any two labels alike.
    """
    named = {label.partition("/")[2]: label for label in LABELS.values()}
    near = nearest(key.partition("/")[2], named)
    return named[near] if near else None


def unknown_label(key: str, near: str) -> str:
    """Warn of a label that nothing reads, where the level's label `near` was most likely meant."""
    allowed = ", ".join(LABELS.values())
    return warning(f'metadata.labels[{key}]: nadmit reads no such label; did you mean "{near}"? allowed: {allowed}')


def _change(change: LabelChange) -> str:
    if change.before is None:
        return f"{change.key} is set to {show(change.after)}"
    if change.after is None:
        return f"{change.key} is removed, which was {show(change.before)}"
    return f"{change.key} changes from {show(change.before)} to {show(change.after)}"


def _use(change: LabelChange) -> str:
    """Return what a label is for: `policies "a", "b" and 3 more select namespaces by it`."""
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


def _labels(changes: Sequence[LabelChange]) -> str:
    return f"{'label' if len(changes) == 1 else 'labels'} {', '.join(change.key for change in changes)}"


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
