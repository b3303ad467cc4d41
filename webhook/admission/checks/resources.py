"""A pod requests the devices that its networks need: the final state of what /mutate was to put into it.

/mutate may have been skipped: it failed open, or another webhook added the networks after it. A pod without its devices
is scheduled to a node that has none, and never starts.

Fields restricted: `resources` of a pod's containers. Values allowed: together at least as many of each resource as
selected networks name it. Operations: CREATE of a pod; the resources of one that exists cannot change. Exempt: pods and
networks that opt out, devices that come by ResourceClaims, pods that were refused already; under `honor` it is a
warning. Example refusal: `spec.containers: networks need 2 x intel.com/sriov, containers request 1: blue/a, blue/b`.
"""

from __future__ import annotations

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission import injectiontext, messages, needs, podspec
from webhook.admission.injection import Injection
from webhook.admission.listers import Cluster
from webhook.admission.model import Decision, Request


def check(
    request: Request, judged: Decision, cluster: Cluster, injection: Injection, *, network_namespace: str
) -> Decision:
    """Return the decision about the pod's networks, or a refusal for what they lack.

    The spec of the pod (`request.object.spec`) is plain JSON as it was sent.
    """
    pod = request.object
    if pod is None or not judged.is_allowed or request.operation != "CREATE" or request.subresource:
        return judged
    annotations = pod.annotations
    if not (annotations.get(NETWORKS) or annotations.get(DEFAULT_NETWORK)) or needs.opts_out(annotations):
        return judged
    sent = {"spec": pod.spec}
    networks = needs.find_networks(
        annotations, cluster.network, namespace=request.namespace, network_namespace=network_namespace
    )
    if not networks or podspec.MIRROR in annotations or not podspec.is_readable(sent):
        return judged
    short = needs.find_shortfalls(sent, networks, injection.resource_name_keys)
    if injection.mode == "honor":
        return judged._replace(warnings=(*judged.warnings, *map(injectiontext.shortfall_warning, short)))
    if not short:
        return judged
    return messages.invalid(request, list(map(injectiontext.shortfall, short)), warnings=judged.warnings)
