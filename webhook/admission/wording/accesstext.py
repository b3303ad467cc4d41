"""Answers by the access rules: attachments, definitions by their author, and annotations on a Binding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cniplugin.access.judging import reasons
from cniplugin.access.judging.reasons import Refusal
from cniplugin.access.model.contentfields import FIELDS
from cniplugin.access.model.decision import Config, Verdict
from cniplugin.access.model.labels import Requirement
from cniplugin.access.model.limits import SPELLINGS
from cniplugin.access.model.policyrules import AttachmentRule, NetworkMatch
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.requests import AdmissionWarning, Cause, Decision, Request
from webhook.admission.wording.answers import (
    CAUSES_MAX,
    annotation_field,
    cause_of,
    distinct,
    field_of,
    forbid,
    invalid,
    placed_name,
    user_of,
    who,
)

# Attachments


def unreadable(
    request: Request,
    problems: Sequence[SpecError],
    refusals: Sequence[Refusal],
    others: Sequence[SpecError],
    *,
    warnings: Sequence[AdmissionWarning] = (),
) -> Decision:
    """Refuse an object whose annotations cannot be read, with everything else that is wrong with it."""
    refused_items = [
        SpecError(
            rule=refusal.verdict.code,
            source=DEFAULT_NETWORK if refusal.item is None else NETWORKS,
            path="" if refusal.item is None else f"[{refusal.item}]",
            item=refusal.item,
            detail=f"{refusal.reference}: {refusal.verdict.reason}",
            fix=refusal.verdict.fix,
        )
        for refusal in refusals
    ]
    everything = sorted([*problems, *refused_items, *others], key=input_order)
    return invalid(request, everything, warnings=warnings)


def input_order(error: SpecError) -> tuple[bool, int]:
    """Return the key that sorts by annotation and item; `sorted` keeps the order within an item."""
    return error.source == NETWORKS, -1 if error.item is None else error.item


def refused(
    request: Request,
    refusals: Sequence[Refusal],
    *,
    judged: int,
    also: Sequence[SpecError],
    warnings: Sequence[AdmissionWarning] = (),
) -> Decision:
    """Refuse attachments by the access rules; `also` are other problems of the same object."""
    placed = [error.replace(path=field_of(request, error)) for error in also]
    return Decision(
        is_allowed=False,
        code=403,
        reason="Forbidden",
        message=reasons.render(_placed(request, refusals), who=who(request), judged=judged, also=placed),
        causes=(
            *(_refusal_cause(request, refusal) for refusal in refusals[:CAUSES_MAX]),
            *(cause_of(request, error) for error in also[:CAUSES_MAX]),
        ),
        warnings=tuple(warnings),
        rules=distinct([*(refusal.verdict.code for refusal in refusals), *(error.rule for error in also)]),
        decided=refusals[0].verdict.decided,
        policies=distinct(refusal.verdict.policy for refusal in refusals),
    )


class GeneralRefusal(NamedTuple):
    """The parts of a refusal that also hold for another pod with the same requests. See `refuse_again`.

    `facts`: the lines below the first one, if nothing is left out of them.
    """

    refusals: tuple[Refusal, ...]
    judged: int
    facts: str

    @property
    def items(self) -> frozenset[int | None]:
        """The positions of the refused elements."""
        return frozenset([refusal.item for refusal in self.refusals])


def generalize(refusals: Sequence[Refusal], *, judged: int) -> GeneralRefusal:
    """Return the general parts of `refused`, of a refusal without other problems."""
    return GeneralRefusal(tuple(refusals), judged, reasons.render_all_facts(refusals))


def refuse_again(request: Request, refused_before: Decision, general: GeneralRefusal) -> Decision:
    """Return the decision that `refused` made about another pod of the kind, for the pod of this request.

    Only the message names the pod, and the length of the name decides how many facts there is room for.
    """
    refusals, judged, facts = general
    message = f"{reasons.head(refusals, who=who(request), judged=judged)}\n{facts}"
    if len(message.encode()) > reasons.TEXT_BYTES_MAX:
        message = reasons.render(refusals, who=who(request), judged=judged)
    return refused_before._replace(message=message)


def _refusal_cause(request: Request, refusal: Refusal) -> Cause:
    verdict = refusal.verdict
    text = f"{refusal.reference}: {verdict.reason}; decided by {verdict.decided}; {verdict.fix}"
    item = (DEFAULT_NETWORK, "") if refusal.item is None else (NETWORKS, f"[{refusal.item}]")
    field = refusal.field or annotation_field(request, *item)
    return Cause(field=field, message=text, reason=verdict.code, rule=verdict.code)


def _placed(request: Request, refusals: Sequence[Refusal]) -> Sequence[Refusal]:
    """Return refusals with the names that the place of the pod has for its networks; claims have theirs."""
    place = request.place
    if place is None:
        return refusals
    return [one if one.where else one.replace(where=place.item(one.item)) for one in refusals]


def would_be_refused(request: Request, refusal: Refusal, config: Config) -> AdmissionWarning:
    """Warn of a refusal that a setting turns into a warning."""
    return AdmissionWarning(
        "",
        f"network access: {who(request)} to {refusal.reference} would be denied by "
        f"{refusal.verdict.decider}; ask {config.whom_to_ask}",
        rule=refusal.verdict.code,
    )


def trial(request: Request, refusal: Refusal, config: Config) -> AdmissionWarning:
    """Warn of an attachment that a policy of mode Warn would refuse."""
    return AdmissionWarning("", reasons.render_trial(refusal, config, who=who(request)), rule=refusal.verdict.code)


def trial_record(mode: str, refusal: Refusal) -> str:
    """Return what a policy on trial would refuse, for logs and the audit log."""
    return f"{mode}: {refusal.reference}: {refusal.verdict.code} by {refusal.verdict.decider}"


def namespace_unknown(namespace: str) -> AdmissionWarning:
    """Warn that rules select namespaces by labels, and no file has the labels of this one."""
    return AdmissionWarning(
        "",
        f'no manifest has namespace "{namespace[:63]}": it counts as one without labels, and access rules select '
        "namespaces by labels; add the Namespace with its labels",
        "namespace-unknown",
    )


def binding_refused(request: Request, keys: Sequence[str]) -> Decision:
    """Refuse network annotations on a Binding: the API server would merge them over the pod's own (side door 8)."""
    by = "built-in check of bindings"
    return forbid(
        f"network access denied: binding {request.namespace}/{request.object_name} may not carry {', '.join(keys)}",
        {
            "reason": "annotations of a Binding replace the pod's own after the pod was checked",
            "decided": by,
            "fix": "set the annotation on the pod; the scheduler's Binding needs none",
        },
        causes=[(f"metadata.annotations[{key}]", "not allowed on a Binding") for key in keys],
        rule="BuiltinBindingAnnotation",
        by=by,
    )


