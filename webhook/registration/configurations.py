"""The objects that the tables make: a configuration of either kind (admissionregistration.k8s.io/v1; pure).

matchPolicy Equivalent, so that an object counts in whatever version it comes. Dry runs have no side effects.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from .conditions import Condition, LabelProtection, StatusProtection
from .tables import DOMAIN, KINDS, Hook, Kind

API_VERSION = "admissionregistration.k8s.io/v1"
DEFAULT_NAME = "nadmit"

STAGE_ANNOTATION = "nadmit.io/failure-policy"
IGNORE, FAIL = "Ignore", "Fail"
STAGES = (IGNORE, FAIL)
"""Ignore comes first: a cluster is not stopped by a webhook that nobody has seen working."""

PORT = 443

Webhook = dict[str, Any]


class Service(NamedTuple):
    """The Service that the API server calls."""

    namespace: str
    name: str


class Url(NamedTuple):
    """The address that it calls instead: `https://HOST[:PORT][/PATH]`, and the path of the kind (see `base_of`)."""

    url: str


Target = Service | Url

UNPROTECTED = LabelProtection()
_OWN_PATH = re.compile(f"(?:{'|'.join(kind.path for kind in KINDS)})(?:/([a-z0-9]{{16,63}}))?$")


def webhooks(
    kind: Kind,
    target: Target,
    *,
    ca_bundle: bytes | None,
    failure_policy: str,
    protection: StatusProtection,
    labels: LabelProtection = UNPROTECTED,
    token: str = "",
) -> list[Webhook]:
    """Return the `webhooks` of a configuration of this kind, every field written out.

    `ca_bundle` is PEM; None leaves it out, for somebody else to put in. `failure_policy` is one of STAGES.
    `protection`: who may write `network-status`; `labels`: who may change labels of namespaces. `token` is the last
    part of the path; "" for none.
    """
    whom = client_config(kind, target, ca_bundle, token=token)
    return [
        {**_webhook(hook, whom, failure_policy, (*hook.match(protection), *hook.match_labels(labels))), **kind.fields}
        for hook in kind.hooks
    ]


def configuration(kind: Kind, name: str, hooks: Sequence[Webhook], *, failure_policy: str) -> dict[str, Any]:
    """Return the whole object, with the annotation that says the stage."""
    metadata = {"name": name, "annotations": {STAGE_ANNOTATION: failure_policy}}
    return {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "webhooks": list(hooks)}


def client_config(kind: Kind, target: Target, ca_bundle: bytes | None, *, token: str = "") -> dict[str, Any]:
    """Return whom webhooks of this kind call, with which token ("" for none), and by which authorities to know him."""
    config: dict[str, Any]
    path = f"{kind.path}/{token}" if token else kind.path
    if isinstance(target, Service):
        config = {"service": {"namespace": target.namespace, "name": target.name, "path": path, "port": PORT}}
    else:
        config = {"url": base_of(target.url) + path}
    if ca_bundle is not None:
        config["caBundle"] = base64.b64encode(ca_bundle).decode()
    return config


def base_of(url: str) -> str:
    """Return an address without a path of ours at its end, so that either kind can put its own there."""
    return _OWN_PATH.sub("", url.rstrip("/")).rstrip("/")


def token_of(webhook: Webhook) -> str:
    """Return the token in the path of a webhook of ours; "" where there is none."""
    config = webhook.get("clientConfig", {})
    match = _OWN_PATH.search(config.get("url") or config.get("service", {}).get("path") or "")
    return (match and match[1]) or ""


def probe_webhook(kind: Kind, target: Target, ca_bundle: bytes | None, *, name: str, token: str) -> Webhook:
    """Return a webhook that is never called: it has no rules. See `moving`."""
    hook = Hook(name, (), is_staged=False, timeout_s=1)
    whom = client_config(kind, target, ca_bundle, token=token)
    return {**_webhook(hook, whom, IGNORE, ()), **kind.fields}


def is_ours(webhook: Webhook) -> bool:
    """Return whether an element of a list belongs to this program."""
    return str(webhook.get("name", "")).endswith(DOMAIN)


def _webhook(hook: Hook, whom: dict[str, Any], failure_policy: str, matching: Sequence[Condition]) -> Webhook:
    made: Webhook = {
        "name": hook.name,
        "clientConfig": dict(whom),
        "rules": [dict(rule) for rule in hook.rules],
        "failurePolicy": failure_policy if hook.is_staged else IGNORE,
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": hook.timeout_s,
    }
    return {**made, "matchConditions": list(matching)} if matching else made
