"""Default networks of a namespace: the networks of pods that say nothing about theirs (multus-cni issue 516).

A pod that has the annotation keeps it, also an empty one, which asks for none. A pod in the node's network namespace
gets none: no network is ever attached to it.
"""

from __future__ import annotations

from cniplugin.netspec.names import trim
from cniplugin.netspec.selection import NETWORKS
from webhook.admission.model import podspec
from webhook.admission.model.podspec import Json


def inject_default_networks(pod: Json, text: str | None) -> Json:
    """Return the pod with the namespace's default networks; `text` is the namespace's annotation, as it is written."""
    has_own = NETWORKS in podspec.annotations_of(pod) or podspec.spec_of(pod).get("hostNetwork") is True
    if has_own or text is None or not trim(text):
        return pod
    return podspec.put(pod, ("metadata", "annotations", NETWORKS), text)
