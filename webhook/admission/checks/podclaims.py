"""A pod gets networks by its claims only if it may use them, as with its annotations.

Fields restricted: `spec.resourceClaims` and the extended resources that containers request, of a pod or of a workload's
pod template. Values allowed: claims, templates and classes whose configurations for a known DRA driver name existing
networks that the access rules give to this pod. Operations: CREATE; for a workload also UPDATE, new claims only. As in
Kubernetes, a pod may name a claim that does not exist yet: the claim is judged when it is written. Exempt: unknown
drivers, and templates as in `podnetworks`. Example refusal: see `access.reasons`, with the claim in place of the item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cniplugin.access.judging.judge import judge, judge_trial
from cniplugin.access.judging.reasons import Refusal
from cniplugin.access.model.decision import Item, Rules, Subject, Verdict
from cniplugin.access.model.levels import WITHOUT_LEVEL
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.checks.podnetworks import find_near, skips_template, subject_of, with_allowed
from webhook.admission.checks.unknownnamespaces import unknown_to_attach
from webhook.admission.dra.attachments import Attachment, ClaimAttachments, Finder
from webhook.admission.dra.claims import IMPLICIT_RESOURCE
from webhook.admission.model.requests import AdmissionWarning, ClaimReference, Decision, Object, Request
from webhook.admission.view.decisioncontext import Cluster, DecisionContext
from webhook.admission.wording import accesstext, answers, claimtext, networktext

UNCHANGED = ClaimReference()
"""Holds the place of a claim that the old object had as well."""


class Judges(NamedTuple):
    """The functions that judge an item by the enforced rules, and by those on trial."""

    judge: Callable[[Subject, Item, Rules], Verdict]
    judge_trial: Callable[[Subject, Item, Rules], tuple[str, Verdict] | None]


class Judged(NamedTuple):
    """The results for all networks of claims. `missing`: namespace and name of networks that do not exist."""

    verdicts: tuple[Verdict, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    trials: tuple[tuple[str, Refusal], ...] = ()
    problems: tuple[SpecError, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


FOR_ONE_POD = Judges(judge, judge_trial)


def check(request: Request, judged: Decision, context: DecisionContext) -> Decision:
    """Return the decision about the pod's networks with that about its claims; a refusal does not change."""
    new, cluster, drivers = request.object, context.cluster, context.configuration.drivers
    is_template = request.kind.kind != "Pod"
    if drivers is None or new is None or new.devices is None or not judged.is_allowed or request.subresource:
        return judged
    if request.operation != "CREATE" and not is_template:
        return judged
    claims, resources = _asked(new, request.old_object, cluster)
    if not (claims or resources) or (is_template and skips_template(request, context.rules)):
        return judged
    spec_path = f"{answers.template_path(request)}spec"
    finder = Finder(cluster.devices, drivers, request.namespace)
    found = finder.find_for_pod(claims, resources, spec_path=spec_path)
    if not (found.attachments or found.unknown or found.problems):
        return judged
    return _decide(request, judged, found, context)


def _asked(new: Object, old: Object | None, cluster: Cluster) -> tuple[tuple[ClaimReference, ...], tuple[str, ...]]:
    """Return the claims and the extended resources to judge; a claim of the old object is UNCHANGED."""
    claims = new.devices.claims() if new.devices else ()
    resources = _resources(new, cluster)
    if old is not None and old.devices is not None:
        before = frozenset(old.devices.claims())
        claims = tuple(UNCHANGED if claim in before else claim for claim in claims)
        had = frozenset(_resources(old, cluster))
        resources = tuple(resource for resource in resources if resource not in had)
    return (claims if any(claim != UNCHANGED for claim in claims) else ()), resources


def _resources(pod: Object, cluster: Cluster) -> tuple[str, ...]:
    """Return the extended resources that select a class."""
    devices = pod.devices
    if devices is None:
        return ()
    if not cluster.devices.has_extended_resources:
        return devices.resources(prefix=IMPLICIT_RESOURCE)
    return tuple(name for name in devices.resources() if cluster.devices.classes_of(name))


