"""The webhooks: a table for each kind of configuration, and which of them fail closed (pure).

There is no namespaceSelector and no objectSelector, because users who are judged can set labels. No webhook is called
for a DELETE of a policy: it is the way out of a policy that refuses too much.

Injection has two webhooks. Namespaces and labels give networks to pods that name none, so the API server sends every
new pod to `defaults`. Therefore `defaults` never fails closed: pods without networks start while no replica answers.
`pods` is called for pods that name networks, as the judgement is, and is staged: under Fail none of them starts without
its resources, node selectors and network information. After `pods` there is nothing left to do for `defaults`. It sees
these pods all the same: the API server reinvokes only webhooks that it has called before, and another webhook may add
networks after ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from cniplugin.netspec.netattachdef import GROUP as NETWORK_GROUP
from webhook.admission.dra.claims import GROUP as DEVICE_GROUP
from webhook.admission.templates.workloadtable import MACHINES, PREFERENCES, TEMPLATED, Workload

from . import conditions
from .conditions import Condition, LabelProtection, StatusProtection

DOMAIN = ".nadmit.io"
"""The end of the names of our webhooks. All others in a list are foreign."""

OBSERVING = "/observe"
"""Follows the path of a kind if the webhook must not refuse anything (`webhook.serving.http.OBSERVED`)."""

ACCESS = ".access" + DOMAIN
INJECT = ".inject" + DOMAIN

Rule = dict[str, Any]


class Hook(NamedTuple):
    """A row of a table. `is_staged`: its failurePolicy follows the stage, else it is always Ignore.

    `match`, `match_labels`: its conditions, from who may write network-status and who may change labels of namespaces.
    `has_own_kinds`: its rules are the kinds of the configuration's section `workloads`.
    """

    name: str
    rules: tuple[Rule, ...]
    is_staged: bool
    match: Callable[[StatusProtection], tuple[Condition, ...]] = lambda _protection: ()
    match_labels: Callable[[LabelProtection], tuple[Condition, ...]] = lambda _protection: ()
    timeout_s: int = 5
    has_own_kinds: bool = False


def _rule(group: str, version: str, resources: Sequence[str], operations: Sequence[str]) -> Rule:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": list(operations),
        "resources": list(resources),
        "scope": "*",
    }


_WRITES = ("CREATE", "UPDATE")
_NETWORKS = ("network-attachment-definitions",)
_PODS = (_rule("", "v1", ["pods"], _WRITES), _rule("", "v1", ["pods/status"], ["UPDATE"]))
# Their writes also change labels (pkg/registry/core/namespace/strategy.go resets spec or status, not metadata).
_NAMESPACES = (
    _rule("", "v1", ["namespaces"], _WRITES),
    _rule("", "v1", ["namespaces/status", "namespaces/finalize"], ["UPDATE"]),
)
_NEW_PODS = _rule("", "v1", ["pods"], ["CREATE"])
_CLAIMS = (_rule(DEVICE_GROUP, "*", ["resourceclaims", "resourceclaimtemplates", "deviceclasses"], _WRITES),)


def rules_of(resources: Iterable[tuple[str, str]]) -> tuple[Rule, ...]:
    """Return the rules for writes of resources, given by group and plural, in any version.

    The API server ignores a rule about a kind that is not installed, and heeds it from the moment that the kind is.
    """
    by_group: dict[str, list[str]] = {}
    for group, plural in resources:
        by_group.setdefault(group, []).append(plural)
    return tuple(_rule(group, "*", sorted(plurals), _WRITES) for group, plurals in sorted(by_group.items()))


def _rules_for(workloads: Iterable[Workload]) -> tuple[Rule, ...]:
    return rules_of((one.kind.group, one.plural) for one in workloads)


VALIDATING = (
    Hook("pods" + ACCESS, _PODS, is_staged=True, match=conditions.pods),
    Hook(
        "bindings" + ACCESS,
        (_rule("", "v1", ["pods/binding", "bindings"], ["CREATE"]),),
        is_staged=True,
        match=lambda _protection: conditions.bindings(),
    ),
    Hook("networks" + ACCESS, (_rule(NETWORK_GROUP, "v1", _NETWORKS, _WRITES),), is_staged=True),
    # It must be possible to delete a network while no replica answers.
    Hook("networks-in-use" + ACCESS, (_rule(NETWORK_GROUP, "v1", _NETWORKS, ["DELETE"]),), is_staged=False),
    # The pod is judged later in any case.
    Hook(
        "workloads" + ACCESS,
        (
            _rule("apps", "v1", ["deployments", "statefulsets", "daemonsets", "replicasets"], _WRITES),
            _rule("batch", "v1", ["jobs", "cronjobs"], _WRITES),
            _rule("", "v1", ["replicationcontrollers", "podtemplates"], _WRITES),
        ),
        is_staged=False,
        match=lambda _protection: conditions.workloads(),
    ),
    Hook(
        "policies" + ACCESS,
        (_rule(ACCESS_GROUP, "v1alpha1", ["networkattachmentpolicies", "networkattachmentpolicyconfigs"], _WRITES),),
        is_staged=True,
    ),
    # A warning must not stop a pod while no replica answers. Under mode Deny, `pods` covers it.
    Hook("network-status" + ACCESS, _PODS, is_staged=False, match=conditions.network_status),
    # Called only under mode Deny of namespaceLabels: a change that causes a warning must not fail closed.
    Hook("namespaces" + ACCESS, _NAMESPACES, is_staged=True, match_labels=conditions.refused_labels),
    Hook("namespace-labels" + ACCESS, _NAMESPACES, is_staged=False, match_labels=conditions.labels),
    Hook(
        "claims" + ACCESS,
        _CLAIMS,
        is_staged=True,
        match=lambda _protection: conditions.claims(),
    ),
    # Nearly all of these are about GPUs, which must not wait for a webhook of networks. A claim for a network driver
    # was judged when it was written.
    Hook("devices" + ACCESS, (_NEW_PODS,), is_staged=False, match=lambda _protection: conditions.devices()),
    Hook("other-claims" + ACCESS, _CLAIMS, is_staged=False, match=lambda _protection: conditions.other_claims()),
    # Nearly all of these objects are written by controllers and deployed by programs, which must not fail with us.
    Hook(
        "other-workloads" + ACCESS,
        _rules_for(TEMPLATED),
        is_staged=False,
        match=lambda _protection: conditions.other_workloads(path for one in TEMPLATED for path in one.paths),
    ),
    Hook(
        "machines" + ACCESS,
        _rules_for((*MACHINES, *PREFERENCES)),
        is_staged=False,
        match=lambda _protection: conditions.machines(),
    ),
    Hook(
        "own-workloads" + ACCESS,
        (),
        is_staged=False,
        match=lambda _protection: conditions.own_workloads(),
        has_own_kinds=True,
    ),
)

MUTATING = (
    Hook(
        "pods" + INJECT,
        (_NEW_PODS,),
        is_staged=True,
        match=lambda _protection: conditions.injection_of_networks(),
    ),
    # Every pod of the cluster waits for this one, even while no replica answers.
    Hook(
        "defaults" + INJECT,
        (_NEW_PODS,),
        is_staged=False,
        match=conditions.injection_of_defaults,
        timeout_s=2,
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of configuration: its table, the path of its webhooks, and fields that all of them have."""

    name: str
    resource: str
    path: str
    hooks: tuple[Hook, ...]
    fields: Mapping[str, str] = field(default_factory=dict)


MUTATING_KIND = Kind(
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    "/mutate",
    MUTATING,
    # Another webhook may add networks, labels or containers after ours.
    {"reinvocationPolicy": "IfNeeded"},
)
VALIDATING_KIND = Kind("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "/validate", VALIDATING)

KINDS = (MUTATING_KIND, VALIDATING_KIND)
"""In the order of registration: the API server calls injection for a pod before it asks for the judgement."""

NAMES = frozenset(hook.name for kind in KINDS for hook in kind.hooks)
"""The names of all webhooks."""

OWN_KINDS = next(hook.name for hook in VALIDATING if hook.has_own_kinds)
"""The name of the webhook for kinds that an admin describes."""

STAGED = frozenset(hook.name for kind in KINDS for hook in kind.hooks if hook.is_staged)
"""The names of the webhooks whose failurePolicy follows the stage."""
