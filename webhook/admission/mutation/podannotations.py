"""Annotations that a pod gets by a setting: by one of its labels, and the default networks of its namespace.

Both come before the networks are counted, and what they select is judged like any other request. The setting of an
admin for pods with a label replaces the pod's own annotation. The default networks are for pods without a networks
annotation (multus-cni issue 516): a pod keeps its own, also an empty one, which asks for no network. A pod in the
node's network namespace gets no default networks, because it can attach none.
"""

from __future__ import annotations

from collections.abc import Mapping

from cniplugin.netspec.selection import NETWORKS
from cniplugin.netspec.whitespace import trim
from webhook.admission.model import podspec
from webhook.admission.model.injection import is_marked
from webhook.admission.model.podspec import Json


def inject_annotations(pod: Json, annotations_by_label: Mapping[str, Mapping[str, str]]) -> Json:
    """Return the pod with the annotations of every label that is "true"; labels in alphabetical order."""
    labels = podspec.labels_of(pod)
    for label, given in sorted(annotations_by_label.items()):
        if not is_marked(labels, label):
            continue
        for key, text in given.items():
            if podspec.annotations_of(pod).get(key) != text:
                pod = podspec.put(pod, ("metadata", "annotations", key), text)
    return pod


def inject_default_networks(pod: Json, text: str | None) -> Json:
    """Return the pod with the default networks of its namespace; `text` is the namespace's annotation, unparsed."""
    has_own = NETWORKS in podspec.annotations_of(pod) or podspec.spec_of(pod).get("hostNetwork") is True
    if has_own or text is None or not trim(text):
        return pod
    return podspec.put(pod, ("metadata", "annotations", NETWORKS), text)
