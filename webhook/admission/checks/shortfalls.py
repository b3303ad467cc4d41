"""A pod requests the devices that its networks need: the result that /mutate should have left.

/mutate may not have run: it failed open, or another webhook added the networks after it. The scheduler places a pod
without its devices on a node without them, and the pod never starts.

Fields restricted: `resources` of a pod's containers. Values allowed: in total at least one of each resource for each
selected network that names it. Operations: CREATE of a pod; the resources of an existing pod cannot change. Exempt:
pods and networks that opt out, pods in the node's network namespace, devices that come by ResourceClaims, pods that
another check refused. Under `honor` it is a warning, and so is too little of a resource that counts places on a node: a
pod on the right node starts. Example refusal: `spec.containers: networks need 2 x intel.com/sriov, containers request
1: blue/a, blue/b`.
"""

from __future__ import annotations

from collections.abc import Sequence

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.netattachdef import is_counted
from webhook.admission.model import podspec
from webhook.admission.model.injection import MIRROR, Injection, opts_out
from webhook.admission.model.limitsettings import containers_problem
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.view import needs
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.view.needs import Shortfall
from webhook.admission.wording import answers, injectiontext


def check(request: Request, judged: Decision, needing: Sequence[tuple[str, str]], context: DecisionContext) -> Decision:
    """Return the decision about the pod's networks, or a refusal because of missing devices.

    `needing`: namespace and name of the pod's networks that need a resource, one per selection. The requests of the
    pod's containers are read only if there are any.
    """
    pod, injection = request.object, context.configuration.injection
    if pod is None or injection is None or request.operation != "CREATE" or request.subresource:
        return judged
    if not judged.is_allowed:
        return injectiontext.tell_origin(request, judged, context.cluster, injection)
    annotations = pod.annotations
    if not needing or opts_out(annotations) or pod.is_host_network or MIRROR in annotations:
        return judged
    short = _shortfalls(pod, needing, context, injection)
    if isinstance(short, SpecError):
        return answers.invalid(request, [short], warnings=judged.warnings)
    if not short:
        return judged
    is_honored = injection.mode == "honor"
    needed = [one for one in short if not (is_honored or is_counted(one.resource))]
    others = (one for one in short if is_honored or is_counted(one.resource))
    warnings = (*judged.warnings, *map(injectiontext.shortfall_warning, others))
    if not needed:
        return judged._replace(warnings=warnings)
    refused = answers.invalid(request, list(map(injectiontext.shortfall, needed)), warnings=warnings)
    return injectiontext.tell_origin(request, refused, context.cluster, injection)


def _shortfalls(
    pod: Object, needing: Sequence[tuple[str, str]], context: DecisionContext, injection: Injection
) -> Sequence[Shortfall] | SpecError:
    """Return the shortfalls, or the problem of too many containers to count.

    The memory keeps shortfalls by these networks and the pod's requests. NB: a pod with a sketch has few containers.
    """
    sent = pod.sent
    if sent is None:
        return ()
    sketch = sent.sketch_requests()
    key = ("shortfalls", needing, sketch)
    known: Sequence[Shortfall] | None = None if sketch is None else context.memory.get(key)
    if known is not None:
        return known
    read = sent.read()
    if sketch is None:
        count = podspec.count_containers(read) if podspec.has_outline(read) else 0
        if (too_many := containers_problem(count, context.configuration.limits)) is not None:
            return too_many
    networks = [network for one in needing if (network := context.cluster.network(*one)) is not None]
    is_readable = podspec.has_readable_requests(read)
    short = needs.find_shortfalls(read, networks, injection.resource_name_keys) if is_readable else []
    if sketch is not None:
        context.memory.put(key, short)
    return short