# Definitions


def definition_refused(
    request: Request, verdict: Verdict, *, warnings: Sequence[AdmissionWarning] = (), field: str = "spec.config"
) -> Decision:
    """Refuse a definition by the rules about who may write it, or by the level of its namespace.

    `field` has the configuration.
    """
    refusal = forbid(
        f"network definition denied: user {user_of(request)} may not write {request.kind.kind} {placed_name(request)}",
        {"reason": verdict.reason, "decided": verdict.decided, "allowed": verdict.allowed, "fix": verdict.fix},
        causes=(verdict.keys or ((field, verdict.reason),))[:CAUSES_MAX],
        rule=verdict.code,
        by=verdict.decided,
    )
    return refusal._replace(warnings=tuple(warnings), policies=distinct([verdict.policy]))


def definition_trial(request: Request, verdict: Verdict, config: Config) -> AdmissionWarning:
    """Warn of a definition that a policy of mode Warn would refuse."""
    return AdmissionWarning(
        "",
        f"network definition: {placed_name(request)} by user {user_of(request)} "
        f"would be denied by {verdict.decider} (mode Warn): {verdict.reason}; "
        f"ask {verdict.contact or config.whom_to_ask}",
        rule=verdict.code,
    )


def definition_trial_record(mode: str, verdict: Verdict) -> str:
    """Return what a policy on trial would refuse, for logs and the audit log."""
    return f"{mode}: {verdict.code} by {verdict.decider}"


def unattachable(verdict: Verdict) -> AdmissionWarning:
    """Warn an exempt author that the level of the namespace keeps pods from the definition."""
    first, *more = (key for key, _ in verdict.keys)
    left = f" and {len(more)} more" if more else ""
    this, it = ("these", "them") if more else ("this", "it")
    return AdmissionWarning(
        "",
        f"no pod can attach to it at {verdict.decider}, because of {first}{left}: "
        f"list {this} in definitions.baseline, write an Allow rule for definitions that names {it}, or set another "
        "level",
        rule=verdict.code,
    )


# The networks of a rule


def describe_requests(rule: AttachmentRule) -> str:
    """Return the requests that a Deny refuses, as users write them."""
    asked = [spelling for kind, spelling in SPELLINGS.items() if kind in rule.on_requests]
    return ", ".join(asked) or "the network"


_SCOPES = {"OwnNamespace": "of the pod's own namespace", "OtherNamespace": "of other namespaces"}


def describe_networks(rule: AttachmentRule) -> str:
    """Return the networks that a rule is about, with selectors in kubectl's grammar.

    Entries are ORed; the parts of one entry are ANDed.
    """
    return "; or ".join(", ".join(_parts(entry)) or "every network" for entry in rule.networks) or "every network"


def _parts(entry: NetworkMatch) -> Iterator[str]:
    if entry.scope in _SCOPES:
        yield _SCOPES[entry.scope]
    for what, patterns in (
        ("namespace", entry.namespaces),
        ("name", entry.names),
        *((field.what.removeprefix("CNI "), getattr(entry, field.name)) for field in FIELDS),
    ):
        if patterns is not None:
            yield f"{what} {' or '.join(patterns.texts)}"
    if entry.selector is not None:
        yield f"labels {','.join(map(_describe_requirement, entry.selector.requirements)) or 'of any kind'}"
    if entry.is_on_disk is not None:
        yield "a file of the node" if entry.is_on_disk else "no file of the node"


def _describe_requirement(requirement: Requirement) -> str:
    key, operator, values = requirement.key, requirement.operator, sorted(requirement.values)
    if operator in ("Exists", "DoesNotExist"):
        return key if operator == "Exists" else f"!{key}"
    if operator == "In" and len(values) == 1:
        return f"{key}={values[0]}"
    return f"{key} {'in' if operator == 'In' else 'notin'} ({','.join(values)})"
