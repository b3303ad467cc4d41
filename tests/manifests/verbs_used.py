"""All requests of the webhook to the API server, in tables: manifests/base/account.yaml grants exactly the first one.

The second one has the requests of `--reports`, which manifests/components/reports/account.yaml grants.
tests/cluster/running/test_rbac.py and tests/cluster/reporting compare the tables with the audit log of a real process.
"""

from __future__ import annotations

from typing import NamedTuple

NETWORKS, ACCESS, HOOKS = "k8s.cni.cncf.io", "access.nadmit.io", "admissionregistration.k8s.io"
DEVICES = "resource.k8s.io"
OWN = "nadmit-system"


class Use(NamedTuple):
    """One verb on one resource. `name` is "" for any; `namespace` is "" for all, and for resources without a namespace.

    `only_when` is the cause of the request; it is "" if every run sends it.
    """

    group: str
    resource: str
    verb: str
    purpose: str
    namespace: str = ""
    name: str = ""
    only_when: str = ""


WATCHED = (
    (HOOKS, "mutatingwebhookconfigurations", "", "nadmit"),
    (HOOKS, "validatingwebhookconfigurations", "", "nadmit"),
    ("", "secrets", OWN, "nadmit-tls"),
    ("coordination.k8s.io", "leases", OWN, "nadmit-status"),
    ("", "configmaps", OWN, "nadmit-webhook"),
)
"""Single objects that are watched. Without these rights they are read every few seconds."""

VERBS_USED = (
    Use(NETWORKS, "network-attachment-definitions", "list", "the networks that pods are judged against"),
    Use(NETWORKS, "network-attachment-definitions", "watch", "their changes"),
    Use(NETWORKS, "network-attachment-definitions", "get", "one that a watch has not brought yet",
        only_when="a pod names a network that no cache has yet"),
    Use("", "namespaces", "list", "labels, for policies"),
    Use("", "namespaces", "watch", "their changes"),
    Use("", "namespaces", "get", "one that a watch has not brought yet",
        only_when="a rule selects by labels, and no cache has the namespace yet"),
    *(
        Use(DEVICES, resource, verb, purpose, only_when=when)
        for resource in ("resourceclaims", "resourceclaimtemplates", "deviceclasses")
        for verb, purpose, when in (
            ("list", "what claims attach", ""),
            ("watch", "their changes", ""),
            ("get", "one that a watch has not brought yet", "a pod names one that no cache has yet"),
        )
    ),
    Use("", "pods", "list", "which networks are in use; metadata only"),
    Use("", "pods", "watch", "their changes"),
    Use(ACCESS, "networkattachmentpolicies", "list", "the access rules"),
    Use(ACCESS, "networkattachmentpolicies", "watch", "their changes"),
    Use(ACCESS, "networkattachmentpolicyconfigs", "list", "the posture"),
    Use(ACCESS, "networkattachmentpolicyconfigs", "watch", "its changes"),
    Use(ACCESS, "networkattachmentpolicies/status", "patch", "Accepted, Enforced, matchedNamespaces",
        only_when="there is a policy"),
    Use(ACCESS, "networkattachmentpolicyconfigs/status", "patch", "Accepted, Enforced",
        only_when="there is a configuration"),
    Use("events.k8s.io", "events", "create", "a policy that cannot be read, or goes on trial", namespace="default",
        only_when="a policy changes its state"),
    *(
        Use(group, resource, verb, "its changes, selected by name", namespace=namespace, name=name)
        for group, resource, namespace, name in WATCHED
        for verb in ("list", "watch")
    ),
    Use(HOOKS, "mutatingwebhookconfigurations", "get", "what is registered", name="nadmit"),
    Use(HOOKS, "mutatingwebhookconfigurations", "patch", "webhooks and caBundle", name="nadmit"),
    Use(HOOKS, "validatingwebhookconfigurations", "get", "what is registered", name="nadmit"),
    Use(HOOKS, "validatingwebhookconfigurations", "patch", "webhooks and caBundle", name="nadmit"),
    Use("", "secrets", "get", "the authority, the certificate, the path tokens", namespace=OWN, name="nadmit-tls"),
    Use("", "secrets", "update", "made and rotated", namespace=OWN, name="nadmit-tls"),
    Use("coordination.k8s.io", "leases", "get", "who writes the status", namespace=OWN, name="nadmit-status"),
    Use("coordination.k8s.io", "leases", "patch", "to be the one, to stay it, to give it up", namespace=OWN,
        name="nadmit-status"),
    Use("", "configmaps", "get", "the configuration", namespace=OWN, name="nadmit-webhook"),
    Use("", "configmaps", "patch", "last-good.yaml beside it", namespace=OWN, name="nadmit-webhook",
        only_when="there is a configuration that is right"),
    Use("", "configmaps", "get", "what would be refused", namespace=OWN, name="nadmit-would-refuse",
        only_when="stage Observe has admitted something that would be refused"),
    Use("", "configmaps", "patch", "more of it", namespace=OWN, name="nadmit-would-refuse",
        only_when="stage Observe has admitted something that would be refused"),
    Use("events.k8s.io", "events", "create", "a configuration that is refused, or right again", namespace=OWN,
        only_when="the ConfigMap has a wrong text"),
)  # fmt: skip

REPORT_KINDS = (
    ("openreports.io", "reports"),
    ("openreports.io", "clusterreports"),
    ("wgpolicyk8s.io", "policyreports"),
    ("wgpolicyk8s.io", "clusterpolicyreports"),
)
LISTED = (
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("apps", "replicasets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("", "replicationcontrollers"),
    ("", "podtemplates"),
    ("kubevirt.io", "virtualmachines"),
    (NETWORKS, "multi-networkpolicies"),
    ("whereabouts.cni.cncf.io", "ippools"),
)

REPORT_VERBS_USED = (
    *(
        Use(group, resource, verb, purpose, only_when=when)
        for group, resource in REPORT_KINDS
        for verb, purpose, when in (
            ("list", "our reports, to write only what differs", ""),
            ("create", "what is found", "an object has its first finding"),
            ("patch", "what has changed", "other things are found about an object"),
            ("delete", "what is fixed", "nothing is found any more"),
        )
    ),
    *(Use(group, resource, "list", "whose pods would be refused, or ask for what others have")
      for group, resource in LISTED),
    Use("", "services", "get", "the addresses of DNS, which a route may take away", name="kube-dns"),
    Use("", "services", "get", "as above, on OpenShift", name="dns-default",
        only_when="there is no Service kube-dns"),
)  # fmt: skip
"""What the account uses besides, with `--reports`."""
