"""The mutation of one pod: what is put into it, in this order, and the patch that does so.

0. A network status that its author had no right to write is taken out, whoever opts out of the rest.
1. The pod opts out, or is the image of a static pod: nothing more.
2. Annotations by label, which may opt the pod out, then the namespace's default networks: from here on they are the
   pod's.
3. The networks are found; annotations that cannot be read end it here, for the judgement to refuse.
4. Resources into the target container, pod network information, node selectors.

The patch is the difference between the pod as it came and the pod as it is to be, so it is minimal, in the order of
the pod's own members, and empty for a pod that has everything: a second pass changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.model import podspec
from webhook.admission.model.injection import INJECT, MIRROR, Injection, is_unclear, opts_out
from webhook.admission.model.kinds import POD
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits, containers_problem
from webhook.admission.model.podspec import Json
from webhook.admission.model.requests import Operation
from webhook.admission.mutation import jsonpatch
from webhook.admission.mutation.jsonpatch import PatchError
from webhook.admission.view import needs
from webhook.admission.view.listers import Cluster
from webhook.admission.wording import injectiontext, messages

from . import netinfo
from .defaultnetworks import inject_default_networks
from .netinfo import inject_netinfo
from .nodeselector import inject_node_selector
from .resources import find_unusable, inject_resources
from .target import find_target
from .userdefined import inject_annotations


class Mutation(NamedTuple):
    """What becomes of a pod. `pod` is the pod after the operations.

    `problems` refuse the pod. There are no operations then, and `pod` has the annotations that were read. `warnings`
    tell of networks, which not every pod may know; `notes` are warnings that tell of the pod and its namespace only.
    `missing`: namespace and name of networks that are not known, and may need something too.
    """

    pod: Json
    operations: tuple[Operation, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[SpecError, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


def mutate(
    sent: Json,
    cluster: Cluster,
    injection: Injection,
    *,
    namespace: str,
    network_namespace: str,
    dropped: Collection[str] = (),
    limits: ReviewLimits = DEFAULTS,
) -> Mutation:
    """Return the mutation of a pod that is created in `namespace`, as plain JSON, as it was sent.

    `dropped`: annotations that are taken out first.

    Raises PatchError if the patch does not lead from the pod that came to the pod that is meant, which is a bug.
    """
    if not podspec.has_outline(sent):
        return Mutation(sent)
    pod = podspec.without_annotations(sent, dropped) if dropped else sent
    drops = tuple(messages.status_dropped(key) for key in dropped)
    untouched = Mutation(pod, _patch(sent, pod), drops) if dropped else Mutation(pod)
    if MIRROR in podspec.annotations_of(pod):
        return untouched
    too_many = containers_problem(podspec.count_containers(pod), limits)
    if too_many is None and not podspec.is_readable(pod):
        return untouched
    if opts_out(podspec.annotations_of(pod)):
        return untouched
    labelled = inject_annotations(pod, injection.annotations_by_label)
    if opts_out(podspec.annotations_of(labelled)):
        return Mutation(labelled, _patch(sent, labelled), drops)
    annotated = inject_default_networks(labelled, cluster.default_networks(namespace))
    selected = needs.find_networks(
        podspec.annotations_of(annotated),
        cluster.network,
        namespace=namespace,
        network_namespace=network_namespace,
        limits=limits,
    )
    notes = (*drops, *_notes(annotated))
    if selected is None:
        return Mutation(annotated, _patch(sent, annotated), notes)
    networks, missing = selected
    filled = _fill(annotated, networks, injection, too_many)
    if isinstance(filled, list):
        return Mutation(annotated, notes=notes, problems=tuple(filled), missing=missing)
    remarks = tuple(_remarks(filled, networks, injection))
    return Mutation(filled, _patch(sent, filled), notes=notes, warnings=remarks, missing=missing)


def _fill(
    pod: Json,
    networks: Sequence[NetworkAttachmentDefinition],
    injection: Injection,
    too_many: SpecError | None,
) -> Json | list[SpecError]:
    """Return the pod with all that its networks need, or why it cannot have it.

    `too_many`: that its containers cannot be looked at, which only matters if its networks need resources.
    """
    keys = injection.resource_name_keys
    has_resources = any(needs.resources_of(network, keys) for network in networks)
    if has_resources and too_many is not None:
        return [too_many]
    target = find_target(pod, podspec.annotations_of(pod)) if has_resources else None
    counts = needs.count_needs(networks, keys, has_claims=podspec.has_claims(pod)) if has_resources else {}
    problems = find_unusable(networks, counts, keys)
    if isinstance(target, SpecError):
        problems.append(target)
    elif has_resources:
        if target is not None:
            pod = inject_resources(pod, counts, target, injection.mode)
        if injection.exposes_netinfo:
            pod = inject_netinfo(pod, target, exposes_hugepages=injection.exposes_hugepages)
    selected = inject_node_selector(pod, networks)
    if isinstance(selected, list):
        return [*problems, *selected]
    return problems or selected


def _notes(pod: Json) -> tuple[str, ...]:
    annotations = podspec.annotations_of(pod)
    unread = injectiontext.unread_annotations(annotations, POD)
    return (injectiontext.opt_out_unclear(annotations[INJECT]), *unread) if is_unclear(annotations) else unread


def _remarks(pod: Json, networks: Sequence[NetworkAttachmentDefinition], injection: Injection) -> Iterator[str]:
    """Yield what a user should know about a pod that is let through, and about its networks."""
    keys = injection.resource_name_keys
    has_resources = any(needs.resources_of(network, keys) for network in networks)
    if injection.exposes_netinfo and has_resources and netinfo.is_foreign(pod):
        yield injectiontext.volume_left_alone(netinfo.VOLUME)
    if claimed := needs.find_claimed(pod, networks, keys):
        yield injectiontext.taken_as_claimed(claimed)
    if injection.mode == "honor":
        yield from map(injectiontext.shortfall_warning, needs.find_shortfalls(pod, networks, keys))


def _patch(pod: Json, meant: Json) -> tuple[Operation, ...]:
    """Return the operations from one pod to the other, tried out on the very pod that came."""
    operations = jsonpatch.diff(pod, meant)
    if not jsonpatch.equal(jsonpatch.apply(operations, pod), meant):
        raise PatchError("the patch does not lead to the pod that is meant")
    return tuple(operations)
