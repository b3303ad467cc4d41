"""The sections of the standards that the suite covers, with their titles, and why some are not tested."""

from __future__ import annotations

from collections.abc import Mapping

NPWG = "npwg-1.3"
CNI = "cni-1.1"
ADMISSION = "admission-v1"
RFC6902 = "rfc-6902"
NRI = "nri-readme"
PRACTICE_NAME = "practice"

TITLES: Mapping[str, str] = {
    NPWG: "NPWG multi-net-spec v1.3, sections 3 to 7",
    CNI: "CNI specification 1.1, sections 1 to 5",
    ADMISSION: 'Kubernetes 1.36: admission.k8s.io/v1, "Dynamic Admission Control" and its good practices',
    RFC6902: "RFC 6902, JSON Patch",
    NRI: "network-resources-injector: what its README documents",
    PRACTICE_NAME: "Practice: what operators need, and no standard says",
}

STANDARDS: Mapping[str, Mapping[str, str]] = {
    NPWG: {
        "3.1": "Custom Resource Definition",
        "3.2": "Object definition",
        "3.3": "Object naming rules",
        "3.4": "Delegating plugin requirements",
        "3.4.1": "Which CNI plugins a definition means",
        "3.4.2": "Spec.Config and the field `name`",
        "3.4.3": "Names of the object and of its configuration",
        "4": "Network Attachment Selection Annotation",
        "4.1": "Annotation name and format",
        "4.1.1": "Comma-delimited format",
        "4.1.2": "JSON list format",
        "4.1.2.1": "Keys of the JSON list format",
        "4.1.2.1.1": "`name`",
        "4.1.2.1.2": "`namespace`",
        "4.1.2.1.3": "`ips`",
        "4.1.2.1.4": "`mac`",
        "4.1.2.1.5": "`interface`",
        "4.1.2.1.6": "`cni-args`",
        "4.1.2.1.7": "`portMappings`",
        "4.1.2.1.8": "`bandwidth`",
        "4.1.2.1.9": "`default-route`",
        "4.1.2.1.10": "`infiniband-guid`",
        "4.1.2.1.11": "`ipam-claim-reference`",
        "4.2": "Several attachments to one network",
        "4.2.1": "The tuple of an attachment",
        "5": "Network Attachment Status Annotation",
        "5.1": "Source of status information",
        "5.1.1": "Delegating plugins: the CNI result",
        "5.2": "Entry of the default network",
        "5.3": "Keys of the status map",
        "5.3.1": "`name`",
        "5.3.2": "`interface`",
        "5.3.3": "`ips`",
        "5.3.4": "`mac`",
        "5.3.5": "`default`",
        "5.3.6": "`dns`",
        "5.3.6.4": "`default-route`",
        "5.3.7": "`device-info`",
        "6": "Cluster-wide default network",
        "6.1": "Network plugin readiness",
        "6.2": "Order of the attachments",
        "7.1": "CNI configuration and result versions",
        "7.2": "Failures of attachment and detachment",
        "7.3": "One operation after the other",
        "7.4": "Restrictions on the selection",
        "7.5": "`runtimeConfig` of the runtime",
    },
    CNI: {
        "1.configuration": "Configuration format: the list",
        "1.plugin": "Configuration format: a plugin",
        "1.versions": "Version considerations",
        "2.overview": "Configuration on stdin, result on stdout",
        "2.parameters": "Parameters in the environment",
        "2.errors": "Exit codes and errors",
        "2.ADD": "ADD",
        "2.DEL": "DEL",
        "2.CHECK": "CHECK",
        "2.STATUS": "STATUS",
        "2.VERSION": "VERSION",
        "2.GC": "GC",
        "3.lifecycle": "Lifecycle and ordering",
        "3.parameters": "Attachment parameters",
        "3.adding": "Adding an attachment",
        "3.deleting": "Deleting an attachment",
        "3.checking": "Checking an attachment",
        "3.gc": "Garbage-collecting a network",
        "3.request": "Deriving the request configuration",
        "3.runtimeConfig": "Deriving `runtimeConfig`",
        "4.protocol": "Delegated plugin protocol",
        "4.procedure": "Delegated plugin execution procedure",
        "5.add": "ADD success",
        "5.ipam": "Delegated plugins (IPAM)",
        "5.version": "VERSION success",
        "5.error": "Error",
    },
    ADMISSION: {
        "request": "What an API server sends",
        "response": "Status, content type and body",
        "response.version": "`apiVersion` and `kind`",
        "response.uid": "`response.uid`",
        "response.status": "`response.status` of a refusal",
        "response.patch": "`response.patch` and `response.patchType`",
        "response.warnings": "`response.warnings`",
        "operations": "CREATE, UPDATE, DELETE and CONNECT",
        "dry-run": "Side effects, and requests that store nothing",
        "idempotence": "Reinvocation and idempotence",
        "good-practice": "Admission webhook good practices: mutation",
    },
    RFC6902: {
        "4": "Operations",
    },
    NRI: {
        "resource-name": "Resources of networks in the first container",
        "resource-name-keys": "`network-resource-name-keys`",
        "pod-information": "The volume `podnetinfo`",
        "hugepages": "Hugepages by the downward API",
        "node-selector": "Node selectors of definitions",
        "user-defined": "User-defined injections",
    },
    PRACTICE_NAME: {
        "del": "DEL always ends, and frees all",
        "api": "The API server is away, slow or refuses",
        "rollback": "What a failed ADD leaves",
        "crash": "A killed plugin",
        "delegate": "Delegates that misbehave",
        "input": "Input that nobody expects",
        "concurrency": "Several pods at once",
        "status": "What users see",
        "admission": "Webhooks that check definitions and pods",
        "injection": "Webhooks that change pods",
    },
}

UNTESTED: Mapping[tuple[str, str], str] = {
    (NPWG, "3.1"): "the CRD is an object of the cluster; a plugin neither makes nor serves it",
    (NPWG, "5.1"): "it says which information may be left out, and who else may update the status",
    (CNI, "5.ipam"): "it is about IPAM plugins; a meta plugin gets their result through an interface plugin",
}
"""Why no test cites a section."""
