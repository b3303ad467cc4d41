"""Texts about the annotation `network-status`, written by a user who is not a node."""

from __future__ import annotations

from collections.abc import Sequence

from cniplugin.access.model.decision import Config
from webhook.admission.model.requests import AdmissionWarning, Decision, Request
from webhook.admission.wording.answers import forbid, user_of, who

RULE = "NetworkStatusProtected"
DECIDED = "built-in protection of network-status"


def refused(request: Request, keys: Sequence[str], config: Config) -> Decision:
    """Refuse a `network-status` from anybody but nodes and status writers (side door 20)."""
    if request.operation == "CREATE":
        what, fix = f"create {who(request)} with a network status", "leave the annotation out"
    else:
        what, fix = f"change the network status of {who(request)}", "leave the annotation as it is"
    return forbid(
        f"network access denied: user {user_of(request)} may not {what}",
        {
            "reason": f"the annotation {keys[0]} says what a node attached, and others rely on it",
            "decided": f"{DECIDED} (networkStatusMode Deny)",
            "allowed": "nodes, network plugins of the pod's node (pods/status), statusWriters, statusWriterGroups",
            "fix": f"{fix}, or ask {config.whom_to_ask} to add the user to statusWriters",
        },
        causes=[(f"metadata.annotations[{key}]", "only nodes and status writers may write it") for key in keys],
        rule=RULE,
        by=DECIDED,
    )


def written(request: Request, keys: Sequence[str], config: Config) -> AdmissionWarning:
    """Warn of a `network-status` that mode Warn lets pass."""
    fix = "out" if request.operation == "CREATE" else "as it is"
    return AdmissionWarning(
        f"metadata.annotations[{keys[0]}]",
        f"user {user_of(request)} sets the network status; only nodes and status writers may; leave it {fix}, or ask "
        f"{config.whom_to_ask} to add the user to statusWriters",
        RULE,
    )


def record(mode: str, request: Request, keys: Sequence[str]) -> str:
    """Return who wrote a `network-status`, for logs and the audit log."""
    verb = "brought" if request.operation == "CREATE" else "changed"
    return f"{mode}: {RULE}: {', '.join(keys)} {verb} by {user_of(request)}"


def dropped(key: str) -> AdmissionWarning:
    """Warn that /mutate takes the annotation out of a new pod."""
    return AdmissionWarning(
        f"metadata.annotations[{key}]",
        "dropped: only nodes and status writers may write it, and a new pod has no networks yet; leave it out",
        RULE,
    )
