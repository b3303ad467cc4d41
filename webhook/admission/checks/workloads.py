"""The author of a workload learns at once what its pods will meet: they are created later, by a controller.

Two checks, which only warn. Operations: CREATE and UPDATE. Exempt: templates as in `podnetworks`.

- **An annotation in the wrong place.** The annotations of a workload itself reach no pod; those of its pod template do.
  Example: `metadata.annotations[k8s.v1.cni.cncf.io/networks]: pods get the annotations of their template only, so
  nobody reads this; move it to spec.template.metadata.annotations`.
- **What /mutate would make of the pods.** The template goes through /mutate as a pod would: with the annotations by
  label and the default networks of its namespace. A problem that refuses the pod, networks that the pod may not have,
  and missing devices are a warning for the workload.

NB: a problem of /mutate shows something of a network's definition, so only a template whose pods may attach to the
network gets it. The pod is judged as /validate will judge it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cniplugin.netspec.annotation import texts_of
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.netattachdef import is_counted
from webhook.admission.checks import podnetworks
from webhook.admission.model import podspec
from webhook.admission.model.injection import ASKING, INJECT, INJECT_INTO, Injection, is_marked, opts_out
from webhook.admission.model.kinds import POD, TEMPLATE_CONTROLLERS
from webhook.admission.model.requests import NOTHING, AdmissionWarning, Decision, Object, Request
from webhook.admission.mutation.podmutation import Mutation, mutate
from webhook.admission.view import needs
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.wording import injectiontext, podtext

OF_PODS: tuple[str, ...] = (*ASKING, INJECT, INJECT_INTO)
"""Annotations that a program reads on pods only."""

SHOWN_MAX = 4
"""Problems of one template that become warnings; the API server shows 4,096 characters of all warnings."""


def check(request: Request, judged: Decision, context: DecisionContext) -> Decision:
    """Return the decision about a template's networks with warnings about its pods."""
    new = request.object
    if new is None or not judged.is_allowed or request.subresource:
        return judged
    warnings = [*_misplaced(request, new), *_refused_pods(request, new, context)]
    return judged._replace(warnings=(*judged.warnings, *warnings)) if warnings else judged


# The workload's own annotations


def _misplaced(request: Request, new: Object) -> Iterator[AdmissionWarning]:
    """NB: a controller copies the annotations of a Deployment to its ReplicaSets."""
    if request.user.name.startswith(TEMPLATE_CONTROLLERS):
        return
    before = request.old_object.own_annotations if request.old_object else {}
    for place, own in new.own_annotations.items():
        old = before.get(place, NOTHING)
        for key in OF_PODS:
            if own.get(key) and key not in new.annotations and own[key] != old.get(key):
                yield podtext.misplaced(request, place, key)


# The pods of the template


def _refused_pods(request: Request, new: Object, context: DecisionContext) -> Iterable[AdmissionWarning]:
    injection = context.configuration.injection
    if injection is None or new.sent is None or podnetworks.skips_template(request, context.rules):
        return ()
    if new.is_host_network or opts_out(new.annotations) or not _may_change(request, new, injection, context):
        return ()
    mutation = mutate(new.sent.read(), context, injection, namespace=request.namespace)
    annotations = podspec.annotations_of(mutation.pod)
    is_given = texts_of(annotations) != texts_of(new.annotations)
    problems = [*_problems(mutation, annotations, request.namespace, context, injection)]
    if not problems and not is_given:
        return ()
    pod = new._replace(annotations=annotations)
    judged = _judge_pod(request, pod, context)
    if not judged.is_allowed:  # a template that names networks itself was refused or warned of before
        origin = injectiontext.origin_of(pod, request.namespace, context.cluster, injection)
        return [podtext.given_networks_refused(judged, origin)] if origin else ()
    return [podtext.pods_refused(request, problem) for problem in problems[:SHOWN_MAX]]


def _may_change(request: Request, new: Object, injection: Injection, context: DecisionContext) -> bool:
    """Say whether /mutate may look for the networks of the pods. Most templates have none."""
    return (
        any(texts_of(new.annotations))
        or bool(context.cluster.default_networks(request.namespace))
        or any(is_marked(new.labels, label) for label in injection.annotations_by_label)
    )


def _problems(
    mutation: Mutation, annotations: Mapping[str, str], namespace: str, context: DecisionContext, injection: Injection
) -> Iterator[SpecError]:
    yield from mutation.problems
    if mutation.problems or injection.mode == "honor" or not podspec.is_readable(mutation.pod) or opts_out(annotations):
        return
    networks = needs.find_networks(annotations, namespace, context)
    if networks is not None:
        short = needs.find_shortfalls(mutation.pod, networks.existing, injection.resource_name_keys)
        yield from (injectiontext.shortfall(one) for one in short if not is_counted(one.resource))


def _judge_pod(request: Request, pod: Object, context: DecisionContext) -> Decision:
    """Judge the networks of a pod of the template; the pod's name is the workload's here."""
    asked = request._replace(kind=POD, operation="CREATE", object=pod, old_object=None)
    return podnetworks.check(asked, context)
