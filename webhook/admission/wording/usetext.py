"""Texts about networks and addresses that running pods use.

A text names pods of the reader's own namespace only, whose people may see them. Pods of other namespaces are counted.
A warning has the names at its end, where a long warning is cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from cniplugin.netspec.errors import SpecError, describe
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.requests import AdmissionWarning, Decision, NetworkUsers, Request
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.view.addressclaims import Claim
from webhook.admission.wording.answers import field_of, forbid, shorten, who

RULE = "NetworkInUse"
DECIDED = "built-in check of networks in use (--network-in-use Deny)"

# Networks


def deletion_warning(request: Request, users: NetworkUsers) -> AdmissionWarning:
    """Warn that pods use a network that is deleted."""
    has = f"{_pods(users)} {_network(request)}: it stays attached, but recreated pods will not start"
    waits = f"{_waiting(users)} for {_network(request)} and will not start without it"
    effect = (
        f"{has}; {_waiting(users)} for it" if users.attached and users.waiting else has if users.attached else waits
    )
    text = f"{effect}; create it again, or remove it from the pods ({_names(users)})"
    return AdmissionWarning("", text, rule=RULE)


def change_warning(request: Request, users: NetworkUsers, changes: Sequence[str]) -> AdmissionWarning:
    """Warn that a change breaks the network for the pods that use it."""
    if not users.attached:
        return AdmissionWarning(
            "",
            f"{_waiting(users)} for {_network(request)}, and this changes {', '.join(changes)}: "
            f"nothing is attached yet, so they get the new one ({_names(users)})",
            rule=RULE,
        )
    waiting = f"; {_waiting(users)} and will get the new one" if users.waiting else ""
    return AdmissionWarning(
        "",
        f"{_pods(users)} {_network(request)}, and this changes {', '.join(changes)}: the old one stays attached "
        f"until the pods are recreated; delete them when convenient{waiting} ({_names(users)})",
        rule=RULE,
    )


def deletion_refused(request: Request, users: NetworkUsers) -> Decision:
    """Refuse a deletion."""
    return _refuse(
        request,
        head="may not be deleted",
        users=users,
        effect="pods keep what they have, but a recreated pod or sandbox does not start without it",
        field="metadata.name",
    )


def change_refused(
    request: Request, users: NetworkUsers, changes: Sequence[str], *, warnings: Sequence[AdmissionWarning]
) -> Decision:
    """Refuse a change that breaks; `warnings` are those of other checks."""
    refusal = _refuse(
        request,
        head=f"may not change in {', '.join(changes)}",
        users=users,
        effect="pods keep what they have until they are recreated, and differ from new ones until then",
        field="spec.config",
    )
    return refusal._replace(warnings=tuple(warnings))


def _refuse(request: Request, *, head: str, users: NetworkUsers, effect: str, field: str) -> Decision:
    waiting = f"{_waiting(users)} for it" if users.waiting else ""
    reason = f"{'; '.join(filter(None, (_pods(users) + ' it' if users.attached else '', waiting)))}: {_names(users)}"
    fix = "delete these pods, or remove the network from the workloads that create them; then try again"
    return forbid(
        f"network in use: {who(request)} {head}",
        {"reason": reason, "effect": effect, "decided": DECIDED, "fix": fix},
        causes=[(field, reason)],
        rule=RULE,
        by=DECIDED,
    )


def _pods(users: NetworkUsers) -> str:
    return "1 running pod uses" if users.attached == 1 else f"{users.attached} running pods use"


def _waiting(users: NetworkUsers) -> str:
    return (
        "1 pod that has not started waits" if users.waiting == 1 else f"{users.waiting} pods that have not started wait"
    )


def _network(request: Request) -> str:
    return f"network {shorten(request.namespace)}/{shorten(request.object_name)}"


def _names(users: NetworkUsers) -> str:
    """Return names and counts: `web-0, web-1, 3 more, 2 of other namespaces`."""
    unnamed, others = users.own - len(users.names), users.total - users.own
    parts = [*map(shorten, users.names)]
    parts += [f"{unnamed} more"] if unnamed else []
    parts += [f"{others} of other namespaces"] if others else []
    return ", ".join(parts)


# Addresses


def address_warning(request: Request, error: SpecError) -> AdmissionWarning:
    """Warn of a request that has no effect, or that may fail elsewhere."""
    return AdmissionWarning(field_of(request, error), describe(error), error.rule)


def place(finding: PluginFinding, item: int | None) -> SpecError:
    """Return a finding about an element as a problem of its pod; `item`: its position, None for the default network."""
    source, place = (DEFAULT_NETWORK, "") if item is None else (NETWORKS, f"[{item}]")
    path = f"{place}.{finding.path}" if place and finding.path else place or finding.path
    return finding.as_spec_error().replace(source=source, path=path, item=item)


def duplicate(claim: Claim, *, by: str) -> PluginFinding:
    """Return the text about an address that other pods ask for; `by`: those pods, as the beginning of a sentence."""
    what, code = ("MAC address", "NAD612") if claim.is_mac else ("address", "NAD611")
    detail = f"{by} for this {what} of the network as well"
    return PluginFinding(code=code, path=claim.path, detail=detail, value=claim.value, fix="ask for another one")


def asking_pods(users: Sequence[tuple[str, str]], namespace: str) -> str:
    """Name pods, given as namespace and name, to a reader of one namespace: `pod web-1 asks`, `other pods ask`."""
    own = sorted(name for where, name in users if where == namespace)
    if own:
        name = shorten(own[0])
        return f"pod {name} asks" if len(users) == 1 else f"pod {name} and others ask"
    return "another pod asks" if len(users) == 1 else "other pods ask"
