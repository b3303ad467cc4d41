"""What a diagnosis may ask beside the objects: the webhook's verdict now, who may attach, and the records of a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cniplugin.netspec.names import nearest
from webhook.admission.model.requests import Decision
from webhook.admission.wording.answers import distinct
from webhook.report.titles import codes_by_upper

from .causes import Evidence, Said
from .objectset import Json, Note, ObjectSet, text


class Recorded(NamedTuple):
    """One attachment in a node's record. `failure`: what its plugin said, "" for none."""

    network: str
    item: int
    interface: str
    failure: str
    line: str


class Right(NamedTuple):
    """Whether pods of a namespace may attach to a network, and who decides.

    `needs_limits`: only pods that ask for something, such as a bandwidth, may.
    """

    namespace: str
    is_allowed: bool
    decided: str
    reason: str = ""
    needs_limits: bool = False


class World(NamedTuple):
    """The objects, and who answers about them.

    `judge`: the webhook's decision about an object as if it were created now; None if it cannot be made. `rights`: for
    the namespace and name of a network, who may attach, () if that cannot be judged. `records`: for the namespace, name
    and uid of a pod, what this node has recorded. `is_refusal`: whether a plugin of one of these types says such words
    about a mistake in its configuration. `network_namespace`: where a bare default network is looked up.
    """

    objects: ObjectSet
    judge: Callable[[Json], Decision | None]
    rights: Callable[[str, str], Sequence[Right]]
    records: Callable[[str, str, str], Sequence[Recorded]]
    is_refusal: Callable[[Sequence[str], str], bool]
    network_namespace: str


def title_of(one: Json) -> str:
    """Return an object as kubectl names it, such as `deployment/web`."""
    name = text(one, "metadata", "name") or f"{text(one, 'metadata', 'generateName')}*"
    return f"{text(one, 'kind').lower()}/{name}"


def without_evidence(objects: ObjectSet) -> str:
    """Return the cause of an object about which nobody says anything: perhaps its events may not be read."""
    return "events-unread" if "Event" in objects.unread else "no-evidence"


def meant(reference: str, objects: ObjectSet) -> tuple[str, ...]:
    """Return as a note which network of the same namespace has nearly this name."""
    namespace, _, name = reference.partition("/")
    near = nearest(name, objects.names("NetworkAttachmentDefinition", namespace)) if name else None
    return (f"did you mean {namespace}/{near}?",) if near else ()


def said(decision: Decision | None, one: Json) -> Said | None:
    """Return what the webhook says about an object."""
    if decision is None:
        return None
    shown = decision.message or "; ".join(f"{cause.field}: {cause.message}" for cause in decision.causes)
    return Said(title_of(one), decision.is_allowed, "" if decision.is_allowed else shown, distinct(decision.rules))


def explainable(*decisions: Decision | None) -> tuple[str, ...]:
    """Return the rules of refusals that `nadmit explain` knows."""
    refused = [decision for decision in decisions if decision is not None and not decision.is_allowed]
    rules = [rule for decision in refused for rule in (*decision.rules, *(cause.rule for cause in decision.causes))]
    return tuple(rule for rule in distinct(rules) if rule.upper() in codes_by_upper())


def evidence_of(note: Note) -> Evidence:
    """Return an event as evidence."""
    return Evidence("event", note.message, note.about, note.reason, note.by, note.times, note.last)
