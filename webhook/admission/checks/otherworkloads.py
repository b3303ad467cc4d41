"""Objects of other programs that make pods are judged like workloads: Argo Rollouts, virtual machines, and others.

Fields restricted: the pod templates of the kinds in `Configuration.workloads`, and what such a kind has in place of
annotations, such as `spec.template.spec.networks` of a virtual machine. Values allowed: those of `podnetworks` for the
pod of a template. Operations: CREATE and UPDATE; a template that asks for the networks of one of the old object is not
judged again, so a change of a machine's network is judged, and one that removes a network always passes. Exempt: as in
`podnetworks`. Where the pods are those of other authors (a VirtualMachinePreference), access rules only warn, and for a
kind without a namespace only the text is judged. Example refusal: "network access denied: virtualmachine blue/db may
not attach to infra/storage (spec.template.spec.networks[1])".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from cniplugin.netspec.annotation import texts_of
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.checks import podnetworks, workloads
from webhook.admission.dra.claims import IMPLICIT_RESOURCE
from webhook.admission.model.requests import ALLOWED, NOTHING, Decision, Object, PodPlace, Request
from webhook.admission.templates.podtemplates import FoundPod, Json, find_by_shape, object_of, texts
from webhook.admission.templates.workloadtable import Workload
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.view.parsecache import read_pod
from webhook.admission.wording import answers, podtext

Find = Callable[[Json], Sequence[FoundPod]]
Check = Callable[[Request, DecisionContext], Decision]
"""Judges the pod of one template."""

MARKS = (NETWORKS, DEFAULT_NETWORK, '"multus"', "resourceClaims", IMPLICIT_RESOURCE, *workloads.OF_PODS)
"""Texts of which an object has one if there is anything to judge."""

NO_OWN: Mapping[str, Mapping[str, str]] = {}


def check(request: Request, context: DecisionContext, check_pod: Check) -> Decision:
    """Judge the pods that an object of another kind would make. `check_pod` judges one, as for a workload."""
    configuration, unread = context.configuration, request.object.unread if request.object else None
    known = configuration.workloads.get(request.kind)
    if unread is None or request.subresource or (known is None and not configuration.finds_by_shape):
        return ALLOWED
    if not unread.mentions(MARKS) or podnetworks.skips_template(request, context.rules):
        return ALLOWED
    new, old = unread.read(), unread.read_old()
    if known is not None and not known.is_certain:
        return _check_uncertain(request, known, new, old, context, check_pod)
    find = known.find if known is not None else find_by_shape
    own = _own(new, old) if known is not None and known.has_own else NO_OWN
    return _check_pods(request, find, (new, old), own, context, check_pod)


def has_pods(value: Json, known: Workload | None) -> bool:
    """Say whether an object has a pod to judge."""
    return bool(known.find(value) if known is not None else find_by_shape(value))


def _check_pods(
    request: Request,
    find: Find,
    values: tuple[Json, Json | None],
    own: Mapping[str, Mapping[str, str]],
    context: DecisionContext,
    check_pod: Check,
) -> Decision:
    """Judge all pods of an object; `values`: the new object and the old one."""
    value, before = values
    old = [(one.place.path, object_of(one, before, own=NO_OWN)) for one in find(before)] if before is not None else []
    decisions: list[Decision] = []
    for one in find(value):
        new = object_of(one, value, own=own)
        same, own = _counterpart(one.place, new, old), NO_OWN  # NB: one warning about the object itself is enough
        decided = check_pod(request._replace(object=new, old_object=same, place=one.place), context)
        warnings = tuple(podtext.replaced(field) for field in one.replaced) if same is None else ()
        decisions.append(decided._replace(warnings=(*decided.warnings, *warnings)) if warnings else decided)
    return _joined(decisions)


def _own(new: Json, old: Json | None) -> Mapping[str, Mapping[str, str]]:
    """Return the new annotations of the object itself, which its pods do not get."""
    before = _annotations(old) if old is not None else NOTHING
    changed = {key: text for key, text in _annotations(new).items() if before.get(key) != text}
    return {"metadata.annotations": changed} if changed else NO_OWN


def _annotations(value: Json) -> Mapping[str, str]:
    metadata = value.get("metadata")
    return texts(metadata.get("annotations")) if isinstance(metadata, dict) else NOTHING


def _counterpart(place: PodPlace, new: Object, old: Sequence[tuple[str, Object]]) -> Object | None:
    """Return the old pod to compare with: one that asks for the same, or else the one at the same place."""
    asked = texts_of(new.annotations)
    alike = (one for _, one in old if texts_of(one.annotations) == asked)
    at_place = (one for path, one in old if path == place.path)
    return next(chain(alike, at_place), None)


def _check_uncertain(
    request: Request, known: Workload, new: Json, old: Json | None, context: DecisionContext, check_pod: Check
) -> Decision:
    if request.namespace:
        rules = context.rules.replace(config=context.rules.config.replace(workload_templates="Warn"))
        return _check_pods(request, known.find, (new, old), NO_OWN, context._replace(rules=rules), check_pod)
    before = known.find(old) if old is not None else ()
    return _joined([_check_text(request, one, before, context) for one in known.find(new)])


def _check_text(request: Request, found: FoundPod, before: Iterable[FoundPod], context: DecisionContext) -> Decision:
    """Judge whether annotations can be read, for pods of any namespace."""
    annotations = texts(found.pod["metadata"].get("annotations"))
    if texts_of(annotations) in [texts_of(texts(one.pod["metadata"].get("annotations"))) for one in before]:
        return ALLOWED
    limits, where = context.configuration.limits, context.network_namespace
    problems = read_pod(annotations, namespace=where, network_namespace=where, limits=limits).problems
    return answers.invalid(request._replace(place=found.place), problems) if problems else ALLOWED


# Several pods of one object


def _joined(decisions: Sequence[Decision]) -> Decision:
    """Return one decision: a refusal if one of them is, with the causes of all."""
    if len(decisions) < 2:
        return decisions[0] if decisions else ALLOWED
    refused = [one for one in decisions if not one.is_allowed]
    shown = refused or decisions
    first = shown[0] if shown else ALLOWED
    return first._replace(
        message="\n".join(one.message for one in refused),
        causes=tuple(cause for one in refused for cause in one.causes)[: answers.CAUSES_MAX],
        warnings=tuple(dict.fromkeys(warning for one in decisions for warning in one.warnings)),
        rules=answers.distinct(rule for one in shown for rule in one.rules),
        policies=answers.distinct(policy for one in shown for policy in one.policies),
        trials=tuple(dict.fromkeys(trial for one in decisions for trial in one.trials)),
        unknown=answers.distinct(namespace for one in decisions for namespace in one.unknown),
        unknown_devices=tuple(dict.fromkeys(key for one in decisions for key in one.unknown_devices)),
    )
