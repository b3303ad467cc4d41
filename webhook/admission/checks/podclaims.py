"""The networks that a pod gets by its claims may be used, as those of its annotation.

Fields restricted: `spec.resourceClaims` and the extended resources that containers request, of a pod or of a workload's
pod template. Values allowed: claims, templates and classes whose configurations for a known DRA driver name networks
that the access rules give to this pod, and that exist. Operations: CREATE; UPDATE of a workload, what is new. A claim
that does not exist yet is allowed, as by Kubernetes: it is judged when it is written. Exempt: drivers that nothing is
known of, and templates as in `networks`. Example refusal: see `access.reasons`, with the claim in place of the item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cniplugin.access.judging.allowednetworks import list_allowed
from cniplugin.access.judging.judge import judge, judge_trial, usable_namespaces
from cniplugin.access.judging.reasons import Refusal
from cniplugin.access.model.decision import Item, Rules, Subject, Verdict
from cniplugin.access.model.levels import WITHOUT_LEVEL
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import nearest
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.checks.namespacelabels import unknown_to_attach
from webhook.admission.checks.networks import skips_template
from webhook.admission.dra.attachments import Attachment, ClaimAttachments, Finder
from webhook.admission.dra.claims import IMPLICIT_RESOURCE
from webhook.admission.dra.drivers import Drivers
from webhook.admission.model.requests import ClaimReference, Decision, Object, Request
from webhook.admission.view.listers import Cluster
from webhook.admission.wording import claimtext, messages

UNCHANGED = ClaimReference()
"""In the place of a claim that was there before."""


class Judges(NamedTuple):
    """Who decides about an item: the rules in force, and those on trial."""

    judge: Callable[[Subject, Item, Rules], Verdict]
    judge_trial: Callable[[Subject, Item, Rules], tuple[str, Verdict] | None]


class Judged(NamedTuple):
    """What was decided. `missing`: namespace and name of networks that do not exist."""

    verdicts: tuple[Verdict, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    trials: tuple[tuple[str, Refusal], ...] = ()
    problems: tuple[SpecError, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


FOR_ONE_POD = Judges(judge, judge_trial)


def check(request: Request, judged: Decision, cluster: Cluster, rules: Rules, drivers: Drivers) -> Decision:
    """Return the decision about the pod's networks with that about its claims; a refusal stays as it is."""
    new = request.object
    is_template = request.kind.kind != "Pod"
    if new is None or new.devices is None or not judged.is_allowed or request.subresource:
        return judged
    if request.operation != "CREATE" and not is_template:
        return judged
    claims, resources = _asked(new, request.old_object, cluster)
    if not (claims or resources) or (is_template and skips_template(request, rules)):
        return judged
    spec_path = f"{messages.template_path(request.kind)}spec"
    finder = Finder(cluster.devices, drivers, request.namespace)
    found = finder.find_for_pod(claims, resources, spec_path=spec_path)
    if not (found.attachments or found.unknown or found.problems):
        return judged
    return _decide(request, judged, found, cluster, rules)


def _asked(new: Object, old: Object | None, cluster: Cluster) -> tuple[tuple[ClaimReference, ...], tuple[str, ...]]:
    """Return the claims and the extended resources to look at; a claim that was there before is UNCHANGED."""
    claims = new.devices.claims() if new.devices else ()
    resources = _resources(new, cluster)
    if old is not None and old.devices is not None:
        before = frozenset(old.devices.claims())
        claims = tuple(UNCHANGED if claim in before else claim for claim in claims)
        had = frozenset(_resources(old, cluster))
        resources = tuple(resource for resource in resources if resource not in had)
    return (claims if any(claim != UNCHANGED for claim in claims) else ()), resources


def _resources(thing: Object, cluster: Cluster) -> tuple[str, ...]:
    """Return the extended resources that stand for a class."""
    sent = thing.devices
    if sent is None:
        return ()
    if not cluster.devices.has_extended_resources:
        return sent.resources(prefix=IMPLICIT_RESOURCE)
    return tuple(name for name in sent.resources() if cluster.devices.classes_of(name))


