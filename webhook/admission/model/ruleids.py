"""The closed list of rule ids, which decisions name, and which are label values of `nadmit_findings_total`.

The codes of findings about plugins are rule ids as well; `plugins.outcomes` lists them. OUTCOMES says for each rule
about pods and definitions what would happen on the node, which decides the severity.
`tests/webhook/admission/model/test_ruleids.py` compares the list with the ids in the code, in both directions.
"""

from __future__ import annotations

from collections.abc import Mapping

from webhook.admission.plugins.findings import SEVERITIES
from webhook.admission.plugins.outcomes import CODES, Effect, Outcome, Subject, severity, subject_of

RULES = {
    # the access rules and built-in checks, access.reasons and checks/
    "AllowRule": "an Allow rule accepts what the pod asks for",
    "BuiltinBindingAnnotation": "a Binding carries an annotation about networks, which would replace the pod's own",
    "BuiltinUnsafeConfig": "the network's configuration is unsafe for any user",
    "ConsentMissing": "an Allow rule needs the consent of the network's owner, who has not given it",
    "DefinitionAllowRule": "an Allow rule for definitions accepts the definition",
    "DefinitionDefault": "no rule is about the definition, and the default allows it",
    "DefinitionDefaultDeny": "no rule allows the definition, and the default refuses",
    "DefinitionDenyRule": "a Deny rule is about what the definition uses",
    "DefinitionLevel": "the level of the namespace does not permit what the definition uses, or who writes it",
    "DenyRule": "a Deny rule is about the pod and the network",
    "Exempt": "the author is exempt from the rules about definitions",
    "MultusGate": "Multus' own settings on the nodes would refuse the network",
    "NamespaceLabelProtected": "a user who is not listed changes a label of a namespace that decisions depend on",
    "NetworkInUse": "pods use the network that is deleted or changed",
    "NetworkStatusProtected": "a user who is not a node or a status writer writes network-status",
    "NodePolicyUnavailable": "the node has no access rules to decide with",
    "NotWithinDefinitionRule": "an Allow rule governs, and the definition uses what the rule does not list",
    "NotWithinRule": "an Allow rule governs, and does not accept all that the pod asks for",
    "Posture": "no rule is about pod and network, and the default posture allows it",
    "PostureConsent": "no rule is about pod and network, and the owner does not share it with that namespace",
    "PostureDevice": "a deviceID for a network that names no resource needs an Allow rule",
    "PostureIsolated": "no rule is about pod and network, which is of a namespace that the pod may not use",
    "PostureReplaceDefault": "another default network needs an Allow rule",
    "PostureStrict": "no rule is about pod and network, and posture Strict gives nothing",
    "consent": "the annotation by which an owner shares a network cannot be read",
    "policy-field": "a field of an access policy cannot be read",
    # JSON, netspec.jsontext
    "json-depth": "JSON nests too deep",
    "json-duplicate-key": "a JSON object has a key twice",
    "json-encoding": "JSON has half a character",
    "json-number": "a number is not JSON, or too long",
    "json-size": "JSON is too large",
    "json-syntax": "a text is not JSON",
    # the networks annotation, netspec.annotation
    "bandwidth-burst": "a burst is given without its rate",
    "bandwidth-empty": "bandwidth gives no rate",
    "blank-annotation": "an annotation is white space alone",
    "default-network-count": "the default-network annotation names more than one network",
    "default-route-holder": "two networks of a pod have a default-route",
    "default-route-value": "a gateway of default-route is not an IP address",
    "default-route-families": "two networks of a pod hold the default routes of IPv4 and IPv6",
    "empty-item": "an item of the networks annotation is empty",
    "guid-value": "a text is not an InfiniBand GUID",
    "interface-duplicate": "two networks of a pod ask for one interface name",
    "interface-name": "the kernel refuses the interface name",
    "interface-reserved": "the interface name belongs to the default network",
    "ipam-claim-ips": "ipam-claim-reference and ips exclude each other",
    "ipam-claim-name": "a text does not name an IPAMClaim",
    "ips-empty": "ips has no address",
    "item-form": "an item of the networks annotation has white space or an empty part",
    "ips-value": "a text is not an IP address",
    "item-not-object": "an item of the networks annotation is not an object",
    "key-case": "a key of the networks annotation is in another letter case, and is read",
    "mac-value": "a text is not a MAC address",
    "missing-name": "an item of the networks annotation names no network",
    "network-name": "a text cannot name a network",
    "network-namespace": "a text cannot name a namespace",
    "not-a-list": "the JSON of the networks annotation is not a list",
    "number-range": "a number of the networks annotation is out of its range",
    "port-host-ip": "a hostIP is not an IP address",
    "port-mappings-empty": "portMappings has no mapping",
    "port-missing": "a port mapping lacks a port",
    "port-protocol": "a port mapping has an unknown protocol",
    "unknown-key": "nobody reads a key of the networks annotation",
    "wrong-type": "a value of the networks annotation has the wrong JSON type",
    # the plan, netspec.plan
    "capability-missing": "no plugin of the network reads what the pod asks for",
    "capability-undeclared": "a request reaches its plugin without the capability",
    "default-route-gateways": "a default-route has several gateways of one address family",
    "interface-taken": "the interface name is used by another attachment of the pod",
    "namespace-unknown": "no manifest has the namespace, and access rules select namespaces by labels",
    "network-not-found": "there is no NetworkAttachmentDefinition of that name",
    "network-unreadable": "the network's configuration cannot be read, so it cannot be attached",
    "networks-unread": "the configurations of an object's networks could not be read in time",
    # claims of dynamic resource allocation, admission.dra
    "claim-limit": "the claims of a pod, or one claim, have more combinations than nadmit looks at",
    "driver-key": "a DRA driver refuses a key of its parameters, or reads two keys as one",
    "driver-value": "a DRA driver cannot read a value of its parameters",
    "driver-version": "a DRA driver does not read parameters of that apiVersion or kind",
    "claim-unknown": "claims that a pod names are not known, and the API server cannot be asked for them",
    # injection into pods, wording.injectiontext
    "inject-into": "the container that the pod names for its devices is not there",
    "node-selector-conflict": "the networks, or a network and the pod, ask for different nodes",
    "node-selector-value": "a definition's node selector is not one label",
    "resource-name": "a definition names a resource that no device plugin can have",
    "resource-shortfall": "the pod requests fewer devices than its networks need",
    # pods and workloads as a whole, wording.podtext
    "annotation-place": "an annotation for pods is on a workload itself, where nobody reads it",
    "host-network": "a pod with hostNetwork asks for networks, which nobody attaches",
    "no-hotplug": "the networks of a running pod change, and no program attaches them before it is created again",
    "template-pods": "the pods of a template will be refused for what /mutate finds",
    # how much one object may ask for, limits
    "limit-containers": "a pod that gets devices from its networks has more containers than the limit",
    "limit-definition-bytes": "a CNI configuration is longer than the limit",
    "limit-definition-items": "a list of a CNI configuration has more items than the limit",
    "limit-networks": "a pod asks for more networks than the limit",
    "limit-policy-values": "an access policy holds more values than the limit",
    "limit-values": "the network annotations of a pod hold more values than the limit",
    # definitions, netspec.cniconfig, checks/definitions, access.content
    "cni-args": "args of a CNI configuration cannot be read",
    "cni-capabilities": "capabilities of a CNI configuration cannot be read",
    "cni-delegate": "a nested CNI configuration cannot be read",
    "cni-dns": "dns of a CNI configuration cannot be read",
    "cni-flag": "a flag of a CNI configuration is neither true nor false",
    "cni-ipam": "ipam of a CNI configuration cannot be read",
    "cni-ipam-program": "ipam.type names a plugin that is not an IPAM plugin",
    "cni-key-case": "a key of a CNI configuration is in another letter case",
    "cni-key-twin": "two keys of a CNI configuration differ in letter case only",
    "cni-name": "the name of a CNI configuration cannot be used",
    "cni-object": "a CNI configuration, or a plugin in it, is not an object",
    "cni-plugins": "the list of plugins cannot be read",
    "cni-reserved": "a key that the runtime fills in has the wrong type",
    "cni-runtime": "a definition fills in what only the runtime may: runtimeConfig or prevResult",
    "cni-type": "the type of a plugin is missing, or cannot be read",
    "cni-type-and-plugins": "a CNI configuration has both type and plugins",
    "cni-type-path": "the type of a plugin is a path",
    "cni-version": "a cniVersion is unknown or cannot be read",
    "cni-config-type": "spec.config is not a string",
    "cni-meta-plugin": "a definition names a delegating plugin, which would run all networks of the pod again",
    "object-name": "a definition's name cannot name a network",
    # what works, though few authors mean it
    "annotation-name": "no program reads an annotation, whose name resembles one that asks for networks",
    "config-field": "spec.Config of a definition is not spec.config, and the API server drops it",
    "config-name": "a CNI configuration has another name than its definition",
    "config-on-disk": "a definition has no configuration, so each node uses a file of its own",
    "devices-claimed": "resources are not injected, because the pod's claims are assumed to give the devices",
    "devices-from-value": "the annotation about the source of devices does not name one, and counts as absent",
    "dotted-name": "a definition's name has a dot, so pods can select it in the JSON form only",
    "inject-value": "the annotation that switches injection on or off is neither true nor false",
    "network-info-volume": "the pod has a volume of its own with the name of the one for pod network information",
    "networks-origin": "the networks of a refused pod come from a setting, and its author did not write them",
    "resource-domain": "a definition names a resource without a domain, which no device plugin has",
    "level-label": "a label of a namespace resembles one that sets the level of definitions",
    "level-value": "a label that sets the level of definitions does not name a level",
    # lints of policies, access.lints
    "any-master": "an Allow rule for definitions lets their author choose any interface of the node",
    "baseline-pools": "level Baseline lists interfaces and no addresses, so definitions may hand out any pool",
    "denies-everything": "a Deny rule refuses every network to every pod, or every definition",
    "every-network": "an Allow rule that names no network opens those of every tenant",
    "everything": "a star alone also selects objects that are made later",
    "grants-nothing": "an Allow rule is in a policy that is not enforced",
    "limits-void": "another Allow rule accepts what the limits of a rule refuse",
    "nad-labels": "an Allow rule selects networks of any namespace by labels, which their authors set",
    "namespace-labels": "labels of namespaces decide, and others may be able to set them",
    "pod-can-step-aside": "a Deny rule depends on labels or an account that the author of a pod chooses",
    "shadowed": "a Deny rule matches everything that a rule selects",
}
"""Each id with a title, which says when a decision names it."""


