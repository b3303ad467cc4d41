"""Pods that run, as they were when they were created: `nadmit check` asks what would be refused then.

Nodes write `network-status` into a running pod. A pod that is created with it is another matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cniplugin.netspec.selection import NETWORK_STATUS_KEYS
from webhook.admission.model.kinds import POD
from webhook.trees.documents import Document


def as_created(document: Document) -> Document:
    """Return a document without what nodes add to a pod. A file that does not come from a cluster stays as it is."""
    written = document.object
    if (document.group, document.kind) != (POD.group, POD.kind) or not _has_run(written):
        return document
    annotations = written["metadata"].get("annotations")
    if not annotations:
        return document
    metadata = {**written["metadata"], "annotations": without_status(annotations)}
    return replace(document, object={**written, "metadata": metadata})


def without_status(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return the annotations that no node writes."""
    return {key: value for key, value in annotations.items() if key not in NETWORK_STATUS_KEYS}


def _has_run(written: Mapping[str, Any]) -> bool:
    """Say whether an API server has stored the pod, and a node has taken it."""
    status, spec = written.get("status"), written.get("spec")
    is_stored = bool(written["metadata"].get("uid")) and isinstance(status, dict) and bool(status.get("phase"))
    return is_stored and isinstance(spec, dict) and bool(spec.get("nodeName"))
