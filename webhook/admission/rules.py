"""The closed list of rule ids: what a decision may name, and the label values of `nadmit_findings_total`.

The codes of findings about plugins are rule ids, too; they have a list of their own, which explains each.
`tests/admission/test_rules.py` compares it with the ids in the code, in both directions.
"""

from __future__ import annotations

from webhook.admission.plugins.codes import CODES

RULE_IDS = frozenset(
    {
        *CODES,
        # the access rules and built-in checks, access.reasons and checks/
        "AllowRule",
        "BuiltinBindingAnnotation",
        "BuiltinUnsafeConfig",
        "ConsentMissing",
        "DefinitionAllowRule",
        "DefinitionDefault",
        "DefinitionDefaultDeny",
        "DefinitionDenyRule",
        "DenyRule",
        "Exempt",
        "MultusGate",
        "NetworkInUse",
        "NetworkStatusProtected",
        "NodePolicyUnavailable",  # of the node alone
        "NotWithinDefinitionRule",
        "NotWithinRule",
        "Posture",
        "PostureConsent",
        "PostureDevice",
        "PostureIsolated",
        "PostureReplaceDefault",
        "PostureStrict",
        "consent",
        "policy-field",
        # JSON, netspec.jsontext
        "json-depth",
        "json-duplicate-key",
        "json-encoding",
        "json-number",
        "json-size",
        "json-syntax",
        # the networks annotation, netspec.annotation
        "bandwidth-burst",
        "bandwidth-empty",
        "default-network-count",
        "default-route-holder",
        "default-route-value",
        "empty-item",
        "guid-value",
        "interface-duplicate",
        "interface-name",
        "interface-reserved",
        "ipam-claim-ips",
        "ipam-claim-name",
        "ips-empty",
        "ips-value",
        "item-not-object",
        "key-case",
        "mac-value",
        "missing-name",
        "network-name",
        "network-namespace",
        "not-a-list",
        "number-range",
        "port-host-ip",
        "port-mappings-empty",
        "port-missing",
        "port-protocol",
        "unknown-key",
        "wrong-type",
        # the plan, netspec.plan
        "capability-missing",
        "interface-taken",
        "network-not-found",
        "network-unreadable",
        # what /mutate puts into a pod, injectiontext
        "inject-into",
        "node-selector-conflict",
        "node-selector-value",
        "resource-name",
        "resource-shortfall",
        # definitions, netspec.cniconfig, checks/definitions, access.content
        "cni-args",
        "cni-capabilities",
        "cni-delegate",
        "cni-dns",
        "cni-flag",
        "cni-ipam",
        "cni-key-case",
        "cni-key-twin",
        "cni-name",
        "cni-object",
        "cni-plugins",
        "cni-reserved",
        "cni-type",
        "cni-type-and-plugins",
        "cni-type-path",
        "cni-version",
        "cni-config-type",
        "cni-meta-plugin",
        "object-name",
    }
)