def _same(effect: Effect, *rules: str, seen: str) -> dict[str, Outcome]:
    return {rule: Outcome(effect, effect, seen) for rule in rules}


_LIBCNI = "source: libcni conf.go cannot decode it"
_NEITHER = "decision: programs read the text in two ways"

_PODS: Mapping[str, Outcome] = {
    # access rules and settings
    **_same(
        "not allowed",
        *("BuiltinUnsafeConfig", "ConsentMissing", "DefinitionLevel", "DenyRule", "NotWithinRule"),
        *("PostureConsent", "PostureDevice", "PostureIsolated", "PostureReplaceDefault"),
        "PostureStrict",
        seen="setting: access rules and posture",
    ),
    "MultusGate": Outcome("fails", "fails", "source: Multus k8sclient.go GetNetworkDelegates"),
    "NetworkStatusProtected": Outcome("not allowed", "not allowed", "decision: only nodes and status writers know it"),
    **_same("not allowed", "limit-containers", "limit-networks", "limit-values", seen="setting: limits"),
    **_same(
        "not allowed",
        *("namespace-unknown", "networks-unread", "claim-limit", "claim-unknown", "NodePolicyUnavailable"),
        seen="decision: it cannot be judged now",
    ),
    **_same("fails", "driver-key", "driver-value", "driver-version", seen="source: the DRA drivers"),
    # the annotations
    **_same("fails", "json-syntax", seen="source: Go's encoding/json"),
    **_same("not allowed", "json-depth", "json-size", seen="decision: a bound of the readers"),
    **_same("not allowed", "json-encoding", "json-number", seen=_NEITHER),
    **_same(
        "attaches",
        "json-duplicate-key",
        seen="source: Go's encoding/json takes the last one; it merges objects, so a repeated object is refused",
    ),
    **_same(
        "fails",
        *("default-route-value", "interface-duplicate", "interface-name", "ips-value", "item-not-object"),
        *("mac-value", "missing-name", "network-name", "not-a-list", "wrong-type"),
        seen="kubelet",
    ),
    "interface-reserved": Outcome(
        "fails", "fails", "kubelet: eth0 and lo; source: Multus gives the default network the other name"
    ),
    **_same(
        "fails", "bandwidth-burst", "number-range", "port-missing", "port-protocol", seen="run: bandwidth, portmap"
    ),
    "port-host-ip": Outcome("attaches without it", "attaches without it", "run: portmap maps nothing"),
    **_same(
        "fails",
        *("default-network-count", "empty-item", "guid-value", "network-namespace"),
        seen="source: Multus k8sclient.go",
    ),
    "default-route-holder": Outcome("fails", "fails", "source: Multus types/conf.go, for gateways of one family"),
    "ipam-claim-name": Outcome(
        "attaches without it", "attaches without it", "source: no IPAMClaim has such a name; only OVN-Kubernetes asks"
    ),
    "ipam-claim-ips": Outcome("attaches", "attaches", "source: OVN-Kubernetes takes both"),
    **_same("attaches", "key-case", seen="kubelet"),
    **_same(
        "attaches",
        "unknown-key",
        seen="kubelet: if the key resembles one that matters, its request would be lost, so it is refused",
    ),
    "blank-annotation": Outcome("attaches", "fails", "source: Multus k8sclient.go parsePodNetworkAnnotation"),
    "default-route-families": Outcome("attaches", "differs", "run: nadmit; source: Multus since 4.2.2 moves no route"),
    "default-route-gateways": Outcome("works", "fails", "source: Multus types/conf.go CheckGatewayConfig"),
    "item-form": Outcome("attaches", "attaches", "source: Multus k8sclient.go parsePodNetworkObjectName"),
    "ips-empty": Outcome(
        "attaches", "attaches", "source: Multus gives an empty address, which host-local and static take for none"
    ),
    **_same("attaches", "bandwidth-empty", "port-mappings-empty", seen="run: bandwidth, portmap"),
    # pods and templates as a whole
    "annotation-place": Outcome("differs", "differs", "source: nobody reads it there; the pods start without it"),
    "host-network": Outcome("attaches", "attaches", "source: containerd and CRI-O run no CNI plugin for such a pod"),
    "no-hotplug": Outcome("differs", "differs", "source: a running pod keeps its networks, unless a controller acts"),
    "template-pods": Outcome("differs", "differs", "decision: the pods are judged when they are created"),
    # the plan
    "capability-missing": Outcome("fails", "attaches without it", "kubelet: portMappings"),
    "capability-undeclared": Outcome("attaches", "attaches", "kubelet: bridge, host-local, static in CNI_ARGS"),
    "interface-taken": Outcome("fails", "fails", "source: Multus validateIfName"),
    "network-not-found": Outcome("fails", "fails", "kubelet"),
    "network-unreadable": Outcome("fails", "fails", _LIBCNI),
    # injection
    "inject-into": Outcome("fails", "attaches without it", "source: no container would get the devices"),
    "node-selector-conflict": Outcome("fails", "fails", "source: the scheduler finds no node"),
    **_same("fails", "node-selector-value", "resource-name", seen="API server: after /mutate"),
    "resource-shortfall": Outcome("fails", "attaches without it", "source: Multus k8sclient.go getKubernetesDelegate"),
}
"""Rule -> what happens to a pod."""

