"""Where the networks of a refused pod come from, when not from its author, who would look for them in vain."""

from __future__ import annotations

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.injection import Injection, is_marked
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.view.listers import Cluster
from webhook.admission.wording import injectiontext


def tell_origin(request: Request, refused: Decision, cluster: Cluster, injection: Injection) -> Decision:
    """Return the refusal of a pod, with a warning that tells whose its networks are.

    It compares texts: an author who has written the very same has to change both.
    """
    pod = request.object or Object()
    told = _by_label(pod, injection) or _by_default(pod, request.namespace, cluster)
    return refused._replace(warnings=(told, *refused.warnings)) if told else refused


def _by_label(pod: Object, injection: Injection) -> str | None:
    """NB: the later label in the alphabet has won."""
    for label, given in sorted(injection.annotations_by_label.items(), reverse=True):
        if is_marked(pod.labels, label) and any(
            key in given and given[key] == pod.annotations.get(key) for key in (NETWORKS, DEFAULT_NETWORK)
        ):
            return injectiontext.networks_by_label(label)
    return None


def _by_default(pod: Object, namespace: str, cluster: Cluster) -> str | None:
    text = pod.annotations.get(NETWORKS)
    return (
        injectiontext.networks_by_default(namespace) if text and text == cluster.default_networks(namespace) else None
    )
