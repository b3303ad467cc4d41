"""A network: why nobody can attach to it, or who can.

In this order: the definition does not exist, the webhook would refuse it, no namespace may use it, the pods that ask
for it fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from . import poddiagnosis, podstatus
from .causes import STAGES, Diagnosis, Evidence
from .failednetwork import NETWORK_KIND as KIND
from .objectset import Json, text
from .world import Right, World, explainable, meant, said

SHOWN_MAX = 10


class _Asking(NamedTuple):
    pod: Json
    found: Diagnosis


def diagnose(namespace: str, name: str, world: World) -> Diagnosis:
    """Return the diagnosis of a network, which may not exist."""
    definition = world.objects.get(KIND, namespace, name)
    reference = f"{namespace}/{name}"
    unread = tuple(world.objects.unread.values())
    found = Diagnosis(KIND, namespace, name, "network-fine", {"network": reference}, unread=unread)
    asking = [_Asking(pod, poddiagnosis.diagnose(pod, world)) for pod in _asking(reference, world)]
    parts = tuple(one.found for one in asking if not one.found.is_fine)[:SHOWN_MAX]
    if definition is None:
        return _missing(found, world)._replace(parts=parts)
    judged = world.judge(definition)
    if judged is not None and not judged.is_allowed:
        now = said(judged, definition)
        return found._replace(cause="definition-refused", now=now, explain=explainable(judged), parts=parts)
    rights = world.rights(namespace, name)
    may = [right.namespace for right in rights if right.is_allowed]
    if rights and not may:
        return found._replace(cause="nobody-may", evidence=_deciders(rights), parts=parts)
    return _of_pods(found, asking)._replace(notes=_notes(asking, may, is_judged=bool(rights)))


def _asking(reference: str, world: World) -> list[Json]:
    """Return the pods that select a network and have not ended."""
    return [
        pod
        for pod in world.objects.of_kind("Pod")
        if text(pod, "status", "phase") not in poddiagnosis.ENDED
        and any(
            podstatus.reference_of(element) == reference
            for _, element in podstatus.selections_of(pod, world.network_namespace).elements
        )
    ]


UNREAD = "the definitions were not read: with -f, add net-attach-def to the kinds that kubectl writes"


def _missing(found: Diagnosis, world: World) -> Diagnosis:
    if KIND in world.objects.unread:
        return found._replace(cause="no-evidence", notes=(UNREAD,))
    places = [text(one, "metadata", "namespace") for one in world.objects.of_kind(KIND) if _name(one) == found.name]
    if places:
        value = " or ".join(f"{place}/{found.name}" for place in sorted(places))
        return found._replace(cause="namespace-wrong", facts={**found.facts, "value": value})
    return found._replace(cause="network-missing", notes=meant(f"{found.namespace}/{found.name}", world.objects))


def _of_pods(found: Diagnosis, asking: list[_Asking]) -> Diagnosis:
    """Return the commonest failure of the pods, if none has the network; else that it works."""
    bad = [
        one.found for one in asking if not one.found.is_fine and _concerns(one.found, f"{found.namespace}/{found.name}")
    ]
    if not bad or any(one.found.is_fine for one in asking):
        return found._replace(parts=tuple(bad[:SHOWN_MAX]))
    count = Counter(one.cause for one in bad)
    first = min(bad, key=lambda one: (-count[one.cause], STAGES.index(one.stage)))
    return found._replace(
        cause=first.cause,
        facts=first.facts,
        evidence=first.evidence,
        failure=first.failure,
        explain=first.explain,
        parts=tuple(bad[:SHOWN_MAX]),
    )


def _concerns(found: Diagnosis, reference: str) -> bool:
    return found.failure is None or found.failure.network in {"", reference}


def _deciders(rights: Sequence[Right]) -> tuple[Evidence, ...]:
    shown = {right.decided: right for right in rights}
    return tuple(
        Evidence("webhook", f"{right.reason}; decided: {right.decided}", f"namespace/{right.namespace}", "can-attach")
        for right in list(shown.values())[:SHOWN_MAX]
    )


def _notes(asking: list[_Asking], may: list[str], *, is_judged: bool) -> tuple[str, ...]:
    have = sum(one.found.is_fine for one in asking)
    notes = [f"pods that ask for it: {len(asking)}, of these without a problem: {have}"]
    if is_judged:
        more = f" and {len(may) - SHOWN_MAX} more" if len(may) > SHOWN_MAX else ""
        notes.append(f"pods of these namespaces may attach: {', '.join(may[:SHOWN_MAX])}{more}")
    return tuple(notes)


def _name(one: Json) -> str:
    return text(one, "metadata", "name")