_DEFINITIONS: Mapping[str, Outcome] = {
    # access rules and settings
    **_same(
        "not allowed",
        *("BuiltinUnsafeConfig", "DefinitionDefaultDeny", "DefinitionDenyRule", "DefinitionLevel"),
        *("NotWithinDefinitionRule", "consent"),
        seen="setting: access rules and levels",
    ),
    "NetworkInUse": Outcome("not allowed", "not allowed", "setting: networks that running pods use are kept"),
    **_same("not allowed", "limit-definition-bytes", "limit-definition-items", seen="setting: limits"),
    # the configuration
    **_same("fails", "json-syntax", seen="source: Go's encoding/json"),
    **_same("not allowed", "json-depth", "json-size", seen="decision: a bound of the readers"),
    **_same("not allowed", "json-duplicate-key", "json-encoding", "json-number", seen=_NEITHER),
    **_same("not allowed", "cni-key-case", "cni-key-twin", "cni-type-and-plugins", seen=_NEITHER),
    **_same(
        "not allowed",
        *("cni-ipam-program", "cni-runtime"),
        seen="decision: a door to devices of the node, shown with host-device",
    ),
    **_same(
        "not allowed",
        *("cni-meta-plugin", "cni-type-path"),
        seen="decision: it would run programs that nobody judges",
    ),
    **_same(
        "fails",
        *("cni-capabilities", "cni-dns", "cni-flag", "cni-ipam", "cni-object", "cni-plugins", "cni-type"),
        seen=_LIBCNI,
    ),
    "cni-args": Outcome("fails", "fails", "run: bridge; source: Multus stops once a pod has cni-args"),
    "cni-delegate": Outcome("fails", "fails", "source: flannel cannot decode it"),
    "cni-name": Outcome("fails", "fails", "source: libcni api.go refuses the name"),
    **_same("fails", "cni-reserved", "cni-version", seen="run: macvlan, bridge"),
    "cni-config-type": Outcome("fails", "fails", "API server: the schema of the kind"),
    "object-name": Outcome("fails", "fails", "API server: names of objects"),
    # injection
    **_same("fails", "node-selector-value", "resource-name", seen="API server: it refuses the pods, after /mutate"),
}
"""Rule -> what happens to the pods of a definition."""

