"""Pods and definitions in the shape in which an API server sends them to webhooks, each with what a case changes.

A pod has had its defaults: `resources` is there, and the volume of its service account is mounted.
"""

from __future__ import annotations

import copy
import json
from typing import Any, NamedTuple

Object = dict[str, Any]

NAMESPACE = "conformance"
OTHER_NAMESPACE = "conformance-other"

NETWORKS = "k8s.v1.cni.cncf.io/networks"
"""NPWG 1.3 §4.1"""
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName"
NODE_SELECTOR = "k8s.v1.cni.cncf.io/nodeSelector"

TOKEN_VOLUME = "kube-api-access-x7k2p"  # noqa: S105 - the name of a volume
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path


class Kind(NamedTuple):
    """What a review says about the kind of its object."""

    group: str
    version: str
    kind: str
    resource: str


POD = Kind("", "v1", "Pod", "pods")
DEFINITION = Kind("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition", "network-attachment-definitions")

ABSENT = object()
"""In place of a definition's configuration: the definition has no `spec`."""


def definition(config: object, *, name: str = "net", namespace: str = NAMESPACE, **annotations: str) -> Object:
    """Return a definition. A configuration that is no text is written as JSON; ABSENT leaves `spec` out."""
    metadata: Object = {
        "name": name,
        "namespace": namespace,
        "uid": "30abfff0-72ac-4211-9642-8fe9a5bfbfbd",
        "creationTimestamp": "2026-11-23T17:32:29Z",
        "generation": 1,
    }
    if annotations:
        metadata["annotations"] = annotations
    made: Object = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "metadata": metadata}
    if config is not ABSENT:
        made["spec"] = {"config": config if isinstance(config, str) else json.dumps(config)}
    return made


def container(name: str = "app", **fields: Any) -> Object:
    """Return a container with its defaults."""
    mount = {"name": TOKEN_VOLUME, "readOnly": True, "mountPath": TOKEN_PATH}
    return {
        "name": name,
        "image": "example.com/app:1",
        "resources": {},
        "volumeMounts": [mount],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    } | fields


_TOKEN_SOURCES = [
    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
]
_SPEC: Object = {
    "volumes": [{"name": TOKEN_VOLUME, "projected": {"sources": _TOKEN_SOURCES, "defaultMode": 420}}],
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "serviceAccountName": "default",
    "serviceAccount": "default",
    "securityContext": {},
    "schedulerName": "default-scheduler",
    "priority": 0,
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
}


def pod(
    networks: object = None,
    *containers: Object,
    namespace: str = NAMESPACE,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Object:
    """Return a pod that asks for networks, in the comma form if it is a text, else in the JSON form."""
    asked = {} if networks is None else {NETWORKS: networks if isinstance(networks, str) else json.dumps(networks)}
    metadata: Object = {"name": "web", "namespace": namespace, "creationTimestamp": "2026-11-23T17:32:30Z"}
    metadata["labels"] = {"app": "web"} if labels is None else labels
    if asked or annotations:
        metadata["annotations"] = {**(annotations or {}), **asked}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": metadata,
        "spec": {**copy.deepcopy(_SPEC), "containers": list(containers) or [container()], **spec},
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }
