"""What the user asks about: a pod, a workload or a network, as one word on the command line.

    target = name / kind "/" name / namespace "/" name

A name alone is a pod. A word before the slash that is no kind is the namespace of a network. Kinds are written as
kubectl takes them: in any letter case, singular, plural or short.
"""

from __future__ import annotations

from typing import NamedTuple

NETWORK_KIND = "NetworkAttachmentDefinition"


class Target(NamedTuple):
    """One object. `namespace` is "" if the word names none."""

    kind: str
    name: str
    namespace: str = ""


KINDS = {
    "Pod": ("", "pods"),
    "Deployment": ("apps", "deployments"),
    "ReplicaSet": ("apps", "replicasets"),
    "StatefulSet": ("apps", "statefulsets"),
    "DaemonSet": ("apps", "daemonsets"),
    "ReplicationController": ("", "replicationcontrollers"),
    "Job": ("batch", "jobs"),
    "CronJob": ("batch", "cronjobs"),
    "VirtualMachine": ("kubevirt.io", "virtualmachines"),
    "VirtualMachineInstance": ("kubevirt.io", "virtualmachineinstances"),
    NETWORK_KIND: ("k8s.cni.cncf.io", "network-attachment-definitions"),
}
"""The kinds that can be asked about, with their group and resource."""

_SHORT = {
    "po": "Pod",
    "deploy": "Deployment",
    "rs": "ReplicaSet",
    "sts": "StatefulSet",
    "ds": "DaemonSet",
    "rc": "ReplicationController",
    "cj": "CronJob",
    "vm": "VirtualMachine",
    "vmi": "VirtualMachineInstance",
    "nad": NETWORK_KIND,
    "net-attach-def": NETWORK_KIND,
    "network": NETWORK_KIND,
}
_OTHERS = frozenset(
    (
        *("service", "services", "svc", "node", "nodes", "no", "namespace"),
        *("namespaces", "ns", "configmap", "configmaps", "cm", "secret", "secrets"),
        *("ingress", "ingresses", "ing", "endpoints", "ep", "serviceaccount", "serviceaccounts"),
        *(
            "sa",
            "persistentvolume",
            "persistentvolumes",
            "pv",
            "persistentvolumeclaim",
            "persistentvolumeclaims",
            "pvc",
        ),
        *("event", "events", "ev", "rollout", "rollouts", "cloneset", "clonesets"),
        *("networkpolicy", "networkpolicies", "netpol"),
    )
)
"""Other kinds in kubectl's words, which hardly name a namespace."""
ALLOWED = "NAME of a pod, KIND/NAME (pod, deployment, statefulset, daemonset, job, cronjob, vm, ...), NAMESPACE/NETWORK"


def kind_of(word: str) -> str:
    """Return the kind that a word names, "" if it names none. A group behind a dot does not matter."""
    lower = word.lower().partition(".")[0]
    if lower in _SHORT:
        return _SHORT[lower]
    return next((kind for kind, (_, plural) in KINDS.items() if lower in {kind.lower(), plural}), "")


def parse(word: str) -> Target | None:
    """Return what a word names, None if it has not the form."""
    head, slash, name = word.partition("/")
    if not head or (slash and not name) or "/" in name:
        return None
    if not slash:
        return Target("Pod", head)
    kind = kind_of(head)
    if not kind and head.lower().partition(".")[0] in _OTHERS:
        return None
    return Target(kind, name) if kind else Target(NETWORK_KIND, name, head)