OUTCOMES: Mapping[Subject, Mapping[str, Outcome]] = {
    "pod": {**_PODS, **{code: outcome for code, outcome in CODES.items() if subject_of(code) == "pod"}},
    "definition": {
        **_DEFINITIONS,
        **{code: outcome for code, outcome in CODES.items() if subject_of(code) == "definition"},
    },
}
"""What happens if a rule let its mistake pass, by who makes it. A rule may be about both."""

ELSEWHERE = frozenset(
    {
        # decisions that allow
        *("AllowRule", "DefinitionAllowRule", "DefinitionDefault", "Exempt", "Posture"),
        # rules about other objects
        *("BuiltinBindingAnnotation", "NamespaceLabelProtected", "policy-field", "limit-policy-values"),
        # warnings and lints
        *("annotation-name", "config-field", "config-name", "config-on-disk", "devices-claimed", "devices-from-value"),
        *("dotted-name", "inject-value", "network-info-volume", "networks-origin", "resource-domain"),
        *("level-label", "level-value"),
        *("any-master", "baseline-pools", "denies-everything", "every-network", "everything", "grants-nothing"),
        *("limits-void", "nad-labels", "namespace-labels", "pod-can-step-aside", "shadowed"),
    }
)
"""Rules that have no outcome: they refuse nothing, or they are about neither pods nor definitions."""


def rule_severity(rule: str, subject: Subject, attached_by: str) -> str:
    """Return the severity of a rule of OUTCOMES for one of `netspec.attachers.ATTACHERS`."""
    return severity(OUTCOMES[subject][rule].effect(attached_by), subject)


RULE_IDS = frozenset({*SEVERITIES, *RULES})