def _decide(request: Request, judged: Decision, found: ClaimAttachments, cluster: Cluster, rules: Rules) -> Decision:
    pod = request.object or Object()
    subject = Subject(
        namespace=request.namespace,
        namespace_labels=cluster.namespace_labels(request.namespace),
        labels=pod.labels,
        service_account=pod.service_account,
    )
    decided = judge_attachments(found.attachments, subject, cluster, rules, FOR_ONE_POD)
    refusals, problems = decided.refusals, [*found.problems, *decided.problems]
    warnings = [
        *judged.warnings,
        *(messages.trial(request, refusal, rules.config) for mode, refusal in decided.trials if mode == "Warn"),
    ]
    if request.kind.kind != "Pod":
        warnings += [messages.not_yet(error) for error in decided.problems]
        problems = list(found.problems)
        if rules.config.workload_templates == "Warn":
            warnings += [messages.would_be_refused(request, refusal, rules.config) for refusal in refusals]
            refusals = ()
    unasked = unknown_to_attach(cluster, request.namespace, networks_of(found.attachments, cluster), rules)
    if refusals:
        refused = messages.refused(request, refusals, judged=len(decided.verdicts), also=problems, warnings=warnings)
        return refused._replace(unknown=unasked)
    is_exempt = request.namespace in rules.config.exempt_namespaces
    unknown = found.unknown if request.kind.kind == "Pod" and not is_exempt else ()
    if problems:
        missing = decided.missing if not found.problems else ()
        refused = messages.invalid(request, problems, warnings=warnings)
        return refused._replace(missing=missing, unknown=unasked, unknown_devices=unknown)
    return with_verdicts(judged, decided, warnings)._replace(unknown=unasked, unknown_devices=unknown)


def networks_of(attachments: Sequence[Attachment], cluster: Cluster) -> list[NetworkAttachmentDefinition]:
    """Return the definitions that claims name and that exist."""
    found = (cluster.network(one.element.namespace, one.element.name) for one in attachments if one.network is None)
    return [network for network in found if network is not None]


def with_verdicts(judged: Decision, decided: Judged, warnings: Sequence[str]) -> Decision:
    """Return an allowed decision with who decided about what claims attach."""
    return judged._replace(
        warnings=tuple(warnings),
        rules=messages.distinct([*judged.rules, *(verdict.code for verdict in decided.verdicts)]),
        policies=messages.distinct([*judged.policies, *(verdict.policy for verdict in decided.verdicts)]),
        trials=(*judged.trials, *(messages.trial_record(mode, refusal) for mode, refusal in decided.trials)),
    )


def judge_attachments(
    attachments: Sequence[Attachment], subject: Subject, cluster: Cluster, rules: Rules, judges: Judges
) -> Judged:
    """Judge each network that claims bring, and look whether it exists where the subject may know that."""
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
            near = _near(attachment, cluster, subject, rules) if len(problems) < messages.CAUSES_MAX else None
            problems.append(claimtext.not_found(attachment, near))
    if refusals:
        allowed, more = list_allowed(subject, rules, cluster)
        refusals = [refusal.replace(allowed=allowed, has_more_allowed=more) for refusal in refusals]
    return Judged(tuple(verdicts), tuple(refusals), tuple(trials), tuple(problems), tuple(missing))


def _refusal(item: Item, attachment: Attachment, verdict: Verdict) -> Refusal:
    where = claimtext.where(attachment)
    return Refusal(reference=item.reference, item=None, verdict=verdict, where=where, field=attachment.field)


def _near(attachment: Attachment, cluster: Cluster, subject: Subject, rules: Rules) -> str | None:
    """Return a network of a similar name, if the subject may know of it. NB: it takes up to milliseconds."""
    element = attachment.element
    is_usable = element.namespace in usable_namespaces(subject, rules)
    return nearest(element.name, cluster.network_names(element.namespace)) if is_usable else None
