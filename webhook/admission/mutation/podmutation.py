"""The mutation of one pod: the changes, in this order, and the patch that makes them.

0. A network status that its author may not write is removed, even if the pod opts out of the rest.
1. A pod that opts out, and the mirror of a static pod, get nothing more.
2. Annotations by label, which may opt the pod out, and then the namespace's default networks. From here on they are the
   pod's own.
3. A pod in the node's network namespace attaches to nothing, so it needs nothing more.
4. The networks are looked up. If the annotations cannot be read, this is the end, and the judgement refuses the pod.
5. Resources for the target container, pod network information, node selectors.

The patch is the difference between the pod as sent and the changed pod. So it is minimal, follows the order of the
pod's members, and is empty for a pod that has everything: a second pass changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import trim
from cniplugin.netspec.selection import NETWORKS
from webhook.admission.model import podspec
from webhook.admission.model.injection import INJECT, MIRROR, Injection, is_marked, is_unclear, opts_out
from webhook.admission.model.limitsettings import containers_problem
from webhook.admission.model.podspec import Json
from webhook.admission.model.requests import AdmissionWarning, Operation
from webhook.admission.mutation import jsonpatch
from webhook.admission.view import needs
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.wording import injectiontext, statustext

from . import netinfo
from .netinfo import inject_netinfo
from .networkneeds import NetworkNeeds, find_needs
from .scheduling import find_target, inject_node_selector, inject_resources


class Mutation(NamedTuple):
    """The mutation of a pod. `pod` is the pod after the operations.

    `problems` refuse the pod; then there are no operations, and `pod` has the annotations that were read. `warnings`
    are about networks, which the pod may not be allowed to know. `notes` are warnings about the pod and its namespace
    only. `missing`: namespace and name of networks that do not exist, and might need something as well.
    """

    pod: Json
    operations: tuple[Operation, ...] = ()
    notes: tuple[AdmissionWarning, ...] = ()
    warnings: tuple[AdmissionWarning, ...] = ()
    problems: tuple[SpecError, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


def mutate(
    sent: Json,
    context: DecisionContext,
    injection: Injection,
    *,
    namespace: str,
    dropped: Collection[str] = (),
    is_readable: bool = False,
    references: tuple[tuple[str, str], ...] = (),
) -> Mutation:
    """Return the mutation of a pod that is created in `namespace`; `sent` is the pod as plain JSON, or its parts.

    `dropped`: annotations that are removed first. `is_readable`: whether the caller knows that it is. `references`:
    namespace and name of the networks that the pod selects, if the caller has read them.
    """
    if not is_readable and not podspec.has_outline(sent):
        return Mutation(sent)
    pod = podspec.without_annotations(sent, dropped) if dropped else sent
    drops = tuple([statustext.dropped(key) for key in dropped])
    annotations = podspec.annotations_of(pod)
    if MIRROR in annotations or opts_out(annotations):
        return Mutation(pod, _patch(sent, pod), drops)
    too_many = containers_problem(podspec.count_containers(pod), context.configuration.limits)
    if too_many is None and not is_readable and not podspec.is_readable(pod):
        return Mutation(pod, _patch(sent, pod), drops)
    labelled = inject_annotations(pod, injection.annotations_by_label)
    if labelled is not pod and opts_out(podspec.annotations_of(labelled)):
        return Mutation(labelled, _patch(sent, labelled), drops)
    annotated = inject_default_networks(labelled, context.cluster.default_networks(namespace))
    notes = (*drops, *_notes(podspec.annotations_of(annotated)))
    if podspec.is_host_network(annotated):
        return Mutation(annotated, _patch(sent, annotated), notes)
    needed = find_needs(annotated, context, injection, namespace=namespace, references=references)
    if needed is None:
        return Mutation(annotated, _patch(sent, annotated), notes)
    filled = _fill(annotated, needed, injection, too_many)
    if isinstance(filled, list):
        return Mutation(annotated, notes=notes, problems=tuple(filled), missing=needed.missing)
    warnings = _warnings(annotated, filled, needed, injection)
    return Mutation(filled, _patch(sent, filled), notes=notes, warnings=warnings, missing=needed.missing)


def inject_annotations(pod: Json, annotations_by_label: Mapping[str, Mapping[str, str]]) -> Json:
    """Return the pod with the annotations of every label that is "true"; labels in alphabetical order.

    They replace the pod's own annotations, and the networks that they select are judged like any others.
    """
    if not annotations_by_label:
        return pod
    labels = podspec.labels_of(pod)
    for label, given in sorted(annotations_by_label.items()):
        if not is_marked(labels, label):
            continue
        for key, text in given.items():
            if podspec.annotations_of(pod).get(key) != text:
                pod = podspec.put(pod, ("metadata", "annotations", key), text)
    return pod


def inject_default_networks(pod: Json, text: str | None) -> Json:
    """Return the pod with the default networks of its namespace (multus-cni issue 516).

    `text` is the annotation of the namespace, unparsed. A pod keeps its own annotation, also an empty one, which asks
    for no network. A pod in the node's network namespace gets no default networks, because it can attach none.
    """
    if text is None or not trim(text):
        return pod
    if NETWORKS in podspec.annotations_of(pod) or podspec.is_host_network(pod):
        return pod
    return podspec.put(pod, ("metadata", "annotations", NETWORKS), text)


def _fill(pod: Json, needed: NetworkNeeds, injection: Injection, too_many: SpecError | None) -> Json | list[SpecError]:
    """Return the pod with everything that its networks need, or its problems.

    `too_many`: the problem of too many containers, which only matters if the networks need resources.
    """
    problems = [*needed.unusable]
    if needed.has_resources:
        if too_many is not None:
            return [too_many]
        ordinary = podspec.containers(pod)
        target = find_target(pod, ordinary)
        if isinstance(target, SpecError):
            problems.append(target)
        else:
            if target is not None:
                running = [*ordinary, *podspec.sidecars(pod)]
                pod = inject_resources(pod, needed.counts, target, running, injection.mode)
            if injection.exposes_netinfo:
                pod = inject_netinfo(pod, target, exposes_hugepages=injection.exposes_hugepages)
    selected = inject_node_selector(pod, needed.labels)
    if isinstance(selected, list):
        return [*problems, *needed.contradictory, *selected]
    return [*problems, *needed.contradictory] or selected


def _notes(annotations: Mapping[str, str]) -> tuple[AdmissionWarning, ...]:
    unread = injectiontext.unread_annotations(annotations)
    return (injectiontext.opt_out_unclear(annotations[INJECT]), *unread) if is_unclear(annotations) else unread


def _warnings(before: Json, pod: Json, needed: NetworkNeeds, injection: Injection) -> tuple[AdmissionWarning, ...]:
    """Return warnings about an allowed pod and its networks; `before`: the pod without the fields for its networks."""
    keys = injection.resource_name_keys
    found: list[AdmissionWarning] = []
    # NB: a volume that was added is not foreign, so most pods need no look at it.
    may_be_foreign = injection.exposes_netinfo and needed.has_resources and netinfo.has_volume(before)
    if may_be_foreign and netinfo.is_foreign(pod):
        found.append(injectiontext.volume_left_alone(netinfo.VOLUME))
    if podspec.has_claims(pod):
        if claimed := needs.find_claimed(pod, needed.networks, keys):
            found.append(injectiontext.taken_as_claimed(claimed))
    elif needed.without_domain:
        found.append(injectiontext.no_plugins_resource(needed.without_domain))
    if injection.mode == "honor":
        found += map(injectiontext.shortfall_warning, needs.find_shortfalls(pod, needed.networks, keys))
    return tuple(found)


def _patch(sent: Json, changed: Json) -> tuple[Operation, ...]:
    """Return the operations from one pod to the other. NB: tests prove that they lead there, for any two documents."""
    return () if sent is changed else tuple(jsonpatch.diff(sent, changed))
