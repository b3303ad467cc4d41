"""Who may attach to a network and who decides: a verdict for each namespace, and namespaces with equal ones together.

A verdict is that about a pod without labels, with the service account `default`, that asks for nothing. It is made when
somebody asks about one network: 200 namespaces and 2,000 networks would be 400,000 verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cniplugin.access.model.decision import Item, Subject
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.view.permissions import permission_of
from webhook.report.diagnosis.world import Right

YES, WITHIN_LIMITS, NO = "yes", "within limits", "no"


class RightGroup(NamedTuple):
    """Namespaces with one verdict and one decider. `state`: YES, NO, or WITHIN_LIMITS if pods must ask for something.

    `reason`: of the first namespace, "" where it may attach.
    """

    state: str
    decided: str
    reason: str
    namespaces: tuple[str, ...]


def rights_of(namespace: str, name: str, names: Sequence[str], context: DecisionContext) -> Iterator[Right]:
    """Yield for each namespace of `names` whether its pods may attach to a network, which need not exist."""
    cluster = context.cluster
    item = Item(
        element=NetworkSelectionElement(name=name, namespace=namespace),
        network=cluster.network(namespace, name),
        network_labels=cluster.namespace_labels(namespace),
        replaces_default=False,
    )
    for where in names:
        labels = cluster.namespace_labels(where)
        subject = Subject(namespace=where, namespace_labels=labels, labels={}, service_account="default")
        permission = permission_of(subject, item, context)
        verdict, needs_limits = permission.verdict, permission.needs_limits
        decided = permission.grants[0].decided if permission.grants else verdict.decided
        is_allowed = verdict.is_allowed or needs_limits
        yield Right(where, is_allowed, decided, verdict.reason, needs_limits=needs_limits)


def group(rights: Sequence[Right]) -> tuple[RightGroup, ...]:
    """Return the groups: who may, who may within limits, who may not; each in the order of its first namespace."""
    found: dict[tuple[str, str], list[Right]] = {}
    for one in rights:
        found.setdefault((_state(one), one.decided), []).append(one)
    return tuple(
        RightGroup(state, decided, "" if ones[0].is_allowed else ones[0].reason, tuple(one.namespace for one in ones))
        for (state, decided), ones in sorted(found.items(), key=lambda entry: _ORDER.index(entry[0][0]))
    )


_ORDER = (YES, WITHIN_LIMITS, NO)


def _state(one: Right) -> str:
    return WITHIN_LIMITS if one.needs_limits else YES if one.is_allowed else NO


def to_json(groups: Sequence[RightGroup]) -> list[dict[str, Any]]:
    """Return groups as plain JSON."""
    return [{**one._asdict(), "namespaces": list(one.namespaces)} for one in groups]
