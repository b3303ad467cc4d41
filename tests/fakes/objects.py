"""Minimal valid objects of a cluster: a test starts from one of them and changes one thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .objectstore import Object

ACCESS = "access.nadmit.io/v1alpha1"


NETWORK_CONFIG = '{"cniVersion": "1.0.0", "type": "bridge"}'


def network(name: str, namespace: str = "team-a", config: object = NETWORK_CONFIG, **metadata: Any) -> Object:
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"namespace": namespace, "name": name, "uid": "1-2-3", "managedFields": [{"a": {}}], **metadata},
        "spec": {"config": config},
    }


def pod(name: str, networks: str | None = None, namespace: str = "team-a", phase: str = "Running") -> Object:
    """A pod as a watch of metadata brings it, with its phase, which the field selector reads.

    The node has written the network-status of a running pod.
    """
    annotations = {} if networks is None else {"k8s.v1.cni.cncf.io/networks": networks}
    if networks and phase == "Running":
        annotations["k8s.v1.cni.cncf.io/network-status"] = "[]"
    metadata = {"namespace": namespace, "name": name, "annotations": annotations, "labels": {"app": "x"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": phase}}


def pod_with_account(name: str = "web", namespace: str = "team-a", uid: str = "uid-1", **metadata: Any) -> Object:
    """A pod with a service account, as the node reads it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "uid": uid, **metadata},
        "spec": {"serviceAccountName": "builder"},
    }


def namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}, "status": {}}


def policy(name: str, *attachments: Object, generation: int = 1, **spec: Any) -> Object:
    """An access policy with rules about attachments."""
    return {
        "apiVersion": ACCESS,
        "kind": "NetworkAttachmentPolicy",
        "metadata": {"name": name, "generation": generation},
        "spec": {"attachments": list(attachments), **spec},
    }


def policy_config(name: str = "cluster", *, generation: int = 1, **spec: Any) -> Object:
    """The configuration of the access rules."""
    return {
        "apiVersion": ACCESS,
        "kind": "NetworkAttachmentPolicyConfig",
        "metadata": {"name": name, "generation": generation},
        "spec": spec,
    }


def write_kubeconfig(path: Path, url: str, user: Object | None = None, **cluster: str) -> Path:
    """Write a kubeconfig of one context; `cluster` may name an authority."""
    value = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": url, **cluster}}],
        "users": [{"name": "test", "user": user or {}}],
    }
    path.write_text(json.dumps(value), encoding="utf-8")
    return path