def _decide(request: Request, judged: Decision, found: ClaimAttachments, context: DecisionContext) -> Decision:
    cluster, config = context.cluster, context.rules.config
    pod = request.object or Object()
    subject = subject_of(request, pod, cluster)
    decided = judge_attachments(found.attachments, subject, context, FOR_ONE_POD)
    refusals, problems = decided.refusals, [*found.problems, *decided.problems]
    warnings = [
        *judged.warnings,
        *(accesstext.trial(request, refusal, config) for mode, refusal in decided.trials if mode == "Warn"),
    ]
    if request.kind.kind != "Pod":
        warnings += [networktext.not_yet(request, error) for error in decided.problems]
        problems = list(found.problems)
        if config.workload_templates == "Warn":
            warnings += [accesstext.would_be_refused(request, refusal, config) for refusal in refusals]
            refusals = ()
    unasked = unknown_to_attach(cluster, request.namespace, networks_of(found.attachments, cluster), context.rules)
    if refusals:
        refused = accesstext.refused(request, refusals, judged=len(decided.verdicts), also=problems, warnings=warnings)
        return refused._replace(unknown=unasked)
    is_exempt = request.namespace in config.exempt_namespaces
    unknown = found.unknown if request.kind.kind == "Pod" and not is_exempt else ()
    if problems:
        missing = decided.missing if not found.problems else ()
        refused = answers.invalid(request, problems, warnings=warnings)
        return refused._replace(missing=missing, unknown=unasked, unknown_devices=unknown)
    return with_verdicts(judged, decided, warnings)._replace(unknown=unasked, unknown_devices=unknown)


def networks_of(attachments: Sequence[Attachment], cluster: Cluster) -> list[NetworkAttachmentDefinition]:
    """Return the definitions that claims name and that exist."""
    networks = (cluster.network(one.element.namespace, one.element.name) for one in attachments if one.network is None)
    return [network for network in networks if network is not None]


def with_verdicts(judged: Decision, decided: Judged, warnings: Sequence[AdmissionWarning]) -> Decision:
    """Return an allowed decision with the verdicts about the networks of claims."""
    return judged._replace(
        warnings=tuple(warnings),
        rules=answers.distinct([*judged.rules, *(verdict.code for verdict in decided.verdicts)]),
        policies=answers.distinct([*judged.policies, *(verdict.policy for verdict in decided.verdicts)]),
        trials=(*judged.trials, *(accesstext.trial_record(mode, refusal) for mode, refusal in decided.trials)),
    )


def judge_attachments(
    attachments: Sequence[Attachment], subject: Subject, context: DecisionContext, judges: Judges
) -> Judged:
    """Judge each network of the claims, and find those that do not exist, if the subject may use them."""
    cluster, rules = context.cluster, context.rules
    verdicts: list[Verdict] = []
    refusals: list[Refusal] = []
    trials: list[tuple[str, Refusal]] = []
    problems: list[SpecError] = []
    missing: dict[tuple[str, str], None] = {}
    for attachment in attachments:
        element = attachment.element
        network = attachment.network or cluster.network(element.namespace, element.name)
        if network is None and attachment.is_alternative:
            continue
        labels = cluster.namespace_labels(element.namespace)
        if attachment.is_own or (attachment.network is not None and not attachment.place.key.namespace):
            labels = {**labels, **WITHOUT_LEVEL}
        item = Item(element=element, network=network, network_labels=labels, source=claimtext.SOURCE)
        verdict = judges.judge(subject, item, rules)
        if attachment.is_own and verdict.posture:
            continue
        verdicts.append(verdict)
        if not verdict.is_allowed:
            refusals.append(_refusal(item, attachment, verdict))
            continue
        if (trial := judges.judge_trial(subject, item, rules)) is not None:
            trials.append((trial[0], _refusal(item, attachment, trial[1])))
        if network is None:
            missing[element.namespace, element.name] = None
            near = find_near(element, subject, context) if len(problems) < answers.CAUSES_MAX else ""
            problems.append(claimtext.not_found(attachment, near))
    shown = tuple(with_allowed(refusals, subject, context))
    return Judged(tuple(verdicts), shown, tuple(trials), tuple(problems), tuple(missing))


def _refusal(item: Item, attachment: Attachment, verdict: Verdict) -> Refusal:
    where = claimtext.where(attachment)
    return Refusal(reference=item.reference, item=None, verdict=verdict, where=where, field=attachment.field)
