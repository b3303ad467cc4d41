"""The webhooks that are registered, as a table, and the objects that it makes (admissionregistration.k8s.io/v1; pure).

No namespaceSelector and no objectSelector: whoever is judged can set the labels they go by. matchPolicy Equivalent, so
that an object counts in whatever version it comes. Dry runs have no side effects. DELETE of a policy is never
intercepted: it is the way out of a policy that refuses too much.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cniplugin.access.rules import GROUP as ACCESS_GROUP
from cniplugin.netspec.netattachdef import GROUP as NETWORK_GROUP

from . import conditions
from .conditions import Condition

API_VERSION = "admissionregistration.k8s.io/v1"
KIND = "ValidatingWebhookConfiguration"
RESOURCE = "validatingwebhookconfigurations"
DEFAULT_NAME = "nadmit"

DOMAIN = ".nadmit.io"
"""A webhook whose name ends so is ours; all others in a list are foreign."""

ACCESS = ".access" + DOMAIN

STAGE_ANNOTATION = "nadmit.io/failure-policy"
IGNORE, FAIL = "Ignore", "Fail"
STAGES = (IGNORE, FAIL)
"""Ignore comes first: a cluster is not stopped by a webhook that nobody has seen working."""

PATH = "/validate"
PORT = 443
TIMEOUT_S = 5

Webhook = dict[str, Any]
Rule = dict[str, Any]


class Service(NamedTuple):
    """The Service that the API server calls."""

    namespace: str
    name: str


class Url(NamedTuple):
    """The address that it calls instead: `https://HOST[:PORT][/PATH]`."""

    url: str


Target = Service | Url


class Hook(NamedTuple):
    """A row of the table. `is_staged`: its failurePolicy is that of the stage, else Ignore for ever."""

    name: str
    rules: tuple[Rule, ...]
    is_staged: bool
    match: Callable[[Sequence[str]], tuple[Condition, ...]] = lambda _status_writers: ()


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

VALIDATING = (
    Hook(
        "pods" + ACCESS,
        (_rule("", "v1", ["pods"], _WRITES), _rule("", "v1", ["pods/status"], ["UPDATE"])),
        is_staged=True,
        match=conditions.pods,
    ),
    Hook(
        "bindings" + ACCESS,
        (_rule("", "v1", ["pods/binding", "bindings"], ["CREATE"]),),
        is_staged=True,
        match=lambda _status_writers: conditions.bindings(),
    ),
    Hook("networks" + ACCESS, (_rule(NETWORK_GROUP, "v1", _NETWORKS, _WRITES),), is_staged=True),
    # Whoever is to delete a network must be able to while the webhook is away.
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
        match=lambda _status_writers: conditions.workloads(),
    ),
    Hook(
        "policies" + ACCESS,
        (_rule(ACCESS_GROUP, "v1alpha1", ["networkattachmentpolicies", "networkattachmentpolicyconfigs"], _WRITES),),
        is_staged=True,
    ),
)


def webhooks(
    target: Target, *, ca_bundle: bytes | None, failure_policy: str, status_writers: Sequence[str]
) -> list[Webhook]:
    """Return the `webhooks` of the configuration, every field written out.

    `ca_bundle` is PEM; None leaves it out, for somebody else to put in. `failure_policy` is one of STAGES.
    `status_writers` are users that may change `network-status` besides nodes.
    """
    return [_webhook(hook, client_config(target, ca_bundle), failure_policy, status_writers) for hook in VALIDATING]


def configuration(name: str, hooks: Sequence[Webhook], *, failure_policy: str) -> dict[str, Any]:
    """Return the whole object, with the annotation that says the stage."""
    metadata = {"name": name, "annotations": {STAGE_ANNOTATION: failure_policy}}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "webhooks": list(hooks)}


def client_config(target: Target, ca_bundle: bytes | None) -> dict[str, Any]:
    """Return whom to call, and by which authorities (PEM) to know him. A URL without a path gets `PATH`."""
    config: dict[str, Any]
    if isinstance(target, Service):
        config = {"service": {"namespace": target.namespace, "name": target.name, "path": PATH, "port": PORT}}
    else:
        address = target.url.rstrip("/")
        has_path = "/" in address.removeprefix("https://")
        config = {"url": address if has_path else address + PATH}
    if ca_bundle is not None:
        config["caBundle"] = base64.b64encode(ca_bundle).decode()
    return config


def is_ours(webhook: Webhook) -> bool:
    """Return whether an element of a list belongs to this program."""
    return str(webhook.get("name", "")).endswith(DOMAIN)


STAGED = frozenset(hook.name for hook in VALIDATING if hook.is_staged)
"""The names of the webhooks whose failurePolicy is that of the stage."""


def _webhook(hook: Hook, whom: dict[str, Any], failure_policy: str, status_writers: Sequence[str]) -> Webhook:
    made: Webhook = {
        "name": hook.name,
        "clientConfig": dict(whom),
        "rules": [dict(rule) for rule in hook.rules],
        "failurePolicy": failure_policy if hook.is_staged else IGNORE,
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": TIMEOUT_S,
    }
    matching = hook.match(status_writers)
    return {**made, "matchConditions": list(matching)} if matching else made
