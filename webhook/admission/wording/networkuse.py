"""What is said about a network that running pods use, when somebody deletes or changes it.

Pods are named only in the network's own namespace, whose people may see them; of other namespaces there is a count.
A remark is one warning: the names come last, where a long one is cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from cniplugin.access.judging.reasons import TEXT_BYTES_MAX, cut
from webhook.admission.model.requests import Cause, Decision, NetworkUsers, Request
from webhook.admission.wording.messages import warning, who

RULE = "NetworkInUse"
DECIDED = "built-in check of networks in use (--network-in-use Deny)"

NAME_MAX = 63
"""Characters of a name that are shown; a name may have 253, and most have a label's."""


def deletion_remark(request: Request, users: NetworkUsers) -> str:
    """Warn of a deletion."""
    return warning(
        f"{_pods(users)} {_network(request)}: it stays attached, but pods that are made again will not start; "
        f"create it again, or take it out of them ({_names(users)})"
    )


def change_remark(request: Request, users: NetworkUsers, changes: Sequence[str]) -> str:
    """Warn of a change that breaks."""
    return warning(
        f"{_pods(users)} {_network(request)}, and this changes {', '.join(changes)}: the old one stays attached "
        f"until pods are made again; delete them when it suits ({_names(users)})"
    )


def deletion_refused(request: Request, users: NetworkUsers) -> Decision:
    """Refuse a deletion."""
    return _refuse(
        request,
        head="may not be deleted",
        reason=f"{_pods(users)} it: {_names(users)}",
        effect="pods keep what they have, but a pod or sandbox that is made again does not start without it",
        field="metadata.name",
    )


def change_refused(
    request: Request, users: NetworkUsers, changes: Sequence[str], *, warnings: Sequence[str]
) -> Decision:
    """Refuse a change that breaks; `warnings` are those of other checks."""
    refused = _refuse(
        request,
        head=f"may not change in {', '.join(changes)}",
        reason=f"{_pods(users)} it: {_names(users)}",
        effect="pods keep what they have until they are made again, and differ from new ones until then",
        field="spec.config",
    )
    return refused._replace(warnings=tuple(warnings))


def _refuse(request: Request, *, head: str, reason: str, effect: str, field: str) -> Decision:
    lines = [
        f"network in use: {who(request)} {head}",
        f"  reason:  {reason}",
        f"  effect:  {effect}",
        f"  decided: {DECIDED}",
        "  fix:     delete these pods, or take the network out of the workloads that make them; then try again",
    ]
    return Decision(
        is_allowed=False,
        code=403,
        reason="Forbidden",
        message=cut("\n".join(lines), TEXT_BYTES_MAX),
        causes=(Cause(field=field, message=reason, reason=RULE, rule=RULE),),
        rules=(RULE,),
        decided=DECIDED,
    )


def _pods(users: NetworkUsers) -> str:
    return "1 running pod uses" if users.total == 1 else f"{users.total} running pods use"


def _network(request: Request) -> str:
    return f"network {_short(request.namespace)}/{_short(request.object_name)}"


def _names(users: NetworkUsers) -> str:
    """Return names, and how many have none here: `web-0, web-1, 3 more, 2 of other namespaces`."""
    unnamed = users.own - len(users.names)
    others = users.total - users.own
    parts = [*map(_short, users.names)]
    parts += [f"{unnamed} more"] if unnamed else []
    parts += [f"{others} of other namespaces"] if others else []
    return ", ".join(parts)


def _short(name: str) -> str:
    return name if len(name) <= NAME_MAX else f"{name[: NAME_MAX - 3]}..."
