"""A pod requests the devices that its networks need: the final state of what /mutate was to put into it.

/mutate may have been skipped: it failed open, or another webhook added the networks after it. A pod without its devices
is scheduled to a node that has none, and never starts.

Fields restricted: `resources` of a pod's containers. Values allowed: together at least as many of each resource as
selected networks name it. Operations: CREATE of a pod; the resources of one that exists cannot change. Exempt: pods and
networks that opt out, devices that come by ResourceClaims, pods that were refused already; under `honor` it is a
warning. Example refusal: `spec.containers: networks need 2 x intel.com/sriov, containers request 1: blue/a, blue/b`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cniplugin.netspec.annotation import texts_of
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.model import podspec
from webhook.admission.model.injection import MIRROR, Injection, opts_out
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits, containers_problem
from webhook.admission.model.podspec import Json
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.view import needs
from webhook.admission.view.listers import Cluster
from webhook.admission.view.needs import Shortfall
from webhook.admission.wording import injectiontext, messages
from webhook.admission.wording.origins import tell_origin

REMEMBERED_TEXT_MAX = 4096
"""Characters of the annotations whose networks are remembered."""
_NEEDING = "networks that need a resource"
_SHORT = "resources that a pod lacks"


def check(
    request: Request,
    judged: Decision,
    cluster: Cluster,
    injection: Injection,
    *,
    network_namespace: str,
    limits: ReviewLimits = DEFAULTS,
) -> Decision:
    """Return the decision about the pod's networks, or a refusal for what they lack; each tells where they come from.

    What the pod's containers request is read only if its networks need something.
    """
    pod = request.object
    if pod is None or request.operation != "CREATE" or request.subresource:
        return judged
    if not judged.is_allowed:
        return tell_origin(request, judged, cluster, injection)
    annotations = pod.annotations
    if not any(texts_of(annotations)) or opts_out(annotations):
        return judged
    networks = _needing(request.namespace, annotations, cluster, injection, network_namespace, limits=limits)
    if not networks or MIRROR in annotations:
        return judged
    short = _shortfalls(pod, networks, cluster, injection.resource_name_keys, limits=limits)
    if isinstance(short, SpecError):
        return messages.invalid(request, [short], warnings=judged.warnings)
    if injection.mode == "honor":
        return judged._replace(warnings=(*judged.warnings, *map(injectiontext.shortfall_warning, short)))
    if not short:
        return judged
    refused = messages.invalid(request, list(map(injectiontext.shortfall, short)), warnings=judged.warnings)
    return tell_origin(request, refused, cluster, injection)


def _shortfalls(
    pod: Object,
    networks: Sequence[NetworkAttachmentDefinition],
    cluster: Cluster,
    keys: tuple[str, ...],
    *,
    limits: ReviewLimits,
) -> Sequence[Shortfall] | SpecError:
    """Return what is short; it is remembered for what the pod requests and for these networks.

    And that there are too many containers to be counted. NB: a pod that has a sketch has few.
    """
    sent = pod.sent
    if sent is None:
        return ()
    sketch = sent.sketch_requests()

    def find(read: Json) -> Sequence[Shortfall]:
        return needs.find_shortfalls(read, networks, keys) if podspec.has_readable_requests(read) else ()

    if sketch is None:
        read = sent.read()
        count = podspec.count_containers(read) if podspec.has_outline(read) else 0
        return containers_problem(count, limits) or find(read)
    references = tuple(network.reference for network in networks)
    return cluster.recall((_SHORT, references, keys, sketch), lambda: find(sent.read()))


def _needing(
    namespace: str,
    annotations: Mapping[str, str],
    cluster: Cluster,
    injection: Injection,
    network_namespace: str,
    *,
    limits: ReviewLimits,
) -> tuple[NetworkAttachmentDefinition, ...]:
    """Return the networks that need a resource; of texts of a usual size it is remembered with the snapshot."""
    keys = injection.resource_name_keys
    texts = texts_of(annotations)

    def find() -> tuple[NetworkAttachmentDefinition, ...]:
        networks = needs.find_networks(
            annotations, cluster.network, namespace=namespace, network_namespace=network_namespace, limits=limits
        )
        found = networks.found if networks else ()
        return tuple(network for network in found if needs.resources_of(network, keys))

    if sum(map(len, texts)) > REMEMBERED_TEXT_MAX:
        return find()
    return cluster.recall((_NEEDING, namespace, network_namespace, texts, keys), find)
