"""Annotations for pods with a label: an admin's setting, resolved before networks are counted.

The setting's text replaces the pod's own: that is what it is for. What it selects is judged like any other request.
"""

from __future__ import annotations

from collections.abc import Mapping

from webhook.admission.model import podspec
from webhook.admission.model.injection import is_marked
from webhook.admission.model.podspec import Json


def inject_annotations(pod: Json, annotations_by_label: Mapping[str, Mapping[str, str]]) -> Json:
    """Return the pod with the annotations of every label that says "true"; labels in alphabetical order."""
    labels = podspec.labels_of(pod)
    for label, given in sorted(annotations_by_label.items()):
        if not is_marked(labels, label):
            continue
        for key, text in given.items():
            if podspec.annotations_of(pod).get(key) != text:
                pod = podspec.put(pod, ("metadata", "annotations", key), text)
    return pod
