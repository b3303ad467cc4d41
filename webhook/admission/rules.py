"""The closed list of rule ids: what a decision may name, and the label values of `nadmit_findings_total`.

The codes of findings about plugins are rule ids, too; they have a list of their own, which explains each at length.
`tests/admission/test_rules.py` compares it with the ids in the code, in both directions.
"""

from __future__ import annotations

from webhook.admission.plugins.codes import CODES

RULES = {
    # the access rules and built-in checks, access.reasons and checks/
    "AllowRule": "an Allow rule accepts what the pod asks for",
    "BuiltinBindingAnnotation": "a Binding carries an annotation about networks, which would replace the pod's own",
    "BuiltinUnsafeConfig": "the network's configuration is unsafe, whoever uses it",
    "ConsentMissing": "an Allow rule needs the consent of the network's owner, and there is none",
    "DefinitionAllowRule": "an Allow rule for definitions accepts the definition",
    "DefinitionDefault": "no rule is about the definition, and the default allows it",
    "DefinitionDefaultDeny": "no rule allows the definition, and the default refuses",
    "DefinitionDenyRule": "a Deny rule is about what the definition uses",
    "DenyRule": "a Deny rule is about the pod and the network",
    "Exempt": "the author is exempt from the rules about definitions",
    "MultusGate": "Multus' own settings on the nodes would refuse the network",
    "NetworkInUse": "running pods use the network that is deleted or changed",
    "NetworkStatusProtected": "somebody but a node or a status writer changes network-status",
    "NodePolicyUnavailable": "the node has no access rules that it could go by",
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
    "json-duplicate-key": "a key stands twice in one JSON object",
    "json-encoding": "JSON has half a character",
    "json-number": "a number is not JSON, or too long",
    "json-size": "JSON is too large",
    "json-syntax": "a text is not JSON",
    # the networks annotation, netspec.annotation
    "bandwidth-burst": "a burst is given without its rate",
    "bandwidth-empty": "bandwidth gives no rate",
    "default-network-count": "the default-network annotation names more than one network",
    "default-route-holder": "two networks of a pod have a default-route",
    "default-route-value": "a gateway of default-route is no IP address",
    "empty-item": "an item of the networks annotation is empty",
    "guid-value": "a text is no InfiniBand GUID",
    "interface-duplicate": "two networks of a pod ask for one interface name",
    "interface-name": "the kernel refuses the interface name",
    "interface-reserved": "the interface name belongs to the default network",
    "ipam-claim-ips": "ipam-claim-reference and ips exclude each other",
    "ipam-claim-name": "a text does not name an IPAMClaim",
    "ips-empty": "ips has no address",
    "ips-value": "a text is no IP address",
    "item-not-object": "an item of the networks annotation is no object",
    "key-case": "a key of the networks annotation is in another letter case",
    "mac-value": "a text is no MAC address",
    "missing-name": "an item of the networks annotation names no network",
    "network-name": "a text cannot name a network",
    "network-namespace": "a text cannot name a namespace",
    "not-a-list": "the JSON of the networks annotation is no list",
    "number-range": "a number of the networks annotation is out of its range",
    "port-host-ip": "a hostIP is no IP address",
    "port-mappings-empty": "portMappings has no mapping",
    "port-missing": "a port mapping lacks a port",
    "port-protocol": "a port mapping has an unknown protocol",
    "unknown-key": "a key of the networks annotation is unknown",
    "wrong-type": "a value of the networks annotation has the wrong JSON type",
    # the plan, netspec.plan
    "capability-missing": "no plugin of the network has the capability that the request needs",
    "interface-taken": "the interface name is used by another attachment of the pod",
    "network-not-found": "there is no NetworkAttachmentDefinition of that name",
    "network-unreadable": "the network's configuration cannot be read, so it cannot be attached",
    # what /mutate puts into a pod, injectiontext
    "inject-into": "the container that the pod names for its devices is not there",
    "node-selector-conflict": "the networks, or a network and the pod, ask for different nodes",
    "node-selector-value": "a definition's node selector is not one label",
    "resource-name": "a definition names a resource that no device plugin can have",
    "resource-shortfall": "the pod requests fewer devices than its networks need",
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
    "cni-key-case": "a key of a CNI configuration is in another letter case",
    "cni-key-twin": "two keys of a CNI configuration differ in letter case only",
    "cni-name": "the name of a CNI configuration cannot be used",
    "cni-object": "a CNI configuration, or a plugin in it, is no object",
    "cni-plugins": "the list of plugins cannot be read",
    "cni-reserved": "a key that the runtime fills in has the wrong type",
    "cni-type": "the type of a plugin is missing, or cannot be read",
    "cni-type-and-plugins": "a CNI configuration has both type and plugins",
    "cni-type-path": "the type of a plugin is a path",
    "cni-version": "a cniVersion is unknown or cannot be read",
    "cni-config-type": "spec.config is not a string",
    "cni-meta-plugin": "a definition names a delegating plugin, which would run all networks of the pod again",
    "object-name": "a definition's name cannot name a network",
}
"""Each id with a title: what is the case when a decision names it."""

RULE_IDS = frozenset({*CODES, *RULES})
